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
#ifndef RING_H
#define RING_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

struct shmem_meeting;

/* In the region. Each count is on a cache line of its own, so that stores do not collide. */
struct shmem_ring_counts {
	_Alignas(64) _Atomic uint64_t written; /* bytes, by the writer alone */
	_Alignas(64) _Atomic uint64_t read;    /* bytes, by the reader alone */
};

/* One end of a ring. Its members are for ring.c only. */
struct shmem_ring {
	struct shmem_ring_counts *counts; /* in the region */
	unsigned char *bytes;       /* in the region, size of them */
	size_t size;                /* a power of two */
	uint64_t mine;              /* our count */
	uint64_t theirs;            /* the other side's count: the last possible value seen */
	const struct shmem_meeting *meeting;
};

/* The result of all functions below if the other side's count is impossible. */
#define SHMEM_RING_RUBBISH SIZE_MAX

/*
 * One end of an empty ring. Both ends must be made before either is used; each sets its
 * own count in the region to 0. size is a power of two. With a meeting, a count is written
 * only while we have our seat there; NULL if nobody can take over this end.
 */
struct shmem_ring shmem_ring_writer(struct shmem_ring_counts *counts, void *bytes, size_t size,
			const struct shmem_meeting *meeting);
struct shmem_ring shmem_ring_reader(struct shmem_ring_counts *counts, void *bytes, size_t size,
			const struct shmem_meeting *meeting);

/*
 * Writes as many of length bytes as fit now, and returns how many that were: 0
 * if the ring is full, or SHMEM_RING_RUBBISH. Never waits. A long write is cut, so
 * that the reader can begin: call it again for the rest.
 */
size_t shmem_ring_write(struct shmem_ring *ring, const void *from, size_t length);

/*
 * Reads as many of length bytes as are there now, and returns how many that
 * were: 0 if the ring is empty, or SHMEM_RING_RUBBISH. Never waits. A long read is
 * cut, as a write is.
 */
size_t shmem_ring_read(struct shmem_ring *ring, void *to, size_t length);

/* For the writer: bytes not yet read, or SHMEM_RING_RUBBISH. */
size_t shmem_ring_unread(struct shmem_ring *writer);

/* For the reader: bytes that it can read at once, or SHMEM_RING_RUBBISH. */
size_t shmem_ring_filled(struct shmem_ring *reader);

#endif
