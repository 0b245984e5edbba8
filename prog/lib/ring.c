/* ring.c - a byte stream from one VM to another, see ring.h. */
#include "ring.h"

#include <assert.h>

#include "shmem.h"

/* Bytes copied before the count is published. */
#define CUT_SIZE (32UL << 10)

/*
 * A program that was paused for long may have lost its seat, and its end of the ring with
 * it. Call this before bytes are copied, and again before they are counted.
 */
static bool has_end(const struct shmem_ring *ring)
{
	struct shmem_error error;

	return !ring->meeting || shmem_try_meet_check(ring->meeting, &error);
}

/* Tells the other side, after all copying. Pairs with the acquires in look_unread and look_filled. */
static bool publish_count(const struct shmem_ring *ring, _Atomic uint64_t *count)
{
	if (!has_end(ring))
		return false;
	shmem_publish(count, ring->mine, ring->order);
	return true;
}

static struct shmem_ring new_ring(struct shmem_ring_counts *counts, void *bytes, size_t size,
				  enum shmem_order order, const struct shmem_meeting *meeting)
{
	assert(size > 0 && (size & (size - 1)) == 0);
	return (struct shmem_ring){ .counts = counts, .bytes = bytes, .size = size,
				    .order = order, .meeting = meeting,
				    .copy = shmem_copy_kernels };
}

struct shmem_ring shmem_ring_writer(struct shmem_ring_counts *counts, void *bytes, size_t size,
				    enum shmem_order order, const struct shmem_meeting *meeting)
{
	struct shmem_ring ring = new_ring(counts, bytes, size, order, meeting);

	publish_count(&ring, &counts->written);
	return ring;
}

struct shmem_ring shmem_ring_reader(struct shmem_ring_counts *counts, void *bytes, size_t size,
				    enum shmem_order order, const struct shmem_meeting *meeting)
{
	struct shmem_ring ring = new_ring(counts, bytes, size, order, meeting);

	publish_count(&ring, &counts->read);
	return ring;
}

static size_t minimum(size_t one, size_t other)
{
	return one < other ? one : other;
}

/*
 * The unread bytes, for the writer. There cannot be more than at its last look, since
 * only the reader could have changed that. The acquire pairs with publish_count in
 * shmem_ring_read: the reader has done with this room.
 */
static size_t look_unread(struct shmem_ring *ring)
{
	uint64_t read = shmem_load_acquire(&ring->counts->read, ring->order);
	uint64_t unread = ring->mine - read;

	if (unread > ring->mine - ring->theirs)
		return SHMEM_RING_RUBBISH;
	ring->theirs = read;
	return unread;
}

/*
 * The unread bytes, for the reader. There cannot be fewer than last time, nor more than fit.
 * The acquire pairs with publish_count in shmem_ring_write: these bytes are written.
 */
static size_t look_filled(struct shmem_ring *ring)
{
	uint64_t written = shmem_load_acquire(&ring->counts->written, ring->order);
	uint64_t filled = written - ring->mine;

	if (filled > ring->size || filled < ring->theirs - ring->mine)
		return SHMEM_RING_RUBBISH;
	ring->theirs = written;
	return filled;
}

/*
 * Both look at the other's count only if its last known value does not suffice, since each look
 * fetches a cache line that the other side is writing to.
 */
size_t shmem_ring_room(struct shmem_ring *writer, size_t wanted)
{
	size_t room = writer->size - (writer->mine - writer->theirs);

	if (room >= wanted)
		return room;
	size_t unread = look_unread(writer);
	return unread == SHMEM_RING_RUBBISH ? SHMEM_RING_RUBBISH : writer->size - unread;
}

size_t shmem_ring_available(struct shmem_ring *reader, size_t wanted)
{
	size_t filled = reader->theirs - reader->mine;

	return filled >= wanted ? filled : look_filled(reader);
}

unsigned char *shmem_ring_place(const struct shmem_ring *ring, size_t *contiguous)
{
	size_t at = ring->mine & (ring->size - 1);

	*contiguous = ring->size - at;
	return ring->bytes + at;
}

bool shmem_ring_commit(struct shmem_ring *writer, size_t length)
{
	writer->mine += length;
	return publish_count(writer, &writer->counts->written);
}

bool shmem_ring_release(struct shmem_ring *reader, size_t length)
{
	reader->mine += length;
	return publish_count(reader, &reader->counts->read);
}

size_t shmem_ring_write(struct shmem_ring *ring, const void *from, size_t length)
{
	size_t contiguous;
	unsigned char *place = shmem_ring_place(ring, &contiguous);

	length = minimum(length, CUT_SIZE);
	size_t room = shmem_ring_room(ring, length);
	if (room == SHMEM_RING_RUBBISH)
		return SHMEM_RING_RUBBISH;
	length = minimum(length, room);
	if (length == 0)
		return 0;

	size_t first = minimum(length, contiguous);
	if (!has_end(ring))
		return SHMEM_RING_LOST;
	shmem_copy_to(ring->copy, place, from, first);
	if (first < length)
		shmem_copy_to(ring->copy, ring->bytes, (const unsigned char *)from + first,
			      length - first);
	return shmem_ring_commit(ring, length) ? length : SHMEM_RING_LOST;
}

size_t shmem_ring_read(struct shmem_ring *ring, void *to, size_t length)
{
	size_t contiguous;
	const unsigned char *place = shmem_ring_place(ring, &contiguous);

	length = minimum(length, CUT_SIZE);
	size_t filled = shmem_ring_available(ring, length);
	if (filled == SHMEM_RING_RUBBISH)
		return SHMEM_RING_RUBBISH;
	length = minimum(length, filled);
	if (length == 0)
		return 0;

	size_t first = minimum(length, contiguous);
	shmem_copy_from(ring->copy, to, place, first);
	if (first < length)
		shmem_copy_from(ring->copy, (unsigned char *)to + first, ring->bytes,
				length - first);
	return shmem_ring_release(ring, length) ? length : SHMEM_RING_LOST;
}

size_t shmem_ring_unread(struct shmem_ring *writer)
{
	return look_unread(writer);
}

size_t shmem_ring_filled(struct shmem_ring *reader)
{
	return look_filled(reader);
}
