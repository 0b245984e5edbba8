/*
 * generated.c - __stream with data that both ends generate. Each round is sent, received
 * and timed, and then verified. With --parts each message is, as the user's data is.
 */
#include "stream.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bytes.h"

/*
 * Bytes of a round, which is timed as a whole. Long beside the time from a message's copy in to
 * its copy out, which a round has once; short enough for hundreds of rounds a second, and for
 * memory that a VM touches in no time. The fuzz target has a smaller one.
 */
#ifndef ROUND_SIZE
#define ROUND_SIZE (2UL << 20)
#endif

#define WARM_UP_SIZE (1UL << 20)
#define TEND_AFTER (1UL << 20) /* bytes */
#define POOL_SIZE (ROUND_SIZE + ROUND_OFFSETS * 64)

enum { ROUND_OFFSETS = 1024, OWN_COPIES = 20 };

/* --- The data ------------------------------------------------------------- */

/* A VM's first touch of memory is slow, so show that we live meanwhile. */
static void *allocate(struct stream *s, size_t size)
{
	unsigned char *memory = aligned_alloc(4096, size);

	if (!memory)
		shmem_die("no memory for %zu MiB of data; give the VM more memory", size >> 20);
	for (size_t at = 0; at < size; at += 4096) {
		if (at % TEND_AFTER == 0)
			tend(s);
		memory[at] = 0; /* allocates the page */
	}
	return memory;
}

/* Both sides generate the same data, from the session number. */
static void generate(struct stream *s)
{
	uint64_t value = s->channel.meeting.session;

	if (s->pool)
		return;
	/*
	 * Spreads the ends of all channels over the CPUs. This has no effect in a VM with
	 * one CPU. Two processes on a file might otherwise share a CPU, since they keep
	 * waking each other up.
	 */
	shmem_pin_apart(2 * s->plan.channel + !s->plan.send);
	s->pool = allocate(s, POOL_SIZE);
	s->copy = allocate(s, ROUND_SIZE);
	for (size_t at = 0; at < POOL_SIZE; at += sizeof(value)) {
		if (at % TEND_AFTER == 0)
			tend(s);
		value += SHMEM_PATTERN_STEP;
		memcpy(s->pool + at, &value, sizeof(value));
	}
}

static unsigned char *bytes_of_round(const struct stream *s, uint64_t round)
{
	return s->pool + round % ROUND_OFFSETS * 64;
}

/* --- Without a ring -------------------------------------------------------- */

double own_copy(struct stream *s, const struct shmem_copy_kernel *kernel, size_t message)
{
	double best = 0;

	for (int i = 0; i < OWN_COPIES; i++) {
		uint64_t start = shmem_now();

		for (size_t at = 0; at + message <= ROUND_SIZE; at += message)
			shmem_copy_to(kernel, s->copy + at, s->pool + at, message);

		double sample = ROUND_SIZE * 1e3 / (double)shmem_since(start);
		best = sample > best ? sample : best;
		tend(s);
	}
	return best;
}

/* --- Sending -------------------------------------------------------------- */

/* Times the header, all messages, and waiting until they are read. */
static double send_round(struct stream *s, const struct frame *frame)
{
	unsigned char *from = bytes_of_round(s, frame->round);
	uint64_t start = shmem_now();

	if (injected(s, FAULT_BYTES))
		from[frame->length - 1] ^= 1;
	send_frame(s, frame);
	for (size_t at = 0; at < frame->length; at += frame->message) {
		size_t rest = frame->length - at;

		send_bytes(s, from + at, rest < frame->message ? rest : frame->message);
	}
	stream_check(s, shmem_channel_flush(&s->channel, SHMEM_NEVER));

	double sample = stream_rate(s, frame->length, start);
	s->total += frame->length;
	wait_until_accepted(s, s->total);
	return sample;
}

static void send_message_size(struct stream *s, size_t message, uint64_t *round)
{
	struct rates rates = { .message = message, .own = own_copy(s, s->channel.copy, message) };
	struct frame frame = { .kind = FRAME_WARM_UP, .message = message, .length = WARM_UP_SIZE };

	frame.round = (*round)++;
	send_round(s, &frame);
	frame.kind = FRAME_ROUND;
	rates.start = usage_now();
	do {
		uint64_t left = s->plan.bytes - rates.bytes;

		frame.round = (*round)++;
		frame.length = s->plan.bytes && left < ROUND_SIZE ? left : ROUND_SIZE;
		add_rate(&rates, frame.length, send_round(s, &frame));
		show_round(&rates);
	} while (s->plan.bytes ? rates.bytes < s->plan.bytes :
				 shmem_now() - rates.start.time < s->plan.duration);
	report_rates(s, &rates);
}

/* Each message begins 64 bytes after the one before, so it is in the cache, as one that was just made. */
static void send_message_parts(struct stream *s, size_t message, uint64_t *round)
{
	struct frame frame = { .kind = FRAME_PARTS, .message = message, .length = WARM_UP_SIZE };
	uint64_t sent = 0;

	prepare_parts(s);
	frame.round = (*round)++;
	send_round(s, &frame);
	frame.kind = FRAME_TIMED;
	start_parts(s, message);
	do {
		uint64_t left = s->plan.bytes - sent;

		frame.round = (*round)++;
		frame.length = s->plan.bytes && left < message ? left : message;
		send_checked(s, &frame, bytes_of_round(s, frame.round));
		end_message(s);
		sent += frame.length;
	} while (s->plan.bytes ? sent < s->plan.bytes : parts_ns(s) < s->plan.duration);
	stream_check(s, shmem_channel_flush(&s->channel, SHMEM_NEVER));
	report_parts(s);
}

void send_generated(struct stream *s)
{
	uint64_t round = 0;

	generate(s);
	for (size_t i = 0; i < s->plan.sizes; i++) {
		if (s->plan.parts)
			send_message_parts(s, s->plan.messages[i], &round);
		else
			send_message_size(s, s->plan.messages[i], &round);
	}
}

/* --- Receiving ------------------------------------------------------------ */

static void check_round(struct stream *s, const struct frame *frame)
{
	if (frame->length == 0 || frame->length > ROUND_SIZE || frame->message < LEAST_MESSAGE ||
	    frame->message > LARGEST_MESSAGE)
		stream_rubbish(s, "a header with an impossible length");
}

/* Called after the clock has stopped. */
static void verify_round(const struct stream *s, const struct frame *frame)
{
	const unsigned char *expected = bytes_of_round(s, frame->round);
	size_t at = 0;

	if (memcmp(s->copy, expected, frame->length) == 0)
		return;
	while (s->copy[at] == expected[at])
		at++;
	shmem_fail(SHMEM_STATUS_RUBBISH,
		   "byte %zu of %llu in round %llu is 0x%02x, but was sent as 0x%02x",
		   at, (unsigned long long)frame->length, (unsigned long long)frame->round,
		   s->copy[at], expected[at]);
}

void receive_round(struct stream *s, const struct frame *frame, struct rates *rates)
{
	check_round(s, frame);
	generate(s);
	uint64_t start = shmem_now();

	for (size_t at = 0; at < frame->length; at += frame->message) {
		size_t rest = frame->length - at;

		receive_bytes(s, s->copy + at, rest < frame->message ? rest : frame->message);
	}
	double sample = stream_rate(s, frame->length, start);

	tend(s);
	verify_round(s, frame);
	s->total += frame->length;
	if (frame->kind == FRAME_ROUND) {
		rates->message = frame->message;
		add_rate(rates, frame->length, sample);
		show_round(rates); /* now, since the sender waits */
	} else {
		/* A new size of message. The sender waits, so what we do here disturbs nothing. */
		report_rates(s, rates);
		report_parts(s);
	}
	if (frame->kind == FRAME_WARM_UP) {
		rates->own = own_copy(s, s->channel.copy, frame->message);
		rates->start = usage_now();
	} else if (frame->kind == FRAME_PARTS) {
		start_parts(s, frame->message);
	}
	show_accepted(s, s->total);
}

void receive_timed(struct stream *s, const struct frame *frame)
{
	if (!s->parts.on)
		stream_rubbish(s, "a header of no known kind");
	check_round(s, frame);
	receive_checked(s, frame, s->copy);
	end_message(s);
}
