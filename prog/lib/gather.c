/* gather.c - messages from several senders to one receiver: a channel for each. */
#include "gather.h"

#include <stdio.h>

#include "area.h"
#include "channel_private.h"
#include "hold.h"
#include "internal.h"
#include "turn.h"
#include "units.h"

/* How often a lane without a sender is looked at, and one with a sender shown that we live. */
#define TEND_EVERY (10 * SHMEM_MS)

struct lane_name {
	char text[SHMEM_AREA_NAME_MAX + 8];
};

static struct lane_name lane_name_of(const struct shmem_gather_options *options, unsigned int lane)
{
	struct lane_name name;

	snprintf(name.text, sizeof(name.text), "%s.%u", options->name, lane);
	return name;
}

/* Begins the meeting of one lane. */
static enum shmem_channel_status
begin_lane(struct shmem_channel *channel, const struct shmem *region,
	   const struct shmem_gather_options *options, unsigned int lane,
	   struct shmem_channel_options *to)
{
	struct lane_name name = lane_name_of(options, lane);

	to->name = name.text;
	to->ring_size = options->ring_size ? options->ring_size : CHANNEL_SMALL_RING;
	return shmem_channel_begin(channel, region, to);
}

/* --- The receiver --------------------------------------------------------------------- */

static enum shmem_channel_status note(struct shmem_gather *gather, const struct shmem_lane *lane,
				      enum shmem_channel_status status)
{
	if (status != SHMEM_CHANNEL_OK)
		gather->error = lane->channel.error;
	return status;
}

static enum shmem_channel_status open_lane(struct shmem_gather *gather, unsigned int number)
{
	struct shmem_channel_options to = { .role = SHMEM_RECEIVER };
	struct shmem_lane *lane = &gather->lanes[number];
	enum shmem_channel_status status = begin_lane(&lane->channel, &gather->region,
						      &gather->options, number, &to);

	if (status == SHMEM_CHANNEL_OK)
		lane->stage = SHMEM_LANE_MEETS;
	return note(gather, lane, status);
}

enum shmem_channel_status shmem_gather_open(struct shmem_gather *gather, const struct shmem *region,
					    const struct shmem_gather_options *options)
{
	enum shmem_channel_status status = SHMEM_CHANNEL_OK;

	assert(options->lanes > 0 && options->lanes <= SHMEM_LANES_MAX);
	*gather = (struct shmem_gather){ .region = *region, .options = *options };
	shmem_error_set(&gather->late, SHMEM_STATUS_NOBODY, "no message came to %s in time", options->name);
	for (unsigned int i = 0; i < options->lanes && status == SHMEM_CHANNEL_OK; i++)
		status = open_lane(gather, i);
	if (status != SHMEM_CHANNEL_OK)
		shmem_gather_close(gather);
	return status;
}

/*
 * The sender of a lane has ended, or this side has failed there. Makes the lane free for another
 * sender. If that fails, the lane stays closed.
 */
static enum shmem_channel_status end_lane(struct shmem_gather *gather, struct shmem_lane *lane,
					  enum shmem_channel_status end)
{
	note(gather, lane, end);
	shmem_channel_close(&lane->channel, 0);
	lane->stage = SHMEM_LANE_IS_CLOSED;
	enum shmem_channel_status begun = shmem_channel_begin_again(&lane->channel, &gather->region);

	if (begun != SHMEM_CHANNEL_OK)
		return note(gather, lane, begun);
	lane->stage = SHMEM_LANE_MEETS;
	return end;
}

/*
 * Whether the lane is open, perhaps since now. Its opening takes many turns of both sides, so the
 * other side's next one is worth the wait, as long as it comes soon.
 */
static bool lane_opens(struct shmem_lane *lane)
{
	unsigned int seen = lane->channel.turn;

	for (int i = 0; lane->stage == SHMEM_LANE_OPENS && i < SHMEM_TURN_SPINS; i++) {
		if (shmem_channel_step(&lane->channel))
			lane->stage = SHMEM_LANE_IS_OPEN;
		if (lane->channel.turn != seen)
			i = 0;
		seen = lane->channel.turn;
		__builtin_ia32_pause();
	}
	return lane->stage == SHMEM_LANE_IS_OPEN;
}

/* Lanes without a sender look for one, the others show that we live. */
static void tend_lane(struct shmem_lane *lane)
{
	struct shmem_channel *channel = &lane->channel;

	if (lane->stage == SHMEM_LANE_OPENS || lane->stage == SHMEM_LANE_IS_OPEN)
		shmem_channel_tend(channel); /* look_at_lane tells what became of it */
	if (lane->stage == SHMEM_LANE_MEETS && shmem_meet_step(&channel->meeting)) {
		shmem_channel_make_ring(channel);
		lane->stage = SHMEM_LANE_OPENS;
	}
	lane_opens(lane);
}

void shmem_gather_tend(struct shmem_gather *gather)
{
	uint64_t now = shmem_now();

	if (now - gather->looked < TEND_EVERY)
		return;
	gather->looked = now;
	gather->tended = __builtin_ia32_rdtsc();
	for (unsigned int i = 0; i < gather->options.lanes; i++)
		tend_lane(&gather->lanes[i]);
}

/* Another program has held our seat for long, and has shown that it lives. */
static bool is_taken(const struct shmem_lane *lane)
{
	const struct shmem_meeting *meeting = &lane->channel.meeting;

	return lane->stage == SHMEM_LANE_MEETS && meeting->seat == SHMEM_ANY_SEAT &&
	       meeting->watch[RECEIVER_SEAT].moved && shmem_since(meeting->begun) > HOLD_STALE;
}

/* LATE if nothing has come there. */
static enum shmem_channel_status look_at_lane(struct shmem_lane *lane, void *bytes, size_t room,
					      size_t *length)
{
	if (lane_opens(lane))
		return shmem_channel_recv(&lane->channel, bytes, room, length, 0);
	if (lane->stage == SHMEM_LANE_OPENS)
		return shmem_channel_look(&lane->channel);
	return is_taken(lane) ? shmem_channel_fail(&lane->channel, SHMEM_CHANNEL_FAILED,
						   "another program receives %s", lane->channel.what) :
				SHMEM_CHANNEL_LATE;
}

/* Each lane once, beginning after the one that had the last message. */
static enum shmem_channel_status
look_at_lanes(struct shmem_gather *gather, void *bytes, size_t room, size_t *length,
	      unsigned int *lane)
{
	unsigned int lanes = gather->options.lanes;

	for (unsigned int i = 0; i < lanes; i++) {
		unsigned int number = (gather->next + i) % lanes;
		enum shmem_channel_status status = look_at_lane(&gather->lanes[number], bytes, room,
								length);

		if (status == SHMEM_CHANNEL_LATE)
			continue;
		gather->next = (number + 1) % lanes;
		*lane = number;
		return status;
	}
	return SHMEM_CHANNEL_LATE;
}

static bool is_closed(const struct shmem_gather *gather)
{
	for (unsigned int i = 0; i < gather->options.lanes; i++)
		if (gather->lanes[i].stage != SHMEM_LANE_IS_CLOSED)
			return false;
	return true;
}

/* Nothing has come so far. */
static enum shmem_channel_status tend_and_look(struct shmem_gather *gather, uint64_t deadline)
{
	shmem_gather_tend(gather);
	if (is_closed(gather)) {
		shmem_error_set(&gather->error, SHMEM_STATUS_FAILED, "all lanes of %s are closed",
				gather->options.name);
		return SHMEM_CHANNEL_FAILED;
	}
	if (deadline != 0 && shmem_now() < deadline)
		return SHMEM_CHANNEL_OK;
	gather->error = gather->late;
	return SHMEM_CHANNEL_LATE;
}

enum shmem_channel_status shmem_gather_recv(struct shmem_gather *gather, void *bytes, size_t room,
					    size_t *length, unsigned int *lane, uint64_t deadline)
{
	enum shmem_channel_status status;
	unsigned int turns = 0;

	*length = 0;
	if (channel_is_time(gather->tended))
		shmem_gather_tend(gather);
	while ((status = look_at_lanes(gather, bytes, room, length, lane)) == SHMEM_CHANNEL_LATE) {
		if (deadline != 0 && !shmem_wait_turn(&turns))
			continue;
		status = tend_and_look(gather, deadline);
		if (status != SHMEM_CHANNEL_OK)
			return status;
	}
	if (status == SHMEM_CHANNEL_OK)
		return status;
	if (*length > room) /* the message is still there */
		return note(gather, &gather->lanes[*lane], status);
	return end_lane(gather, &gather->lanes[*lane], status);
}

void shmem_gather_close(struct shmem_gather *gather)
{
	for (unsigned int i = 0; i < gather->options.lanes; i++) {
		shmem_channel_close(&gather->lanes[i].channel, 0);
		gather->lanes[i].stage = SHMEM_LANE_IS_CLOSED;
	}
}

const char *shmem_gather_text(const struct shmem_gather *gather)
{
	return gather->error.text;
}

void shmem_gather_must(const struct shmem_gather *gather, enum shmem_channel_status status)
{
	if (status != SHMEM_CHANNEL_OK)
		shmem_error_end(&gather->error);
}

/* --- A sender ------------------------------------------------------------------------- */

/* Begins to look at all lanes: only by looking for three seconds can it know a dead sender's. */
static enum shmem_channel_status
look_for_lanes(struct shmem_channel *channel, const struct shmem *region,
	       const struct shmem_gather_options *options, struct shmem_channel_options *to,
	       struct shmem_meeting meetings[static SHMEM_LANES_MAX])
{
	enum shmem_channel_status status = SHMEM_CHANNEL_OK;

	for (unsigned int i = 0; i < options->lanes && status == SHMEM_CHANNEL_OK; i++) {
		status = begin_lane(channel, region, options, i, to);
		meetings[i] = channel->meeting;
		meetings[i].what = options->name; /* channel->what is the next lane's soon */
	}
	return status;
}

/* The first lane where we get a seat; -1: none is free so far. */
static int take_lane(const struct shmem_gather_options *options,
		     struct shmem_meeting meetings[static SHMEM_LANES_MAX])
{
	for (unsigned int i = 0; i < options->lanes; i++) {
		shmem_meet_step(&meetings[i]);
		if (meetings[i].seat != SHMEM_ANY_SEAT)
			return (int)i;
	}
	return -1;
}

/* -1: no lane became free in time. */
static int wait_for_lane(const struct shmem_gather_options *options,
			 struct shmem_meeting meetings[static SHMEM_LANES_MAX], uint64_t deadline)
{
	int lane;

	while ((lane = take_lane(options, meetings)) < 0 && shmem_now() < deadline)
		shmem_meet_pause(&meetings[0]);
	return lane;
}

/* Goes on with the meeting in which we have a seat. */
static enum shmem_channel_status
begin_taken(struct shmem_channel *channel, const struct shmem *region,
	    const struct shmem_gather_options *options, unsigned int lane,
	    struct shmem_channel_options *to, struct shmem_meeting *meeting)
{
	enum shmem_channel_status status = begin_lane(channel, region, options, lane, to);

	if (status != SHMEM_CHANNEL_OK) {
		shmem_meet_leave(meeting);
		return status;
	}
	channel->meeting = *meeting;
	channel->meeting.what = channel->what;
	return SHMEM_CHANNEL_OK;
}

/*
 * Waits for the receiver and opens the channel. FAILED if another sender took our lane, because
 * we were paused for long: nothing else can fail here.
 */
static enum shmem_channel_status open_taken(struct shmem_channel *channel, uint64_t deadline)
{
	struct shmem_meeting *meeting = &channel->meeting;

	while (!shmem_meet_step(meeting) && meeting->seat != SHMEM_ANY_SEAT && shmem_now() < deadline)
		shmem_meet_pause(meeting);
	if (meeting->seat == SHMEM_ANY_SEAT)
		return SHMEM_CHANNEL_FAILED;
	return shmem_channel_complete(channel, NULL, deadline);
}

enum shmem_channel_status
shmem_gather_join(struct shmem_channel *channel, const struct shmem *region,
		  const struct shmem_gather_options *options, uint64_t timeout)
{
	struct shmem_channel_options to = { .role = SHMEM_SENDER, .timeout = timeout };
	struct shmem_meeting meetings[SHMEM_LANES_MAX];
	uint64_t deadline = channel_deadline(timeout);
	int lane;

	assert(options->lanes > 0 && options->lanes <= SHMEM_LANES_MAX);
	enum shmem_channel_status status = look_for_lanes(channel, region, options, &to, meetings);
	if (status != SHMEM_CHANNEL_OK)
		return status;
	while ((lane = wait_for_lane(options, meetings, deadline)) >= 0) {
		status = begin_taken(channel, region, options, (unsigned int)lane, &to, &meetings[lane]);
		if (status != SHMEM_CHANNEL_OK)
			return status;
		status = open_taken(channel, deadline);
		if (status != SHMEM_CHANNEL_FAILED)
			return status;
	}
	shmem_channel_give_up(channel);
	return shmem_channel_fail(channel, SHMEM_CHANNEL_LATE, "all lanes of %s are taken", options->name);
}
