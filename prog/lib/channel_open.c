/* channel_open.c - opening a channel: the meeting, the ring, the copy kernel; and closing it. */
#include "channel_private.h"

#include <stdio.h>
#include <string.h>

#include "area.h"
#include "internal.h"
#include "turn.h"
#include "units.h"

#define TRIAL_SIZE (32UL << 10)

/* From the meeting on. It takes milliseconds, but a host may have much else to do. */
#define READY_WITHIN (10 * SHMEM_SECOND)

#define LEAST_RING 4096UL
#define MOST_RING (1UL << 32) /* a frame has 32 bits for the size of a message */

/* --- Its place -------------------------------------------------------------------- */

static bool place_number(struct shmem_channel *channel, const struct shmem *region)
{
	unsigned int number = channel->options.number;

	assert(number < SHMEM_CHANNELS);
	snprintf(channel->what, sizeof(channel->what), "channel %u", number);
	channel->ring_size = channel_ring_size(region->size);
	if (channel->ring_size == 0)
		return shmem_error_set(&channel->error, SHMEM_STATUS_FAILED,
				       "the region has %zu MiB, but %lu MiB are needed; set SHMEM_SIZE=4M "
				       "on the host and restart the VMs, or give a larger file",
				       region->size >> 20, CHANNEL_LEAST_REGION >> 20);
	channel->words = (struct shmem_channel_words *)(region->base + channel_offset(number));
	channel->bytes = region->base + SHMEM_LAYOUT_STREAM_DATA + number * channel->ring_size;
	return true;
}

static bool place_name(struct shmem_channel *channel, const struct shmem *region)
{
	const char *name = channel->options.name;
	size_t size = channel->options.ring_size;
	struct shmem_area area;

	channel->ring_size = size = size ? size : CHANNEL_LARGEST_RING;
	assert(size >= LEAST_RING && size <= MOST_RING && (size & (size - 1)) == 0);
	snprintf(channel->what, sizeof(channel->what), "channel %s", name);
	if (!shmem_try_area_open(region, name, CHANNEL_SIZE + size, &area, &channel->error))
		return false;
	channel->words = (struct shmem_channel_words *)area.base;
	channel->bytes = area.base + CHANNEL_SIZE;
	return true;
}

/* --- The ring, when both have met --------------------------------------------------- */

static const _Atomic uint64_t *other_ready(const struct shmem_channel *channel)
{
	return channel_sends(channel) ? &channel->words->receiver_ready :
					&channel->words->sender_ready;
}

/*
 * Each side empties its end of the ring and shows that. Neither looks at the other's words
 * before both have done so, since an earlier run may have left some.
 */
void shmem_channel_make_ring(struct shmem_channel *channel)
{
	struct shmem_channel_words *words = channel->words;
	uint64_t session = channel->meeting.session;

	channel->tag = (uint32_t)session;
	shmem_channel_show_sleep(channel);
	if (channel_sends(channel)) {
		channel->ring = shmem_ring_writer(&words->counts, channel->bytes, channel->ring_size,
						  channel->order, NULL);
		shmem_publish(&words->sender_ready, session, channel->order);
	} else {
		channel->ring = shmem_ring_reader(&words->counts, channel->bytes, channel->ring_size,
						  channel->order, NULL);
		shmem_publish(&words->accepted, 0, channel->order);
		shmem_publish(&words->receiver_ready, session, channel->order);
	}
}

/* Pairs with the publishing of the word: what came before it is seen now. */
static bool is_shown(const struct shmem_channel *channel, const _Atomic uint64_t *word,
		     uint64_t value)
{
	return shmem_load_acquire(word, channel->order) == value;
}

/* Our turn: a copy between the start of the ring and memory of our own. */
static void try_copy(struct shmem_channel *channel)
{
	unsigned char own[TRIAL_SIZE];
	size_t size = channel->ring_size < TRIAL_SIZE ? channel->ring_size : TRIAL_SIZE;

	memset(own, 1, sizeof(own)); /* into the cache, as a message that was just made */
	shmem_copy_try(&channel->trial, channel->turn, channel->bytes, own, size);
}

/*
 * Both sides take turns at the first bytes of the ring, so that each tries its kernels as it
 * will use them: on bytes that the other side had last. The sender's turn comes first. The words
 * of the turns begin after the session number, which an earlier run did not have.
 */
static bool take_copy_turns(struct shmem_channel *channel)
{
	struct shmem_channel_words *words = channel->words;
	bool sends = channel_sends(channel);
	_Atomic uint64_t *mine = sends ? &words->sender_turn : &words->receiver_turn;
	const _Atomic uint64_t *theirs = sends ? &words->receiver_turn : &words->sender_turn;

	while (channel->turn < SHMEM_COPY_TURNS) {
		uint64_t next = channel->meeting.session + channel->turn + 1;

		if (sends && !channel->turn_shown) {
			try_copy(channel);
			shmem_publish(mine, next, channel->order);
			channel->turn_shown = true;
		}
		if (!is_shown(channel, theirs, next))
			return false;
		if (!sends) {
			try_copy(channel);
			shmem_publish(mine, next, channel->order);
		}
		channel->turn_shown = false;
		channel->turn++;
	}
	return true;
}

bool shmem_channel_step(struct shmem_channel *channel)
{
	if (channel->turn == 0 && !channel->turn_shown &&
	    !is_shown(channel, other_ready(channel), channel->meeting.session))
		return false;
	if (!take_copy_turns(channel))
		return false;
	channel->copy = shmem_copy_best(&channel->trial);
	shmem_channel_prepare_to_wake(channel);
	return true;
}

/* --- Opening ------------------------------------------------------------------------ */

static size_t meeting_offset(const struct shmem_channel *channel, const struct shmem *region)
{
	return (size_t)((unsigned char *)channel->words - region->base);
}

static enum shmem_channel_status failed_unless(bool good)
{
	return good ? SHMEM_CHANNEL_OK : SHMEM_CHANNEL_FAILED;
}

void shmem_channel_give_up(struct shmem_channel *channel)
{
	shmem_meet_leave(&channel->meeting);
	channel->meeting.row = NULL;  /* see channel_is_begun */
	channel->ring.counts = NULL;  /* see channel_is_open */
	close_if_open(channel->timer);
	channel->timer = -1;
}

/* As it is before a meeting: only its place is kept. */
static void forget_session(struct shmem_channel *channel)
{
	struct shmem_channel fresh = {
		.options = channel->options,
		.order = channel->order,
		.words = channel->words,
		.bytes = channel->bytes,
		.ring_size = channel->ring_size,
		.timer = -1,
	};

	memcpy(fresh.what, channel->what, sizeof(fresh.what));
	*channel = fresh;
}

enum shmem_channel_status shmem_channel_begin_again(struct shmem_channel *channel,
						    const struct shmem *region)
{
	forget_session(channel);
	/* At the end of the program we leave, until shmem_channel_give_up. */
	bool begun = shmem_try_copy_trial_begin(&channel->trial, channel_sends(channel), region->order,
						&channel->error) &&
		     shmem_try_meet_leave_at_end(&channel->meeting, &channel->error) &&
		     shmem_try_meet_begin(&channel->meeting, region, meeting_offset(channel, region), 2,
					  (int)channel->options.role, channel->what, &channel->error);

	if (!begun)
		shmem_channel_give_up(channel);
	return failed_unless(begun);
}

enum shmem_channel_status shmem_channel_begin(struct shmem_channel *channel,
					      const struct shmem *region,
					      const struct shmem_channel_options *options)
{
	*channel = (struct shmem_channel){ .options = *options, .order = region->order, .timer = -1 };
	if (!(options->name ? place_name(channel, region) : place_number(channel, region))) {
		shmem_channel_give_up(channel); /* what an earlier lane of shmem_gather_join began */
		return SHMEM_CHANNEL_FAILED;
	}
	channel->options.name = NULL; /* channel->what contains it, and the caller may free it */
	return shmem_channel_begin_again(channel, region);
}

/* The longest time between two beats of a program that lives: see shmem_meet_beat. */
#define BEATS_WITHIN (1 * SHMEM_SECOND)

/* We have no seat. Its holder may have died less than 3 s ago, or lives and has not beaten since we came. */
static enum shmem_channel_status seat_is_taken(struct shmem_channel *channel)
{
	const struct shmem_seat_watch *holder = &channel->meeting.watch[channel->options.role];
	const char *does = channel_sends(channel) ? "sending" : "receiving";

	if (holder->moved && holder->still < BEATS_WITHIN)
		return shmem_channel_fail(channel, SHMEM_CHANNEL_FAILED,
					  "another program is %s on %s; choose another channel", does,
					  channel->what);
	return shmem_channel_fail(channel, SHMEM_CHANNEL_LATE,
				  "the program that was %s on %s has given no sign of life so far; "
				  "after 3 s without one its place is free: try again", does, channel->what);
}

static enum shmem_channel_status nobody_came(struct shmem_channel *channel)
{
	if (channel->meeting.seat == SHMEM_ANY_SEAT)
		return seat_is_taken(channel);
	return shmem_channel_fail(channel, SHMEM_CHANNEL_LATE, "no %s came to %s within %.9g s",
				  shmem_channel_other(channel), channel->what,
				  (double)channel->options.timeout / SHMEM_SECOND);
}

static enum shmem_channel_status meet(struct shmem_channel *channel, struct shmem_channel *beside,
				      uint64_t deadline)
{
	enum shmem_channel_status status = SHMEM_CHANNEL_OK;

	while (status == SHMEM_CHANNEL_OK && !shmem_meet_step(&channel->meeting)) {
		if (shmem_now() >= deadline)
			return nobody_came(channel);
		if (beside)
			status = shmem_channel_tend(beside);
		shmem_meet_pause(&channel->meeting);
	}
	if (status != SHMEM_CHANNEL_OK)
		channel->error = beside->error;
	return status;
}

/* The other side is there, but it may end, or never be ready. */
static enum shmem_channel_status take_steps(struct shmem_channel *channel)
{
	enum shmem_channel_status status = SHMEM_CHANNEL_OK;
	uint64_t met = shmem_now();
	unsigned int turns = 0;

	shmem_channel_make_ring(channel);
	while (!shmem_channel_step(channel)) {
		if (status != SHMEM_CHANNEL_OK)
			return status;
		if (!shmem_wait_turn(&turns))
			continue;
		status = shmem_channel_tend(channel);
		if (status == SHMEM_CHANNEL_OK && shmem_since(met) > READY_WITHIN)
			status = shmem_channel_fail(channel, SHMEM_CHANNEL_LATE,
						    "a %s came to %s, but was not ready within %llu s",
						    shmem_channel_other(channel), channel->what,
						    (unsigned long long)(READY_WITHIN / SHMEM_SECOND));
	}
	return SHMEM_CHANNEL_OK;
}

enum shmem_channel_status shmem_channel_complete(struct shmem_channel *channel,
						 struct shmem_channel *beside, uint64_t deadline)
{
	enum shmem_channel_status status = meet(channel, beside, deadline);

	if (status == SHMEM_CHANNEL_OK)
		status = take_steps(channel);
	if (status != SHMEM_CHANNEL_OK)
		shmem_channel_give_up(channel);
	return status;
}

enum shmem_channel_status
shmem_channel_open(struct shmem_channel *channel, const struct shmem *region,
		   const struct shmem_channel_options *options)
{
	uint64_t deadline = channel_deadline(options->timeout);
	enum shmem_channel_status status = shmem_channel_begin(channel, region, options);

	return status == SHMEM_CHANNEL_OK ? shmem_channel_complete(channel, NULL, deadline) : status;
}

/* --- Closing ------------------------------------------------------------------------ */

enum shmem_channel_status shmem_channel_close(struct shmem_channel *channel, uint64_t timeout)
{
	enum shmem_channel_status status = SHMEM_CHANNEL_OK;

	if (!channel_is_begun(channel))
		return SHMEM_CHANNEL_OK;
	if (channel_is_open(channel) && channel_sends(channel))
		status = shmem_channel_flush(channel, channel_deadline(timeout));
	shmem_channel_give_up(channel);
	return status;
}
