/* report.c - the figures of __latency, as text and as records. */
#include "latency.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>

#include "units.h"

/* --- The way of waiting, and its cost ------------------------------------- */

enum { WAY_SIZE = 40 };

/* As its holder shows it now, if that is adaptive; a window may have been measured meanwhile. */
static uint64_t poll_ns_of(const struct latency_run *run, int seat)
{
	uint64_t poll_ns = run->others[seat].poll_ns;

	if (poll_ns == POLL_LEARNS)
		return atomic_load_explicit(&run->places[seat].poll_ns, memory_order_relaxed);
	return poll_ns;
}

static const char *mode_of(const struct latency_run *run, int seat)
{
	uint64_t poll_ns = run->others[seat].poll_ns;

	return poll_ns == SHMEM_NEVER ? "polled" : poll_ns ? "adaptive" : "interrupt";
}

static void way_of(const struct latency_run *run, int seat, char way[static WAY_SIZE])
{
	uint64_t poll_ns = poll_ns_of(run, seat);

	if (poll_ns == 0 || poll_ns >= POLL_LEARNS)
		snprintf(way, WAY_SIZE, "%s", mode_of(run, seat));
	else
		snprintf(way, WAY_SIZE, "adaptive, %.9g us", (double)poll_ns / SHMEM_US);
}

/* Where the window of --adaptive without a number comes from. */
static void print_window(const struct latency_run *run)
{
	if (run->settings->poll_ns != POLL_LEARNS)
		return;
	if (run->wake_up_us > 0)
		shmem_print("the window here is twice the median wake-up of the warm-up, %.3f us\n",
			    run->wake_up_us);
	else
		shmem_print("the window here is the default: too few wake-ups in the warm-up to measure\n");
}

/* 0 if no time passed. */
static double cost_percent(const struct cost *cost)
{
	return cost->time ? 100.0 * (double)cost->cpu / (double)cost->time : 0;
}

static void print_cost(const struct cost *cost)
{
	shmem_print("used here: %.1f %% of a CPU, %" PRIu64 " sleeps, %" PRIu64 " interrupts, %"
		    PRIu64 " of them late\n", cost_percent(cost), cost->sleeps, cost->interrupts,
		    cost->late);
}

static void record_mode(const char *mode, const char *window, const struct latency_run *run,
			int seat)
{
	uint64_t poll_ns = poll_ns_of(run, seat);

	shmem_record_text(mode, mode_of(run, seat));
	shmem_record_number(window, poll_ns >= POLL_LEARNS ? INFINITY : (double)poll_ns / SHMEM_US);
}

static void record_cost(const struct latency_run *run, int other, const struct cost *cost)
{
	record_mode("mode", "poll_us", run, run->meeting.seat);
	record_mode("other_mode", "other_poll_us", run, other);
	shmem_record_number("wake_up_us", run->wake_up_us > 0 ? run->wake_up_us : INFINITY);
	shmem_record_number("cpu_percent", cost_percent(cost));
	shmem_record_integer("sleeps", cost->sleeps);
	shmem_record_integer("interrupts", cost->interrupts);
	shmem_record_integer("late", cost->late);
}

/* --- Figures -------------------------------------------------------------- */

static void record_cpu_of(const char *name, const struct latency_run *run, int seat)
{
	int cpu = cpu_of(run, seat);

	if (cpu >= 0)
		shmem_record_integer(name, (uint64_t)cpu);
}

static void record_loop(const struct latency_run *run, const struct latency_figures *figures)
{
	uint64_t every_ns = run->settings->every_ns;

	shmem_record_text("measured", every_ns ? "from due to answered" : "round trip");
	shmem_record_text("loop", every_ns ? "open" : "closed");
	shmem_record_number("every_us", every_ns ? (double)every_ns / SHMEM_US : INFINITY);
	shmem_record_integer("overdue", figures->overdue);
}

void record_clock_step(const struct latency_figures *figures)
{
	shmem_record_number("clock_step_us", figures->clock_step_us);
	shmem_record_number("mean_of_64_us", figures->batch_us > 0 ? figures->batch_us : INFINITY);
}

static void record_figures(const struct latency_run *run, const struct latency_figures *figures)
{
	char from[NAME_SIZE], to[NAME_SIZE];

	name_of(run, figures->from, from);
	name_of(run, figures->to, to);
	shmem_record_begin(&run->region, run->options, "latency");
	shmem_record_text("from", from);
	shmem_record_text("to", to);
	shmem_record_integer("from_seat", (uint64_t)figures->from);
	shmem_record_integer("to_seat", (uint64_t)figures->to);
	record_loop(run, figures);
	record_cost(run, figures->to, &figures->cost);
	shmem_record_summary(&figures->us, "_us");
	shmem_record_text("one_way", "half a round trip, not measured");
	shmem_record_number("half_median_us", run->settings->every_ns ? INFINITY : figures->us.median / 2);
	shmem_record_integer("warm_up", figures->warm_up);
	shmem_record_number("seconds", (double)figures->cost.time / SHMEM_SECOND);
	shmem_record_number("clock_reading_us", run->clock.reading / 1e3);
	shmem_record_number("clock_tick_us", run->clock.tick / 1e3);
	record_clock_step(figures);
	record_cpu_of("from_cpu", run, figures->from);
	record_cpu_of("to_cpu", run, figures->to);
	if (run->settings->cpu >= 0)
		shmem_record_integer("pinned_to", (uint64_t)run->settings->cpu);
	shmem_record_histogram("histogram_us", &run->histogram, UNITS_TO_US);
	shmem_record_end();
}

static void print_setting(const struct latency_run *run)
{
	const char *type = shmem_memory_type(&run->region);

	shmem_print("mapping %s%s%s%s, accelerator %s, clock: %.0f ns a reading, steps of %.3g ns\n",
		    shmem_mapping_name(run->options), type ? " (kernel: " : "",
		    type ? type : "", type ? ")" : "", shmem_accelerator(),
		    run->clock.reading, run->clock.step);
}

static void print_loop(const struct latency_run *run, const struct latency_figures *figures)
{
	if (run->settings->every_ns)
		shmem_print("open loop: a message was due every %.9g us; %" PRIu64
			    " were due before the last answer had come\n",
			    (double)run->settings->every_ns / SHMEM_US, figures->overdue);
	else
		shmem_print("closed loop: a message waits for the last answer, so a stall is one sample "
			    "(see --every)\n");
}

static void print_figures(const struct latency_run *run, const struct latency_figures *figures)
{
	const struct shmem_summary *us = &figures->us;
	char from[NAME_SIZE], to[NAME_SIZE], from_way[WAY_SIZE], to_way[WAY_SIZE];

	name_of(run, figures->from, from);
	name_of(run, figures->to, to);
	way_of(run, figures->from, from_way);
	way_of(run, figures->to, to_way);
	shmem_print("%s measured, %s answered: %zu round trips in %.2f s, after %" PRIu64
		    " to warm up\n", from, to, us->count, (double)figures->cost.time / SHMEM_SECOND,
		    figures->warm_up);
	print_setting(run);
	shmem_print("waiting: %s %s; %s %s\n", from, from_way, to, to_way);
	print_window(run);
	print_cost(&figures->cost);
	print_loop(run, figures);
	shmem_print("\n%s in us:  min %.3f  median %.3f  p99 %.3f  p99.9 %.3f  max %.3f\n",
		    run->settings->every_ns ? "from due to answered" : "round trip", us->min,
		    us->median, us->p99, us->p999, us->max);
	if (figures->batch_us > 0)
		shmem_print("the clock is too coarse for one; the mean of 64 between two readings: %.3f us\n",
			    figures->batch_us);
	if (!run->settings->every_ns)
		shmem_print("half of the median, called one way and not measured: %.3f us\n",
			    us->median / 2);
	shmem_print("\n");
	shmem_histogram_print(&run->histogram, UNITS_TO_US, "us");
}

static void print_row(const struct latency_run *run, const struct latency_figures *figures)
{
	const struct shmem_summary *us = &figures->us;
	char to[NAME_SIZE], label[NAME_SIZE + 16];

	name_of(run, figures->to, to);
	snprintf(label, sizeof(label), "%s (seat %d)", to, figures->to);
	shmem_print("  %-16s %9zu %8.3f %8.3f %8.3f %8.3f %10.3f %5.1f %8" PRIu64, label,
		    us->count, us->min, us->median, us->p99, us->p999, us->max,
		    cost_percent(&figures->cost), figures->cost.interrupts);
	if (figures->batch_us > 0)
		shmem_print("  mean of 64: %.3f", figures->batch_us);
	shmem_print("\n");
}

void report_head(const struct latency_run *run)
{
	char name[NAME_SIZE], way[WAY_SIZE];

	if (run->options->json || !run->settings->matrix)
		return;
	name_of(run, run->meeting.seat, name);
	shmem_print("%s (seat %d of %d) measures to each of the others in turn\n", name,
		    run->meeting.seat, run->settings->seats);
	print_setting(run);
	shmem_print("waiting:");
	for (int seat = 0; seat < run->settings->seats; seat++) {
		name_of(run, seat, name);
		way_of(run, seat, way);
		shmem_print("%s %s %s", seat ? ";" : "", name, way);
	}
	shmem_print("\n\n  %-16s %9s %8s %8s %8s %8s %10s %5s %8s\n", "to (in us)", "count",
		    "min", "median", "p99", "p99.9", "max", "CPU %", "rung");
}

void report_figures(const struct latency_run *run, const struct latency_figures *figures)
{
	if (run->kept)
		*run->kept = *figures;
	else if (run->options->json)
		record_figures(run, figures);
	else if (run->settings->matrix)
		print_row(run, figures);
	else
		print_figures(run, figures);
}

void report_answers(const struct latency_run *run, const struct answers *answers)
{
	char name[NAME_SIZE];

	if (run->settings->matrix || run->kept)
		return;
	name_of(run, answers->to, name);
	if (!run->options->json) {
		shmem_print("answered %" PRIu64 " round trips of %s, which prints the figures\n",
			    answers->count, name);
		print_window(run);
		print_cost(&answers->cost);
		return;
	}
	shmem_record_begin(&run->region, run->options, "latency-answers");
	shmem_record_text("to", name);
	shmem_record_integer("count", answers->count);
	record_cost(run, answers->to, &answers->cost);
	shmem_record_end();
}
