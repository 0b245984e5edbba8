/* watch_json.c - what __shmem watch --json prints: a record a second. */
#include "watch.h"

static void record_word(const struct watched_word *word)
{
	shmem_record_text("state", watch_holder_names[watch_holder(word)]);
	shmem_record_number("still_s", word->seen ? (double)word->still / SHMEM_SECOND : 0);
}

static void record_claims(const struct region_watch *watch)
{
	shmem_record_array("claims");
	for (size_t claim = 0; claim < CLAIMS_IN_PAGE; claim++) {
		if (!watch_claim_name(claim) && watch->claims[claim].seen == 0)
			continue;
		shmem_record_object(NULL);
		shmem_record_integer("claim", claim);
		shmem_record_text("name", watch_claim_name(claim));
		record_word(&watch->claims[claim]);
		shmem_record_object_end();
	}
	shmem_record_array_end();
}

static void record_meeting(const struct watched_meeting *meeting)
{
	shmem_record_object(NULL);
	shmem_record_text("name", meeting->name);
	shmem_record_flag("agreed", meeting->agreed);
	shmem_record_array("seats");
	for (int seat = 0; seat < meeting->seats; seat++) {
		shmem_record_object(NULL);
		record_word(&meeting->words[seat]);
		shmem_record_object_end();
	}
	shmem_record_array_end();
	shmem_record_object_end();
}

static void record_meetings(const struct region_watch *watch)
{
	shmem_record_array("meetings");
	for (size_t i = 0; i < WATCH_MEETINGS; i++)
		if (watch_is_taken(&watch->meetings[i]))
			record_meeting(&watch->meetings[i]);
	shmem_record_array_end();
}

static void record_side(const char *name, const struct watched_side *side)
{
	shmem_record_object(name);
	record_word(&side->seat);
	shmem_record_flag("asleep", side->asleep);
	shmem_record_flag("impossible", side->impossible);
	if (side->asleep && !side->impossible) {
		shmem_record_integer("peer", side->id);
		shmem_record_text("peer_name", side->name[0] ? side->name : NULL);
		shmem_record_integer("vector", side->vector);
		shmem_record_integer("wanted", side->wanted);
		shmem_record_integer("missing", side->missing);
	}
	shmem_record_object_end();
}

/* The counts are there only if they are possible. */
static void record_channel(const struct region_watch *watch, size_t number)
{
	const struct watched_channel *channel = &watch->channels[number];

	shmem_record_object(NULL);
	shmem_record_integer("channel", number);
	shmem_record_text("verdict", watch_verdict_text(channel->verdict));
	record_side("sender", &channel->sides[SENDER_SEAT]);
	record_side("receiver", &channel->sides[RECEIVER_SEAT]);
	shmem_record_flag("agreed", channel->session != 0);
	shmem_record_flag("possible", channel->possible);
	shmem_record_number("mb_per_s", channel->mb_per_s);
	if (watch_has_counts(channel)) {
		shmem_record_integer("ring_bytes", channel->fill);
		shmem_record_integer("written", channel->written);
		shmem_record_integer("read", channel->read);
		shmem_record_integer("accepted", channel->accepted);
	}
	shmem_record_integer("ring_size", watch->ring_size);
	shmem_record_object_end();
}

void watch_record(const struct region_watch *watch)
{
	shmem_record_begin(&watch->region, &watch->options, "watch");
	shmem_record_number("watched_s", (double)shmem_since(watch->began) / SHMEM_SECOND);
	record_claims(watch);
	record_meetings(watch);
	shmem_record_array("channels");
	for (size_t i = 0; i < SHMEM_CHANNELS; i++)
		if (watch->channels[i].used)
			record_channel(watch, i);
	shmem_record_array_end();
	shmem_record_end();
}
