/* sleep.c - sleeping until another VM has written. */
#include "sleep.h"

/*
 * Looks at the data between two looks at the clock. Reading the clock costs more than a
 * round trip in VMs whose clock is an emulated device.
 */
enum { LOOKS_PER_READING = 256 };

/*
 * How long to wait for a late interrupt: 4 s. Counted in looks, as shmem_meet_peer counts,
 * so that a peer that was still all that time has been found dead.
 */
enum { LATE_LOOKS = 40 };

struct shmem_sleeper shmem_sleeper_for(struct shmem_doorbell *bell, _Atomic uint64_t *notice,
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
		for (int i = 0; i < LOOKS_PER_READING; i++)
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

/* Waits for an interrupt, with our notice up. *interrupts: how many came. */
static bool wait_for_ring(struct shmem_sleeper *sleeper, uint64_t deadline, uint64_t *interrupts,
			  struct shmem_error *error)
{
	if (!shmem_try_doorbell_wait(sleeper->bell, sleeper->vector, deadline, interrupts, error)) {
		take_down_notice(sleeper);
		return false;
	}
	sleeper->interrupts += *interrupts > 0;
	return true;
}

bool shmem_try_sleep(struct shmem_sleeper *sleeper, bool (*done)(void *context), void *context,
		     uint64_t deadline, bool *is_done, struct shmem_error *error)
{
	uint64_t interrupts = 1;
	bool late = false;

	*is_done = poll_for(sleeper->poll_ns, done, context);
	if (*is_done)
		return true;
	for (;;) {
		put_up_notice(sleeper);
		/* This look, after the notice is up, must not be omitted. */
		*is_done = done(context);
		bool is_unrung = *is_done && !interrupts;
		if (*is_done || !interrupts || late) {
			/* A waker stopped before its look at the notice still has to ring. */
			if (!is_unrung)
				take_down_notice(sleeper);
			sleeper->unrung += is_unrung;
			return true;
		}
		sleeper->sleeps++;
		if (!wait_for_ring(sleeper, deadline, &interrupts, error))
			return false;
		/* One that rings again and again for nothing does not hold us here. */
		late = shmem_now() >= deadline;
	}
}

bool shmem_sleep(struct shmem_sleeper *sleeper, bool (*done)(void *context), void *context,
		 uint64_t deadline)
{
	struct shmem_error error;
	bool is_done;

	if (!shmem_try_sleep(sleeper, done, context, deadline, &is_done, &error))
		shmem_error_end(&error);
	return is_done;
}

bool shmem_try_sleep_arm(struct shmem_sleeper *sleeper, bool (*done)(void *context), void *context,
			 bool *is_done, struct shmem_error *error)
{
	uint64_t interrupts;

	if (!wait_for_ring(sleeper, 0, &interrupts, error))
		return false;
	put_up_notice(sleeper);
	/* As in shmem_try_sleep: a look that must not be omitted. */
	*is_done = done(context);
	if (*is_done)
		take_down_notice(sleeper);
	return true;
}

/*
 * The notice is still up. Without it a waker that was stopped between its store and its
 * look would find no notice, and rightly not ring. With our seat lost, the notice is another's.
 */
bool shmem_try_sleep_late(struct shmem_sleeper *sleeper, struct shmem_meeting *meeting, int seat,
			  bool *came, struct shmem_error *error)
{
	uint64_t interrupts = 0;

	for (int i = 0; i < LATE_LOOKS && !interrupts; i++) {
		if (!wait_for_ring(sleeper, shmem_now() + SHMEM_SLEEP_TURN, &interrupts, error) ||
		    !shmem_try_meet_beat(meeting, error))
			return false;
		shmem_meet_peer(meeting, seat);
	}
	take_down_notice(sleeper);
	*came = interrupts > 0;
	return true;
}

bool shmem_sleep_late(struct shmem_sleeper *sleeper, struct shmem_meeting *meeting, int seat)
{
	struct shmem_error error;
	bool came;

	if (!shmem_try_sleep_late(sleeper, meeting, seat, &came, &error))
		shmem_error_end(&error);
	return came;
}

struct shmem_waker shmem_waker_for(struct shmem_doorbell *bell, const _Atomic uint64_t *notice)
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
