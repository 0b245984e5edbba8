/* latency_report.c - the figures of __latency, as text and as records. */
#include "latency.h"

#include <inttypes.h>
#include <stdio.h>

static void record_figures(const struct run *run, const struct figures *figures)
{
	char from[NAME_SIZE], to[NAME_SIZE];

	name_of(run, figures->from, from);
	name_of(run, figures->to, to);
	shmem_record_begin(&run->region, run->options, "latency");
	shmem_record_text("from", from);
	shmem_record_text("to", to);
	shmem_record_integer("from_seat", (uint64_t)figures->from);
	shmem_record_integer("to_seat", (uint64_t)figures->to);
	shmem_record_text("measured", "round trip, polled");
	shmem_record_summary(&figures->us, "_us");
	shmem_record_text("one_way", "half a round trip, not measured");
	shmem_record_number("half_median_us", figures->us.median / 2);
	shmem_record_integer("warm_up", figures->warm_up);
	shmem_record_number("seconds", figures->seconds);
	shmem_record_number("clock_reading_us", clock_cost_ns(run->ns_per_tick) / 1e3);
	shmem_record_number("clock_tick_us", run->ns_per_tick / 1e3);
	if (run->settings->cpu >= 0)
		shmem_record_integer("pinned_to", (uint64_t)run->settings->cpu);
	shmem_record_histogram("histogram_us", &run->histogram, UNITS_TO_US);
	shmem_record_end();
}

static void print_setting(const struct run *run)
{
	const char *type = shmem_memory_type(&run->region);

	shmem_print("mapping %s%s%s%s, accelerator %s, one reading of the clock %.0f ns\n",
		    shmem_mapping_name(run->options), type ? " (kernel: " : "",
		    type ? type : "", type ? ")" : "", shmem_accelerator(),
		    clock_cost_ns(run->ns_per_tick));
}

static void print_figures(const struct run *run, const struct figures *figures)
{
	const struct shmem_summary *us = &figures->us;
	char from[NAME_SIZE], to[NAME_SIZE];

	name_of(run, figures->from, from);
	name_of(run, figures->to, to);
	shmem_print("%s measured, %s answered: %zu round trips in %.2f s, after %" PRIu64
		    " to warm up\n", from, to, us->count, figures->seconds, figures->warm_up);
	print_setting(run);
	shmem_print("\nround trip in us:  min %.3f  median %.3f  p99 %.3f  p99.9 %.3f  max %.3f\n"
		    "half of the median, called one way and not measured: %.3f us\n\n",
		    us->min, us->median, us->p99, us->p999, us->max, us->median / 2);
	shmem_histogram_print(&run->histogram, UNITS_TO_US, "us");
}

static void print_row(const struct run *run, const struct figures *figures)
{
	const struct shmem_summary *us = &figures->us;
	char to[NAME_SIZE], label[NAME_SIZE + 16];

	name_of(run, figures->to, to);
	snprintf(label, sizeof(label), "%s (seat %d)", to, figures->to);
	shmem_print("  %-20s %10zu %8.3f %8.3f %8.3f %8.3f %10.3f\n", label, us->count, us->min,
		    us->median, us->p99, us->p999, us->max);
}

void print_head(const struct run *run)
{
	char name[NAME_SIZE];

	if (run->options->json || !run->settings->matrix)
		return;
	name_of(run, run->meeting.seat, name);
	shmem_print("%s (seat %d of %d) measures to each of the others in turn\n", name,
		    run->meeting.seat, run->settings->seats);
	print_setting(run);
	shmem_print("\n  %-20s %10s %8s %8s %8s %8s %10s\n", "round trip in us, to", "count",
		    "min", "median", "p99", "p99.9", "max");
}

void report(const struct run *run, const struct figures *figures)
{
	if (run->options->json)
		record_figures(run, figures);
	else if (run->settings->matrix)
		print_row(run, figures);
	else
		print_figures(run, figures);
}

void report_answers(const struct run *run, int seat, uint64_t count)
{
	char name[NAME_SIZE];

	if (run->settings->matrix)
		return;
	name_of(run, seat, name);
	if (!run->options->json) {
		shmem_print("answered %" PRIu64 " round trips of %s, which prints the figures\n",
			    count, name);
		return;
	}
	shmem_record_begin(&run->region, run->options, "latency-answers");
	shmem_record_text("to", name);
	shmem_record_integer("count", count);
	shmem_record_end();
}
