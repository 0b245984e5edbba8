/* watch_look.c - what the words in the region say, and what that means. */
#include "watch.h"

#include <math.h>
#include <string.h>

#include "lib/seat.h"
#include "sleep.h"

/* More than any machine moves through memory. */
#define MOST_MB_PER_S 1e6

/* --- Claims and seats ------------------------------------------------------- */

static const char *const claim_names[] = {
	[SHMEM_CLAIM_MESSAGE] = "message",
	[SHMEM_CLAIM_BANDWIDTH] = "bandwidth",
	[SHMEM_CLAIM_EXAMPLE] = "example",
	[SHMEM_CLAIM_AREAS] = "areas",
};

const char *watch_claim_name(size_t claim)
{
	return claim < sizeof(claim_names) / sizeof(*claim_names) ? claim_names[claim] : NULL;
}

static const struct watched_meeting rows[WATCH_MEETINGS] = {
	{ .name = "__doorbell test", .offset = SHMEM_LAYOUT_DOORBELL, .seats = 2 },
	{ .name = "__latency", .offset = SHMEM_LAYOUT_LATENCY, .seats = 2 },
	{ .name = "__latency --matrix", .offset = SHMEM_LAYOUT_LATENCY_MATRIX,
	  .seats = SHMEM_SEATS_MAX },
	{ .name = "__stress", .offset = SHMEM_LAYOUT_STRESS, .seats = SHMEM_SEATS_MAX },
};

/* No partner: what others do may change between any two of our looks. */
static uint64_t glance(const _Atomic uint64_t *word)
{
	return atomic_load_explicit(word, memory_order_relaxed);
}

static void look_at_word(struct watched_word *word, const _Atomic uint64_t *place)
{
	uint64_t now = glance(place);

	word->still = now == word->seen ? word->still + WATCH_LOOK : 0;
	word->seen = now;
}

const char *const watch_holder_names[] = {
	[HOLDER_NONE] = "free",
	[HOLDER_LIVES] = "held",
	[HOLDER_STALE] = "stale",
	[HOLDER_IMPOSSIBLE] = "impossible",
};

/* Neither a ticket nor a beat is ever 0 (hold.c). */
enum holder watch_holder(const struct watched_word *word)
{
	if (word->seen == 0)
		return HOLDER_NONE;
	if ((word->seen & BEAT_MASK) == 0 || (word->seen & ~BEAT_MASK) == 0)
		return HOLDER_IMPOSSIBLE;
	return word->still < HOLD_STALE ? HOLDER_LIVES : HOLDER_STALE;
}

bool watch_is_taken(const struct watched_meeting *meeting)
{
	for (int seat = 0; seat < meeting->seats; seat++)
		if (watch_holder(&meeting->words[seat]) != HOLDER_NONE)
			return true;
	return false;
}

static void look_at_meeting(const struct shmem *region, struct watched_meeting *meeting)
{
	const struct shmem_seat *row = (const struct shmem_seat *)(region->base + meeting->offset);
	uint64_t session = 0;
	int taken = 0, same = 0;

	for (int seat = 0; seat < meeting->seats; seat++) {
		look_at_word(&meeting->words[seat], &row[seat].word);
		if (meeting->words[seat].seen == 0)
			continue;
		uint64_t agreed = glance(&row[seat].agreed);
		session = taken++ == 0 ? agreed : session;
		same += agreed == session && agreed != 0;
	}
	meeting->agreed = taken >= 2 && same == taken;
}

static void look_at_claims(struct region_watch *watch)
{
	for (size_t claim = 0; claim < CLAIMS_IN_PAGE; claim++)
		look_at_word(&watch->claims[claim],
			     (const _Atomic uint64_t *)(watch->region.base + SHMEM_LAYOUT_CLAIMS +
							claim * SHMEM_LAYOUT_CLAIM_LINE));
}

/* --- The words of a channel ------------------------------------------------- */

static const struct shmem_channel_words *channel_of(const struct region_watch *watch, size_t channel)
{
	return (const struct shmem_channel_words *)(watch->region.base + channel_offset(channel));
}

/* The session that both sides agree on and have opened the ring for; 0 if there is none. */
static uint64_t session_of(const struct shmem_channel_words *words, enum shmem_order order)
{
	const struct shmem_seat *seats = (const struct shmem_seat *)words->seats;
	uint64_t session = shmem_load_acquire(&words->sender_ready, order);

	if (shmem_load_acquire(&words->receiver_ready, order) != session ||
	    glance(&seats[SENDER_SEAT].agreed) != session ||
	    glance(&seats[RECEIVER_SEAT].agreed) != session)
		return 0;
	return session;
}

/* A ring that was opened since the last look begins with other counts. */
static void enter_session(struct watched_channel *channel, uint64_t session)
{
	channel->session = session;
	channel->read = channel->read_then = channel->written = 0;
	channel->fill = 0;
	channel->unread = 0;
	channel->read_moved = channel->written_moved = false;
}

/* The counts as they were read: the receiver's both before and after the sender's. */
struct glimpse {
	uint64_t accepted, read, written, read_after;
};

static struct glimpse glimpse_of(const struct shmem_channel_words *words, enum shmem_order order)
{
	struct glimpse seen;

	/* Acquires for this order alone; they pair with publish_count in ring.c. */
	seen.accepted = shmem_load_acquire(&words->accepted, order);
	seen.read = shmem_load_acquire(&words->counts.read, order);
	seen.written = shmem_load_acquire(&words->counts.written, order);
	seen.read_after = shmem_load_acquire(&words->counts.read, order);
	return seen;
}

/* Both sides go on while we look, so the sender may be ahead by what was read meanwhile, too. */
static bool is_possible(const struct watched_channel *channel, const struct glimpse *seen,
			size_t ring_size)
{
	uint64_t meanwhile = seen->read_after - seen->read;

	return meanwhile <= INT64_MAX && seen->written - seen->read <= ring_size + meanwhile &&
	       seen->read_after >= channel->read && seen->accepted <= seen->read_after;
}

static void take_counts(struct watched_channel *channel, const struct glimpse *seen,
			size_t ring_size)
{
	uint64_t fill = seen->written - seen->read_after;
	size_t before = channel->fill;
	bool moved = seen->read_after != channel->read;

	channel->possible = is_possible(channel, seen, ring_size);
	channel->fill = channel->possible && fill <= ring_size ? fill : 0;
	channel->unread = !moved && before > 0 && channel->fill > 0 ? channel->unread + 1 : 0;
	channel->read_moved |= moved;
	channel->written_moved |= seen->written != channel->written;
	channel->read = seen->read_after;
	channel->written = seen->written;
	channel->accepted = seen->accepted;
}

/* The table may be left from another server, so a name is a hint. We do not ask for a new one. */
static void name_peer(const struct shmem *region, struct watched_side *side)
{
	struct shmem_table_peer peer;

	side->name[0] = '\0';
	if (shmem_table_answer(region) &&
	    shmem_table_read(region, side->id % SHMEM_LAYOUT_PEERS_MAX, &peer) &&
	    peer.id == side->id)
		memcpy(side->name, peer.name, sizeof(side->name));
}

/*
 * other is the other side's count. Notices that are no more than leftovers do not count: of a
 * side that has left, or that does not sleep in this session.
 */
static void look_at_sleep(const struct region_watch *watch, const struct watched_channel *channel,
			  struct watched_side *side, const struct sleep_words *words,
			  uint64_t other)
{
	uint64_t notice = glance(&words->notice);
	bool sleeps = channel->session && glance(&words->sleeps) == channel->session &&
		      watch_holder(&side->seat) != HOLDER_NONE;

	side->asleep = sleeps && notice != 0;
	side->wanted = glance(&words->wanted);
	side->missing = other - side->wanted <= INT64_MAX ? 0 : side->wanted - other;
	side->id = notice >> 16 & (SHMEM_PEER_IDS - 1);
	side->vector = notice & 0xffff;
	side->impossible = side->asleep &&
			   (notice >> 32 == 0 || side->vector >= SHMEM_VECTORS_MAX ||
			    side->missing > watch->ring_size);
	if (side->asleep)
		name_peer(&watch->region, side);
}

static void look_at_channel(struct region_watch *watch, size_t number)
{
	const struct shmem_channel_words *words = channel_of(watch, number);
	const struct shmem_seat *seats = (const struct shmem_seat *)words->seats;
	struct watched_channel *channel = &watch->channels[number];
	enum shmem_order order = watch->region.order;
	uint64_t session = session_of(words, order);
	struct glimpse seen = glimpse_of(words, order);

	if (session_of(words, order) != session)
		session = 0;
	if (session != channel->session)
		enter_session(channel, session);
	take_counts(channel, &seen, watch->ring_size);
	for (int seat = 0; seat < 2; seat++) {
		look_at_word(&channel->sides[seat].seat, &seats[seat].word);
		look_at_sleep(watch, channel, &channel->sides[seat], &words->sleeps[seat],
			      seat == SENDER_SEAT ? channel->read : channel->written);
	}
}

static bool is_used(const struct shmem_channel_words *words)
{
	const _Atomic uint64_t *word = (const _Atomic uint64_t *)words;

	for (size_t i = 0; i < sizeof(*words) / sizeof(*word); i++)
		if (glance(&word[i]) != 0)
			return true;
	return false;
}

/* --- What it means ---------------------------------------------------------- */

const char *watch_verdict_text(enum channel_verdict verdict)
{
	static const char *const texts[] = {
		[CHANNEL_IDLE] = "idle",
		[CHANNEL_FLOWS] = "flows",
		[CHANNEL_NO_SENDER] = "no sender there",
		[CHANNEL_NO_RECEIVER] = "no receiver there",
		[CHANNEL_NO_SESSION] = "no session yet",
		[CHANNEL_RECEIVER_STALE] = "nobody reads: seat stale",
		[CHANNEL_SENDER_STALE] = "nobody writes: seat stale",
		[CHANNEL_BOTH_STALE] = "both seats stale",
		[CHANNEL_UNREAD] = "receiver does not read",
		[CHANNEL_UNWRITTEN] = "sender does not write",
		[CHANNEL_RECEIVER_ASLEEP] = "receiver asleep, not rung",
		[CHANNEL_SENDER_ASLEEP] = "sender asleep, not rung",
		[CHANNEL_IMPOSSIBLE] = "impossible",
	};

	return texts[verdict];
}

bool watch_has_counts(const struct watched_channel *channel)
{
	return channel->session != 0 && channel->possible;
}

/* Both sides live, and their counts are possible. */
static enum channel_verdict judge_flow(const struct watched_channel *channel)
{
	const struct watched_side *sender = &channel->sides[SENDER_SEAT];
	const struct watched_side *receiver = &channel->sides[RECEIVER_SEAT];

	if (channel->read_moved)
		return CHANNEL_FLOWS;
	if (channel->unread > 0)
		return receiver->asleep ? CHANNEL_RECEIVER_ASLEEP : CHANNEL_UNREAD;
	if (channel->written_moved)
		return CHANNEL_FLOWS;
	/* A sender may wait for more than room: that its bytes are accepted. */
	if (receiver->seat.still >= SHMEM_SECOND)
		return CHANNEL_UNREAD;
	return sender->asleep && sender->missing == 0 ? CHANNEL_SENDER_ASLEEP : CHANNEL_UNWRITTEN;
}

static enum channel_verdict judge_channel(const struct watched_channel *channel)
{
	const struct watched_side *sides = channel->sides;
	enum holder sender = watch_holder(&sides[SENDER_SEAT].seat);
	enum holder receiver = watch_holder(&sides[RECEIVER_SEAT].seat);

	if (sender == HOLDER_IMPOSSIBLE || receiver == HOLDER_IMPOSSIBLE)
		return CHANNEL_IMPOSSIBLE;
	if (sender == HOLDER_NONE && receiver == HOLDER_NONE)
		return CHANNEL_IDLE;
	if (sender == HOLDER_STALE && receiver == HOLDER_STALE)
		return CHANNEL_BOTH_STALE;
	if (receiver == HOLDER_STALE)
		return CHANNEL_RECEIVER_STALE;
	if (sender == HOLDER_STALE)
		return CHANNEL_SENDER_STALE;
	if (sender == HOLDER_NONE)
		return CHANNEL_NO_SENDER;
	if (receiver == HOLDER_NONE)
		return CHANNEL_NO_RECEIVER;
	if (!channel->session)
		return CHANNEL_NO_SESSION;
	if (!channel->possible || sides[0].impossible || sides[1].impossible)
		return CHANNEL_IMPOSSIBLE;
	return judge_flow(channel);
}

static void judge_rate(struct watched_channel *channel, uint64_t duration)
{
	double rate = (double)(channel->read - channel->read_then) * 1e3 / (double)duration;

	channel->possible = channel->possible && rate <= MOST_MB_PER_S;
	channel->mb_per_s = watch_has_counts(channel) ? rate : NAN;
}

/* --- All of it -------------------------------------------------------------- */

void watch_begin_turn(struct region_watch *watch)
{
	watch->turn_began = shmem_now();
	for (size_t i = 0; i < SHMEM_CHANNELS; i++) {
		struct watched_channel *channel = &watch->channels[i];

		channel->read_then = channel->read;
		channel->read_moved = channel->written_moved = false;
	}
}

void watch_look(struct region_watch *watch)
{
	look_at_claims(watch);
	for (size_t i = 0; i < WATCH_MEETINGS; i++)
		look_at_meeting(&watch->region, &watch->meetings[i]);
	for (size_t i = 0; i < SHMEM_CHANNELS; i++)
		look_at_channel(watch, i);
}

void watch_judge(struct region_watch *watch)
{
	uint64_t duration = shmem_since(watch->turn_began);

	for (size_t i = 0; i < SHMEM_CHANNELS; i++) {
		struct watched_channel *channel = &watch->channels[i];

		channel->used = is_used(channel_of(watch, i));
		judge_rate(channel, duration);
		channel->verdict = judge_channel(channel);
	}
}

void watch_open(struct region_watch *watch, const struct shmem_options *options)
{
	watch->options = *options;
	watch->options.read_only = true;
	watch->region = shmem_open(&watch->options);
	watch->ring_size = channel_ring_size(watch->region.size);
	watch->began = shmem_now();
	memcpy(watch->meetings, rows, sizeof(rows));
	watch_look(watch);
}
