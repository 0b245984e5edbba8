/* ring.c - a byte stream from one VM to another, see ring.h. */
#include "ring.h"

#include <assert.h>
#include <string.h>

#include "shmem.h"

/* Bytes copied before the count is published. */
#define CUT_SIZE (32UL << 10)

/*
 * A program that was paused for long may have lost its seat, and its end of the ring with
 * it. Call this before bytes are copied, and again before they are counted.
 */
static void check_seat(const struct shmem_ring *ring)
{
	if (ring->meeting)
		shmem_meet_check(ring->meeting);
}

/*
 * Tells the other side. The first fence keeps the copying ahead of the count; it pairs
 * with the fences in shmem_ring_write and shmem_ring_read. The second fence drains the
 * write-combining buffer, where the count could stay for long.
 */
static void publish_count(const struct shmem_ring *ring, _Atomic uint64_t *count)
{
	shmem_fence();
	check_seat(ring);
	atomic_store_explicit(count, ring->mine, memory_order_relaxed);
	shmem_fence();
}

static struct shmem_ring new_ring(struct shmem_ring_counts *counts, void *bytes, size_t size,
			    const struct shmem_meeting *meeting)
{
	assert(size > 0 && (size & (size - 1)) == 0);
	return (struct shmem_ring){ .counts = counts, .bytes = bytes, .size = size,
			      .meeting = meeting };
}

struct shmem_ring shmem_ring_writer(struct shmem_ring_counts *counts, void *bytes, size_t size,
			const struct shmem_meeting *meeting)
{
	struct shmem_ring ring = new_ring(counts, bytes, size, meeting);

	publish_count(&ring, &counts->written);
	return ring;
}

struct shmem_ring shmem_ring_reader(struct shmem_ring_counts *counts, void *bytes, size_t size,
			const struct shmem_meeting *meeting)
{
	struct shmem_ring ring = new_ring(counts, bytes, size, meeting);

	publish_count(&ring, &counts->read);
	return ring;
}

static size_t minimum(size_t one, size_t other)
{
	return one < other ? one : other;
}

/*
 * The unread bytes, for the writer. There cannot be more than at its last look, since
 * only the reader could have changed that.
 */
static size_t look_unread(struct shmem_ring *ring)
{
	uint64_t read = atomic_load_explicit(&ring->counts->read, memory_order_relaxed);
	uint64_t unread = ring->mine - read;

	if (unread > ring->mine - ring->theirs)
		return SHMEM_RING_RUBBISH;
	ring->theirs = read;
	return unread;
}

/* The unread bytes, for the reader. There cannot be fewer than last time, nor more than fit. */
static size_t look_filled(struct shmem_ring *ring)
{
	uint64_t written = atomic_load_explicit(&ring->counts->written, memory_order_relaxed);
	uint64_t filled = written - ring->mine;

	if (filled > ring->size || filled < ring->theirs - ring->mine)
		return SHMEM_RING_RUBBISH;
	ring->theirs = written;
	return filled;
}

/*
 * Writing and reading look at the other's count only if its last known value does not
 * suffice, since each look fetches a cache line that the other side is writing to.
 */
size_t shmem_ring_write(struct shmem_ring *ring, const void *from, size_t length)
{
	size_t room = ring->size - (ring->mine - ring->theirs);
	size_t at = ring->mine & (ring->size - 1);

	length = minimum(length, CUT_SIZE);
	if (room < length) {
		size_t unread = look_unread(ring);

		if (unread == SHMEM_RING_RUBBISH)
			return SHMEM_RING_RUBBISH;
		room = ring->size - unread;
		length = minimum(length, room);
	}
	if (length == 0)
		return 0;

	size_t first = minimum(length, ring->size - at);
	check_seat(ring);
	shmem_fence(); /* pairs with publish_count in shmem_ring_read: this room has been read */
	memcpy(ring->bytes + at, from, first);
	memcpy(ring->bytes, (const unsigned char *)from + first, length - first);
	ring->mine += length;
	publish_count(ring, &ring->counts->written);
	return length;
}

size_t shmem_ring_read(struct shmem_ring *ring, void *to, size_t length)
{
	size_t filled = ring->theirs - ring->mine;
	size_t at = ring->mine & (ring->size - 1);

	length = minimum(length, CUT_SIZE);
	if (filled < length) {
		filled = look_filled(ring);
		if (filled == SHMEM_RING_RUBBISH)
			return SHMEM_RING_RUBBISH;
		length = minimum(length, filled);
	}
	if (length == 0)
		return 0;

	size_t first = minimum(length, ring->size - at);
	shmem_fence(); /* pairs with publish_count in shmem_ring_write: these bytes are written */
	memcpy(to, ring->bytes + at, first);
	memcpy((unsigned char *)to + first, ring->bytes, length - first);
	ring->mine += length;
	publish_count(ring, &ring->counts->read);
	return length;
}

size_t shmem_ring_unread(struct shmem_ring *writer)
{
	return look_unread(writer);
}

size_t shmem_ring_filled(struct shmem_ring *reader)
{
	return look_filled(reader);
}
