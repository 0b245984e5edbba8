/* ticks.c - the time stamp counter as a clock: its tick, its step, and what a reading costs. */
#include "ticks.h"

#include "shmem.h"
#include "units.h"

/* The same point in time, on both clocks. */
struct moment {
	uint64_t ns, ticks;
};

/* Takes the narrowest of some tries, since we may be interrupted between the readings. */
static struct moment now_by_both(void)
{
	struct moment best = { 0 };
	uint64_t narrowest = UINT64_MAX;

	for (int i = 0; i < 10; i++) {
		uint64_t before = ticks();
		uint64_t ns = shmem_now();
		uint64_t after = ticks();

		if (after >= before && after - before < narrowest) {
			narrowest = after - before;
			best = (struct moment){ .ns = ns, .ticks = before + narrowest / 2 };
		}
	}
	return best;
}

static double ns_a_tick(struct moment from, struct moment to)
{
	return (double)(to.ns - from.ns) / (double)(to.ticks - from.ticks);
}

/* Measures for 20 ms twice, and compares. */
static bool calibrate(double *tick, bool uneven, struct shmem_error *error)
{
	struct moment moments[3];

	for (int i = 0; i < 3; i++) {
		moments[i] = now_by_both();
		while (i < 2 && shmem_now() - moments[i].ns < SHMEM_SECOND / 50)
			;
	}
	if (uneven)
		moments[2].ticks += (moments[2].ticks - moments[1].ticks) / 10;

	double first = ns_a_tick(moments[0], moments[1]);
	double second = ns_a_tick(moments[1], moments[2]);
	double ratio = first / second;
	*tick = ns_a_tick(moments[0], moments[2]);
	return (ratio > 0.98 && ratio < 1.02) ||
	       shmem_error_set(error, SHMEM_STATUS_FAILED,
			       "the time stamp counter does not run evenly: %.4f ns a tick, then "
			       "%.4f; nothing can be measured with it", first, second);
}

/* The least of some means: another program that runs in between makes one larger, never smaller. */
static double ticks_a_reading(void)
{
	enum { MEANS = 10, READINGS = 200 };
	uint64_t least = UINT64_MAX;

	for (int i = 0; i < MEANS; i++) {
		uint64_t begin = ticks();

		for (int j = 0; j < READINGS; j++)
			ticks();

		uint64_t all = ticks_between(begin, ticks());
		least = all < least ? all : least;
	}
	return (double)least / (READINGS + 1);
}

static uint64_t common_divisor(uint64_t a, uint64_t b)
{
	while (b) {
		uint64_t rest = a % b;

		a = b;
		b = rest;
	}
	return a;
}

/* The smallest difference would be a multiple of the step where a reading takes longer than that. */
static uint64_t ticks_a_step(void)
{
	enum { DIFFERENCES = 10000 };
	uint64_t last = ticks(), step = 0;

	for (int count = 0; count < DIFFERENCES;) {
		uint64_t now = ticks();
		uint64_t difference = ticks_between(last, now);

		step = common_divisor(step, difference);
		count += difference > 0;
		last = now;
	}
	return step;
}

bool shmem_try_ticks_clock(struct ticks_clock *clock, bool uneven, struct shmem_error *error)
{
	if (!calibrate(&clock->tick, uneven, error))
		return false;
	clock->reading = ticks_a_reading() * clock->tick;
	clock->step = (double)ticks_a_step() * clock->tick;
	return true;
}
