/*
 * meeting.c - fuzzes a meeting: taking a seat, coming together, and looking at the others.
 *
 * On the other seats are peers that do what shmem_meet does. Between any two of our loads
 * they go on; in some inputs an adversary also changes their words and ours, or the clock
 * jumps. Without an adversary we must meet. In any case a meeting ends by its timeout, what
 * was met has our own ticket, we take no seat of the living, and write to our own seat alone.
 * The row is as large as its seats, so the address sanitizer sees an access beyond it.
 */
#include "fuzz.h"

#include <time.h>

#include "../../prog/lib/internal.h"

static void pass_time(const struct timespec *time);
static uint64_t new_number(void);

#define nanosleep(time, left) pass_time(time)
#define shmem_random() new_number()
#define shmem_header_check(region, error) ((void)(region), (void)(error), true)
#include "../../prog/lib/hold.c"
#include "../../prog/lib/meet.c"
#undef nanosleep
#undef shmem_random

static struct shmem region;
static struct shmem_meeting *meeting;
static struct shmem_seat *row, shadow[SHMEM_SEATS_MAX]; /* what we left in it */
static int seats, wanted, ours; /* wanted: what we ask for; ours: the seat that is left for us */
static uint64_t timeout, pace; /* pace: by how much a look takes longer than it should */
static uint64_t looks, numbers;
static bool hostile, tampered, acting;
static bool changed[SHMEM_SEATS_MAX]; /* its word, since we came */
static uint64_t changed_at[SHMEM_SEATS_MAX], came_at;
static int seat_before; /* ours, at the last load */
static enum shmem_meet result;

/* --- Time and chance --------------------------------------------------------- */

/* The meeting looks once a nap, so it makes no more looks than fit. */
static void pass_time(const struct timespec *time)
{
	MUST(++looks <= timeout / HOLD_LOOK + 1);
	fuzz_clock += (uint64_t)time->tv_nsec * pace;
}

/* No other program can guess it. */
static uint64_t new_number(void)
{
	return shmem_mix(++numbers, 1);
}

/* --- The other seats ---------------------------------------------------------- */

static uint64_t session_of_row(void)
{
	uint64_t session = (uint64_t)seats;

	for (int seat = 0; seat < seats; seat++)
		session = shmem_mix(session, row[seat].word & ~BEAT_MASK);
	return session ? session : 1;
}

static bool is_theirs(int seat)
{
	return seat != ours && seat != meeting->seat;
}

static void act_as_peers(void)
{
	for (int seat = 0; seat < seats; seat++)
		if (is_theirs(seat))
			row[seat].word = next_beat((uint64_t)(seat + 1) << BEAT_BITS |
						   (row[seat].word & BEAT_MASK));

	uint64_t session = session_of_row();

	for (int seat = 0; seat < seats; seat++) {
		if (!is_theirs(seat))
			continue;
		row[seat].agreed = session;
	}
}

static uint64_t any_word(void)
{
	switch (take_byte() % 5) {
	case 0:
		return 0;
	case 1:
		return meeting->hold.mine;
	case 2:
		return row[take_byte() % seats].word + take_byte();
	case 3:
		return next_beat(meeting->hold.mine);
	default:
		return take_word();
	}
}

static void tamper(void)
{
	struct shmem_seat *seat = &row[take_byte() % seats];

	tampered = true;
	switch (take_byte() % 5) {
	case 0:
		seat->word = any_word();
		break;
	case 1:
		seat->agreed = session_of_row();
		break;
	case 2:
		seat->agreed = take_byte() % 2 ? meeting->session : take_word();
		break;
	case 3:
		fuzz_clock += take_byte() * 20 * SHMEM_MS;
		break;
	case 4:
		take(seat, sizeof(*seat));
		break;
	}
}

/* We have changed nothing since the last load but our own seat, and of that its words. */
static void check_writes(void)
{
	for (int seat = 0; seat < seats; seat++) {
		if (seat == meeting->seat)
			MUST(memcmp(row[seat].rest, shadow[seat].rest, sizeof(row->rest)) == 0);
		else
			MUST(memcmp(&row[seat], &shadow[seat], sizeof(*row)) == 0);
	}
}

/*
 * The seat that we have taken was free, or nobody had shown for long that it lived. Only an
 * adversary puts an earlier beat back.
 */
static void check_taken(void)
{
	int seat = meeting->seat;

	if (seat != seat_before)
		MUST(tampered || shadow[seat].word == 0 ||
		     fuzz_clock - (changed[seat] ? changed_at[seat] : came_at) >= HOLD_STALE);
	seat_before = seat;
}

static void note_changes(void)
{
	for (int seat = 0; seat < seats; seat++) {
		if (row[seat].word == shadow[seat].word)
			continue;
		changed[seat] = true;
		changed_at[seat] = fuzz_clock;
	}
	memcpy(shadow, row, (size_t)seats * sizeof(*row));
}

static void adversary(void)
{
	if (acting)
		return;
	acting = true;
	check_writes();
	check_taken();
	if (!hostile || take_byte() % 4 == 0)
		act_as_peers();
	else if (take_byte() % 4 == 1)
		tamper();
	note_changes();
	acting = false;
}

/* --- Meeting ------------------------------------------------------------------ */

static void meet(void)
{
	result = shmem_meet(meeting, &region, 0, seats, wanted, "the fuzzed seats", timeout);
}

static void check_met(void)
{
	uint64_t session = (uint64_t)seats, ticket = shmem_mix(numbers, 1) & ~BEAT_MASK;

	for (int seat = 0; seat < seats; seat++)
		session = shmem_mix(session, meeting->tickets[seat]);
	MUST(meeting->session == (session ? session : 1));
	MUST(meeting->seat >= 0 && meeting->seat < seats);
	MUST(wanted == SHMEM_ANY_SEAT || meeting->seat == wanted);
	MUST(meeting->tickets[meeting->seat] == ticket);
	MUST(hold_is_same(meeting->hold.mine, ticket));
	for (int seat = 0; seat < seats; seat++)
		MUST(seat == meeting->seat || changed[seat]);
}

static void go_on(void)
{
	while (supplied > 0) {
		uint8_t what = take_byte();
		enum shmem_peer peer;
		int seat;

		switch (what % 4) {
		case 0:
			shmem_meet_beat(meeting);
			break;
		case 1:
			shmem_meet_check(meeting);
			break;
		default:
			seat = what / 4 % seats;
			peer = shmem_meet_peer(meeting, seat);
			MUST(tampered || seat == meeting->seat || peer == SHMEM_PEER_LIVES);
			break;
		}
	}
}

static void meet_and_go_on(void)
{
	if (ends(meet)) {
		MUST(tampered);
		return;
	}
	MUST(hostile || result == SHMEM_MET);
	if (result != SHMEM_MET) {
		MUST(meeting->hold.mine == 0);
		MUST((result == SHMEM_SEAT_TAKEN) == (meeting->seat == SHMEM_ANY_SEAT));
		return;
	}
	check_met();
	if (ends(go_on))
		MUST(tampered);
	shmem_meet_leave(meeting);
	MUST(meeting->hold.mine == 0 && (tampered || row[ours].word == 0));
}

/* The seats hold what earlier runs left. Five seconds suffice for taking over a dead holder's. */
int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size)
{
	supply = input;
	supplied = size;
	seats = take_byte() % SHMEM_SEATS_MAX + 1;
	ours = take_byte() % seats;
	wanted = take_byte() % 2 ? ours : SHMEM_ANY_SEAT;
	hostile = take_byte() % 4;
	timeout = hostile ? take_byte() * 20 * SHMEM_MS : 5 * SHMEM_SECOND;
	pace = take_byte() % 10 + 1;
	row = aligned_alloc(SHMEM_SEAT_SIZE, (size_t)seats * sizeof(*row));
	memset(row, 0, (size_t)seats * sizeof(*row));
	if (take_byte() % 2)
		take(row, (size_t)seats * sizeof(*row));
	memcpy(shadow, row, (size_t)seats * sizeof(*row));
	region = (struct shmem){ .base = (unsigned char *)row, .size = 1 << 20 };
	meeting = calloc(1, sizeof(*meeting));
	meeting->seat = SHMEM_ANY_SEAT;
	seat_before = SHMEM_ANY_SEAT;
	came_at = fuzz_clock = take_word() / 2;
	looks = numbers = 0;
	tampered = acting = false;
	memset(changed, 0, sizeof(changed));

	meet_and_go_on();
	free(meeting);
	free(row);
	return 0;
}
