/* clock.c - the clock of __latency: the time stamp counter. */
#include "latency.h"

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
double calibrate_clock(const struct shmem_options *options)
{
	struct moment moments[3];

	for (int i = 0; i < 3; i++) {
		moments[i] = now_by_both();
		while (i < 2 && shmem_now() - moments[i].ns < SHMEM_SECOND / 50)
			;
	}
	if (options->fault == FAULT_CLOCK)
		moments[2].ticks += (moments[2].ticks - moments[1].ticks) / 10;

	double first = ns_a_tick(moments[0], moments[1]);
	double second = ns_a_tick(moments[1], moments[2]);
	double ratio = first / second;
	if (!(ratio > 0.98 && ratio < 1.02))
		shmem_die("the time stamp counter does not run evenly: %.4f ns a tick, then "
			  "%.4f; nothing can be measured with it", first, second);
	return ns_a_tick(moments[0], moments[2]);
}

double clock_cost_ns(double ns_per_tick)
{
	enum { READINGS = 1000 };
	uint64_t begin = ticks();

	for (int i = 0; i < READINGS; i++)
		ticks();
	return (double)ticks_between(begin, ticks()) * ns_per_tick / READINGS;
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

double clock_step_ns(double ns_per_tick)
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
	return (double)step * ns_per_tick;
}
