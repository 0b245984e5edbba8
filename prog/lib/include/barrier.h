/*
 * barrier.h - programs that met wait for each other: none goes on before all have come.
 *
 * Each has a word in the region that says how many barriers it has reached, and is the only one
 * that writes it. There is no read-modify-write, so a barrier also works between VMs whose
 * atomics are not atomic. All that a program stored before a barrier is seen by all after it, in
 * mappings of all types.
 *
 *	struct shmem_barrier barrier = shmem_barrier_of(&meeting, region.base + offset);
 *	int seat;
 *
 *	enum shmem_peer peer = shmem_barrier_wait(&barrier, &seat);
 *	if (peer != SHMEM_PEER_LIVES)
 *		shmem_fail(shmem_peer_status(peer), "seat %d %s", seat, shmem_peer_fate(peer));
 */
#ifndef SHMEM_BARRIER_H
#define SHMEM_BARRIER_H

#include <stdbool.h>
#include <stdint.h>

#include "shmem.h"

SHMEM_C_BEGIN

/*
 * In the region: one for each seat, side by side. The session + the barriers reached, so that a
 * word that an earlier run left is far from those of this one.
 */
struct shmem_barrier_step {
	alignas(128) shmem_atomic(uint64_t) reached;
};

/* Private. */
struct shmem_barrier {
	struct shmem_meeting *meeting;
	struct shmem_barrier_step *steps; /* in the region */
	uint64_t reached;                 /* by us: session + barriers */
};

/*
 * A barrier for all seats of a meeting, to be made after SHMEM_MET. steps is where their words are
 * in the region, a multiple of 128: one struct shmem_barrier_step a seat. The meeting must
 * last as long as the barrier.
 */
struct shmem_barrier shmem_barrier_of(struct shmem_meeting *meeting,
				      struct shmem_barrier_step *steps);

/*
 * Returns SHMEM_PEER_LIVES when all have called it as often as we have. Otherwise sets *seat to a
 * peer that has not, and returns how that one ended; do not call it again. Shows meanwhile
 * that we live. Fails if our seat was lost, as shmem_try_meet_beat does.
 */
enum shmem_peer shmem_barrier_wait(struct shmem_barrier *barrier, int *seat);

/* The same for a program that goes on after an error. *peer: what shmem_barrier_wait returns. */
bool shmem_try_barrier_wait(struct shmem_barrier *barrier, int *seat, enum shmem_peer *peer,
			    struct shmem_error *error);

/* --- The parts of it, for programs that do something else meanwhile --- */

/*
 * Shows the others that we have reached the next barrier, and that we live. Fails if our seat was
 * lost.
 */
bool shmem_try_barrier_arrive(struct shmem_barrier *barrier, struct shmem_error *error);
void shmem_barrier_arrive(struct shmem_barrier *barrier);

/*
 * Whether the peer on that seat has reached the barrier at which we have arrived. If so, all that
 * it stored before is seen by our later loads. It may be at the next barrier already.
 */
bool shmem_barrier_reached(const struct shmem_barrier *barrier, int seat);

/*
 * Shows again that we have arrived, since another program may have overwritten it, and that we
 * live. Call it every few milliseconds while you wait. Fails if our seat was lost.
 */
bool shmem_try_barrier_renew(struct shmem_barrier *barrier, struct shmem_error *error);
void shmem_barrier_renew(struct shmem_barrier *barrier);

SHMEM_C_END

#endif
