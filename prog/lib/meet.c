/* meet.c - programs in several VMs find each other, whichever starts first. */
#include "hold.h"
#include "internal.h"

#include <string.h>

#include "bytes.h"
#include "seat.h"

/*
 * As with claims, a program that was itself paused must not take the others for dead.
 * Therefore at most this much of the time between two looks at a seat counts.
 */
#define LOOK_COUNTS_AT_MOST (100 * SHMEM_MS)

static uint64_t read_word(const struct shmem_meeting *meeting, int seat)
{
	return atomic_load_explicit(&meeting->row[seat].word, memory_order_acquire);
}

/* The part of the time since the last look that counts as time without a beat. */
static uint64_t time_to_count(struct shmem_meeting *meeting)
{
	uint64_t now = shmem_now();
	uint64_t passed = now - meeting->looked;

	meeting->looked = now;
	return passed < LOOK_COUNTS_AT_MOST ? passed : LOOK_COUNTS_AT_MOST;
}

static void watch_seat(struct shmem_meeting *meeting, int seat, uint64_t passed)
{
	struct shmem_seat_watch *watch = &meeting->watch[seat];
	uint64_t word = read_word(meeting, seat);

	if (word == watch->seen) {
		watch->still += passed;
		return;
	}
	/* Another ticket is another holder, which we have not seen alive yet. */
	watch->moved = hold_is_same(word, watch->seen);
	watch->seen = word;
	watch->still = 0;
}

static void watch_all(struct shmem_meeting *meeting)
{
	uint64_t passed = time_to_count(meeting);

	for (int seat = 0; seat < meeting->seats; seat++)
		watch_seat(meeting, seat, passed);
}

/* --- Coming together ------------------------------------------------------ */

/* Takes the seat if it is free or its holder is dead. */
static bool take_seat(struct shmem_meeting *meeting, int seat)
{
	struct shmem_seat_watch *watch = &meeting->watch[seat];

	if (watch->seen != 0 && watch->still < HOLD_STALE)
		return false;
	meeting->hold.word = &meeting->row[seat].word;
	if (!shmem_hold_take(&meeting->hold, watch->seen))
		return false;
	meeting->seat = seat;
	if (watch->seen != 0)
		shmem_warn("took over a seat of %s: its holder gave no sign of life for 3 s",
			   meeting->what);
	return true;
}

/* Free seats first: perhaps nobody needs the seats of the dead. */
static void take_any_seat(struct shmem_meeting *meeting)
{
	for (int seat = 0; seat < meeting->seats; seat++)
		if (meeting->watch[seat].seen == 0 && take_seat(meeting, seat))
			return;
	for (int seat = 0; seat < meeting->seats; seat++)
		if (take_seat(meeting, seat))
			return;
}

/*
 * Makes the session number of all tickets, unless a seat is not taken. Keeps the last
 * number until other tickets make another one.
 */
static void make_session(struct shmem_meeting *meeting)
{
	uint64_t tickets[SHMEM_SEATS_MAX] = { 0 };
	uint64_t session = (uint64_t)meeting->seats;

	for (int seat = 0; seat < meeting->seats; seat++) {
		struct shmem_seat_watch *watch = &meeting->watch[seat];
		uint64_t word = seat == meeting->seat ? meeting->hold.mine : watch->seen;

		if (seat != meeting->seat && (!watch->moved || watch->still >= HOLD_STALE))
			return;
		tickets[seat] = word & ~BEAT_MASK;
		session = shmem_mix(session, tickets[seat]);
	}
	memcpy(meeting->tickets, tickets, sizeof(tickets));
	meeting->session = session ? session : 1;
}

/*
 * Shows the others the session number that we make of the tickets. True if all show the
 * same. The numbers of programs that have left count too, since they met us and may have
 * finished already; this is why a session number is kept.
 */
static bool all_agree(struct shmem_meeting *meeting)
{
	struct shmem_seat *own = &meeting->row[meeting->seat];

	make_session(meeting);
	atomic_store(&own->agreed, meeting->session);
	if (meeting->session == 0)
		return false;
	for (int seat = 0; seat < meeting->seats; seat++)
		if (atomic_load(&meeting->row[seat].agreed) != meeting->session)
			return false;
	return true;
}

static void warn_of_waiting(const struct shmem_meeting *meeting)
{
	if (meeting->seat == SHMEM_ANY_SEAT)
		shmem_warn("waiting for a seat of %s; all are taken", meeting->what);
	else
		shmem_warn("waiting for %s: run this program in %s", meeting->what,
			   meeting->seats == 2 ? "another VM" : "the other VMs");
}

void shmem_meet_pause(struct shmem_meeting *meeting)
{
	if (!meeting->told && shmem_since(meeting->begun) > HOLD_TELL_AFTER) {
		warn_of_waiting(meeting);
		meeting->told = true;
	}
	shmem_hold_wait_a_look();
}

bool shmem_try_meet_begin(struct shmem_meeting *meeting, const struct shmem *region,
			  size_t offset, int seats, int seat, const char *what,
			  struct shmem_error *error)
{
	assert(seats > 0 && seats <= SHMEM_SEATS_MAX && seat < seats);
	assert(offset % SHMEM_SEAT_SIZE == 0);
	assert(offset + (size_t)seats * SHMEM_SEAT_SIZE <= region->size);
	*meeting = (struct shmem_meeting){
		.seats = seats,
		.seat = SHMEM_ANY_SEAT,
		.row = (struct shmem_seat *)(region->base + offset),
		.wanted = seat,
		.what = what,
		.begun = shmem_now(),
	};
	meeting->looked = meeting->begun;
	if (shmem_header_check(region, error))
		return true;
	shmem_meet_leave(meeting);
	return false;
}

/* The session that we made had our old ticket, so it is none for us any more. */
static void begin_again(struct shmem_meeting *meeting)
{
	meeting->hold.mine = 0;
	meeting->seat = SHMEM_ANY_SEAT;
	meeting->session = 0;
}

bool shmem_meet_step(struct shmem_meeting *meeting)
{
	watch_all(meeting);
	if (meeting->seat != SHMEM_ANY_SEAT) {
		if (!shmem_hold_renew(&meeting->hold))
			begin_again(meeting);
	} else if (meeting->wanted == SHMEM_ANY_SEAT) {
		take_any_seat(meeting);
	} else {
		take_seat(meeting, meeting->wanted);
	}
	return meeting->seat != SHMEM_ANY_SEAT && all_agree(meeting);
}

enum shmem_meet shmem_try_meet(struct shmem_meeting *meeting, const struct shmem *region,
			       size_t offset, int seats, int seat, const char *what,
			       uint64_t timeout, struct shmem_error *error)
{
	if (!shmem_try_meet_begin(meeting, region, offset, seats, seat, what, error))
		return SHMEM_MEET_FAILED;
	while (shmem_since(meeting->begun) < timeout) {
		if (shmem_meet_step(meeting))
			return SHMEM_MET;
		shmem_meet_pause(meeting);
	}
	shmem_meet_leave(meeting);
	return meeting->seat == SHMEM_ANY_SEAT ? SHMEM_SEAT_TAKEN : SHMEM_NOBODY_CAME;
}

enum shmem_meet shmem_meet(struct shmem_meeting *meeting, const struct shmem *region,
			   size_t offset, int seats, int seat, const char *what,
			   uint64_t timeout)
{
	struct shmem_error error;
	enum shmem_meet result = shmem_try_meet(meeting, region, offset, seats, seat, what,
						timeout, &error);

	if (result == SHMEM_MEET_FAILED)
		shmem_error_end(&error);
	return result;
}

/* --- After the meeting ---------------------------------------------------- */

static bool seat_lost(const struct shmem_meeting *meeting, struct shmem_error *error)
{
	if (meeting->hold.mine == 0)
		return shmem_error_set(error, SHMEM_STATUS_FAILED, "we have no seat of %s", meeting->what);
	return shmem_error_set(error, SHMEM_STATUS_FAILED,
			       "another VM took over our seat of %s, because this one gave no sign of "
			       "life for 3 s; run this program again", meeting->what);
}

bool shmem_try_meet_beat(struct shmem_meeting *meeting, struct shmem_error *error)
{
	return shmem_hold_renew(&meeting->hold) || seat_lost(meeting, error);
}

bool shmem_try_meet_check(const struct shmem_meeting *meeting, struct shmem_error *error)
{
	return shmem_hold_is_there(&meeting->hold) || seat_lost(meeting, error);
}

void shmem_meet_beat(struct shmem_meeting *meeting)
{
	struct shmem_error error;

	if (!shmem_try_meet_beat(meeting, &error))
		shmem_error_end(&error);
}

void shmem_meet_check(const struct shmem_meeting *meeting)
{
	struct shmem_error error;

	if (!shmem_try_meet_check(meeting, &error))
		shmem_error_end(&error);
}

enum shmem_peer shmem_meet_peer(struct shmem_meeting *meeting, int seat)
{
	watch_all(meeting);
	if (!hold_is_same(meeting->watch[seat].seen, meeting->tickets[seat]))
		return SHMEM_PEER_LEFT;
	return meeting->watch[seat].still < HOLD_STALE ? SHMEM_PEER_LIVES : SHMEM_PEER_DIED;
}

const char *shmem_peer_fate(enum shmem_peer peer)
{
	return peer == SHMEM_PEER_DIED ? "died: it gave no sign of life for 3 s" : "gave up";
}

int shmem_peer_status(enum shmem_peer peer)
{
	return peer == SHMEM_PEER_DIED ? SHMEM_STATUS_DIED : SHMEM_STATUS_LEFT;
}

/* --- At the end of the program, or before ---------------------------------- */

/* The meetings that the end of the program gives up. Signal handlers read it. */
static struct shmem_meeting *_Atomic kept[SHMEM_MEETINGS_MAX];

/* Puts one of them in the place of another; NULL is a free place. False if there is none. */
static bool replace(struct shmem_meeting *before, struct shmem_meeting *after)
{
	for (int i = 0; i < SHMEM_MEETINGS_MAX; i++) {
		struct shmem_meeting *seen = before;

		if (atomic_compare_exchange_strong(&kept[i], &seen, after))
			return true;
	}
	return false;
}

void shmem_meet_leave(struct shmem_meeting *meeting)
{
	if (meeting->hold.mine)
		shmem_hold_give_back(&meeting->hold);
	replace(meeting, NULL);
}

static void renew_all(void)
{
	for (int i = 0; i < SHMEM_MEETINGS_MAX; i++)
		if (kept[i] && kept[i]->hold.mine)
			shmem_hold_renew(&kept[i]->hold);
}

static void leave_all(void)
{
	for (int i = 0; i < SHMEM_MEETINGS_MAX; i++)
		if (kept[i])
			shmem_meet_leave(kept[i]);
}

bool shmem_try_meet_leave_at_end(struct shmem_meeting *meeting, struct shmem_error *error)
{
	static const struct holdings kind = { .renew = renew_all, .give_back = leave_all };

	if (!replace(meeting, meeting) && !replace(NULL, meeting))
		return shmem_error_set(error, SHMEM_STATUS_FAILED,
				       "this program sits in %d meetings, channels among them, which "
				       "is the most: leave one first", SHMEM_MEETINGS_MAX);
	shmem_hold_register(&kind);
	return true;
}

void shmem_meet_leave_at_end(struct shmem_meeting *meeting)
{
	struct shmem_error error;

	if (!shmem_try_meet_leave_at_end(meeting, &error))
		shmem_error_end(&error);
}
