/*
 * sleep.h - sleep until another VM has written, and be woken without being late.
 *
 * Who waits for something in the region puts up a notice there, a word of its
 * own: "I sleep, ring me at this id and vector". Who writes looks at the notice
 * afterwards, and rings if it finds one. As long as nobody sleeps, a wake costs a
 * fence and a load; there is one ring for each sleep, however much is written.
 *
 * No wake-up gets lost, since each side writes its own word before it reads the
 * other's, with a full fence between:
 *
 *	sleeper: notice = asleep;  fence;  look at the data;  wait if it is not there
 *	waker:   data = new;       fence;  look at the notice;  ring if there is one
 *
 * In whatever order the fences come, one of the two sees what the other wrote. A
 * release and an acquire would not do: x86 lets a load overtake a store before it
 * (Intel SDM volume 3, 8.2.3.4), and then both may see nothing.
 *
 *	struct shmem_sleeper sleeper = shmem_sleeper(bell, &mine->notice, 0, poll_ns);
 *	while (!shmem_sleep(&sleeper, has_data, ring, shmem_now() + 100000000))
 *		shmem_meet_beat(&meeting);
 *
 *	struct shmem_waker waker = shmem_waker(bell, &theirs->notice);
 *	atomic_store_explicit(&mine->data, value, memory_order_relaxed);
 *	shmem_wake(&waker);
 */
#ifndef SLEEP_H
#define SLEEP_H

#include "interrupt.h"
#include "units.h"

/* One sleep of a program that meets others: shmem_meet_peer needs calls that often. */
#define SHMEM_SLEEP_TURN (100 * MS)

/*
 * Sleeps that may end without an interrupt before the first one ever came: the VMs may
 * not all have heard of one another yet.
 */
enum { SHMEM_FIRST_TRIES = 40 };

/*
 * A notice, as it is in the region: 0 while awake, otherwise from the top bits
 * down the number of the sleep, the id, and the vector.
 */
#define SHMEM_NOTICE(sleep, id, vector) \
	((uint64_t)(sleep) << 32 | (uint64_t)(id) << 16 | (uint64_t)(vector))

/* Who waits. The counts are there to be read; the rest is private. */
struct shmem_sleeper {
	uint64_t sleeps;     /* times that it waited for an interrupt */
	uint64_t interrupts; /* times that one ended that */
	uint64_t unrung;     /* times that a deadline did, and it was done nevertheless */

	struct shmem_doorbell *bell;
	_Atomic uint64_t *notice;
	unsigned int vector;
	uint64_t poll_ns;
	uint32_t number; /* of the last sleep; never 0 */
};

/*
 * Waits with a doorbell opened for that, on one of its vectors, which is
 * nobody else's. notice is in the region, and ours alone to write. Before it
 * sleeps it looks again and again for poll_ns nanoseconds; 0 for not at all.
 */
struct shmem_sleeper shmem_sleeper(struct shmem_doorbell *bell, _Atomic uint64_t *notice,
				   unsigned int vector, uint64_t poll_ns);

/*
 * Returns true as soon as done(context) does, false if it is deadline (by
 * shmem_now, or SHMEM_NEVER) and it does not. What done looks at must be written
 * by somebody who then calls shmem_wake for our notice. It is called any number
 * of times, and is itself to order what is read after it, by an acquire.
 *
 * A waker that died between its store and its ring, or one whose VM has not heard
 * of us yet, does not ring: choose the deadline so that being late by that much
 * does no harm, and call again.
 */
bool shmem_sleep(struct shmem_sleeper *sleeper, bool (*done)(void *context), void *context,
		 uint64_t deadline);

/*
 * After shmem_sleep has counted one more unrung, with nothing in between: waits
 * for that interrupt, which is late, and shows meanwhile that we live. True if it
 * came. False if it did not for longer than who lives can be still: the holder of
 * that seat has died or left then (shmem_meet_peer tells), or it was lost.
 */
bool shmem_sleep_late(struct shmem_sleeper *sleeper, struct shmem_meeting *meeting, int seat);

/* Who writes. The count is there to be read; the rest is private. */
struct shmem_waker {
	uint64_t rings;

	struct shmem_doorbell *bell;
	const _Atomic uint64_t *notice;
	uint64_t answered; /* the last notice that we rang for */
};

/* For the notice of one sleeper, in the region. */
struct shmem_waker shmem_waker(struct shmem_doorbell *bell, const _Atomic uint64_t *notice);

/* To be called after each store that the sleeper may wait for. */
void shmem_wake(struct shmem_waker *waker);

#endif
