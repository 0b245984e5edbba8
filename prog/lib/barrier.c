/*
 * barrier.c - programs that met wait for each other, see barrier.h.
 *
 * A barrier is rare, so its fences are full ones in every mapping.
 */
#include "barrier.h"

#include <assert.h>

#include "turn.h"

struct shmem_barrier shmem_barrier_of(struct shmem_meeting *meeting,
				      struct shmem_barrier_step *steps)
{
	assert((uintptr_t)steps % sizeof(*steps) == 0);
	return (struct shmem_barrier){
		.meeting = meeting, .steps = steps, .reached = meeting->session
	};
}

bool shmem_try_barrier_renew(struct shmem_barrier *barrier, struct shmem_error *error)
{
	shmem_fence(); /* pairs with the one in shmem_barrier_reached: earlier stores are seen */
	if (!shmem_try_meet_beat(barrier->meeting, error))
		return false;
	atomic_store_explicit(&barrier->steps[barrier->meeting->seat].reached, barrier->reached,
			      memory_order_relaxed);
	shmem_fence(); /* out of the write-combining buffer */
	return true;
}

void shmem_barrier_renew(struct shmem_barrier *barrier)
{
	struct shmem_error error;

	if (!shmem_try_barrier_renew(barrier, &error))
		shmem_error_end(&error);
}

bool shmem_try_barrier_arrive(struct shmem_barrier *barrier, struct shmem_error *error)
{
	barrier->reached++;
	return shmem_try_barrier_renew(barrier, error);
}

void shmem_barrier_arrive(struct shmem_barrier *barrier)
{
	struct shmem_error error;

	if (!shmem_try_barrier_arrive(barrier, &error))
		shmem_error_end(&error);
}

bool shmem_barrier_reached(const struct shmem_barrier *barrier, int seat)
{
	uint64_t reached = atomic_load_explicit(&barrier->steps[seat].reached,
						memory_order_relaxed);

	if (reached - barrier->reached > 1)
		return false;
	shmem_fence(); /* pairs with the first one in shmem_try_barrier_renew */
	return true;
}

/* A peer that has ended is looked at once more: it may have arrived just before. */
static bool wait_for_seat(struct shmem_barrier *barrier, int seat, enum shmem_peer *peer,
			  struct shmem_error *error)
{
	unsigned int turns = 0;

	*peer = SHMEM_PEER_LIVES;
	while (!shmem_barrier_reached(barrier, seat)) {
		if (*peer != SHMEM_PEER_LIVES)
			return true;
		if (!shmem_wait_turn(&turns))
			continue;
		if (!shmem_try_barrier_renew(barrier, error))
			return false;
		*peer = shmem_meet_peer(barrier->meeting, seat);
	}
	*peer = SHMEM_PEER_LIVES;
	return true;
}

bool shmem_try_barrier_wait(struct shmem_barrier *barrier, int *seat, enum shmem_peer *peer,
			    struct shmem_error *error)
{
	if (!shmem_try_barrier_arrive(barrier, error))
		return false;
	for (int other = 0; other < barrier->meeting->seats; other++) {
		if (!wait_for_seat(barrier, other, peer, error))
			return false;
		if (*peer != SHMEM_PEER_LIVES) {
			*seat = other;
			break;
		}
	}
	return true;
}

enum shmem_peer shmem_barrier_wait(struct shmem_barrier *barrier, int *seat)
{
	struct shmem_error error;
	enum shmem_peer peer;

	if (!shmem_try_barrier_wait(barrier, seat, &peer, &error))
		shmem_error_end(&error);
	return peer;
}
