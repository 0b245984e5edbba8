/*
 * channel.c - fuzzes both sides of a channel: its messages, and all that they wait for.
 *
 * One input is a series of calls of a sender and of a receiver. At each load of one side the
 * other side may make a call, too, and an adversary may change words and bytes. Before it does,
 * each message must arrive once, whole and in order, and no call may fail. Afterwards each call
 * must still end with a status, no access may leave the ring (the address sanitizer checks that),
 * and no side may believe in more bytes than the ring holds.
 */
#include "channel_sides.h"

enum { KEPT = 256 };

static_assert(KEPT > (LEAST_SIZE << 3) / UNIT, "the lengths of all messages in the ring are kept");

static uint64_t sent, received;  /* messages */
static size_t lengths[KEPT];     /* of the last ones sent */
static uint64_t shown, known;    /* the receiver's number, and what the sender knows of it */
static const void *held;         /* the message that the receiver has peeked at, or NULL */
static size_t held_length;

/* --- Calls ---------------------------------------------------------------------- */

/* True if the call did what it is for. Checks whether it may have failed. */
static bool went_well(const struct shmem_channel *channel, enum shmem_channel_status status,
		      uint64_t deadline)
{
	if (status == SHMEM_CHANNEL_OK)
		return true;
	MUST(shmem_channel_text(channel)[0] != '\0');
	MUST(tampered || status == SHMEM_CHANNEL_LATE);
	MUST(status != SHMEM_CHANNEL_LATE ||
	     (deadline != SHMEM_NEVER && channel->error.status == SHMEM_STATUS_NOBODY));
	over[channel->meeting.seat] |= status != SHMEM_CHANNEL_LATE;
	return false;
}

/* A side without a seat stores nothing that the other one believes, and learns why. */
static void check_lost(const struct shmem_channel *channel, enum shmem_channel_status status)
{
	MUST(!lost[channel->meeting.seat] || status == SHMEM_CHANNEL_FAILED);
}

/* A sender is late only if there is no room, with what it must skip before the message. */
static void check_late(enum shmem_channel_status status, size_t length)
{
	size_t room = sender.ring_size - (sender.ring.mine - words->counts.read);
	size_t needed = room_for(length);

	MUST(tampered || status != SHMEM_CHANNEL_LATE ||
	     room < bytes_to_skip(&sender, needed) + needed);
}

/* The bytes of message number. */
static unsigned char expected(uint64_t number, size_t at)
{
	return (unsigned char)(number * 31 + at * 251 + (at >> 8));
}

static void fill(unsigned char *to, size_t length)
{
	for (size_t i = 0; i < length; i++)
		to[i] = expected(sent, i);
}

/* The interesting lengths are the short ones and the longest. */
static size_t choose_length(void)
{
	size_t longest = shmem_channel_longest(&sender), length = take_byte();

	return length % 4 == 1 ? longest - length % (longest + 1) : length % (longest + 1);
}

static void send_copy(size_t length, uint64_t deadline)
{
	unsigned char *from = length > 0 ? malloc(length) : NULL;

	fill(from, length);
	enum shmem_channel_status status = shmem_channel_send(&sender, from, length, deadline);

	free(from);
	check_lost(&sender, status);
	check_late(status, length);
	sent += went_well(&sender, status, deadline);
}

static void send_in_place(size_t length, uint64_t deadline)
{
	size_t longest = shmem_channel_longest(&sender), most = length;
	void *place;

	if (take_byte() % 4 == 1)
		most += take_byte() % (longest - length + 1);
	enum shmem_channel_status status = shmem_channel_reserve(&sender, &place, most, deadline);
	check_lost(&sender, status);
	check_late(status, most);
	if (!went_well(&sender, status, deadline))
		return;
	MUST(sender.ring.mine - sender.ring.theirs + sender.skipped + room_for(most) <=
	     sender.ring_size);
	MUST((size_t)((unsigned char *)place - bytes) % 16 == 0);
	memset(place, 0xa5, most);
	fill(place, length);
	/* What is not committed is not sent. */
	if (take_byte() % 8 == 1)
		return;
	sent += went_well(&sender, shmem_channel_commit(&sender, length), SHMEM_NEVER);
}

static void send_too_long(uint64_t deadline)
{
	size_t length = take_byte() % 2 ? SIZE_MAX - take_byte() :
					  shmem_channel_longest(&sender) + 1 + take_byte();
	void *place;

	MUST(shmem_channel_reserve(&sender, &place, length, deadline) == SHMEM_CHANNEL_FAILED);
}

static void send_message(uint64_t deadline)
{
	size_t length = choose_length();

	lengths[sent % KEPT] = length;
	switch (take_byte() % 16) {
	case 1:
		send_too_long(deadline);
		break;
	case 2 ... 7:
		send_copy(length, deadline);
		break;
	default:
		send_in_place(length, deadline);
	}
}

/* Reads all bytes of a message, also of one that the adversary has made. */
static void check_message(const unsigned char *message, size_t length)
{
	size_t right = 0;

	MUST(length <= shmem_channel_longest(&receiver));
	for (size_t i = 0; i < length; i++)
		right += message[i] == expected(received, i);
	MUST(tampered || (right == length && length == lengths[received % KEPT]));
}

static void release_held(void)
{
	enum shmem_channel_status status = shmem_channel_release(&receiver);

	check_lost(&receiver, status);
	received += went_well(&receiver, status, SHMEM_NEVER);
	held = NULL;
}

/* Peeking again shows the same message, whatever the sender has done meanwhile. */
static void peek_again(uint64_t deadline)
{
	const void *message;
	size_t length;

	MUST(shmem_channel_peek(&receiver, &message, &length, deadline) == SHMEM_CHANNEL_OK);
	MUST(message == held && length == held_length);
}

static void receive_in_place(uint64_t deadline)
{
	enum shmem_channel_status status = SHMEM_CHANNEL_OK;
	uint64_t before = receiver.ring.mine;

	if (held)
		peek_again(deadline);
	else
		status = shmem_channel_peek(&receiver, &held, &held_length, deadline);
	/* One skip at most, whatever the sender goes on writing. */
	MUST(receiver.ring.mine - before < receiver.ring_size);
	if (!went_well(&receiver, status, deadline)) {
		check_lost(&receiver, status);
		return;
	}
	check_message(held, held_length);
	if (take_byte() % 4 != 1)
		release_held();
}

/* Into room that may be too small. */
static void receive_copy(uint64_t deadline)
{
	size_t longest = shmem_channel_longest(&receiver), length = SIZE_MAX;
	size_t room = take_byte() % 4 == 1 ? take_byte() % (longest + 1) : longest;
	unsigned char *to = room > 0 ? malloc(room) : NULL;
	enum shmem_channel_status status =
		shmem_channel_recv(&receiver, to, room, &length, deadline);

	check_lost(&receiver, status);
	if (status == SHMEM_CHANNEL_OK) {
		MUST(length <= room);
		check_message(to, length);
		received++;
	}
	/* Nothing but a lack of room leaves a message in place. */
	if (status != SHMEM_CHANNEL_FAILED || length == SIZE_MAX || length <= room) {
		went_well(&receiver, status, deadline);
		held = NULL;
	}
	free(to);
}

static void receive_message(uint64_t deadline)
{
	if (take_byte() % 4 == 1)
		receive_copy(deadline);
	else
		receive_in_place(deadline);
}

static void show_number(void)
{
	enum shmem_channel_status status = shmem_channel_accept(&receiver, ++shown);

	check_lost(&receiver, status);
	went_well(&receiver, status, SHMEM_NEVER);
}

static void ask_number(uint64_t deadline)
{
	uint64_t before = known;
	enum shmem_channel_status status =
		shmem_channel_accepted(&sender, before, &known, deadline);

	if (went_well(&sender, status, deadline))
		MUST(known != before && (tampered || (known > before && known <= shown)));
}

static void flush(uint64_t deadline)
{
	if (!went_well(&sender, shmem_channel_flush(&sender, deadline), deadline))
		return;
	MUST(sender.ring.theirs == sender.ring.mine);
	MUST(tampered || received + 1 >= sent); /* the receiver may be about to count it */
}

/* A sender that is ready can send the longest message at once. */
static void check_ready(void)
{
	size_t longest = shmem_channel_longest(&sender);
	void *place;

	if (!shmem_channel_ready(&sender))
		return;
	MUST(shmem_channel_reserve(&sender, &place, longest, 0) == SHMEM_CHANNEL_OK || tampered);
}

/* With zeros it lets the other side go on. */
static void call_other(void)
{
	if (busy == &receiver) {
		send_message(0);
		return;
	}
	receive_message(0);
	show_number();
}

/* --- One input ------------------------------------------------------------------ */

static uint64_t choose_deadline(void)
{
	switch (take_byte() % 4) {
	case 0:
		return 0;
	case 1:
		return fuzz_clock + 1 + take_byte() * SHMEM_US;
	}
	return SHMEM_NEVER;
}

static void call_sender(uint64_t deadline)
{
	busy = &sender;
	switch (take_byte() % 8) {
	case 0:
		flush(deadline);
		break;
	case 1:
		ask_number(deadline);
		break;
	case 2:
		check_ready();
		break;
	default:
		send_message(deadline);
	}
}

static void call_receiver(uint64_t deadline)
{
	busy = &receiver;
	switch (take_byte() % 8) {
	case 0:
		show_number();
		break;
	case 1:
		shmem_channel_ready(&receiver);
		break;
	default:
		receive_message(deadline);
	}
}

static void call(void)
{
	uint8_t what = take_byte();

	looks = 0;
	if (hostile && what % 32 == 31) {
		lost[take_byte() % 2] = tampered = true;
		return;
	}
	if (what % 2)
		call_sender(choose_deadline());
	else
		call_receiver(choose_deadline());
	MUST(sender.ring.mine - sender.ring.theirs <= sender.ring_size);
	MUST(receiver.ring.theirs - receiver.ring.mine <= receiver.ring_size);
}

/* The receiver takes the rest, and the sender closes. */
static void finish(void)
{
	busy = &receiver;
	acting = true;
	for (uint64_t before = received - 1; before != received;) {
		before = received;
		receive_message(0);
	}
	MUST(tampered || received == sent);
	acting = tampered;
	busy = &sender;
	enum shmem_channel_status status =
		shmem_channel_close(&sender, take_byte() % 2 ? SHMEM_NEVER : take_byte());
	MUST(tampered || status == SHMEM_CHANNEL_OK);
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size)
{
	supply = input;
	supplied = size;
	hostile = tampered = acting = false;
	busy = NULL;
	changed = NULL;
	held = NULL;
	sent = received = shown = known = fuzz_clock = 0;
	memset(lost, 0, sizeof(lost));
	memset(over, 0, sizeof(over));
	memset(rung, 0, sizeof(rung));
	words = aligned_alloc(CHANNEL_SIZE, CHANNEL_SIZE);
	memset(words, take_byte(), CHANNEL_SIZE);

	size_t ring_size = (size_t)LEAST_SIZE << take_byte() % 4;
	enum shmem_order order = take_byte() % 2 ? SHMEM_ORDER_NONE : SHMEM_ORDER_X86;

	bytes = aligned_alloc(LEAST_SIZE, ring_size);
	memset(bytes, take_byte(), ring_size);
	open_side(&sender, SHMEM_SENDER, order, ring_size);
	open_side(&receiver, SHMEM_RECEIVER, order, ring_size);
	hostile = take_byte() % 2;
	pestered = take_byte() % 4 == 1;
	if (open_both()) {
		while (supplied > 0)
			call();
		finish();
	}
	free(bytes);
	free(words);
	return 0;
}
