/*
 * chaos.h - shared by the files of __chaos; no other program includes it.
 *
 *	chaos.c    the command line, the pace, and what is printed
 *	targets.c  from the names on the command line to bytes in the region
 *	acts.c     what is done to these bytes
 *
 * acts.c alone writes to the region, and only to the bytes of a target.
 */
#ifndef CHAOS_H
#define CHAOS_H

#include "area.h"
#include "lib/channel_words.h"

enum {
	TARGETS_MAX = SHMEM_AREAS_MAX + SHMEM_CHANNELS,
	PIECE_SIZE = 64, /* bytes; a cache line, and a header of __stream */
	PIECES = 8,
};

/* The order is that of the names in chaos.c. */
enum kind { KIND_BITS, KIND_COUNTS, KIND_BEATS, KIND_NOTICES, KIND_REPLAY, KINDS };

#define KINDS_OF_BYTES (1U << KIND_BITS | 1U << KIND_REPLAY)
#define KINDS_ALL ((1U << KINDS) - 1)

/* Bytes of the region. */
struct part {
	unsigned char *base;
	size_t size;
};

/* Bytes as they were, and their place in the region. */
struct piece {
	unsigned char *at;
	size_t length; /* at most PIECE_SIZE */
	unsigned char bytes[PIECE_SIZE];
};

/*
 * What was named on the command line. Half of the acts on it are in each part, so that the few
 * bytes that matter most are met often: the words of a channel and its ring, or the first page
 * of an area and the rest of it. The seats of a channel are in no part: KIND_BEATS is for them.
 * Otherwise nearly every run would end with a lost seat, whatever kinds were asked for.
 */
struct target {
	const char *name;
	struct shmem_channel_words *channel; /* NULL: an area */
	unsigned int kinds;    /* that are possible here and asked for, a bit each */
	struct part parts[2];  /* the second may be empty */
	uint64_t seats[2];     /* of the channel: their words as they were at our last look */
	struct piece pieces[PIECES]; /* for KIND_REPLAY */
};

struct chaos {
	struct shmem_options options;
	struct shmem region;
	struct target targets[TARGETS_MAX];
	size_t targets_count;
	unsigned int only;     /* kinds, a bit each */
	uint64_t seed, drawn;  /* drawn: the state of draw() */
	uint64_t acts;         /* to do; 0: until the duration is over */
	uint64_t duration;     /* nanoseconds */
	uint64_t interval;     /* nanoseconds from one act to the next */
	bool verbose;
	uint64_t done[KINDS];
};

/* One change of bytes. */
struct act {
	enum kind kind;
	const struct target *target;
	unsigned char *at;
	size_t length; /* 8: a word */
	unsigned char before[PIECE_SIZE], after[PIECE_SIZE];
};

/* --- targets.c ------------------------------------------------------------- */

/* Whether it is the name of a channel. A wrong one ends the program with status 2. */
bool names_channel(const char *name, uint64_t *number);

/* The kinds of acts that are possible in all that has such a name. */
unsigned int kinds_for(const char *name);

/* Finds the target in the region. Ends the program if it is not there. */
void add_target(struct chaos *c, const char *name);

/* --- acts.c ---------------------------------------------------------------- */

/* To be called once, when all targets are there. */
void prepare_acts(struct chaos *c);

/* Does the next act. Its kind and its place depend on the seed alone. */
struct act do_act(struct chaos *c);

#endif
