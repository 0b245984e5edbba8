/*
 * kit.c - for library.bats: calls the library's functions as its options say.
 *
 * The only operand, when there is one, is a file name or a text.
 */
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "area.h"
#include "internal.h"
#include "ring.h"
#include "units.h"

enum { NUMBER = SHMEM_LONG, SIZE, SECONDS, CHOICE, RECORD, HISTOGRAM, SUMMARY, MEET, STOPPED, CPUS, AREA };

static const struct option longs[] = {
	{ .name = "number", .has_arg = required_argument, .val = NUMBER },
	{ .name = "size", .has_arg = required_argument, .val = SIZE },
	{ .name = "seconds", .has_arg = required_argument, .val = SECONDS },
	{ .name = "choice", .has_arg = required_argument, .val = CHOICE },
	{ .name = "record", .has_arg = required_argument, .val = RECORD },
	{ .name = "histogram", .val = HISTOGRAM },
	{ .name = "summary", .val = SUMMARY },
	{ .name = "meet", .has_arg = required_argument, .val = MEET },
	{ .name = "stopped-in-ring", .val = STOPPED },
	{ .name = "cpus", .has_arg = required_argument, .val = CPUS },
	{ .name = "area", .has_arg = required_argument, .val = AREA },
	{ 0 },
};

static const struct shmem_fault faults[] = {
	{ "none", "" }, { "first", "a fault" }, { "second", "another" }, { 0 },
};

static const struct shmem_program program = {
	.letters = "s:", .longs = longs, .faults = faults, .about = "", .example = "",
};

static void record(const struct shmem_options *options, const char *text)
{
	struct shmem region = shmem_open(options);

	shmem_record_begin(&region, options, "test");
	shmem_record_text("text", text);
	shmem_record_text("nothing", NULL);
	shmem_record_integer("most", UINT64_MAX);
	shmem_record_number("number", 1.5);
	shmem_record_number("infinite", 1 / (double)(text[0] == '\0' ? 0 : 0.0));
	shmem_record_flag("flag", true);
	shmem_record_array("array");
	shmem_record_integer(NULL, 1);
	shmem_record_array(NULL);
	shmem_record_integer(NULL, 2);
	shmem_record_integer(NULL, 3);
	shmem_record_array_end();
	shmem_record_array_end();
	shmem_record_integer("fault", options->fault);
	shmem_record_end();
}

static void print_summary(const struct shmem_summary *summary)
{
	shmem_print("%zu %.0f %.0f %.0f %.0f %.0f\n", summary->count, summary->min,
		    summary->median, summary->p99, summary->p999, summary->max);
}

static void histogram(bool print)
{
	static struct shmem_histogram histogram;
	uint64_t sample;

	while (scanf("%" SCNu64, &sample) == 1)
		shmem_histogram_add(&histogram, sample);
	struct shmem_summary summary = shmem_histogram_summary(&histogram, 1);
	print_summary(&summary);
	if (print)
		shmem_histogram_print(&histogram, 1, "u");
}

static void summary(void)
{
	static double samples[100000];
	size_t count = 0;

	while (scanf("%lf", &samples[count]) == 1)
		count++;
	struct shmem_summary result = shmem_summarise(samples, count);
	print_summary(&result);
}

/*
 * Meets the others: seats is the number of seats, seat is ours. Then each line on
 * stdin renews the beat and prints the state of the others. Leaves at its end.
 */
static void meet(const struct shmem_options *options, int seats, int seat, uint64_t timeout)
{
	static const char *const results[] = { "met", "nobody", "taken" };
	static const char *const peers[] = { "lives", "left", "died" };
	struct shmem region = shmem_open(options);
	struct shmem_meeting meeting;
	enum shmem_meet result = shmem_meet(&meeting, &region, SHMEM_LAYOUT_FREE, seats, seat,
					    "the test", timeout);

	if (result != SHMEM_MET) {
		shmem_print("%s\n", results[result]);
		return;
	}
	shmem_print("met %d %016" PRIx64 "\n", meeting.seat, meeting.session);
	while (getchar() != EOF) {
		shmem_meet_beat(&meeting);
		for (int other = 0; other < seats; other++)
			if (other != meeting.seat)
				shmem_print("%d %s\n", other, peers[shmem_meet_peer(&meeting, other)]);
	}
	shmem_meet_leave(&meeting);
}

/* Prints where the area is and its first byte, adds one to it, and holds its claim until stdin ends. */
static void area(const struct shmem_options *options, const char *name, size_t size)
{
	struct shmem region = shmem_open(options);
	struct shmem_area area = shmem_area_open(&region, name, size);
	struct shmem_claim claim = shmem_claim_take(&region, area.claim, name, 2 * SHMEM_SECOND);

	shmem_print("at %td, %zu bytes, %u\n", area.base - region.base, area.size, *area.base);
	++*area.base;
	while (getchar() != EOF)
		shmem_claim_renew(&claim);
	shmem_claim_drop(&claim);
}

/* Each bit of mask is a CPU that may be used. */
static void print_cpus(uint64_t mask)
{
	unsigned int cpus[CPU_SETSIZE];
	cpu_set_t allowed;

	CPU_ZERO(&allowed);
	for (int cpu = 0; cpu < 64; cpu++)
		if (mask >> cpu & 1)
			CPU_SET(cpu, &allowed);
	size_t count = shmem_cpus_apart(&allowed, cpus);
	for (size_t i = 0; i < count; i++)
		shmem_print("%u%s", cpus[i], i + 1 < count ? " " : "\n");
}

/* --- Stopped while it copies into a ring ------------------------------------ */

enum { PAGE = 4096 };

static void *source; /* a page that becomes readable at the first attempt to read it */

static void stop_once(int number)
{
	(void)number;
	if (mprotect(source, PAGE, PROT_READ) != 0)
		_exit(1);
	raise(SIGSTOP);
}

/* Meets one other, from seat 0, then writes into a ring behind the seats. */
static void stopped_in_ring(const struct shmem_options *options)
{
	struct shmem region = shmem_open(options);
	unsigned char *seats = region.base + SHMEM_LAYOUT_FREE;
	struct shmem_ring_counts *counts = (struct shmem_ring_counts *)(seats + PAGE);
	struct shmem_meeting meeting;

	source = mmap(NULL, PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	signal(SIGSEGV, stop_once);
	shmem_meet(&meeting, &region, SHMEM_LAYOUT_FREE, 2, 0, "the test", UINT64_C(20000000000));
	struct shmem_ring ring = shmem_ring_writer(counts, seats + 2 * PAGE, PAGE, region.order,
						   &meeting);
	shmem_print(shmem_ring_write(&ring, source, 100) == SHMEM_RING_LOST ? "lost\n" : "written\n");
}

int main(int argc, char **argv)
{
	static const char *const names[] = { "red", "green", NULL };
	struct shmem_options options = { 0 };
	uint64_t timeout = UINT64_C(20000000000), size = 0;
	int seat = SHMEM_ANY_SEAT, option;

	while ((option = shmem_getopt(&program, &options, argc, argv)) != -1) {
		switch (option) {
		case 's':
			seat = (int)shmem_option_number("-s", optarg, 0, 15);
			break;
		case NUMBER:
			shmem_print("%" PRIu64 "\n", shmem_option_number("--number", optarg, 5, 500));
			break;
		case SIZE:
			size = shmem_option_size("--size", optarg, 1, UINT64_MAX);
			shmem_print("%" PRIu64 "\n", size);
			break;
		case SECONDS:
			timeout = shmem_option_seconds("--seconds", optarg);
			shmem_print("%" PRIu64 "\n", timeout);
			break;
		case CHOICE:
			shmem_print("%zu\n", shmem_option_choice("--choice", optarg, names));
			break;
		case RECORD:
			record(&options, optarg);
			break;
		case HISTOGRAM:
			histogram(true);
			break;
		case SUMMARY:
			summary();
			break;
		case MEET:
			meet(&options, (int)shmem_option_number("--meet", optarg, 2, 16), seat, timeout);
			break;
		case CPUS:
			print_cpus(shmem_option_number("--cpus", optarg, 1, UINT64_MAX));
			break;
		case AREA:
			area(&options, optarg, size);
			break;
		case STOPPED:
			stopped_in_ring(&options);
			break;
		}
	}
	return 0;
}
