/*
 * interrupt.h - interrupts instead of polling: ring other VMs, sleep until one rings us.
 *
 * The VMs must be started with SHMEM_MODE=doorbell. Their device is then QEMU's
 * ivshmem-doorbell, and a server on the host connects it with the others (QEMU
 * docs/specs/ivshmem-spec). Each connected program or VM is a peer, with an id from 0 to
 * 65535 and a number of vectors. A peer rings a vector of another peer, and the program
 * that waits for that vector wakes up.
 *
 * On the host, programs take part with -f SOCKET, the socket of the server. The same
 * functions then use the server's eventfds instead of the device's registers.
 *
 *	struct shmem region;
 *	struct shmem_doorbell *bell = shmem_doorbell_open(&options, &region, true);
 *
 *	shmem_doorbell_ring(bell, 3, 0);
 *	if (shmem_doorbell_wait(bell, 0, shmem_now() + SHMEM_SECOND))
 *		shmem_print("rung\n");
 *
 * An interrupt only means "look again". Rings that come close together may arrive as one.
 * A ring for an earlier program of this VM may still arrive. But no ring is forgotten: a
 * ring after a wait has returned makes the next wait return, even if nobody waits at that
 * moment. The device does not tell whether a peer is connected, and the other VMs may not
 * know a newcomer yet. Therefore repeat the first ring until it is answered.
 *
 * Opening and waiting can fail, and have two forms as errors.h says. The other functions cannot.
 * On the host, they also read what the server sends. If that is wrong, the server counts as one
 * that has ended: connected peers can still ring each other. The next wait fails and says why.
 */
#ifndef SHMEM_INTERRUPT_H
#define SHMEM_INTERRUPT_H

#include "shmem.h"

SHMEM_C_BEGIN

/* Most vectors that a program uses; the device may have more. */
enum { SHMEM_VECTORS_MAX = 64 };

enum { SHMEM_PEER_IDS = 65536 };

/* No deadline. */
#define SHMEM_NEVER UINT64_MAX

struct shmem_doorbell;

/*
 * Opens the region, as shmem_open does, and the doorbell with it. With wait set, the
 * program can also wait for interrupts. vfio gives a device to one program of a VM at a
 * time; with the lab's driver (GUEST_DRIVER=uio) any number can wait. Fails, and returns NULL, if
 * this VM's device has no interrupts, or if no ivshmem server answers at the socket. A program
 * may have one doorbell at a time.
 */
struct shmem_doorbell *shmem_try_doorbell_open(const struct shmem_options *options,
					       struct shmem *region, bool wait,
					       struct shmem_error *error);
struct shmem_doorbell *shmem_doorbell_open(const struct shmem_options *options,
					   struct shmem *region, bool wait);

/*
 * Gives up the interrupts, and frees the doorbell. The region stays mapped: shmem_close unmaps
 * it, but not before this.
 */
void shmem_doorbell_close(struct shmem_doorbell *bell);

/* Our own id, by which others ring us: less than SHMEM_PEER_IDS. */
unsigned int shmem_doorbell_id(const struct shmem_doorbell *bell);

/*
 * The number of our vectors, at most SHMEM_VECTORS_MAX; they count from 0. On the host it
 * may still grow, if the server pauses while it sends them.
 */
unsigned int shmem_doorbell_vectors(const struct shmem_doorbell *bell);

/* Whether we have that vector. On the host, waits for it for some seconds if necessary. */
bool shmem_doorbell_has(const struct shmem_doorbell *bell, unsigned int vector);

/*
 * Interrupts a peer. On the host, returns false if the peer is not connected or does not
 * have that vector. In a VM this is not known: it returns true, and the ring gets lost.
 * Does not order earlier stores in the region: fence first.
 */
bool shmem_doorbell_ring(struct shmem_doorbell *bell, unsigned int peer, unsigned int vector);

/*
 * Sleeps until our vector is rung, or returns at once if it was rung since the last wait.
 * The result is the number of interrupts, or 0 if none came before the deadline (by shmem_now,
 * or SHMEM_NEVER). With a deadline in the past it only looks. Takes nearly no CPU. Fails if the
 * device was taken from the lab's driver, or if the server sent something wrong. It then fails
 * each time, until another doorbell is opened.
 */
bool shmem_try_doorbell_wait(struct shmem_doorbell *bell, unsigned int vector, uint64_t deadline,
			     uint64_t *interrupts, struct shmem_error *error);
uint64_t shmem_doorbell_wait(struct shmem_doorbell *bell, unsigned int vector,
			     uint64_t deadline);

/*
 * For poll(2) with other files: readable when shmem_doorbell_wait would return at once.
 * Call shmem_doorbell_wait to take the interrupt. Do not close the file. On the host also
 * call shmem_doorbell_wait every second, so that the server's messages are read.
 */
int shmem_doorbell_eventfd(const struct shmem_doorbell *bell, unsigned int vector);

SHMEM_C_END

#endif
