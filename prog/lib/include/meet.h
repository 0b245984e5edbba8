/*
 * meet.h - meetings: two VMs or more run the same program. shmem.h includes it.
 *
 * A meeting is a row of seats in the region, each a line of SHMEM_SEAT_SIZE bytes. Each
 * program takes a seat and waits until living programs have taken all seats. Then all of
 * them have the same session number, which no earlier run had. They may start in any
 * order.
 *
 * Put the session number into everything that you exchange: data without it was left by
 * another run.
 */
#ifndef SHMEM_MEET_H
#define SHMEM_MEET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "errors.h"
#include "language.h"

SHMEM_C_BEGIN

struct shmem;

/* A word in the region that the program holds. Private. */
struct shmem_hold {
	shmem_atomic(uint64_t) *word;
	shmem_atomic(uint64_t) mine; /* the value that we put there; 0: none. Handlers read it. */
};

/* Of a seat, bytes; of a meeting; whichever is free. */
enum { SHMEM_SEAT_SIZE = 64, SHMEM_SEATS_MAX = 16, SHMEM_ANY_SEAT = -1 };

/* Most meetings at a time that the end of the program gives up: shmem_meet_leave_at_end. */
enum { SHMEM_MEETINGS_MAX = 64 };

enum shmem_meet {
	SHMEM_MET,
	SHMEM_NOBODY_CAME, /* not all seats were taken before the timeout */
	SHMEM_SEAT_TAKEN,  /* a program kept the seat until the timeout; below 3 s, perhaps a dead one */
	SHMEM_MEET_FAILED, /* of shmem_try_meet alone: the error is set */
};

enum shmem_peer {
	SHMEM_PEER_LIVES,
	SHMEM_PEER_LEFT, /* gave up its seat, or another program has it now */
	SHMEM_PEER_DIED, /* gave no sign of life for 3 s */
};

/* The end of a peer that does not live, for messages: "died: ..." or "gave up". */
const char *shmem_peer_fate(enum shmem_peer peer);

/* The exit status for that: SHMEM_STATUS_DIED or SHMEM_STATUS_LEFT. */
int shmem_peer_status(enum shmem_peer peer);

/* The state of a seat, as a meeting saw it. Private. */
struct shmem_seat_watch {
	uint64_t seen;  /* last value of its word */
	uint64_t still; /* nanoseconds without a change */
	bool moved;     /* it changed while we looked, so its holder lives */
};

/* Read seats, seat and session; the rest is private. */
struct shmem_meeting {
	int seats;
	int seat;         /* ours: 0 up to seats - 1 */
	uint64_t session; /* the same for all that met, and not 0 */

	struct shmem_seat *row; /* in the region */
	int wanted;       /* the seat that was asked for */
	const char *what;
	uint64_t begun;   /* when, by shmem_now */
	bool told;        /* that we wait */
	struct shmem_hold hold; /* of our seat */
	uint64_t looked;  /* time of our last look at the seats */
	struct shmem_seat_watch watch[SHMEM_SEATS_MAX];
	uint64_t tickets[SHMEM_SEATS_MAX]; /* of all that met */
};

/*
 * Takes the seat, or the first free one for SHMEM_ANY_SEAT, and waits for the others,
 * timeout nanoseconds at most. The row of seats begins offset bytes into the region, a
 * multiple of SHMEM_SEAT_SIZE. what is the meeting's name in messages; it must stay valid. If the
 * result is not SHMEM_MET, we have left, as by shmem_meet_leave. Fails if programs of another
 * layout, or of another size of the region, have used it.
 */
enum shmem_meet shmem_try_meet(struct shmem_meeting *meeting, const struct shmem *region,
			       size_t offset, int seats, int seat, const char *what,
			       uint64_t timeout, struct shmem_error *error);
enum shmem_meet shmem_meet(struct shmem_meeting *meeting, const struct shmem *region,
			   size_t offset, int seats, int seat, const char *what,
			   uint64_t timeout);

/*
 * The same in steps, for a program that does other work while it waits. Begins a meeting, and
 * neither waits nor takes a seat. Until a step returns true, meeting->seat is SHMEM_ANY_SEAT
 * while we have none.
 */
bool shmem_try_meet_begin(struct shmem_meeting *meeting, const struct shmem *region,
			  size_t offset, int seats, int seat, const char *what,
			  struct shmem_error *error);

/*
 * One look at the seats: takes ours, or shows that we live in it. Never blocks. Returns true
 * when all have met. Until then call it every few milliseconds, and at least every 100 ms. To
 * stop waiting, call shmem_meet_leave. A program that was paused for more than 3 s may have lost
 * its seat; the next step takes one again.
 */
bool shmem_meet_step(struct shmem_meeting *meeting);

/*
 * Shows the others that we live. Cheap: call it every few milliseconds, and at least once
 * a second. Fails if our seat was lost, because we were paused for more than 3 s: then call
 * shmem_meet_leave, and meet again.
 */
bool shmem_try_meet_beat(struct shmem_meeting *meeting, struct shmem_error *error);
void shmem_meet_beat(struct shmem_meeting *meeting);

/*
 * Fails if our seat was lost. It is one load: call it before each store of a word that the
 * others take for ours. A program that was paused for long does not know that it lost its seat,
 * and would write into the exchange of two others. A pause between this check and the store goes
 * unnoticed.
 */
bool shmem_try_meet_check(const struct shmem_meeting *meeting, struct shmem_error *error);
void shmem_meet_check(const struct shmem_meeting *meeting);

/*
 * The state of the peer that met us on that seat. Look at its data first: a peer that has
 * finished leaves. Call it at least every 100 ms, as well as shmem_meet_beat: the time
 * between two looks counts as 100 ms at most.
 */
enum shmem_peer shmem_meet_peer(struct shmem_meeting *meeting, int seat);

/* Gives up our seat, if we have one. Then the meeting's memory may be freed or used again. */
void shmem_meet_leave(struct shmem_meeting *meeting);

/*
 * Makes the end of the program give up our seat, as claims are given back: the others learn of
 * it at once, unless SIGKILL or the like ends us. Call it before each shmem_meet or
 * shmem_try_meet_begin, with a zeroed meeting that stays where it is until shmem_meet_leave. Fails
 * if that would be more than SHMEM_MEETINGS_MAX at a time.
 */
bool shmem_try_meet_leave_at_end(struct shmem_meeting *meeting, struct shmem_error *error);
void shmem_meet_leave_at_end(struct shmem_meeting *meeting);

SHMEM_C_END

#endif
