/*
 * ring.h - bytes from one VM to another, through memory that neither trusts.
 *
 * A ring has one writer and one reader, who may run at the same time without a
 * lock. Both count all the bytes that they ever moved; the counts are free
 * running, and their difference is what lies in the ring.
 *
 * The size is agreed on beforehand and the own count is kept here: from the
 * region comes nothing but the other's count, which is read once and believed
 * only if it is possible. Bytes are copied into and out of the ring, so what
 * the reader got does not change any more; what it means is the caller's to
 * check. Works in mappings of all types.
 */
#ifndef RING_H
#define RING_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

struct shmem_meeting;

/* In the region. One cache line a writer: neither slows the other's stores. */
struct shmem_ring_counts {
	_Alignas(64) _Atomic uint64_t written; /* bytes, by the writer alone */
	_Alignas(64) _Atomic uint64_t read;    /* bytes, by the reader alone */
};

/* One end of a ring. Its members are for ring.c only. */
struct shmem_ring {
	struct shmem_ring_counts *counts; /* in the region */
	unsigned char *bytes;       /* in the region, size of them */
	size_t size;                /* a power of two */
	uint64_t mine;              /* the own count */
	uint64_t theirs;            /* the other's, as last seen and found possible */
	const struct shmem_meeting *meeting;
};

/* What ring_write and ring_read answer when the other's count is impossible. */
#define SHMEM_RING_RUBBISH SIZE_MAX

/*
 * An end of an empty ring. Both ends must be made before either is used, and
 * each makes the own count 0 in the region: ring_writer the count of what is
 * written, ring_reader the one of what is read. Size is a power of two. meeting is
 * what makes this end ours, or NULL if nobody can take it over: a count is written
 * only while we have our seat there.
 */
struct shmem_ring shmem_ring_writer(struct shmem_ring_counts *counts, void *bytes, size_t size,
			const struct shmem_meeting *meeting);
struct shmem_ring shmem_ring_reader(struct shmem_ring_counts *counts, void *bytes, size_t size,
			const struct shmem_meeting *meeting);

/*
 * Writes as many of length bytes as fit now, and returns how many that were: 0
 * if the ring is full, or SHMEM_RING_RUBBISH. Never waits. A long write is cut, so
 * that the reader can begin with it meanwhile: go on with the rest.
 */
size_t shmem_ring_write(struct shmem_ring *ring, const void *from, size_t length);

/*
 * Reads as many of length bytes as are there now, and returns how many that
 * were: 0 if the ring is empty, or SHMEM_RING_RUBBISH. Never waits. A long read is
 * cut, as a write is.
 */
size_t shmem_ring_read(struct shmem_ring *ring, void *to, size_t length);

/* Bytes that the writer has written and the reader not yet read, or SHMEM_RING_RUBBISH. */
size_t shmem_ring_unread(struct shmem_ring *writer);

/* The same, as the reader sees it: bytes that it can read at once, or SHMEM_RING_RUBBISH. */
size_t shmem_ring_filled(struct shmem_ring *reader);

#endif
