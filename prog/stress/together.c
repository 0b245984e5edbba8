/* together.c - how the participants of __stress run in step. */
#include "stress.h"

#include <stdio.h>
#include <stdlib.h>

#include "turn.h"

enum { CLOCK_EVERY = 64 }; /* operations between two readings of the clock */

/* --- Barriers ------------------------------------------------------------- */

/* Ends the program if another participant saw a violation. */
static void look_for_verdict(const struct stress *s, int seat)
{
	uint64_t verdict = load(&desk(s, seat)->verdict) - s->meeting.session - 1;
	char account[64];

	if (verdict >= CHECKS)
		return;
	snprintf(account, sizeof(account), "seen by participant %d, which prints the details", seat);
	end_with(s, (enum check)verdict, account);
}

static void look_after(struct stress *s, int seat, enum shmem_peer peer)
{
	look_for_verdict(s, seat);
	if (peer != SHMEM_PEER_LIVES)
		shmem_fail(shmem_peer_status(peer), "participant %d %s", seat, shmem_peer_fate(peer));
}

void wait_for(struct stress *s, int seat, struct wait *wait)
{
	if (wait->peer != SHMEM_PEER_LIVES)
		look_after(s, seat, wait->peer);
	if (!shmem_wait_turn(&wait->turns))
		return;
	shmem_barrier_renew(&s->barrier);
	wait->peer = shmem_meet_peer(&s->meeting, seat);
	look_for_verdict(s, seat);
}

void barrier(struct stress *s)
{
	shmem_barrier_arrive(&s->barrier);
	for (int seat = 0; seat < s->participants; seat++) {
		struct wait wait = { 0 };

		while (!shmem_barrier_reached(&s->barrier, seat))
			wait_for(s, seat, &wait);
	}
}

/* --- Slices of time ------------------------------------------------------- */

bool go_on(const struct stress *s, struct slice *slice)
{
	if (slice->operations++ % CLOCK_EVERY != 0)
		return true;
	shmem_meet_check(&s->meeting);
	uint64_t now = shmem_now();

	if (!slice->end)
		slice->end = now + SLICE_NS;
	return now < slice->end;
}

/* --- Counts --------------------------------------------------------------- */

uint64_t sum_of_counts(const struct stress *s)
{
	uint64_t sum = 0;

	for (int seat = 0; seat < s->participants; seat++)
		sum += load(&desk(s, seat)->count);
	return sum;
}
