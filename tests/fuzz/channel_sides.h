/*
 * channel_sides.h - what fuzzes a channel: its two sides, the meeting, the doorbells and the clock
 * that they stand on, and the adversary. For channel.c only, which has the calls.
 */
#ifndef CHANNEL_SIDES_H
#define CHANNEL_SIDES_H

#include "fuzz.h"

#include <sys/timerfd.h>
#include <unistd.h>

#include "sleep.h"
#include "turn.h"

static bool has_seat(const struct shmem_meeting *meeting, struct shmem_error *error);
static enum shmem_peer look_at_peer(void);
static uint64_t wait_for_bell(const void *bell, uint64_t deadline);
static bool ring_bell(unsigned int id, unsigned int vector);
static unsigned int id_of(const void *bell);

/* A call of the other side, which does not wait. */
static void call_other(void);

#define shmem_try_meet_check(meeting, error) has_seat(meeting, error)
#define shmem_try_meet_beat(meeting, error) has_seat(meeting, error)
#define shmem_meet_beat(meeting) ((void)(meeting))
#define shmem_meet_peer(meeting, seat) ((void)(meeting), (void)(seat), look_at_peer())
#define shmem_meet_leave(meeting) ((void)(meeting))
#define shmem_doorbell_vectors(bell) ((void)(bell), 1U)
#define shmem_doorbell_id(bell) id_of(bell)
#define shmem_doorbell_wait(bell, vector, deadline) ((void)(vector), wait_for_bell(bell, deadline))
#define shmem_try_doorbell_wait(bell, vector, deadline, count, error) \
	((void)(error), *(count) = shmem_doorbell_wait(bell, vector, deadline), true)
#define shmem_doorbell_ring(bell, id, vector) ((void)(bell), ring_bell(id, vector))
#define shmem_random() take_word()
/* A coarse clock, since between two looks at it there are up to 4096 at a word. */
#undef shmem_now
#define shmem_now() (fuzz_clock += 20 * SHMEM_US)
#define shmem_wait_turn(turns) ((void)(turns), true)
#define timerfd_settime(file, flags, value, old) ((void)(value))
#include "../../prog/lib/ring.c"
#include "../../prog/lib/sleep.c"
#include "../../prog/lib/channel.c"
#include "../../prog/lib/channel_open.c"
#include "../../prog/lib/channel_life.c"
#include "../../prog/lib/channel_wait.c"

enum { LEAST_SIZE = 64, STEPS_MAX = 2 * SHMEM_COPY_TURNS, LOOKS_MAX = 2 };

#define SESSION UINT64_C(0x5e551017)

static struct shmem_channel sender, receiver;
static struct shmem_channel_words *words;
static unsigned char *bytes;
static uint64_t rung[2]; /* interrupts by role */
static bool lost[2];     /* seats by role */
static bool over[2];     /* by role: it got a final status, and calls no more by itself */
static struct shmem_channel *busy; /* the side that makes the call; NULL while both open */
static bool hostile, tampered, acting;
static bool pestered; /* somebody rings all the time, for nothing */
static unsigned int looks;
static _Atomic uint64_t *changed; /* a count that the adversary changes back; or NULL */
static uint64_t unchanged;

/* --- What the channel stands on ------------------------------------------------ */

static bool has_seat(const struct shmem_meeting *meeting, struct shmem_error *error)
{
	return !lost[meeting->seat] ||
	       shmem_error_set(error, SHMEM_STATUS_FAILED, "seat %d was lost", meeting->seat);
}

/* Without an adversary a peer lives. With one it dies at last, since it may be stuck. */
static enum shmem_peer look_at_peer(void)
{
	if (!tampered || (take_byte() % 8 != 1 && ++looks < LOOKS_MAX))
		return SHMEM_PEER_LIVES;
	return take_byte() % 2 ? SHMEM_PEER_LEFT : SHMEM_PEER_DIED;
}

/* A doorbell is the address of its count. */
static unsigned int id_of(const void *bell)
{
	return (unsigned int)((const uint64_t *)bell - rung);
}

static bool ring_bell(unsigned int id, unsigned int vector)
{
	MUST(id < SHMEM_PEER_IDS && vector < SHMEM_VECTORS_MAX);
	if (id < 2)
		rung[id]++;
	return id < 2;
}

static uint64_t wait_for_bell(const void *bell, uint64_t deadline)
{
	uint64_t *count = &rung[id_of(bell)];

	adversary();
	uint64_t interrupts = *count + pestered;
	*count = 0;
	fuzz_clock += SHMEM_MS;
	/* A ring does not hold anybody here. */
	MUST(deadline == 0 || fuzz_clock < deadline + SHMEM_SECOND);
	if (interrupts == 0 && fuzz_clock < deadline)
		fuzz_clock = deadline;
	return interrupts;
}

/* --- Opening ----------------------------------------------------------------------- */

static void open_side(struct shmem_channel *channel, enum shmem_channel_role role,
		      enum shmem_order order, size_t size)
{
	*channel = (struct shmem_channel){
		.options = { .role = role, .wait = take_byte() % 3 },
		.what = "channel", .order = order, .words = words, .bytes = bytes, .ring_size = size,
		.meeting = { .session = SESSION, .seat = (int)role }, .timer = -1,
		/* Without a clock, so that the same input does the same. */
		.trial = { .pinned = shmem_copy_kernels },
	};
	if (take_byte() % 2)
		channel->options.bell = (struct shmem_doorbell *)&rung[role];
	shmem_channel_make_ring(channel);
}

static void give_bell(struct shmem_channel *channel)
{
	if (shmem_channel_needs_bell(channel))
		shmem_channel_give_bell(channel,
					(struct shmem_doorbell *)&rung[channel->meeting.seat]);
}

/* False only if the adversary prevents it. */
static bool open_both(void)
{
	bool sends = false, receives = false;

	for (int i = 0; i < STEPS_MAX && !(sends && receives); i++) {
		sends = sends || shmem_channel_step(&sender);
		receives = receives || shmem_channel_step(&receiver);
	}
	MUST(tampered || (sends && receives));
	give_bell(&sender);
	give_bell(&receiver);
	return sends && receives;
}

/* --- The adversary ---------------------------------------------------------------- */

/* A frame where the receiver looks next, and a count that tells of it. */
static void forge_frame(void)
{
	size_t contiguous;
	struct channel_frame *frame =
		(struct channel_frame *)shmem_ring_place(&receiver.ring, &contiguous);
	uint32_t size = FRAME_SKIP;

	switch (take_byte() % 4) {
	case 0:
		size = take_byte() % 2 ? (uint32_t)take_word() : take_byte();
		break;
	case 1:
		size = (uint32_t)contiguous - 16 + (uint32_t)(take_byte() % 3) - 1;
		break;
	case 2:
		size = (uint32_t)receiver.ring_size / 2 - 16 + (uint32_t)(take_byte() % 3) - 1;
		break;
	}
	frame->size = (uint64_t)receiver.tag << 32 | size;
	frame->number = receiver.messages + 1 + take_byte() % 2;
	words->counts.written = receiver.ring.mine + take_word() % (receiver.ring_size + 2);
}

/* Some counts are wrong for one look only: change_back. */
static void change_for_a_while(_Atomic uint64_t *count)
{
	if (take_byte() % 2) {
		changed = count;
		unchanged = *count;
	}
	change_count(count, &words->counts, sender.ring_size);
}

static void change_back(void)
{
	if (changed)
		*changed = unchanged;
	changed = NULL;
}

static void tamper(void)
{
	size_t word = offsetof(struct shmem_channel_words, sender_ready) / 8 + take_byte() % 64;

	tampered = true;
	switch (take_byte() % 4) {
	case 0:
		change_for_a_while(choose_count(&words->counts));
		break;
	case 1:
		forge_frame();
		break;
	case 2:
		change_byte(bytes, sender.ring_size);
		break;
	case 3:
		((_Atomic uint64_t *)words)[word] = take_byte() % 2 ? take_word() : take_byte();
		break;
	}
}

static void adversary(void)
{
	if (acting)
		return;
	acting = true;
	change_back();
	if (busy && !over[1 - busy->meeting.seat] && take_byte() % 2 == 0)
		call_other();
	if (hostile && take_byte() % 16 == 1)
		tamper();
	acting = false;
}

#endif
