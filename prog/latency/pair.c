/*
 * pair.c - the ping-pong of __latency between a pair of VMs. The measuring side sends a
 * number, and the answering side sends the same number back.
 */
#include "latency.h"

#include <sched.h>
#include <string.h>
#include <unistd.h>

#include "bytes.h"

enum {
	WARM_UP_TRIPS = 10000,
	TRIPS_UNTIL_LOOK = 256,
	INJECT_AFTER = 100,
};

/* --- One ball ------------------------------------------------------------- */

/*
 * The numbers of a step are base + 1, base + 2 and so on; base - 1 ends it. They depend on
 * the session, so that an earlier run cannot have left one of them.
 */
static uint64_t base_of(const struct latency_run *run, uint64_t step)
{
	return shmem_mix(run->meeting.session, step);
}

static inline void throw(struct latency_run *run, int seat, uint64_t number)
{
	/* Pairs with the acquires in wait_for_ball and, for a sleeper, in wait.c. */
	atomic_store_explicit(&run->mine->ball, number, memory_order_release);
	if (run->drain)
		shmem_fence();
	wake_seat(run, seat);
}

/* For --adaptive. The first call starts the time. */
static bool has_polled_enough(struct latency_run *run)
{
	uint64_t now = ticks();

	if (run->polled_since == 0)
		run->polled_since = now;
	return ticks_between(run->polled_since, now) >= run->window;
}

/*
 * Between two looks at the ball. Every look_mask + 1 looks, sleeps or lets others run, and
 * checks that the peer lives.
 */
static inline enum shmem_peer between_looks(struct latency_run *run, int seat, unsigned int looks,
					    uint64_t seen)
{
	if (looks & run->look_mask)
		return SHMEM_PEER_LIVES;
	if (!run->sleeps)
		sched_yield();
	else if (has_polled_enough(run))
		wait_for_change(run, seat, &run->places[seat].ball, seen);
	return look(run, seat);
}

/*
 * Looks at the seat's ball until it is number or end, and returns that. For the first
 * number of a step any other value may be there before, later only the previous number.
 */
static inline uint64_t wait_for_ball(struct latency_run *run, int seat, uint64_t number,
				     uint64_t end, bool first)
{
	const _Atomic uint64_t *ball = &run->places[seat].ball;
	enum shmem_peer peer = SHMEM_PEER_LIVES;

	run->polled_since = 0;
	for (unsigned int looks = 1;; looks++) {
		uint64_t seen = atomic_load_explicit(ball, memory_order_acquire);

		if (seen == number || seen == end)
			return seen;
		if (!first && seen != number - 1)
			lose_peer(run, seat, "sent a number that is not of this run; does another "
					"program write there?");
		/* Only now, so that the last number of a peer that has left still counts. */
		check_peer(run, seat, peer, run->settings->timeout);
		peer = between_looks(run, seat, looks, seen);
	}
}

/* --- The measuring side --------------------------------------------------- */

/* The readings of the counter before and after. */
struct trip {
	uint64_t begin, end;
};

/* Sends the number, and waits until it comes back. */
static inline struct trip round_trip(struct latency_run *run, int seat, uint64_t number,
				     bool first)
{
	struct trip trip;

	shmem_meet_check(&run->meeting);
	trip.begin = ticks();
	throw(run, seat, number);
	wait_for_ball(run, seat, number, number, first);
	trip.end = ticks();
	return trip;
}

/* Warms both sides up. Returns the number of round trips. */
static uint64_t warm_up(struct latency_run *run, int seat, uint64_t base)
{
	uint64_t begin = shmem_now();
	uint64_t trips = 0;

	while (trips < WARM_UP_TRIPS) {
		trips++;
		run->waited = 0;
		round_trip(run, seat, base + trips, trips == 1);
		if (trips % TRIPS_UNTIL_LOOK == 0) {
			look(run, seat);
			if (shmem_now() - begin > SECOND / 4)
				break;
		}
	}
	return trips;
}

/*
 * If the counter steps back, within a trip or between two trips, it has also stepped forward
 * unseen, and none of its times can be trusted.
 */
static void check_clock(const struct latency_run *run, uint64_t last, struct trip trip)
{
	if (trip.begin < last || trip.end < trip.begin)
		shmem_die("the time stamp counter stepped back, by %.0f ns: those of this machine's "
			  "CPUs do not agree, or this VM was moved; stay on one with -p CPU",
			  (double)(trip.begin < last ? last - trip.begin :
						       trip.begin - trip.end) * run->ns_per_tick);
}

static uint64_t in_units(const struct latency_run *run, uint64_t duration)
{
	return (uint64_t)((double)duration * run->ns_per_tick * UNITS_PER_NS + 0.5);
}

struct latency_figures measure_trips(struct latency_run *run, int seat, uint64_t step)
{
	const struct latency_settings *settings = run->settings;
	uint64_t base = base_of(run, step);
	struct latency_figures figures = { .from = run->meeting.seat, .to = seat };

	figures.warm_up = warm_up(run, seat, base);
	memset(&run->histogram, 0, sizeof(run->histogram));
	base += figures.warm_up;

	struct cost before = cost_now(run);
	uint64_t last = ticks();
	uint64_t limit = last + (uint64_t)((double)settings->time / run->ns_per_tick);
	for (uint64_t n = 1; last < limit && (!settings->trips || n <= settings->trips); n++) {
		run->waited = 0;
		struct trip trip = round_trip(run, seat, base + n, false);

		if (run->options->fault == FAULT_BACK && n == INJECT_AFTER)
			trip.end = trip.begin - 1;
		check_clock(run, last, trip);
		shmem_histogram_add(&run->histogram, in_units(run, trip.end - trip.begin));
		last = trip.end;
		if (n % TRIPS_UNTIL_LOOK == 0)
			look(run, seat);
	}
	figures.cost = cost_since(run, &before);
	figures.us = shmem_histogram_summary(&run->histogram, UNITS_TO_US);
	return figures;
}

/* The end stays in our place until the other side has seen it. */
void throw_end(struct latency_run *run, int seat, uint64_t step)
{
	shmem_meet_check(&run->meeting);
	throw(run, seat, base_of(run, step) - 1);
}

/* --- The answering side --------------------------------------------------- */

/* Causes the fault of --inject on the answering side. */
static uint64_t inject_answer(struct latency_run *run, int seat, uint64_t number)
{
	switch ((enum latency_fault)run->options->fault) {
	case FAULT_RUBBISH:
		return number ^ UINT64_C(1) << 63;
	case FAULT_DIE:
		_exit(1);
	case FAULT_LEAVE:
		shmem_meet_leave(&run->meeting);
		_exit(1);
	case FAULT_DEAF:
		for (run->waited = 0; run->waited < 2 * run->settings->timeout;) {
			usleep(1000);
			look(run, run->meeting.seat);
		}
		_exit(1);
	case FAULT_SKIP:
		run->others[seat].poll_ns = SHMEM_NEVER;
		break;
	case FAULT_NONE:
	case FAULT_CLOCK:
	case FAULT_BACK:
		break;
	}
	return number;
}

struct answers answer(struct latency_run *run, int seat, uint64_t step)
{
	uint64_t base = base_of(run, step);
	struct cost before = { 0 };

	for (uint64_t trips = 0;; trips++) {
		uint64_t expected = base + trips + 1;

		run->waited = 0;
		uint64_t number = wait_for_ball(run, seat, expected, base - 1, trips == 0);
		if (trips == 0)
			before = cost_now(run);
		if (number != expected)
			return (struct answers){ .to = seat, .count = trips,
						 .cost = cost_since(run, &before) };
		if (trips == INJECT_AFTER)
			number = inject_answer(run, seat, number);
		throw(run, seat, number);
		if (trips % TRIPS_UNTIL_LOOK == 0)
			look(run, seat);
	}
}
