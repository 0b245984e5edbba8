/*
 * interrupt.h - instead of polling: ring other VMs, sleep until one rings here.
 *
 * Needs the VMs to be started with SHMEM_MODE=doorbell: their device then is
 * QEMU's ivshmem-doorbell, which a server on the host connects with the others
 * (QEMU docs/specs/ivshmem-spec). Who is connected is a peer, with an id from 0
 * to 65535 and a number of vectors; a peer rings a vector of another, and who
 * waits for that vector wakes up.
 *
 * The host takes part with -f SOCKET, the server's: the same functions then go
 * through the server's eventfds instead of the device's registers.
 *
 *	struct shmem region;
 *	struct shmem_doorbell *bell = shmem_doorbell_open(&options, &region, true);
 *
 *	shmem_doorbell_ring(bell, 3, 0);
 *	if (shmem_doorbell_wait(bell, 0, shmem_now() + 1000000000))
 *		shmem_print("rung\n");
 *
 * What an interrupt says. "Look again", no more: rings that come close together
 * may arrive as one, and one may arrive that nobody seems to have sent, since it
 * was for an earlier program of this VM. But no ring is forgotten: whatever rings
 * after a wait has returned makes the next one return, also if nobody waits at
 * that moment. The device does not tell whether a peer is there, and a peer that
 * has only just come may not be known to all of them yet: repeat the first ring
 * until it is answered.
 *
 * As in shmem.h, what cannot be done ends the program with one line.
 */
#ifndef INTERRUPT_H
#define INTERRUPT_H

#include "shmem.h"

/* Vectors that a program uses at most; the device may have more. */
enum { SHMEM_VECTORS_MAX = 64 };

enum { SHMEM_PEER_IDS = 65536 };

/* No deadline. */
#define SHMEM_NEVER UINT64_MAX

struct shmem_doorbell;

/*
 * Opens the region, as shmem_open does and in its place, and the doorbell with
 * it. With wait set it can be waited on as well as rung: in a VM one program at
 * a time can have that, as vfio gives a device to one only. Ends the program if
 * this VM's device has no interrupts. One doorbell a program.
 */
struct shmem_doorbell *shmem_doorbell_open(const struct shmem_options *options,
					   struct shmem *region, bool wait);

/* Gives up the interrupts. The region stays mapped. */
void shmem_doorbell_close(struct shmem_doorbell *bell);

/* Our own id, by which others ring us: less than SHMEM_PEER_IDS. */
unsigned int shmem_doorbell_id(const struct shmem_doorbell *bell);

/*
 * How many vectors we have, at most SHMEM_VECTORS_MAX: 0, 1, ... that - 1. On the
 * host more may come, if the server pauses while it hands them out.
 */
unsigned int shmem_doorbell_vectors(const struct shmem_doorbell *bell);

/* Whether we have that one. On the host, waits some seconds for it if need be. */
bool shmem_doorbell_has(const struct shmem_doorbell *bell, unsigned int vector);

/*
 * Interrupts a peer. False if it is known not to be there, or not to have that
 * vector; in a VM it never is known, and such a ring gets lost. Does not order
 * stores in the region before it: fence first.
 */
bool shmem_doorbell_ring(struct shmem_doorbell *bell, unsigned int peer, unsigned int vector);

/*
 * Sleeps until our vector was rung since the last wait for it. Returns the
 * number of interrupts since then, or 0 if it is deadline (by shmem_now, or
 * SHMEM_NEVER) and there was none. A deadline in the past is a look without
 * waiting. Takes next to no CPU meanwhile.
 */
uint64_t shmem_doorbell_wait(struct shmem_doorbell *bell, unsigned int vector,
			     uint64_t deadline);

/*
 * For poll(2) with other files: readable when shmem_doorbell_wait would return
 * at once. The doorbell's: call that to take the interrupt, and do not close it.
 * On the host call it every second, too, so that the server is listened to.
 */
int shmem_doorbell_eventfd(const struct shmem_doorbell *bell, unsigned int vector);

#endif
