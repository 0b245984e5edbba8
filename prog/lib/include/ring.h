/*
 * ring.h - bytes from one VM to another, through memory that neither trusts.
 *
 * A ring has one writer and one reader, which may run at the same time without a
 * lock. Each counts all bytes that it ever moved. The counts never wrap at the size of the
 * ring; their difference is the number of bytes in it.
 *
 * Both sides know the size beforehand, and keep their own count in their own memory. Only
 * the other's count comes from the region: it is read once, and believed only if it is
 * possible. Bytes are copied into and out of the ring, so that the reader's bytes do not
 * change any more. The caller has to check their meaning. Works in mappings of all types.
 */
#ifndef SHMEM_RING_H
#define SHMEM_RING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "copy.h"
#include "order.h"

SHMEM_C_BEGIN

struct shmem_meeting;

/*
 * In the region. Each count has two cache lines of its own, since Intel's CPUs fetch lines
 * in pairs (Optimization Reference Manual, "spatial prefetcher").
 */
struct shmem_ring_counts {
	alignas(128) shmem_atomic(uint64_t) written; /* bytes, by the writer alone */
	alignas(128) shmem_atomic(uint64_t) read;    /* bytes, by the reader alone */
};

/* One end of a ring. You may set copy; the other members are for ring.c only. */
struct shmem_ring {
	struct shmem_ring_counts *counts; /* in the region */
	unsigned char *bytes;       /* in the region, size of them */
	size_t size;                /* a power of two */
	uint64_t mine;              /* our count */
	uint64_t theirs;            /* the other side's count: the last possible value seen */
	enum shmem_order order;
	const struct shmem_meeting *meeting;
	const struct shmem_copy_kernel *copy; /* how bytes are copied; memcpy at first */
};

/* The result of all functions below that return a size, if the other side's count is impossible. */
#define SHMEM_RING_RUBBISH SIZE_MAX

/* The result of reading and writing if we lost our seat, and with it this end of the ring. */
#define SHMEM_RING_LOST (SIZE_MAX - 1)

/*
 * One end of an empty ring. Both ends must be made before either is used; each sets its
 * own count in the region to 0. size is a power of two; order is that of the region. With a
 * meeting, a count is written only while we have our seat there; NULL if nobody can take over
 * this end, or if you check the seat yourself.
 */
struct shmem_ring shmem_ring_writer(struct shmem_ring_counts *counts, void *bytes, size_t size,
				    enum shmem_order order, const struct shmem_meeting *meeting);
struct shmem_ring shmem_ring_reader(struct shmem_ring_counts *counts, void *bytes, size_t size,
				    enum shmem_order order, const struct shmem_meeting *meeting);

/*
 * Writes as many of length bytes as fit now, and returns how many that were: 0
 * if the ring is full, or SHMEM_RING_RUBBISH, or SHMEM_RING_LOST. Never waits. A long write is
 * cut, so that the reader can begin: call it again for the rest.
 */
size_t shmem_ring_write(struct shmem_ring *ring, const void *from, size_t length);

/*
 * Reads as many of length bytes as are there now, and returns how many that
 * were: 0 if the ring is empty, or SHMEM_RING_RUBBISH, or SHMEM_RING_LOST. Never waits. A long
 * read is cut, as a write is.
 */
size_t shmem_ring_read(struct shmem_ring *ring, void *to, size_t length);

/* For the writer: bytes not yet read, or SHMEM_RING_RUBBISH. */
size_t shmem_ring_unread(struct shmem_ring *writer);

/* For the reader: bytes that it can read at once, or SHMEM_RING_RUBBISH. */
size_t shmem_ring_filled(struct shmem_ring *reader);

/*
 * --- In place ---
 *
 * For programs that make their bytes in the ring, or use them there, instead of copying them.
 * The reader's bytes may still change: the writer can write there at any time.
 */

/*
 * Bytes that the writer can write, or the reader read; or SHMEM_RING_RUBBISH. May be fewer than
 * there are, if the result is at least wanted.
 */
size_t shmem_ring_room(struct shmem_ring *writer, size_t wanted);
size_t shmem_ring_available(struct shmem_ring *reader, size_t wanted);

/* Where our next byte is. *contiguous: the bytes from there to the end of the ring's memory. */
unsigned char *shmem_ring_place(const struct shmem_ring *ring, size_t *contiguous);

/*
 * The writer has written that many bytes from its place on; the reader needs that many no longer.
 * The caller has made sure that there were as many. False, and not counted, if we lost our seat.
 */
bool shmem_ring_commit(struct shmem_ring *writer, size_t length);
bool shmem_ring_release(struct shmem_ring *reader, size_t length);

SHMEM_C_END

#endif
