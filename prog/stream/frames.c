/* frames.c - the frames in __stream's ring: headers and their payloads. */
#include "stream.h"

/* --- Sending -------------------------------------------------------------- */

void send_frame(struct stream *s, struct frame frame)
{
	frame.session = s->meeting.session;
	if (injected(s, FAULT_HEADER))
		frame.session ^= 1;
	send_bytes(s, &frame, sizeof(frame));
	if (frame.kind != FRAME_END)
		inject_under_way(s);
}

/* The receiver accepts the end with UINT64_MAX, which is no possible number of bytes. */
void send_end(struct stream *s)
{
	struct frame frame = { .kind = FRAME_END, .length = s->total };
	uint64_t before = accepted(s);

	if (injected(s, FAULT_TOTAL))
		frame.length++;
	send_frame(s, frame);
	wait_until_accepted(s, before, UINT64_MAX);
}

/* --- Receiving ------------------------------------------------------------ */

static struct frame receive_frame(struct stream *s)
{
	struct frame frame;

	receive_bytes(s, &frame, sizeof(frame));
	if (frame.session != s->meeting.session)
		stream_rubbish(s, "a header without this session's number");
	if (frame.kind != FRAME_END)
		inject_under_way(s);
	return frame;
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
