/*
 * sleep.h - sleep until another VM has written, without ever missing it.
 *
 * A sleeper puts up a notice, a word of its own in the region: "I sleep, ring me at this
 * id and vector". A waker first writes its data, then looks at the notice, and rings if
 * there is one. While nobody sleeps, waking costs a fence and a load. Each sleep is rung
 * once, however much is written.
 *
 * No wake-up gets lost, since each side writes its own word before it reads the other's,
 * with a full fence between:
 *
 *	sleeper: notice = asleep;  fence;  look at the data;  wait if it is not there
 *	waker:   data = new;       fence;  look at the notice;  ring if there is one
 *
 * Whichever fence comes first, the other side sees the word written before it. Release
 * and acquire would not suffice: x86 lets a load overtake an earlier store (Intel SDM
 * volume 3, 8.2.3.4), and then both sides may miss the other's word.
 *
 *	struct shmem_sleeper sleeper = shmem_sleeper_for(bell, &mine->notice, 0, poll_ns);
 *	while (!shmem_sleep(&sleeper, has_data, ring, shmem_now() + SHMEM_SLEEP_TURN))
 *		shmem_meet_beat(&meeting);
 *
 *	struct shmem_waker waker = shmem_waker_for(bell, &theirs->notice);
 *	atomic_store_explicit(&mine->data, value, memory_order_relaxed);
 *	shmem_wake(&waker);
 */
#ifndef SHMEM_SLEEP_H
#define SHMEM_SLEEP_H

#include "interrupt.h"
#include "units.h"

SHMEM_C_BEGIN

/* The longest sleep of a program in a meeting: shmem_meet_peer needs calls that often. */
#define SHMEM_SLEEP_TURN (100 * SHMEM_MS)

/*
 * Sleeps that may end without an interrupt before the first interrupt ever: the VMs may
 * not all know one another yet.
 */
enum { SHMEM_FIRST_TRIES = 40 };

/*
 * A notice in the region: 0 while awake, otherwise, from the top bits down, the number of
 * the sleep, the id, and the vector.
 */
#define SHMEM_NOTICE(sleep, id, vector) \
	((uint64_t)(sleep) << 32 | (uint64_t)(id) << 16 | (uint64_t)(vector))

/* The side that waits. Programs may read the counts; the rest is private. */
struct shmem_sleeper {
	uint64_t sleeps;     /* waits for an interrupt */
	uint64_t interrupts; /* waits ended by an interrupt */
	uint64_t unrung;     /* waits ended by the deadline, although done() was true */

	struct shmem_doorbell *bell;
	shmem_atomic(uint64_t) *notice;
	unsigned int vector;
	uint64_t poll_ns;
	uint32_t number; /* of the last sleep; never 0 */
};

/*
 * A sleeper on one vector of a doorbell that was opened for waiting. Nothing else may use
 * the vector. notice is in the region, and only we write to it. Polls for poll_ns
 * nanoseconds before it sleeps; 0: does not poll.
 */
struct shmem_sleeper shmem_sleeper_for(struct shmem_doorbell *bell, shmem_atomic(uint64_t) *notice,
				       unsigned int vector, uint64_t poll_ns);

/*
 * Returns true as soon as done(context) does, or false at the deadline (by shmem_now, or
 * SHMEM_NEVER). The program that writes the data for done() must then call shmem_wake for
 * our notice. done() is called any number of times. It must order later reads itself, by an
 * acquire.
 *
 * A waker does not ring if it dies between its store and its ring, or if its VM does not
 * know us yet. Therefore choose a deadline by which being late does no harm, and call
 * again.
 */
bool shmem_sleep(struct shmem_sleeper *sleeper, bool (*done)(void *context), void *context,
		 uint64_t deadline);

/*
 * The same for a program that goes on after an error: fails as shmem_try_doorbell_wait does.
 * *is_done: what shmem_sleep returns.
 */
bool shmem_try_sleep(struct shmem_sleeper *sleeper, bool (*done)(void *context), void *context,
		     uint64_t deadline, bool *is_done, struct shmem_error *error);

/*
 * For poll(2) on shmem_doorbell_eventfd, instead of sleeping: takes the interrupts so far, puts up
 * our notice, and then sets *is_done to done(context). If that is false, the next write of the
 * other side makes the file readable; poll for SHMEM_SLEEP_TURN at most, and call this again.
 * Fails as shmem_try_doorbell_wait does.
 */
bool shmem_try_sleep_arm(struct shmem_sleeper *sleeper, bool (*done)(void *context), void *context,
			 bool *is_done, struct shmem_error *error);

/*
 * To be called directly after shmem_sleep has counted one more unrung. Waits for the late
 * interrupt, and shows meanwhile that we live. Returns true if it came. False means that
 * it did not come for longer than a living peer can be still: either the holder of that
 * seat died or left (shmem_meet_peer tells), or the interrupt was lost.
 */
bool shmem_sleep_late(struct shmem_sleeper *sleeper, struct shmem_meeting *meeting, int seat);

/*
 * The same for a program that goes on after an error: fails as shmem_try_doorbell_wait or
 * shmem_try_meet_beat does. *came: what shmem_sleep_late returns.
 */
bool shmem_try_sleep_late(struct shmem_sleeper *sleeper, struct shmem_meeting *meeting, int seat,
			  bool *came, struct shmem_error *error);

/* The side that writes. Programs may read rings; the rest is private. */
struct shmem_waker {
	uint64_t rings;

	struct shmem_doorbell *bell;
	const shmem_atomic(uint64_t) *notice;
	uint64_t answered; /* the last notice that we rang for */
};

/* For the notice of one sleeper, in the region. */
struct shmem_waker shmem_waker_for(struct shmem_doorbell *bell,
				   const shmem_atomic(uint64_t) *notice);

/* Call this after each store that the sleeper may wait for. */
void shmem_wake(struct shmem_waker *waker);

SHMEM_C_END

#endif
