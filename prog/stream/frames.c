/* frames.c - the frames of __stream: headers and their payloads. */
#include "stream.h"

#include "bytes.h"

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
		void *place;

		stream_check(s, shmem_channel_reserve(&s->channel, &place, piece, SHMEM_NEVER));
		end_part(s, PART_ROOM);
		shmem_copy_to(s->channel.copy, place, from, piece);
		end_part(s, PART_COPY_IN);
		stream_check(s, shmem_channel_commit(&s->channel, piece));
		end_part(s, PART_PUBLISH);
		from += piece;
		length -= piece;
	}
}

void receive_bytes(struct stream *s, void *bytes, size_t length)
{
	for (unsigned char *to = bytes; length > 0;) {
		size_t piece = piece_of(length), received;
		const void *place;

		stream_check(s, shmem_channel_peek(&s->channel, &place, &received, SHMEM_NEVER));
		end_part(s, PART_MESSAGE);
		if (received != piece)
			stream_rubbish(s, "a message of another length");
		shmem_copy_from(s->channel.copy, to, place, piece);
		end_part(s, PART_COPY_OUT);
		stream_check(s, shmem_channel_release(&s->channel));
		end_part(s, PART_RELEASE);
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

void send_checked(struct stream *s, struct frame *frame, unsigned char *bytes)
{
	frame->checksum = shmem_checksum(bytes, frame->length);
	end_part(s, PART_CHECKSUM);
	if (injected(s, FAULT_BYTES))
		bytes[frame->length - 1] ^= 1;
	send_frame(s, frame);
	send_bytes(s, bytes, frame->length);
	s->total += frame->length;
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

void receive_checked(struct stream *s, const struct frame *frame, void *bytes)
{
	receive_bytes(s, bytes, frame->length);
	if (shmem_checksum(bytes, frame->length) != frame->checksum)
		stream_rubbish(s, "data that does not fit its checksum");
	end_part(s, PART_VERIFY);
	s->total += frame->length;
}

void show_accepted(struct stream *s, uint64_t total)
{
	if (injected(s, FAULT_TOTAL))
		total = s->total + 1;
	stream_check(s, shmem_channel_accept(&s->channel, total));
}

/* False for the frame at the end. */
static bool receive_next(struct stream *s, struct rates *rates, bool *generated)
{
	struct frame frame = receive_frame(s);

	switch (frame.kind) {
	case FRAME_DATA:
		receive_data(s, &frame);
		return true;
	case FRAME_WARM_UP:
	case FRAME_ROUND:
	case FRAME_PARTS:
		*generated = true;
		receive_round(s, &frame, rates);
		return true;
	case FRAME_TIMED:
		receive_timed(s, &frame);
		return true;
	case FRAME_END:
		if (frame.length != s->total)
			stream_rubbish(s, "an end that counts other bytes than came");
		return false;
	}
	stream_rubbish(s, "a header of no known kind");
}

void receive_all(struct stream *s)
{
	struct usage start = usage_now();
	struct rates rates = { 0 };
	bool generated = false;

	while (receive_next(s, &rates, &generated))
		continue;
	if (generated) {
		report_rates(s, &rates);
		report_parts(s);
	} else {
		report_stdout(s, start);
	}
	show_accepted(s, UINT64_MAX);
}
