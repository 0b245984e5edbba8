/*
 * acts.c - the acts of __chaos: how it changes the bytes of its targets.
 *
 * The numbers of draw() depend on the seed alone, and how many an act takes does not depend on
 * what is in the region. So the same seed gives the same kinds and places. C does not say which
 * operand is evaluated first, so no expression draws two of them.
 */
#include "chaos.h"

#include <string.h>

#include "bytes.h"
#include "lib/hold.h"
#include "lib/seat.h"
#include "sleep.h"

#define SEAT(number, member) \
	((number) * SHMEM_SEAT_SIZE + offsetof(struct shmem_seat, member))

/* The words of a channel that are compared or counted with. */
static const size_t counts[] = {
	offsetof(struct shmem_channel_words, counts.written),
	offsetof(struct shmem_channel_words, counts.read),
	offsetof(struct shmem_channel_words, accepted),
	offsetof(struct shmem_channel_words, sender_ready),
	offsetof(struct shmem_channel_words, receiver_ready),
	offsetof(struct shmem_channel_words, sender_turn),
	offsetof(struct shmem_channel_words, receiver_turn),
	offsetof(struct shmem_channel_words, sleeps[SENDER_SEAT].wanted),
	offsetof(struct shmem_channel_words, sleeps[RECEIVER_SEAT].wanted),
	offsetof(struct shmem_channel_words, sleeps[SENDER_SEAT].sleeps),
	offsetof(struct shmem_channel_words, sleeps[RECEIVER_SEAT].sleeps),
	offsetof(struct shmem_channel_words, sleeps[SENDER_SEAT].rings),
	offsetof(struct shmem_channel_words, sleeps[RECEIVER_SEAT].rings),
	SEAT(SENDER_SEAT, agreed),
	SEAT(RECEIVER_SEAT, agreed),
};

static const size_t seat_words[] = { SEAT(SENDER_SEAT, word), SEAT(RECEIVER_SEAT, word) };

static const size_t notices[] = {
	offsetof(struct shmem_channel_words, sleeps[SENDER_SEAT].notice),
	offsetof(struct shmem_channel_words, sleeps[RECEIVER_SEAT].notice),
};

#define LENGTH(array) (sizeof(array) / sizeof(*(array)))

static unsigned char *word_of(const struct target *target, size_t offset)
{
	return (unsigned char *)target->channel + offset;
}

/* --- The numbers of the seed ------------------------------------------------ */

/* A number below the limit. The remainder is even enough: limits are far below 2^64. */
static uint64_t draw(struct chaos *c, uint64_t below)
{
	c->drawn += SHMEM_PATTERN_STEP;
	return shmem_mix(c->drawn, 0) % below;
}

/* A part of the target with room for that many bytes; the first one always has it. */
static struct part draw_part(struct chaos *c, const struct target *target, size_t least)
{
	const struct part *second = &target->parts[1];

	return second->size >= least && draw(c, 2) ? *second : target->parts[0];
}

static unsigned int draw_kind(struct chaos *c, const struct target *target)
{
	unsigned int kind = 0;

	for (uint64_t skip = draw(c, (uint64_t)__builtin_popcount(target->kinds));; kind++)
		if (target->kinds >> kind & 1 && skip-- == 0)
			return kind;
}

/* --- Bytes and words -------------------------------------------------------- */

/* A word is loaded and stored whole, as its owner does it. No partner: we break the rules. */
static void see_bytes(struct act *act, unsigned char *at, size_t length)
{
	act->at = at;
	act->length = length;
	if (length == sizeof(uint64_t)) {
		uint64_t word = atomic_load_explicit((_Atomic uint64_t *)at, memory_order_relaxed);
		memcpy(act->before, &word, sizeof(word));
	} else {
		memcpy(act->before, at, length);
	}
}

static uint64_t see_word(struct act *act, unsigned char *at)
{
	uint64_t word;

	see_bytes(act, at, sizeof(word));
	memcpy(&word, act->before, sizeof(word));
	return word;
}

static void want_word(struct act *act, uint64_t word)
{
	memcpy(act->after, &word, sizeof(word));
}

static void write_act(const struct act *act)
{
	uint64_t word;

	if (act->length == sizeof(word)) {
		memcpy(&word, act->after, sizeof(word));
		atomic_store_explicit((_Atomic uint64_t *)act->at, word, memory_order_relaxed);
	} else {
		memcpy(act->at, act->after, act->length);
	}
	shmem_fence(); /* out of the write-combining buffer */
}

/* --- The kinds of acts ------------------------------------------------------ */

/* Flips a bit, or several bits of a byte. */
static void act_bits(struct chaos *c, struct target *target, struct act *act)
{
	struct part part = draw_part(c, target, 1);

	see_bytes(act, part.base + draw(c, part.size), 1);
	uint64_t bits = draw(c, 2) ? UINT64_C(1) << draw(c, 8) : 1 + draw(c, 255);
	act->after[0] = act->before[0] ^ (unsigned char)bits;
}

/* In an area any aligned word may be a count. */
static unsigned char *draw_count(struct chaos *c, const struct target *target)
{
	if (target->channel)
		return word_of(target, counts[draw(c, LENGTH(counts))]);
	struct part part = draw_part(c, target, sizeof(uint64_t));

	return part.base + draw(c, part.size / sizeof(uint64_t)) * sizeof(uint64_t);
}

static void act_counts(struct chaos *c, struct target *target, struct act *act)
{
	uint64_t count = see_word(act, draw_count(c, target));
	uint64_t values[] = {
		0, 1, UINT64_MAX, UINT64_C(1) << 40,
		count + 1, count - 1, count ^ UINT64_C(1) << 63,
		count - draw(c, UINT64_C(64) << 10), /* backwards */
	};

	want_word(act, values[draw(c, LENGTH(values))]);
}

/* A beat that moves, one that stands still where we saw it last, or another holder's ticket. */
static void act_beats(struct chaos *c, struct target *target, struct act *act)
{
	uint64_t seat = draw(c, LENGTH(seat_words));
	uint64_t word = see_word(act, word_of(target, seat_words[seat]));
	uint64_t values[] = {
		(word & ~BEAT_MASK) | ((word + 1) & BEAT_MASK),
		target->seats[seat],
		draw(c, UINT64_MAX) << BEAT_BITS | (word & BEAT_MASK),
	};

	target->seats[seat] = word;
	want_word(act, values[draw(c, LENGTH(values))]);
}

/* The notice of a peer that may exist, an impossible one, or none although a side sleeps. */
static void act_notices(struct chaos *c, struct target *target, struct act *act)
{
	uint64_t sleep = 1 + draw(c, UINT32_MAX), id = draw(c, 16), vector = draw(c, 8);
	uint64_t values[] = { SHMEM_NOTICE(sleep, id, vector), sleep, 0 };

	see_word(act, word_of(target, notices[draw(c, LENGTH(notices))]));
	want_word(act, values[draw(c, LENGTH(values))]);
}

static void remember(struct chaos *c, const struct target *target, struct piece *piece)
{
	struct part part = draw_part(c, target, 1);
	size_t lines = (part.size + PIECE_SIZE - 1) / PIECE_SIZE;
	size_t offset = draw(c, lines) * PIECE_SIZE;

	piece->at = part.base + offset;
	piece->length = part.size - offset < PIECE_SIZE ? part.size - offset : PIECE_SIZE;
	memcpy(piece->bytes, piece->at, piece->length);
}

/* Puts bytes back as they were some acts ago, and remembers others for later. */
static void act_replay(struct chaos *c, struct target *target, struct act *act)
{
	struct piece *piece = &target->pieces[draw(c, PIECES)];

	see_bytes(act, piece->at, piece->length);
	memcpy(act->after, piece->bytes, piece->length);
	remember(c, target, piece);
}

/* --- All of them ------------------------------------------------------------ */

void prepare_acts(struct chaos *c)
{
	c->drawn = shmem_mix(c->seed, 0);
	for (size_t i = 0; i < c->targets_count; i++) {
		struct target *target = &c->targets[i];

		for (int piece = 0; piece < PIECES; piece++)
			remember(c, target, &target->pieces[piece]);
		for (size_t seat = 0; target->channel && seat < LENGTH(seat_words); seat++)
			memcpy(&target->seats[seat], word_of(target, seat_words[seat]),
			       sizeof(uint64_t));
	}
}

struct act do_act(struct chaos *c)
{
	static void (*const acts[KINDS])(struct chaos *, struct target *, struct act *) = {
		[KIND_BITS] = act_bits,
		[KIND_COUNTS] = act_counts,
		[KIND_BEATS] = act_beats,
		[KIND_NOTICES] = act_notices,
		[KIND_REPLAY] = act_replay,
	};
	struct target *target = &c->targets[draw(c, c->targets_count)];
	struct act act = { .kind = draw_kind(c, target), .target = target };

	acts[act.kind](c, target, &act);
	write_act(&act);
	c->done[act.kind]++;
	return act;
}
