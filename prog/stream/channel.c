/*
 * channel.c - a channel of __stream: meeting on it, and moving bytes through its ring.
 */
#include "stream.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#define CHANNEL_SIZE 0x1000UL
#define LEAST_REGION (4UL << 20)
#define LARGEST_RING (512UL << 10)
#define BEAT_AFTER (256UL << 10) /* bytes: less than a second of work on any machine */

/* In the region: one page for each channel. Every cache line has one writer. */
struct channel {
	unsigned char seats[2 * SHMEM_SEAT_SIZE];
	struct shmem_ring_counts counts;
	/* The session, when that end has emptied the ring for it. */
	_Alignas(64) _Atomic uint64_t sender_ready;
	_Alignas(64) _Atomic uint64_t receiver_ready;
	_Atomic uint64_t accepted; /* bytes that the receiver has found correct */
	struct sleep_words sleeps[2]; /* by seat */
};

static_assert(sizeof(struct channel) <= CHANNEL_SIZE, "a channel has a page");
static_assert(CHANNELS * CHANNEL_SIZE <= LAYOUT_STRESS - LAYOUT_STREAM, "all fit");

/* --- Through the ring ----------------------------------------------------- */

static void moved(struct stream *s, size_t length)
{
	s->moved += length;
	wake_other(s);
	s->since_beat += length;
	if (s->since_beat >= BEAT_AFTER)
		tend(s);
}

/* Waiting until at most limit bytes are unread, or the count is impossible. */
struct unread {
	struct stream *s;
	size_t limit, seen;
};

static bool is_read_so_far(void *context)
{
	struct unread *unread = context;

	unread->seen = shmem_ring_unread(&unread->s->ring);
	return unread->seen <= unread->limit || unread->seen == SHMEM_RING_RUBBISH;
}

static void wait_until_unread(struct stream *s, size_t limit)
{
	struct unread unread = { .s = s, .limit = limit };

	want(s, s->moved - limit);
	wait_until(s, is_read_so_far, &unread);
	if (unread.seen == SHMEM_RING_RUBBISH)
		stream_rubbish(s, "it claims to have read what was never written");
}

/*
 * A spinning sender uses any room. A sleeping sender sleeps until half of the ring is free:
 * otherwise each message that is read would end a sleep, for the room of one message.
 */
static void wait_for_room(struct stream *s)
{
	wait_until_unread(s, s->plan.sleep ? s->ring_size / 2 : s->ring_size - 1);
}

void send_bytes(struct stream *s, const void *bytes, size_t length)
{
	const unsigned char *from = bytes;

	while (length > 0) {
		size_t sent = shmem_ring_write(&s->ring, from, length);

		if (sent == SHMEM_RING_RUBBISH)
			stream_rubbish(s, "it claims to have read what was never written");
		if (sent == 0) {
			wait_for_room(s);
			continue;
		}
		from += sent;
		length -= sent;
		moved(s, sent);
	}
}

/* True for an impossible count too. */
static bool has_come(void *context)
{
	struct stream *s = context;

	return shmem_ring_filled(&s->ring) != 0;
}

void receive_bytes(struct stream *s, void *bytes, size_t length)
{
	unsigned char *to = bytes;

	while (length > 0) {
		size_t received = shmem_ring_read(&s->ring, to, length);

		if (received == SHMEM_RING_RUBBISH)
			stream_rubbish(s, "it claims to have written more than the ring holds");
		if (received == 0) {
			wait_until(s, has_come, s);
			continue;
		}
		to += received;
		length -= received;
		moved(s, received);
	}
}

void wait_until_read(struct stream *s)
{
	wait_until_unread(s, 0);
}

/* --- Accepted bytes ------------------------------------------------------- */

uint64_t accepted(const struct stream *s)
{
	return atomic_load_explicit(&s->channel->accepted, memory_order_relaxed);
}

void show_accepted(struct stream *s, uint64_t what)
{
	if (injected(s, FAULT_TOTAL))
		what = s->total + 1;
	show_word(s, &s->channel->accepted, what);
	wake_other(s);
}

struct acceptance {
	const struct stream *s;
	uint64_t before, seen;
};

static bool has_accepted_changed(void *context)
{
	struct acceptance *acceptance = context;

	acceptance->seen = accepted(acceptance->s);
	return acceptance->seen != acceptance->before;
}

void wait_until_accepted(struct stream *s, uint64_t before, uint64_t after)
{
	struct acceptance acceptance = { .s = s, .before = before };

	wait_until(s, has_accepted_changed, &acceptance);
	if (acceptance.seen != after)
		stream_rubbish(s, "it claims to have accepted what was never sent");
}

/* --- Faults caused on purpose --------------------------------------------- */

void inject_under_way(struct stream *s)
{
	struct shmem_ring_counts *counts = &s->channel->counts;

	if (injected(s, FAULT_COUNT))
		show_word(s, s->plan.send ? &counts->written : &counts->read, UINT64_C(1) << 40);
	if (injected(s, FAULT_COUNT))
		wait_for_word(s, &s->channel->accepted, UINT64_MAX); /* never comes */
	if (injected(s, FAULT_DIE))
		raise(SIGKILL);
	if (injected(s, FAULT_LEAVE))
		exit(SHMEM_STATUS_FAILED);
}

/* --- Meeting -------------------------------------------------------------- */

size_t ring_size(const struct shmem *region)
{
	size_t share = layout_stream_data_size(region->size) / CHANNELS;
	size_t size = LARGEST_RING;

	if (region->size < LEAST_REGION)
		shmem_die("the region has %zu MiB, but %lu MiB are needed; set SHMEM_SIZE=4M on "
			  "the host and restart the VMs, or give a larger file",
			  region->size >> 20, LEAST_REGION >> 20);
	while (size > share)
		size /= 2;
	return size;
}

static void stream_meet(struct stream *s)
{
	size_t offset = LAYOUT_STREAM + s->plan.channel * CHANNEL_SIZE;
	int seat = s->plan.send ? SENDER_SEAT : RECEIVER_SEAT;

	snprintf(s->name, sizeof(s->name), "channel %d of __stream", (int)s->plan.channel);
	switch (shmem_meet(&s->meeting, &s->region, offset, 2, seat, s->name,
			   s->plan.patience)) {
	case SHMEM_MET:
		break;
	case SHMEM_NOBODY_CAME:
		shmem_fail(SHMEM_STATUS_NOBODY, "no %s came to channel %llu within %.9g s", other_side(s),
			   (unsigned long long)s->plan.channel, (double)s->plan.patience / SECOND);
	case SHMEM_SEAT_TAKEN:
		shmem_die("another program is %s on channel %llu; choose another channel with -c",
			  s->plan.send ? "sending" : "receiving",
			  (unsigned long long)s->plan.channel);
	}
	s->channel = (struct channel *)(s->region.base + offset);
}

/*
 * Each side empties its end of the ring and shows that. Neither looks at the other's words
 * before both have done so, since an earlier run may have left some.
 */
static void open_ring(struct stream *s)
{
	struct channel *channel = s->channel;
	size_t size = s->ring_size = ring_size(&s->region);
	unsigned char *bytes = s->region.base + LAYOUT_STREAM_DATA + s->plan.channel * size;

	s->own = &channel->sleeps[s->plan.send ? SENDER_SEAT : RECEIVER_SEAT];
	s->other = &channel->sleeps[s->plan.send ? RECEIVER_SEAT : SENDER_SEAT];
	show_whether_we_sleep(s);
	if (s->plan.send) {
		s->ring = shmem_ring_writer(&channel->counts, bytes, size, &s->meeting);
		show_word(s, &channel->sender_ready, s->meeting.session);
		wait_for_word(s, &channel->receiver_ready, s->meeting.session);
	} else {
		s->ring = shmem_ring_reader(&channel->counts, bytes, size, &s->meeting);
		show_word(s, &channel->accepted, 0);
		show_word(s, &channel->receiver_ready, s->meeting.session);
		wait_for_word(s, &channel->sender_ready, s->meeting.session);
	}
	prepare_to_wake(s);
}

void open_channel(struct stream *s)
{
	stream_meet(s);
	open_ring(s);
}
