/*
 * watch.h - shared by the files of __shmem watch.
 *
 *	watch.c       look, show, again
 *	watch_look.c  what the words in the region say
 *	watch_text.c  the screen
 *	watch_json.c  the record
 *	terminal.c    redrawing, and the key that ends it
 *
 * All that is read was written by others. It is judged and shown, but never the size of
 * anything here, nor an index.
 */
#ifndef WATCH_H
#define WATCH_H

#include "lib/channel_words.h"
#include "lib/hold.h"
#include "peers.h"

/* Time between two looks. Times without a beat are counted in looks, as in claim.c. */
#define WATCH_LOOK (100 * SHMEM_MS)

enum { WATCH_MEETINGS = 4 };

enum holder { HOLDER_NONE, HOLDER_LIVES, HOLDER_STALE, HOLDER_IMPOSSIBLE };

/* The word of a claim or a seat. */
struct watched_word {
	uint64_t seen;
	uint64_t still; /* nanoseconds without a change, as far as we looked */
};

/* A row of seats, but for those of __stream. */
struct watched_meeting {
	const char *name;
	size_t offset; /* of the seats in the region */
	int seats;
	struct watched_word words[SHMEM_SEATS_MAX];
	bool agreed;   /* two or more seats are taken, and all of them show the same session */
};

/* The sender or the receiver of a channel. */
struct watched_side {
	struct watched_word seat;
	bool asleep;             /* its notice is up; to be rung at: */
	unsigned int id, vector;
	char name[SHMEM_LAYOUT_PEER_NAME + 1]; /* of the peer with that id; "" if not known */
	uint64_t wanted;         /* the other side's count at which to wake it */
	uint64_t missing;        /* what that count lacks */
	bool impossible;         /* its notice, or what it wants */
};

/* The answer to "why does it hang?" */
enum channel_verdict {
	CHANNEL_IDLE,
	CHANNEL_FLOWS,
	CHANNEL_NO_SENDER,
	CHANNEL_NO_RECEIVER,
	CHANNEL_NO_SESSION,
	CHANNEL_RECEIVER_STALE,
	CHANNEL_SENDER_STALE,
	CHANNEL_BOTH_STALE,
	CHANNEL_UNREAD,
	CHANNEL_UNWRITTEN,
	CHANNEL_RECEIVER_ASLEEP,
	CHANNEL_SENDER_ASLEEP,
	CHANNEL_IMPOSSIBLE,
};

struct watched_channel {
	bool used;              /* a word is not 0 */
	struct watched_side sides[2]; /* by seat */
	uint64_t session;       /* that both sides have opened; 0: none */
	uint64_t written, read; /* counts of bytes, as the two sides tell them */
	uint64_t accepted;
	bool possible;          /* these counts */
	size_t fill;            /* bytes in the ring; at most its size */
	unsigned int unread;    /* looks in a row at bytes that nobody read meanwhile */

	/* Since watch_begin_turn. */
	uint64_t read_then;
	bool read_moved, written_moved;

	/* By watch_judge. */
	double mb_per_s;        /* into the receiver; NAN if that cannot be told */
	enum channel_verdict verdict;
};

struct region_watch {
	struct shmem_options options;
	struct shmem region;    /* cannot be written to */
	size_t ring_size;       /* of each channel, bytes; 0: there is no room for rings */
	uint64_t began, turn_began;
	struct watched_word claims[CLAIMS_IN_PAGE];
	struct watched_meeting meetings[WATCH_MEETINGS];
	struct watched_channel channels[SHMEM_CHANNELS];
};

/* --- watch.c -------------------------------------------------------------- */

/* Shows the region each second, for duration nanoseconds; 0: until it is ended. */
void watch_region(const struct shmem_options *options, uint64_t duration);

/* --- watch_look.c --------------------------------------------------------- */

/* Opens the region for reading, and looks for the first time. */
void watch_open(struct region_watch *watch, const struct shmem_options *options);

/* To be called every WATCH_LOOK. */
void watch_look(struct region_watch *watch);

/* From one to the other: the time that rates and verdicts are about. */
void watch_begin_turn(struct region_watch *watch);
void watch_judge(struct region_watch *watch);

enum holder watch_holder(const struct watched_word *word);
extern const char *const watch_holder_names[];

/* The name of a claim, or NULL. */
const char *watch_claim_name(size_t claim);

/* Whether a seat in the row is taken. */
bool watch_is_taken(const struct watched_meeting *meeting);

/* Whether both sides' counts mean something: the bytes in the ring and their rate. */
bool watch_has_counts(const struct watched_channel *channel);

const char *watch_verdict_text(enum channel_verdict verdict);

/* --- watch_text.c, watch_json.c ------------------------------------------- */

void watch_print(const struct region_watch *watch);
void watch_record(const struct region_watch *watch);

/* --- terminal.c ----------------------------------------------------------- */

/*
 * If stdout is a terminal: from now on it is a screen that is redrawn, and keys are read at
 * once. The end of the program leaves the last screen, and the terminal as it was.
 */
void terminal_begin(void);

/* Before and after the lines of a screen. On no terminal, an empty line ends each. */
void terminal_home(void);
void terminal_finish(void);

/* Waits for that long, nanoseconds. True as soon as the key q was pressed. */
bool terminal_wait(uint64_t duration);

#endif
