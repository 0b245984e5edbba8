/* watch_text.c - what __shmem watch shows: a screen of at most 24 lines and 79 columns. */
#include "watch.h"

#include <stdarg.h>
#include <stdio.h>

enum { COLUMNS = 79, STATE_SIZE = 32, CLAIMS_SHOWN = 3 };

/* Text that does not fit is left out: a hostile word may be long. */
struct line {
	char text[COLUMNS + 1];
	size_t length;
};

__attribute__((format(printf, 2, 3)))
static void add(struct line *line, const char *format, ...)
{
	size_t room = sizeof(line->text) - line->length;
	va_list values;

	va_start(values, format);
	int wanted = vsnprintf(line->text + line->length, room, format, values);
	va_end(values);
	line->length += (size_t)wanted < room ? (size_t)wanted : room - 1;
}

/* Each line but the first begins with its newline, so that none follows the last one. */
static void end_line(struct line *line)
{
	shmem_print("\n%s", line->text);
	*line = (struct line){ 0 };
}

/* --- Claims and meetings ---------------------------------------------------- */

static const char *state_of(const struct watched_word *word, char text[static STATE_SIZE])
{
	unsigned long long seconds = word->still / SHMEM_SECOND;
	enum holder holder = watch_holder(word);

	if (holder == HOLDER_NONE || holder == HOLDER_IMPOSSIBLE || seconds == 0)
		return watch_holder_names[holder];
	snprintf(text, STATE_SIZE, "%s %llu s", holder == HOLDER_STALE ? "stale" : "still",
		 seconds);
	return text;
}

/* Those that have no name are the users'. */
static void print_other_claims(const struct region_watch *watch)
{
	struct line line = { 0 };
	char state[STATE_SIZE];
	int taken = 0;

	for (size_t claim = 0; claim < CLAIMS_IN_PAGE; claim++) {
		const struct watched_word *word = &watch->claims[claim];

		if (watch_claim_name(claim) || word->seen == 0 || ++taken > CLAIMS_SHOWN)
			continue;
		add(&line, "%s claim %zu %s", taken > 1 ? "," : "       ", claim,
		    state_of(word, state));
	}
	if (taken > CLAIMS_SHOWN)
		add(&line, ", %d more", taken - CLAIMS_SHOWN);
	if (taken > 0)
		end_line(&line);
}

static void print_claims(const struct region_watch *watch)
{
	struct line line = { 0 };
	char state[STATE_SIZE];

	add(&line, "claims:");
	for (size_t claim = 0; watch_claim_name(claim); claim++)
		add(&line, "%s %s %s", claim ? "," : "", watch_claim_name(claim),
		    state_of(&watch->claims[claim], state));
	end_line(&line);
	print_other_claims(watch);
}

/* How long each is stale is in the record. */
static void print_meeting(const struct watched_meeting *meeting)
{
	int count[HOLDER_IMPOSSIBLE + 1] = { 0 };
	struct line line = { 0 };

	for (int seat = 0; seat < meeting->seats; seat++)
		count[watch_holder(&meeting->words[seat])]++;
	add(&line, "%-18s", meeting->name);
	for (int holder = HOLDER_NONE; holder <= HOLDER_IMPOSSIBLE; holder++)
		if (count[holder])
			add(&line, " %d %s,", count[holder], watch_holder_names[holder]);
	add(&line, " %s", meeting->agreed ? "in one session" : "no session yet");
	end_line(&line);
}

/* --- Channels --------------------------------------------------------------- */

/* In few columns: "1.23G". */
static const char *short_bytes(uint64_t bytes, char text[static STATE_SIZE])
{
	static const char units[] = " KMGTPE";
	double value = (double)bytes;
	int unit = 0;

	for (; value >= 999.5; unit++)
		value /= 1000;
	snprintf(text, STATE_SIZE, "%.3g%.*s", value, unit > 0, units + unit);
	return text;
}

static void add_sleep(struct line *line, const struct watched_side *side)
{
	char text[STATE_SIZE] = "no", missing[STATE_SIZE] = "";

	if (side->asleep && side->missing)
		snprintf(missing, sizeof(missing), " +%llu", (unsigned long long)side->missing);
	if (side->impossible)
		snprintf(text, sizeof(text), "impossible");
	else if (side->asleep)
		snprintf(text, sizeof(text), "%u.%u%s%.8s%s", side->id, side->vector,
			 side->name[0] ? " " : "", side->name, missing);
	add(line, " %-25s", text);
}

static void add_side(struct line *line, const char *name, const struct watched_side *side)
{
	char state[STATE_SIZE];

	add(line, " %-8s %-12s", name, state_of(&side->seat, state));
	add_sleep(line, side);
}

static void add_ring(struct line *line, const struct watched_channel *channel)
{
	char fill[STATE_SIZE] = "-", rate[STATE_SIZE] = "-", accepted[STATE_SIZE] = "-";

	if (watch_has_counts(channel)) {
		snprintf(fill, sizeof(fill), "%zu", channel->fill);
		snprintf(rate, sizeof(rate), "%.1f", channel->mb_per_s);
		short_bytes(channel->accepted, accepted);
	} else if (channel->session) {
		snprintf(fill, sizeof(fill), "impossible");
	}
	add(line, " %10s %7s %8s", fill, rate, accepted);
}

static void print_channel(const struct watched_channel *channel, size_t number)
{
	struct line line = { 0 };

	add(&line, "%2zu", number);
	add_side(&line, "sender", &channel->sides[SENDER_SEAT]);
	add_ring(&line, channel);
	end_line(&line);
	add(&line, "  ");
	add_side(&line, "receiver", &channel->sides[RECEIVER_SEAT]);
	add(&line, " %s", watch_verdict_text(channel->verdict));
	end_line(&line);
}

static void print_channels(const struct region_watch *watch)
{
	bool told = false;

	for (size_t i = 0; i < SHMEM_CHANNELS; i++) {
		if (!watch->channels[i].used)
			continue;
		if (!told)
			shmem_print("\n%2s %-8s %-12s %-25s %10s %7s %8s", "ch", "__stream", "seat",
				    "asleep: id.vector, until", "in ring", "MB/s", "accepted");
		told = true;
		print_channel(&watch->channels[i], i);
	}
}

/* --- The screen ------------------------------------------------------------- */

void watch_print(const struct region_watch *watch)
{
	terminal_home();
	shmem_print("region of %zu KiB, mapping %s, rings of %zu bytes, watched for %llu s",
		    watch->region.size >> 10, shmem_mapping_name(&watch->options), watch->ring_size,
		    (unsigned long long)(shmem_since(watch->began) / SHMEM_SECOND));
	print_claims(watch);
	for (size_t i = 0; i < WATCH_MEETINGS; i++)
		if (watch_is_taken(&watch->meetings[i]))
			print_meeting(&watch->meetings[i]);
	print_channels(watch);
	terminal_finish();
}
