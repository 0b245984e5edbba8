/*
 * stream_channel.c - the way from one end of __stream to the other: who is
 * there, waiting for it, and bytes through the ring of the channel.
 */
#include "stream.h"

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "wait.h"

#define CHANNEL_SIZE 0x1000UL
#define LEAST_REGION (4UL << 20)
#define LARGEST_RING (512UL << 10)
#define BEAT_AFTER (256UL << 10) /* bytes: less than a second of work, however slow */

enum { SENDER_SEAT = 0, RECEIVER_SEAT = 1 };

/* In the region: one page a channel. Every line has one writer. */
struct channel {
	unsigned char seats[2 * SHMEM_SEAT_SIZE];
	struct ring_counts counts;
	/* The session, once an end has emptied the ring for it. */
	_Alignas(64) _Atomic uint64_t sender_ready;
	_Alignas(64) _Atomic uint64_t receiver_ready;
	_Atomic uint64_t accepted; /* bytes that the receiver has found right */
};

static_assert(sizeof(struct channel) <= CHANNEL_SIZE, "a channel has a page");
static_assert(CHANNELS * CHANNEL_SIZE <= LAYOUT_STRESS - LAYOUT_STREAM, "all fit");

/* --- Waiting -------------------------------------------------------------- */

struct wait {
	unsigned int turns;
	enum shmem_peer peer; /* as last seen */
};

void tend(struct stream *s)
{
	shmem_meet_beat(&s->meeting);
	s->since_beat = 0;
}

static enum shmem_peer look_at_peer(struct stream *s)
{
	return shmem_meet_peer(&s->meeting, s->plan.send ? RECEIVER_SEAT : SENDER_SEAT);
}

static void end_without_peer(const struct stream *s, enum shmem_peer peer)
{
	if (peer == SHMEM_PEER_DIED)
		fail(STATUS_DIED, "the %s died: it gave no sign of life for 3 s (after %llu bytes)",
		     other_side(s), (unsigned long long)s->total);
	if (peer == SHMEM_PEER_LEFT)
		fail(STATUS_LEFT, "the %s gave up (after %llu bytes)", other_side(s),
		     (unsigned long long)s->total);
}

/*
 * One turn of waiting. That the other side is gone is acted upon a turn later,
 * after the caller has looked once more for what it may have left.
 */
static void wait_a_turn(struct stream *s, struct wait *wait)
{
	end_without_peer(s, wait->peer);
	if (wait_turn(&wait->turns)) {
		tend(s);
		wait->peer = look_at_peer(s);
	}
}

/* Waits for a word in the region to become value. */
static void wait_for_word(struct stream *s, const _Atomic uint64_t *word, uint64_t value)
{
	struct wait wait = { 0 };

	while (atomic_load_explicit(word, memory_order_relaxed) != value)
		wait_a_turn(s, &wait);
	shmem_fence(); /* pairs with show_word: what was written before it is seen now */
}

static void show_word(_Atomic uint64_t *word, uint64_t value)
{
	shmem_fence(); /* pairs with wait_for_word */
	atomic_store_explicit(word, value, memory_order_relaxed);
	shmem_fence(); /* out of the write-combining buffer */
}

void wait_for_file(struct stream *s, int fd, short events)
{
	struct pollfd file = { .fd = fd, .events = events };

	while (poll(&file, 1, 50) <= 0) {
		end_without_peer(s, look_at_peer(s));
		tend(s);
	}
}

/* --- Through the ring ----------------------------------------------------- */

static void moved(struct stream *s, size_t length)
{
	s->since_beat += length;
	if (s->since_beat >= BEAT_AFTER)
		tend(s);
}

void send_bytes(struct stream *s, const void *bytes, size_t length)
{
	const unsigned char *from = bytes;
	struct wait wait = { 0 };

	while (length > 0) {
		size_t sent = ring_write(&s->ring, from, length);

		if (sent == RING_RUBBISH)
			rubbish(s, "it claims to have read what was never written");
		if (sent == 0) {
			wait_a_turn(s, &wait);
			continue;
		}
		wait = (struct wait){ 0 };
		from += sent;
		length -= sent;
		moved(s, sent);
	}
}

void receive_bytes(struct stream *s, void *bytes, size_t length)
{
	unsigned char *to = bytes;
	struct wait wait = { 0 };

	while (length > 0) {
		size_t received = ring_read(&s->ring, to, length);

		if (received == RING_RUBBISH)
			rubbish(s, "it claims to have written more than the ring holds");
		if (received == 0) {
			wait_a_turn(s, &wait);
			continue;
		}
		wait = (struct wait){ 0 };
		to += received;
		length -= received;
		moved(s, received);
	}
}

void wait_until_read(struct stream *s)
{
	struct wait wait = { 0 };
	size_t unread;

	while ((unread = ring_unread(&s->ring)) != 0) {
		if (unread == RING_RUBBISH)
			rubbish(s, "it claims to have read what was never written");
		wait_a_turn(s, &wait);
	}
}

/* --- What was accepted ---------------------------------------------------- */

uint64_t accepted(const struct stream *s)
{
	return atomic_load_explicit(&s->channel->accepted, memory_order_relaxed);
}

void show_accepted(struct stream *s, uint64_t what)
{
	if (injected(s, FAULT_TOTAL))
		what = s->total + 1;
	show_word(&s->channel->accepted, what);
}

void wait_until_accepted(struct stream *s, uint64_t before, uint64_t after)
{
	struct wait wait = { 0 };
	uint64_t seen;

	while ((seen = accepted(s)) != after) {
		if (seen != before)
			rubbish(s, "it claims to have accepted what was never sent");
		wait_a_turn(s, &wait);
	}
}

/* --- Faults made on purpose ----------------------------------------------- */

void inject_under_way(struct stream *s)
{
	struct ring_counts *counts = &s->channel->counts;

	if (injected(s, FAULT_COUNT))
		show_word(s->plan.send ? &counts->written : &counts->read, UINT64_C(1) << 40);
	if (injected(s, FAULT_COUNT))
		wait_for_word(s, &s->channel->accepted, UINT64_MAX); /* which never comes */
	if (injected(s, FAULT_DIE))
		raise(SIGKILL);
	if (injected(s, FAULT_LEAVE))
		exit(STATUS_FAILED);
}

/* --- Meeting -------------------------------------------------------------- */

size_t ring_size(const struct shmem *region)
{
	size_t share = layout_stream_data_size(region->size) / CHANNELS;
	size_t size = LARGEST_RING;

	if (region->size < LEAST_REGION)
		shmem_die("the region has %zu MiB and this needs %lu MiB; set SHMEM_SIZE=4M on "
			  "the host and restart the VMs, or give a larger file",
			  region->size >> 20, LEAST_REGION >> 20);
	while (size > share)
		size /= 2;
	return size;
}

static void meet(struct stream *s)
{
	size_t offset = LAYOUT_STREAM + s->plan.channel * CHANNEL_SIZE;
	int seat = s->plan.send ? SENDER_SEAT : RECEIVER_SEAT;

	snprintf(s->name, sizeof(s->name), "channel %d of __stream", (int)s->plan.channel);
	switch (shmem_meet(&s->meeting, &s->region, offset, 2, seat, s->name,
			   s->plan.patience)) {
	case SHMEM_MET:
		break;
	case SHMEM_NOBODY_CAME:
		fail(STATUS_NOBODY, "no %s came to channel %llu within %.9g s", other_side(s),
		     (unsigned long long)s->plan.channel, (double)s->plan.patience / 1e9);
	case SHMEM_SEAT_TAKEN:
		shmem_die("somebody else is %s on channel %llu; choose another with -c",
			  s->plan.send ? "sending" : "receiving",
			  (unsigned long long)s->plan.channel);
	}
	s->channel = (struct channel *)(s->region.base + offset);
}

/*
 * Each side empties its end of the ring and says so; what an earlier run has
 * left is not looked at before both have.
 */
static void open_ring(struct stream *s)
{
	size_t size = ring_size(&s->region);
	unsigned char *bytes = s->region.base + LAYOUT_STREAM_DATA + s->plan.channel * size;
	struct channel *channel = s->channel;

	if (s->plan.send) {
		s->ring = ring_writer(&channel->counts, bytes, size);
		show_word(&channel->sender_ready, s->meeting.session);
		wait_for_word(s, &channel->receiver_ready, s->meeting.session);
	} else {
		s->ring = ring_reader(&channel->counts, bytes, size);
		show_word(&channel->accepted, 0);
		show_word(&channel->receiver_ready, s->meeting.session);
		wait_for_word(s, &channel->sender_ready, s->meeting.session);
	}
}

void open_channel(struct stream *s)
{
	meet(s);
	open_ring(s);
}
