/* frames.c - the frames of __stream: headers and their payloads. */
#include "stream.h"

/* --- Messages -------------------------------------------------------------- */

/*
 * The longest message, so that the receiver begins while the sender still copies. The fuzz target
 * has a smaller one.
 */
#ifndef PIECE
#define PIECE (32UL << 10)
#endif

static size_t piece_of(size_t length)
{
	return length < PIECE ? length : PIECE;
}

void send_bytes(struct stream *s, const void *bytes, size_t length)
{
	for (const unsigned char *from = bytes; length > 0;) {
		size_t piece = piece_of(length);

		stream_check(s, shmem_channel_send(&s->channel, from, piece, SHMEM_NEVER));
		from += piece;
		length -= piece;
	}
}

void receive_bytes(struct stream *s, void *bytes, size_t length)
{
	for (unsigned char *to = bytes; length > 0;) {
		size_t piece = piece_of(length), received;
		enum shmem_channel_status status =
			shmem_channel_recv(&s->channel, to, piece, &received, SHMEM_NEVER);

		if ((status == SHMEM_CHANNEL_OK && received < piece) ||
		    (status == SHMEM_CHANNEL_FAILED && received > piece))
			stream_rubbish(s, "a message of another length");
		stream_check(s, status);
		to += piece;
		length -= piece;
	}
}

/* --- Sending -------------------------------------------------------------- */

void send_frame(struct stream *s, const struct frame *frame)
{
	send_bytes(s, frame, sizeof(*frame));
	if (frame->kind != FRAME_END)
		inject_under_way(s);
}

void wait_until_accepted(struct stream *s, uint64_t total)
{
	uint64_t before = s->accepted;

	stream_check(s, shmem_channel_accepted(&s->channel, before, &s->accepted, SHMEM_NEVER));
	if (s->accepted != total)
		stream_rubbish(s, "it claims to have accepted what was never sent");
}

/* The receiver accepts the end with UINT64_MAX, which is no possible number of bytes. */
void send_end(struct stream *s)
{
	struct frame frame = { .kind = FRAME_END, .length = s->total };

	if (injected(s, FAULT_TOTAL))
		frame.length++;
	send_frame(s, &frame);
	wait_until_accepted(s, UINT64_MAX);
}

/* --- Receiving ------------------------------------------------------------ */

static struct frame receive_frame(struct stream *s)
{
	struct frame frame;

	receive_bytes(s, &frame, sizeof(frame));
	if (frame.kind != FRAME_END)
		inject_under_way(s);
	return frame;
}

void show_accepted(struct stream *s, uint64_t total)
{
	if (injected(s, FAULT_TOTAL))
		total = s->total + 1;
	stream_check(s, shmem_channel_accept(&s->channel, total));
}

void receive_all(struct stream *s)
{
	struct usage start = usage_now();
	struct rates rates = { 0 };
	bool generated = false;
	struct frame frame;

	while ((frame = receive_frame(s)).kind != FRAME_END) {
		if (frame.kind == FRAME_DATA) {
			receive_data(s, &frame);
		} else if (frame.kind == FRAME_WARM_UP || frame.kind == FRAME_ROUND) {
			generated = true;
			receive_round(s, &frame, &rates);
		} else {
			stream_rubbish(s, "a header of no known kind");
		}
	}
	if (frame.length != s->total)
		stream_rubbish(s, "an end that counts other bytes than came");
	if (generated)
		report_rates(s, &rates);
	else
		report_stdout(s, start);
	show_accepted(s, UINT64_MAX);
}
