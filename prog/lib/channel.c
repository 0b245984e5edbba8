/* channel.c - messages through a channel. Its ring has frames and messages, see channel_words.h. */
#include "channel_private.h"

#include <string.h>

enum { UNIT = sizeof(struct channel_frame) };

static_assert(UNIT == 16, "a frame at every multiple of it keeps messages aligned to it");

/* The bytes of the ring that a message takes. */
static size_t room_for(size_t length)
{
	return UNIT + (length + UNIT - 1) / UNIT * UNIT;
}

/* A message and the rest of the ring before it, which is less than it, fit into the empty ring. */
size_t shmem_channel_longest(const struct shmem_channel *channel)
{
	return channel->ring_size / 2 - UNIT;
}

/* --- Sending -------------------------------------------------------------------- */

static enum shmem_channel_status impossible_read(struct shmem_channel *channel)
{
	return shmem_channel_rubbish(channel, "it claims to have read what was never written");
}

/* True for an impossible count too. */
static bool has_room(void *context)
{
	struct shmem_channel *channel = context;

	return shmem_ring_room(&channel->ring, channel->goal) >= channel->goal;
}

/* One wait for the goal. Any room that suffices will do if the goal does not come in time. */
static enum shmem_channel_status wait_for_goal(struct shmem_channel *channel, size_t goal,
					       size_t needed, uint64_t deadline)
{
	enum shmem_channel_status status;

	channel->goal = goal;
	shmem_channel_want(channel, channel->ring.mine + goal - channel->ring_size);
	status = shmem_channel_wait_until(channel, has_room, deadline);
	if (status != SHMEM_CHANNEL_OK && status != SHMEM_CHANNEL_LATE)
		return status;
	size_t room = shmem_ring_room(&channel->ring, needed);
	/* Read bytes stay read, so less room than before means that the count was impossible. */
	if (room == SHMEM_RING_RUBBISH || (room < needed && status == SHMEM_CHANNEL_OK))
		return impossible_read(channel);
	return room < needed ? SHMEM_CHANNEL_LATE : SHMEM_CHANNEL_OK;
}

/*
 * A sender that looks again and again takes any room that suffices. A sleeping sender sleeps
 * until half of the ring is free: otherwise each message that is read would end a sleep, for the
 * room of one message. But the receiver may stop before that, so the sender looks every turn.
 */
static enum shmem_channel_status wait_for_room(struct shmem_channel *channel, size_t needed,
					       uint64_t deadline)
{
	enum shmem_channel_status status = SHMEM_CHANNEL_LATE;
	size_t room = shmem_ring_room(&channel->ring, needed), half = channel->ring_size / 2;

	if (room == SHMEM_RING_RUBBISH)
		return impossible_read(channel);
	if (room >= needed)
		return SHMEM_CHANNEL_OK;
	if (deadline == 0 || !shmem_channel_sleeps(channel) || needed >= half)
		return wait_for_goal(channel, needed, needed, deadline);
	for (uint64_t end = 0; status == SHMEM_CHANNEL_LATE && end < deadline;) {
		end = shmem_now() + SHMEM_SLEEP_TURN;
		status = wait_for_goal(channel, half, needed, end < deadline ? end : deadline);
	}
	return status;
}

/* Relaxed: the count is published later, and orders them. */
static void put_frame(struct shmem_channel *channel, unsigned char *place, uint32_t size)
{
	struct channel_frame *frame = (struct channel_frame *)place;

	atomic_store_explicit(&frame->size, (uint64_t)channel->tag << 32 | size,
			      memory_order_relaxed);
	atomic_store_explicit(&frame->number, channel->messages + 1, memory_order_relaxed);
}

/*
 * The bytes up to the end of the ring's memory, if the message does not fit before it. They are left
 * out together with the message, by the same count, so that until then nothing has happened.
 */
static size_t bytes_to_skip(const struct shmem_channel *channel, size_t needed)
{
	size_t contiguous;

	shmem_ring_place(&channel->ring, &contiguous);
	return contiguous < needed ? contiguous : 0;
}

/* Where the message in place begins. */
static unsigned char *message_place(const struct shmem_channel *channel)
{
	size_t contiguous;

	return channel->skipped > 0 ? channel->bytes : shmem_ring_place(&channel->ring, &contiguous);
}

enum shmem_channel_status shmem_channel_reserve(struct shmem_channel *channel, void **bytes,
						size_t length, uint64_t deadline)
{
	size_t needed = room_for(length);

	assert(channel_sends(channel));
	if (!channel_is_open(channel))
		return shmem_channel_not_open(channel);
	if (length > shmem_channel_longest(channel))
		return shmem_channel_fail(channel, SHMEM_CHANNEL_FAILED,
					  "a message of %zu bytes: the longest of %s has %zu", length,
					  channel->what, shmem_channel_longest(channel));
	size_t skipped = bytes_to_skip(channel, needed);
	enum shmem_channel_status status = wait_for_room(channel, skipped + needed, deadline);

	if (status == SHMEM_CHANNEL_OK)
		status = shmem_channel_check_seat(channel);
	if (status != SHMEM_CHANNEL_OK)
		return status;
	channel->pending = needed;
	channel->skipped = skipped;
	*bytes = message_place(channel) + UNIT;
	return SHMEM_CHANNEL_OK;
}

enum shmem_channel_status shmem_channel_commit(struct shmem_channel *channel, size_t length)
{
	size_t taken = room_for(length), contiguous;
	enum shmem_channel_status status = shmem_channel_check_seat(channel);

	assert(taken <= channel->pending);
	if (status != SHMEM_CHANNEL_OK)
		return status;
	if (channel->skipped > 0)
		put_frame(channel, shmem_ring_place(&channel->ring, &contiguous), FRAME_SKIP);
	put_frame(channel, message_place(channel), (uint32_t)length);
	shmem_ring_commit(&channel->ring, channel->skipped + taken);
	channel->messages++;
	channel->pending = channel->skipped = 0;
	return shmem_channel_moved(channel);
}

enum shmem_channel_status shmem_channel_send(struct shmem_channel *channel, const void *bytes,
					     size_t length, uint64_t deadline)
{
	void *place;
	enum shmem_channel_status status = shmem_channel_reserve(channel, &place, length, deadline);

	if (status != SHMEM_CHANNEL_OK)
		return status;
	if (length > 0) /* an empty message needs no bytes, not even for memcpy */
		shmem_copy_to(channel->copy, place, bytes, length);
	return shmem_channel_commit(channel, length);
}

/* True for an impossible count too. */
static bool is_all_read(void *context)
{
	struct shmem_channel *channel = context;
	size_t unread = shmem_ring_unread(&channel->ring);

	return unread == 0 || unread == SHMEM_RING_RUBBISH;
}

enum shmem_channel_status shmem_channel_flush(struct shmem_channel *channel, uint64_t deadline)
{
	assert(channel_sends(channel));
	if (!channel_is_open(channel))
		return shmem_channel_not_open(channel);
	shmem_channel_want(channel, channel->ring.mine);
	enum shmem_channel_status status = shmem_channel_wait_until(channel, is_all_read, deadline);

	/* Of the sender's bytes none gets unread again: then the count was impossible for one look. */
	if (status == SHMEM_CHANNEL_OK && shmem_ring_unread(&channel->ring) != 0)
		return impossible_read(channel);
	return status;
}

/* --- Receiving ------------------------------------------------------------------ */

/* True for an impossible count too. */
static bool has_come(void *context)
{
	struct shmem_channel *channel = context;

	return shmem_ring_available(&channel->ring, 1) != 0;
}

/* What another VM wrote: read once. */
struct seen_frame {
	uint32_t size, tag;
	uint64_t number;
};

/* Relaxed: the count that tells of the frame was loaded before, with an acquire. */
static struct seen_frame read_frame(const unsigned char *place)
{
	const struct channel_frame *frame = (const struct channel_frame *)place;
	uint64_t size = atomic_load_explicit(&frame->size, memory_order_relaxed);

	return (struct seen_frame){
		.size = (uint32_t)size,
		.tag = (uint32_t)(size >> 32),
		.number = atomic_load_explicit(&frame->number, memory_order_relaxed),
	};
}

/* What is wrong with a frame that has that many bytes available, and in one piece; or NULL. */
static const char *fault_of(const struct shmem_channel *channel, const struct seen_frame *frame,
			    size_t available, size_t contiguous)
{
	bool skip = frame->size == FRAME_SKIP;
	size_t taken = skip ? contiguous : room_for(frame->size);

	if (frame->tag != channel->tag)
		return "a header without this session's number";
	if (frame->number != channel->messages + 1)
		return "a header with another message's number";
	/* A sender skips less than the longest message, so this is not the start of the ring. */
	if (taken > available || taken > contiguous || (skip && contiguous == channel->ring_size) ||
	    (!skip && frame->size > shmem_channel_longest(channel)))
		return "a header with an impossible length";
	return NULL;
}

static enum shmem_channel_status let_go(struct shmem_channel *channel, size_t length)
{
	enum shmem_channel_status status = shmem_channel_check_seat(channel);

	if (status != SHMEM_CHANNEL_OK)
		return status;
	shmem_ring_release(&channel->ring, length);
	return shmem_channel_moved(channel);
}

/*
 * Waits for a frame, checks it, and takes it: a message is then in place, or the rest of the
 * ring's memory is left out. A frame is read once, since the sender may change it.
 */
static enum shmem_channel_status take_frame(struct shmem_channel *channel, uint64_t deadline)
{
	enum shmem_channel_status status = shmem_channel_wait_until(channel, has_come, deadline);
	size_t contiguous, available;

	if (status != SHMEM_CHANNEL_OK)
		return status;
	available = shmem_ring_available(&channel->ring, 1);
	if (available == SHMEM_RING_RUBBISH)
		return shmem_channel_rubbish(channel,
					     "it claims to have written more than the ring holds");
	const unsigned char *place = shmem_ring_place(&channel->ring, &contiguous);
	if (available < UNIT)
		return shmem_channel_rubbish(channel, "a part of a header");
	struct seen_frame frame = read_frame(place);
	const char *fault = fault_of(channel, &frame, available, contiguous);
	if (fault)
		return shmem_channel_rubbish(channel, fault);
	if (frame.size == FRAME_SKIP)
		return let_go(channel, contiguous);
	channel->length = frame.size;
	channel->pending = room_for(frame.size);
	return SHMEM_CHANNEL_OK;
}

enum shmem_channel_status shmem_channel_peek(struct shmem_channel *channel, const void **bytes,
					     size_t *length, uint64_t deadline)
{
	size_t contiguous;

	assert(!channel_sends(channel));
	*length = 0;
	if (!channel_is_open(channel))
		return shmem_channel_not_open(channel);
	while (channel->pending == 0) {
		enum shmem_channel_status status = take_frame(channel, deadline);

		if (status != SHMEM_CHANNEL_OK)
			return status;
	}
	*bytes = shmem_ring_place(&channel->ring, &contiguous) + UNIT;
	*length = channel->length;
	return SHMEM_CHANNEL_OK;
}

enum shmem_channel_status shmem_channel_release(struct shmem_channel *channel)
{
	size_t pending = channel->pending;

	assert(pending > 0);
	channel->pending = 0;
	channel->messages++;
	return let_go(channel, pending);
}

enum shmem_channel_status shmem_channel_too_long(struct shmem_channel *channel, size_t length,
						 size_t room)
{
	return shmem_channel_fail(channel, SHMEM_CHANNEL_FAILED,
				  "a message of %zu bytes came, and there is room for %zu", length, room);
}

enum shmem_channel_status
shmem_channel_recv(struct shmem_channel *channel, void *bytes, size_t room, size_t *length,
		   uint64_t deadline)
{
	const void *place;
	enum shmem_channel_status status = shmem_channel_peek(channel, &place, length, deadline);

	if (status != SHMEM_CHANNEL_OK)
		return status;
	if (*length > room)
		return shmem_channel_too_long(channel, *length, room);
	if (*length > 0)
		shmem_copy_from(channel->copy, bytes, place, *length);
	return shmem_channel_release(channel);
}

/* --- The receiver's number --------------------------------------------------------- */

enum shmem_channel_status shmem_channel_accept(struct shmem_channel *channel, uint64_t number)
{
	assert(!channel_sends(channel));
	if (!channel_is_open(channel))
		return shmem_channel_not_open(channel);
	enum shmem_channel_status status = shmem_channel_check_seat(channel);

	if (status != SHMEM_CHANNEL_OK)
		return status;
	channel->accepted = number;
	shmem_publish(&channel->words->accepted, number, channel->order); /* pairs with has_accepted */
	shmem_fence(); /* before the look at wanted, which shmem_channel_accepted may have lowered */
	return shmem_channel_moved(channel);
}

static bool has_accepted(void *context)
{
	struct shmem_channel *channel = context;

	channel->accepted = shmem_load_acquire(&channel->words->accepted, channel->order);
	return channel->accepted != channel->goal;
}

enum shmem_channel_status shmem_channel_accepted(struct shmem_channel *channel, uint64_t before,
						 uint64_t *number, uint64_t deadline)
{
	assert(channel_sends(channel));
	if (!channel_is_open(channel))
		return shmem_channel_not_open(channel);
	channel->goal = before;
	/* The receiver's count is at least that, so it rings for its number whatever we wanted before. */
	shmem_channel_want(channel, channel->ring.mine - channel->ring_size);
	enum shmem_channel_status status = shmem_channel_wait_until(channel, has_accepted, deadline);

	if (status == SHMEM_CHANNEL_OK)
		*number = channel->accepted;
	return status;
}

/* --- With other files --------------------------------------------------------------- */

bool shmem_channel_ready(struct shmem_channel *channel)
{
	size_t needed = room_for(shmem_channel_longest(channel));

	if (!channel_is_open(channel))
		return true;
	if (!channel_sends(channel))
		return !shmem_channel_will_ring(channel, has_come);
	channel->goal = bytes_to_skip(channel, needed) + needed;
	/* As in wait_for_room, since what we want only grows. It may be less than the goal. */
	shmem_channel_want(channel, channel->ring.mine - channel->ring_size / 2);
	return !shmem_channel_will_ring(channel, has_room);
}
