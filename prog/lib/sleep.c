/* sleep.c - sleeping until another VM has written. */
#include "sleep.h"

/*
 * Looks at the data between two looks at the clock. Reading the clock costs more than a
 * round trip in VMs whose clock is an emulated device.
 */
enum { LOOKS_A_CLOCK = 256 };

/*
 * How long to wait for a late interrupt: 4 s. Counted in looks, as shmem_meet_peer counts,
 * so that a peer that was still all that time has been found dead.
 */
enum { LATE_LOOKS = 40 };

struct shmem_sleeper shmem_sleeper(struct shmem_doorbell *bell, _Atomic uint64_t *notice,
				   unsigned int vector, uint64_t poll_ns)
{
	assert(vector < shmem_doorbell_vectors(bell));
	/* A notice that an earlier run left there belongs to nobody. */
	atomic_store_explicit(notice, 0, memory_order_relaxed);
	return (struct shmem_sleeper){
		.bell = bell, .notice = notice, .vector = vector, .poll_ns = poll_ns,
		/* Random, so that no waker has answered the same notice of an earlier program. */
		.number = (uint32_t)shmem_random(),
	};
}

/* Looks again and again for that many nanoseconds. */
static bool poll_for(uint64_t duration, bool (*done)(void *context), void *context)
{
	uint64_t begin = 0;

	if (duration == 0)
		return done(context);
	for (;;) {
		for (int i = 0; i < LOOKS_A_CLOCK; i++)
			if (done(context))
				return true;
		uint64_t now = shmem_now();
		if (begin == 0)
			begin = now;
		if (now - begin >= duration)
			return false;
	}
}

/* Each sleep has a new number, so that a waker does not take it for the sleep before. */
static void put_up_notice(struct shmem_sleeper *sleeper)
{
	sleeper->number += sleeper->number == UINT32_MAX ? 2 : 1;
	uint64_t notice = SHMEM_NOTICE(sleeper->number, shmem_doorbell_id(sleeper->bell),
				       sleeper->vector);

	atomic_store_explicit(sleeper->notice, notice, memory_order_relaxed);
	shmem_fence(); /* pairs with the one in shmem_wake: store, fence, load on both sides */
}

/* A waker that saw the notice just before may still ring; it then wakes us once too often. */
static void take_down_notice(struct shmem_sleeper *sleeper)
{
	atomic_store_explicit(sleeper->notice, 0, memory_order_relaxed);
}

bool shmem_sleep(struct shmem_sleeper *sleeper, bool (*done)(void *context), void *context,
		 uint64_t deadline)
{
	uint64_t interrupts = 1;

	if (poll_for(sleeper->poll_ns, done, context))
		return true;
	for (;;) {
		put_up_notice(sleeper);
		/* This look, after the notice is up, must not be omitted. */
		bool is_done = done(context);
		bool is_unrung = is_done && !interrupts;
		if (is_done || !interrupts) {
			/* A waker stopped before its look at the notice still has to ring. */
			if (!is_unrung)
				take_down_notice(sleeper);
			sleeper->unrung += is_unrung;
			return is_done;
		}
		sleeper->sleeps++;
		interrupts = shmem_doorbell_wait(sleeper->bell, sleeper->vector, deadline);
		sleeper->interrupts += interrupts > 0;
	}
}

/*
 * The notice is still up. Without it a waker that was stopped between its store and its
 * look would find no notice, and rightly not ring.
 */
bool shmem_sleep_late(struct shmem_sleeper *sleeper, struct shmem_meeting *meeting, int seat)
{
	uint64_t interrupts = 0;

	for (int i = 0; i < LATE_LOOKS && !interrupts; i++) {
		interrupts = shmem_doorbell_wait(sleeper->bell, sleeper->vector,
						 shmem_now() + SHMEM_SLEEP_TURN);
		shmem_meet_beat(meeting);
		shmem_meet_peer(meeting, seat);
	}
	take_down_notice(sleeper);
	sleeper->interrupts += interrupts > 0;
	return interrupts > 0;
}

struct shmem_waker shmem_waker(struct shmem_doorbell *bell, const _Atomic uint64_t *notice)
{
	return (struct shmem_waker){ .bell = bell, .notice = notice };
}

void shmem_wake(struct shmem_waker *waker)
{
	shmem_fence(); /* pairs with the one in put_up_notice */
	/* The other VM's word: read once, checked, and answered once. */
	uint64_t notice = atomic_load_explicit(waker->notice, memory_order_relaxed);
	unsigned int id = notice >> 16 & (SHMEM_PEER_IDS - 1);
	unsigned int vector = notice & 0xffff;

	if (notice >> 32 == 0 || notice == waker->answered || vector >= SHMEM_VECTORS_MAX)
		return;
	/* False: the peer is not known yet, but may be the next time. */
	if (!shmem_doorbell_ring(waker->bell, id, vector))
		return;
	waker->answered = notice;
	waker->rings++;
}
