/*
 * pair.c - the ping-pong of __latency between a pair of VMs. The measuring side sends a
 * number, and the answering side sends the same number back.
 */
#include "latency.h"

#include <sched.h>
#include <string.h>
#include <unistd.h>

#include "bytes.h"
#include "units.h"

enum {
	WARM_UP_TRIPS = 10000,
	TRIPS_UNTIL_LOOK = 256,
	INJECT_AFTER = 100,
	STALL_US = 20000,
	BATCHES = 101,
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

static void sleep_for_ball(struct latency_run *run, int seat, uint64_t seen)
{
	uint64_t interrupts = run->sleeper.interrupts;

	wait_for_change(run, seat, &run->places[seat].ball, seen);
	if (run->learns)
		learn_window(run, interrupts);
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
		sleep_for_ball(run, seat, seen);
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
			if (shmem_now() - begin > SHMEM_SECOND / 4)
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
						       trip.begin - trip.end) * run->clock.tick);
}

/* For a clock that is too coarse. The numbers begin at base + 1. Returns us a trip. */
static double measure_batches(struct latency_run *run, int seat, uint64_t base)
{
	double means[BATCHES];

	for (int batch = 0; batch < BATCHES; batch++) {
		uint64_t begin = ticks();

		shmem_meet_check(&run->meeting);
		for (int trip = 0; trip < BATCH_TRIPS; trip++) {
			run->waited = 0;
			throw(run, seat, ++base);
			wait_for_ball(run, seat, base, base, false);
		}
		means[batch] = (double)ticks_between(begin, ticks()) / BATCH_TRIPS;
		look(run, seat);
	}
	return shmem_summarise(means, BATCHES).median * run->clock.tick / 1e3;
}

static void add_sample(struct latency_run *run, uint64_t begin, uint64_t end)
{
	double units = (double)(end - begin) * run->clock.tick * UNITS_PER_NS;

	shmem_histogram_add(&run->histogram, (uint64_t)(units + 0.5));
}

/* Message n, counted from 1; last is when the answer to the one before came. */
static struct trip measure_trip(struct latency_run *run, int seat, uint64_t base, uint64_t n,
				uint64_t last)
{
	run->waited = 0;
	struct trip trip = round_trip(run, seat, base + n, false);

	if (run->options->fault == FAULT_BACK && n == INJECT_AFTER)
		trip.end = trip.begin - 1;
	check_clock(run, last, trip);
	if (n % TRIPS_UNTIL_LOOK == 0)
		look(run, seat);
	return trip;
}

static bool has_next(const struct latency_settings *settings, uint64_t n)
{
	return !settings->trips || n <= settings->trips;
}

static uint64_t ticks_of(const struct latency_run *run, uint64_t ns)
{
	return (uint64_t)((double)ns / run->clock.tick);
}

/* Each message waits for the answer to the one before. */
static void measure_closed_loop(struct latency_run *run, int seat, uint64_t base)
{
	uint64_t last = ticks();
	uint64_t limit = last + ticks_of(run, run->settings->time);

	for (uint64_t n = 1; last < limit && has_next(run->settings, n); n++) {
		struct trip trip = measure_trip(run, seat, base, n, last);

		add_sample(run, trip.begin, trip.end);
		last = trip.end;
	}
}

/* Spins, so that the delay of a timer is not measured. */
static void wait_until_due(struct latency_run *run, int seat, uint64_t due)
{
	while (ticks() < due)
		check_peer(run, seat, look(run, seat), SHMEM_NEVER);
}

/*
 * Message n is due n intervals after the start, whatever came before, and its time counts from
 * there. All that are due within the time are sent, however late. Returns the number of those
 * that were due before the answer to the one before.
 */
static uint64_t measure_open_loop(struct latency_run *run, int seat, uint64_t base)
{
	double interval = (double)run->settings->every_ns / run->clock.tick;
	uint64_t time = ticks_of(run, run->settings->time);
	uint64_t start = ticks(), last = start, overdue = 0;

	for (uint64_t n = 1; has_next(run->settings, n); n++) {
		uint64_t due = start + (uint64_t)((double)n * interval);

		if (due - start >= time)
			break;
		if (ticks_between(start, last) > 2 * time)
			shmem_die("messages pile up: twice the time of -t has passed, and some that were "
				  "due within it are still to be sent; choose more than --every %.9g",
				  (double)run->settings->every_ns / SHMEM_US);
		if (last > due)
			overdue++;
		wait_until_due(run, seat, due);
		if (run->options->fault == FAULT_STALL && n == INJECT_AFTER)
			usleep(STALL_US);
		last = measure_trip(run, seat, base, n, last).end;
		add_sample(run, due, last);
	}
	return overdue;
}

/* In ns, if a round trip takes as long as it did in the warm-up. */
static uint64_t expected_time(const struct latency_settings *settings, uint64_t warm_up_ns, uint64_t warm_up_trips)
{
	double each = settings->every_ns ? (double)settings->every_ns :
					   (double)warm_up_ns / (double)warm_up_trips;
	double all = (double)settings->trips * each;

	return settings->trips && all < (double)settings->time ? (uint64_t)all : settings->time;
}

/* After the line of progress, a second warm-up gives the terminal time to show it. */
static uint64_t warm_up_and_show(struct latency_run *run, int seat, uint64_t step)
{
	uint64_t base = base_of(run, step), begin = shmem_now();
	uint64_t trips = warm_up(run, seat, base);
	uint64_t time = expected_time(run->settings, shmem_since(begin), trips);

	set_window(run);
	if (show_step(run, run->meeting.seat, seat, step, time))
		trips += warm_up(run, seat, base + trips);
	return trips;
}

struct latency_figures measure_trips(struct latency_run *run, int seat, uint64_t step)
{
	uint64_t base = base_of(run, step);
	struct latency_figures figures = { .from = run->meeting.seat, .to = seat,
					   .clock_step_us = run->clock.step / 1e3 };

	figures.warm_up = warm_up_and_show(run, seat, step);
	memset(&run->histogram, 0, sizeof(run->histogram));
	base += figures.warm_up;

	struct cost before = cost_now(run);
	if (run->settings->every_ns)
		figures.overdue = measure_open_loop(run, seat, base);
	else
		measure_closed_loop(run, seat, base);
	figures.cost = cost_since(run, &before);
	figures.us = shmem_histogram_summary(&run->histogram, UNITS_TO_US);
	if (!run->settings->every_ns && figures.clock_step_us > COARSE_CLOCK * figures.us.median)
		figures.batch_us = measure_batches(run, seat, base + figures.us.count);
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
	case FAULT_STALL:
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
		if (number != expected) {
			set_window(run);
			return (struct answers){ .to = seat, .count = trips,
						 .cost = cost_since(run, &before) };
		}
		if (trips == INJECT_AFTER)
			number = inject_answer(run, seat, number);
		throw(run, seat, number);
		if (trips % TRIPS_UNTIL_LOOK == 0)
			look(run, seat);
	}
}
