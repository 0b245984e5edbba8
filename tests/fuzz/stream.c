/*
 * stream.c - fuzzes __stream's receiver: its frames, and the channel that they come through.
 *
 * A sender sends frames of generated data and of a user's data. In some inputs it spoils one of
 * their members or a frame of the channel, or an adversary changes counts and bytes of the ring
 * between any two loads of the receiver. An unspoiled stream must be received as it was sent. In
 * any case the receiver ends, either with what it received or because it found rubbish or a dead
 * sender.
 */
#include "fuzz.h"

#include <poll.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "lib/ticks.h"
#include "turn.h"

static ssize_t take_output(const unsigned char *bytes, size_t length);
static enum shmem_peer look_at(int seat);
static void *keep_samples(size_t size);

/* Small, so that a round takes no time, and goes round the ring. */
#define ROUND_SIZE 4096UL
#define PIECE 1024UL

#define shmem_pin_apart(turn) ((void)(turn))
#define shmem_try_meet_check(meeting, error) ((void)(meeting), (void)(error), true)
#define shmem_try_meet_beat(meeting, error) ((void)(meeting), (void)(error), true)
#define shmem_meet_peer(meeting, seat) ((void)(meeting), look_at(seat))
#define shmem_wait_turn(turns) ((void)(turns), true)
#define poll(files, count, timeout) ((void)(files), 1)
#define write(fd, bytes, length) take_output(bytes, length)
#define ticks() (fuzz_clock += SHMEM_US)
#define shmem_try_ticks_clock(clock, uneven, error) \
	((void)(error), (clock)->tick = (clock)->reading = (clock)->step = 1, true)
#define main stream_main
#include "../../prog/lib/ring.c"
#include "../../prog/lib/channel.c"
#undef frame
#include "../../prog/lib/channel_life.c"
#include "../../prog/lib/channel_wait.c"
#include "../../prog/stream/faults.c"
#include "../../prog/stream/frames.c"
#include "../../prog/stream/generated.c"
#include "../../prog/stream/parts.c"
#include "../../prog/stream/user.c"
#include "../../prog/stream/stream.c"
#define realloc(memory, size) keep_samples(size)
#define free(memory) ((void)(memory))
#include "../../prog/stream/rates.c"
#undef free
#undef main

enum { RING_SIZE = 4096, FRAMES_MAX = 8, TAIL = 2 * DATA_SIZE };
enum { SCRIPT_SIZE = FRAMES_MAX * (sizeof(struct frame) + DATA_SIZE) + TAIL };

enum { MESSAGES_MAX = FRAMES_MAX * (1 + DATA_SIZE / PIECE) + TAIL / PIECE, IDLE_LOOKS_MAX = 200 };

static_assert(ROUND_SIZE / LEAST_MESSAGE <= DATA_SIZE / PIECE, "the messages of a round, too");
static_assert(PIECE <= RING_SIZE / 2 - sizeof(struct channel_frame), "a channel takes it");

#define SESSION UINT64_C(0x5e551017)

static struct stream receiver;
static struct stream generator; /* of the sender's rounds; the same for all inputs */
static struct shmem_channel sender;
static unsigned char script[SCRIPT_SIZE]; /* what the sender sends */
static size_t script_size;
static size_t messages[MESSAGES_MAX];     /* the lengths of the messages that it is cut into */
static size_t message_count, messages_sent, bytes_sent, sent_at_last_look, idle_looks;
static uint64_t total, user_total; /* bytes of payload in the script, and the user's of them */
static uint64_t output; /* bytes that came out */
static bool hostile, acting;
static bool rude;     /* something was spoiled, or changed in the ring */
static bool lied;     /* what was spoiled first must be noticed */
static bool tampered; /* something was changed in the ring */

/* --- What comes out ----------------------------------------------------------- */

/* The user's byte at that place of the stream. */
static unsigned char expected_byte(uint64_t place)
{
	return (unsigned char)(place * 251 + (place >> 8));
}

static ssize_t take_output(const unsigned char *bytes, size_t length)
{
	if (length > 1 && take_byte() % 4 == 1)
		length /= 2;
	for (size_t i = 0; i < length; i++)
		MUST(rude || bytes[i] == expected_byte(output + i));
	output += length;
	return (ssize_t)length;
}

/* The receiver may end at any time, and leave them behind. */
static void *keep_samples(size_t size)
{
	static double samples[64];

	MUST(size <= sizeof(samples));
	return samples;
}

/* --- The sender --------------------------------------------------------------- */

/* Changes one thing. True if every receiver must notice it. */
static bool spoil(struct frame *frame, unsigned char *payload, size_t there)
{
	struct frame before = *frame;
	uint8_t change = 0;

	switch (take_byte() % 5) {
	case 0:
		frame->kind = take_byte() % 2 ? take_byte() % 7 : take_word();
		break;
	case 1:
		frame->length = take_byte() % 2 ? take_word() : frame->length + take_byte();
		break;
	case 2:
		frame->message = take_byte() % 2 ? take_word() : take_byte();
		break;
	case 3:
		frame->checksum ^= take_word();
		break;
	case 4:
		change = there > 0 ? take_byte() : 0;
		if (change)
			payload[take_word() % there] ^= change;
		break;
	}
	bool has_checksum = frame->kind == FRAME_DATA || frame->kind == FRAME_TIMED;

	return frame->length != before.length ||
	       (has_checksum && frame->checksum != before.checksum) || change;
}

/* The last message so far gets another length, and those after it begin elsewhere. */
static bool spoil_message(void)
{
	size_t *length = &messages[message_count - 1], before = *length;

	*length = take_word() % (shmem_channel_longest(&sender) + 1);
	return *length != before;
}

/* As send_bytes does, and in messages as send_round does. */
static void cut(size_t length, size_t message)
{
	for (size_t at = 0; at < length;) {
		size_t rest = message - at % message;

		rest = rest < length - at ? rest : length - at;
		messages[message_count++] = piece_of(rest);
		at += piece_of(rest);
	}
}

/* Now and then a long one, or the longest. */
static size_t choose_length(size_t most)
{
	switch (take_byte() % 8) {
	case 1:
		return take_word() % most + 1;
	case 2:
		return most;
	}
	return take_byte() % most + 1;
}

static void make_data(struct frame *frame, unsigned char *payload)
{
	frame->kind = FRAME_DATA;
	frame->length = choose_length(take_byte() % 8 == 1 ? DATA_SIZE : ROUND_SIZE);
	for (size_t i = 0; i < frame->length; i++)
		payload[i] = expected_byte(user_total++);
	frame->checksum = shmem_checksum(payload, frame->length);
}

/* timed: whether FRAME_PARTS came before, and no FRAME_WARM_UP since. */
static void make_round(struct frame *frame, unsigned char *payload, bool *timed)
{
	static const enum frame_kind kinds[] = { FRAME_WARM_UP, FRAME_ROUND, FRAME_PARTS, FRAME_TIMED };

	generate(&generator);
	frame->kind = kinds[take_byte() % (*timed ? 4 : 3)];
	*timed = frame->kind == FRAME_PARTS || (*timed && frame->kind != FRAME_WARM_UP);
	frame->length = choose_length(ROUND_SIZE);
	frame->message = LEAST_MESSAGE + (take_byte() % 2 ? take_byte() * UINT64_C(4) :
				take_word() % (LARGEST_MESSAGE - LEAST_MESSAGE + 1));
	frame->round = take_word();
	memcpy(payload, bytes_of_round(&generator, frame->round), frame->length);
	frame->checksum = shmem_checksum(payload, frame->length);
}

/* Appends a frame to the script. A spoiled length does not change the number of bytes after it. */
static void make_frame(bool last, bool *timed)
{
	struct frame frame = { .kind = FRAME_END, .length = total };
	unsigned char *header = script + script_size, *payload = header + sizeof(frame);

	if (!last && take_byte() % 2)
		make_data(&frame, payload);
	else if (!last)
		make_round(&frame, payload, timed);

	size_t there = last ? 0 : frame.length;

	cut(sizeof(frame), sizeof(frame));
	cut(there, frame.message && frame.kind != FRAME_TIMED ? frame.message : there);
	if (hostile && take_byte() % 4 == 1) {
		bool noticed = take_byte() % 8 == 1 ? spoil_message() :
						      spoil(&frame, payload, there);

		lied |= noticed && !rude;
		rude = true;
	}
	memcpy(header, &frame, sizeof(frame));
	script_size += sizeof(frame) + there;
	total += there;
}

static void make_script(void)
{
	bool timed = false;

	script_size = message_count = messages_sent = bytes_sent = 0;
	total = user_total = 0;
	for (uint8_t frames = take_byte() % FRAMES_MAX; frames > 0; frames--)
		make_frame(false, &timed);
	make_frame(true, &timed);
	/* A receiver that believes a length that is too large finds zeros there. */
	if (rude) {
		memset(script + script_size, 0, TAIL);
		script_size += TAIL;
		cut(TAIL, TAIL);
	}
}

/* A sender that could send nothing for long is dead. The receiver need not read meanwhile. */
static enum shmem_peer look_at(int seat)
{
	if (seat == RECEIVER_SEAT || !rude)
		return SHMEM_PEER_LIVES;
	idle_looks = messages_sent == sent_at_last_look ? idle_looks + 1 : 0;
	sent_at_last_look = messages_sent;
	return idle_looks > IDLE_LOOKS_MAX ? SHMEM_PEER_DIED : SHMEM_PEER_LIVES;
}

/* The frame of a message that the receiver has not seen yet. It must notice each change. */
static void spoil_channel_frame(struct channel_frame *frame)
{
	uint64_t tag = (uint64_t)sender.tag << 32, size = frame->size, number = frame->number;

	switch (take_byte() % 4) {
	case 0:
		frame->size = tag | FRAME_SKIP;
		break;
	case 1:
		frame->size = tag | (take_byte() % 2 ? (uint32_t)take_word() :
						       (uint32_t)take_word() % RING_SIZE);
		break;
	case 2:
		frame->size ^= UINT64_C(1) << take_byte() % 64;
		break;
	case 3:
		frame->number += take_byte() % 2 ? take_byte() : take_word();
		break;
	}
	lied |= !rude && (frame->size != size || frame->number != number);
	rude = true;
}

/* False if the next message has no room yet, or if there is none. */
static bool send_next(void)
{
	size_t rest = script_size - bytes_sent, length;
	void *place;

	if (messages_sent == message_count)
		return false;
	length = messages[messages_sent] < rest ? messages[messages_sent] : rest;
	enum shmem_channel_status status = shmem_channel_reserve(&sender, &place, length, 0);

	MUST(tampered || status == SHMEM_CHANNEL_OK || status == SHMEM_CHANNEL_LATE);
	if (status != SHMEM_CHANNEL_OK)
		return false;
	memcpy(place, script + bytes_sent, length);
	MUST(shmem_channel_commit(&sender, length) == SHMEM_CHANNEL_OK);
	messages_sent++;
	bytes_sent += length;
	if (hostile && take_byte() % 32 == 1)
		spoil_channel_frame((struct channel_frame *)place - 1);
	return true;
}

static void send_more(void)
{
	size_t most = supplied > 0 ? take_byte() % 4 : SIZE_MAX;

	while (most-- > 0 && send_next())
		continue;
}

static void adversary(void)
{
	if (acting)
		return;
	acting = true;
	send_more();
	if (hostile && take_byte() % 16 == 1) {
		rude = tampered = true;
		tamper_with_ring(&sender.words->counts, sender.bytes, RING_SIZE);
	}
	acting = false;
}

/* --- The receiver ------------------------------------------------------------- */

static void receive(void)
{
	receive_all(&receiver);
}

static void check_stream(void)
{
	if (ends(receive)) {
		MUST(rude);
		MUST(fuzz_status == SHMEM_STATUS_RUBBISH || fuzz_status == SHMEM_STATUS_DIED);
	} else {
		MUST(!lied || tampered);
		MUST(sender.words->accepted == UINT64_MAX);
		MUST(rude || (receiver.total == total && output == user_total));
	}
	MUST(output <= receiver.total);
}

static void open_side(struct shmem_channel *channel, enum shmem_channel_role role,
		      struct shmem_channel_words *words, unsigned char *bytes)
{
	*channel = (struct shmem_channel){
		.options = { .role = role }, .what = "channel 0",
		.order = take_byte() % 2 ? SHMEM_ORDER_NONE : SHMEM_ORDER_X86,
		.words = words, .bytes = bytes, .ring_size = RING_SIZE,
		.meeting = { .session = SESSION, .seat = (int)role },
		.copy = shmem_copy_kernels, .timer = -1,
	};
	shmem_channel_make_ring(channel);
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size)
{
	static struct shmem_channel_words apart; /* of one that is only tended */
	struct shmem_channel_words *words = aligned_alloc(CHANNEL_SIZE, CHANNEL_SIZE);
	unsigned char *bytes = aligned_alloc(CHANNEL_SIZE, RING_SIZE);

	supply = input;
	supplied = size;
	hostile = take_byte() % 4;
	rude = lied = tampered = acting = false;
	output = fuzz_clock = idle_looks = 0;
	memset(words, 0, sizeof(*words));
	receiver = (struct stream){ 0 };
	open_side(&generator.channel, SHMEM_SENDER, &apart, bytes);
	open_side(&sender, SHMEM_SENDER, words, bytes);
	open_side(&receiver.channel, SHMEM_RECEIVER, words, bytes);
	make_script();
	check_stream();
	free(receiver.pool);
	free(receiver.copy);
	free(bytes);
	free(words);
	return 0;
}
