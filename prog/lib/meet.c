/* meet.c - programs in several VMs find each other, whichever starts first. */
#include "hold.h"

#include <string.h>

#include "bytes.h"

/*
 * As with claims, a program that was itself paused must not take the others for dead.
 * Therefore at most this much of the time between two looks at a seat counts.
 */
#define LOOK_COUNTS_AT_MOST (100 * MS)

/*
 * A seat in the region. word is like that of a claim: 0 while free, otherwise the random
 * ticket of its holder above a beat. agreed is the session number that the holder makes
 * of the tickets of all living holders.
 *
 * None of this is trusted. A word counts only while its beat moves. agreed counts only if
 * it equals the number that we make of the tickets ourselves. Our own ticket is among
 * them and new, so a number that a killed run left behind cannot be equal.
 */
struct shmem_seat {
	_Atomic uint64_t word;
	_Atomic uint64_t agreed;
	_Atomic uint64_t size; /* of the holder's region, bytes; ^ agreed: not an earlier run's */
	unsigned char rest[SHMEM_SEAT_SIZE - 24];
};

static_assert(sizeof(struct shmem_seat) == SHMEM_SEAT_SIZE, "a cache line");

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
static bool take_any_seat(struct shmem_meeting *meeting)
{
	for (int seat = 0; seat < meeting->seats; seat++)
		if (meeting->watch[seat].seen == 0 && take_seat(meeting, seat))
			return true;
	for (int seat = 0; seat < meeting->seats; seat++)
		if (take_seat(meeting, seat))
			return true;
	return false;
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
	atomic_store(&own->size, meeting->size ^ meeting->session);
	atomic_store(&own->agreed, meeting->session);
	if (meeting->session == 0)
		return false;
	for (int seat = 0; seat < meeting->seats; seat++)
		if (atomic_load(&meeting->row[seat].agreed) != meeting->session)
			return false;
	return true;
}

/*
 * The size decides where the areas lie. With different sizes each program would find
 * the other's data wrong. A value that cannot be a size was left by an earlier run, in
 * the seat of a program too old to write its own size.
 */
static void check_sizes(struct shmem_meeting *meeting)
{
	for (int seat = 0; seat < meeting->seats; seat++) {
		uint64_t size = atomic_load(&meeting->row[seat].size) ^ meeting->session;

		if (size == meeting->size || size % 4096 != 0 || size >> 48 != 0)
			continue;
		shmem_meet_leave(meeting);
		shmem_die("the region of %s is %llu bytes here and %llu in the VM on seat %d: "
			  "SHMEM_SIZE in prog.h must be the same in all; amend it and rebuild",
			  meeting->what, (unsigned long long)meeting->size,
			  (unsigned long long)size, seat);
	}
}

static void warn_of_waiting(const struct shmem_meeting *meeting)
{
	if (meeting->seat == SHMEM_ANY_SEAT)
		shmem_warn("waiting for a seat of %s; all are taken", meeting->what);
	else
		shmem_warn("waiting for %s: run this program in %s", meeting->what,
			   meeting->seats == 2 ? "another VM" : "the other VMs");
}

enum shmem_meet shmem_meet(struct shmem_meeting *meeting, const struct shmem *region,
			   size_t offset, int seats, int seat, const char *what,
			   uint64_t timeout)
{
	uint64_t begin = shmem_now();
	bool told = false;

	assert(seats > 0 && seats <= SHMEM_SEATS_MAX && seat < seats);
	assert(offset % SHMEM_SEAT_SIZE == 0);
	assert(offset + (size_t)seats * SHMEM_SEAT_SIZE <= region->size);
	*meeting = (struct shmem_meeting){
		.seats = seats,
		.seat = SHMEM_ANY_SEAT,
		.row = (struct shmem_seat *)(region->base + offset),
		.what = what,
		.size = region->size,
		.looked = begin,
	};
	while (shmem_now() - begin < timeout) {
		watch_all(meeting);
		if (meeting->seat != SHMEM_ANY_SEAT)
			shmem_meet_beat(meeting);
		else if (seat == SHMEM_ANY_SEAT)
			take_any_seat(meeting);
		else
			take_seat(meeting, seat);
		if (meeting->seat != SHMEM_ANY_SEAT && all_agree(meeting)) {
			check_sizes(meeting);
			return SHMEM_MET;
		}
		if (!told && shmem_now() - begin > HOLD_TELL_AFTER) {
			warn_of_waiting(meeting);
			told = true;
		}
		shmem_hold_wait_a_look();
	}
	if (meeting->seat == SHMEM_ANY_SEAT)
		return SHMEM_SEAT_TAKEN;
	shmem_meet_leave(meeting);
	return SHMEM_NOBODY_CAME;
}

/* --- After the meeting ---------------------------------------------------- */

static _Noreturn void seat_lost(const struct shmem_meeting *meeting)
{
	shmem_die("another VM took over our seat of %s, because this one gave no sign of "
		  "life for 3 s; run this program again", meeting->what);
}

void shmem_meet_beat(struct shmem_meeting *meeting)
{
	if (!shmem_hold_renew(&meeting->hold))
		seat_lost(meeting);
}

void shmem_meet_check(const struct shmem_meeting *meeting)
{
	if (!shmem_hold_is_there(&meeting->hold))
		seat_lost(meeting);
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

void shmem_meet_leave(struct shmem_meeting *meeting)
{
	shmem_hold_give_back(&meeting->hold);
}

/* --- At the end of the program -------------------------------------------- */

static struct shmem_meeting *leave_at_end;

static void beat_if_there(void)
{
	if (leave_at_end->hold.mine)
		shmem_meet_beat(leave_at_end);
}

static void leave_if_there(void)
{
	if (leave_at_end->hold.mine)
		shmem_meet_leave(leave_at_end);
}

void shmem_meet_leave_at_end(struct shmem_meeting *meeting)
{
	static const struct holdings kind = { .renew = beat_if_there,
					      .give_back = leave_if_there };

	leave_at_end = meeting;
	shmem_hold_register(&kind);
}
