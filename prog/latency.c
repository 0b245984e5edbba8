/*
 * latency.c - __latency: how long a word takes to another VM and back.
 *
 * Ping-pong: one VM, which measures, puts a number on its cache line; the other,
 * which polls that line, puts the same number on a line of its own; the first
 * polls that one. With --matrix every VM measures to every other in turn.
 *
 * Of a round trip both ends are seen by one clock. One way is not measured: it
 * would take a clock that two VMs share.
 *
 * Here are the command line and the meeting; latency.h says where the rest is.
 */
#include "latency.h"

#include <sched.h>
#include <unistd.h>

/* The seats, then the places; those of --matrix apart, so that both can run. */
enum {
	MATRIX_OFFSET = 0x8000,
	PLACES_OFFSET = 0x1000,
};

static_assert(SHMEM_SEATS_MAX * SHMEM_SEAT_SIZE <= PLACES_OFFSET, "seats fit");
static_assert(PLACES_OFFSET + SHMEM_SEATS_MAX * sizeof(struct place) <= MATRIX_OFFSET &&
	      LAYOUT_LATENCY + 2 * MATRIX_OFFSET <= LAYOUT_STREAM, "places fit");

/* --- The others ----------------------------------------------------------- */

static void meet(struct run *run)
{
	const struct settings *settings = run->settings;
	size_t offset = LAYOUT_LATENCY + (settings->matrix ? MATRIX_OFFSET : 0);
	enum shmem_meet result =
		shmem_meet(&run->meeting, &run->region, offset, settings->seats, SHMEM_ANY_SEAT,
			   "__latency", settings->timeout);

	if (result == SHMEM_SEAT_TAKEN)
		shmem_die("others have been at it for %.1f s (-w), and no seat became free",
			  (double)settings->timeout / SECOND);
	if (result == SHMEM_NOBODY_CAME)
		shmem_die("nobody came in %.1f s (-w); run this program in %s at the same time",
			  (double)settings->timeout / SECOND,
			  settings->matrix ? "as many VMs as --matrix says" : "two VMs");
	run->places = (struct place *)(run->region.base + offset + PLACES_OFFSET);
	run->mine = &run->places[run->meeting.seat];
	gethostname(run->mine->name, NAME_SIZE);
	run->looked = ticks();
}

/* --- Command line --------------------------------------------------------- */

static const struct shmem_fault faults[] = {
	[FAULT_NONE] = { "none", "" },
	[FAULT_RUBBISH] = { "rubbish", "answer a number that was not sent" },
	[FAULT_DIE] = { "die", "end in the middle, without a word" },
	[FAULT_LEAVE] = { "leave", "give up the seat in the middle" },
	[FAULT_DEAF] = { "deaf", "live on, but answer no more" },
	[FAULT_CLOCK] = { "clock", "a time stamp counter that does not run evenly" },
	{ 0 },
};

enum { OPTION_MATRIX = SHMEM_LONG };

static const struct option longs[] = {
	{ .name = "matrix", .has_arg = required_argument, .val = OPTION_MATRIX },
	{ 0 },
};

static const struct shmem_program program = {
	.synopsis = "[-t SECONDS] [-n COUNT] [-w SECONDS] [--matrix N]",
	.letters = "t:n:w:p:",
	.longs = longs,
	.faults = faults,
	.about = "Measures the round trip of a word to another VM and back, both sides polling.\n"
		 "Run it in two VMs at the same time, in any order: one measures, one answers.\n",
	.details = "  -t SECONDS  measure for this long (default: 3)\n"
		   "  -n COUNT    measure this many round trips, unless -t is over before\n"
		   "  -w SECONDS  wait so long for the other VM, and for an answer (default: 30)\n"
		   "  -p CPU      run on this CPU of the VM (default: where it starts)\n"
		   "  --matrix N  run in N VMs: each measures to each, in turns, and prints its row\n",
	.example = "  root@vm1:~# __latency     # and in vm2 the same: one of the two measures\n"
		   "\n"
		   "  Seen with two processes on a file, on a host that is a VM itself:\n"
		   "  $ __latency -f region & __latency -f region\n"
		   "  host measured, host answered: 6396193 round trips in 3.00 s, after 10000 to warm up\n"
		   "  mapping file, accelerator kvm, one reading of the clock 25 ns\n"
		   "\n"
		   "  round trip in us:  min 0.238  median 0.384  p99 0.454  p99.9 2.406  max 1282.140\n"
		   "  half of the median, called one way and not measured: 0.192 us\n"
		   "  (and a histogram)\n"
		   "  answered 6406193 round trips of host, which prints the figures\n",
};

static void parse(struct settings *settings, struct shmem_options *options, int argc, char **argv)
{
	uint64_t time = 0;
	int option;

	while ((option = shmem_getopt(&program, options, argc, argv)) != -1) {
		switch (option) {
		case 't':
			time = shmem_option_seconds("-t", optarg);
			break;
		case 'n':
			settings->trips = shmem_option_number("-n", optarg, 1, UINT32_MAX);
			break;
		case 'w':
			settings->timeout = shmem_option_seconds("-w", optarg);
			break;
		case 'p':
			settings->cpu = (int)shmem_option_number("-p", optarg, 0, 1023);
			break;
		case OPTION_MATRIX:
			settings->seats = (int)shmem_option_number("--matrix", optarg, 2,
								   SHMEM_SEATS_MAX);
			settings->matrix = true;
			break;
		}
	}
	if (time)
		settings->time = time;
	else if (settings->trips)
		settings->time = 3600 * SECOND;
}

/* --- The whole ------------------------------------------------------------ */

/*
 * A VM's program stays on the CPU where it is; of two on a file, which share
 * one host, both might be on the same one.
 */
static void pin(struct settings *settings, const struct shmem_options *options)
{
	if (settings->cpu < 0 && !options->file)
		settings->cpu = sched_getcpu();
	if (settings->cpu >= 0)
		shmem_pin((unsigned int)settings->cpu);
}

int main(int argc, char **argv)
{
	static struct run run;
	struct settings settings = {
		.time = 3 * SECOND, .timeout = 30 * SECOND, .seats = 2, .cpu = -1
	};
	struct shmem_options options = { 0 };

	parse(&settings, &options, argc, argv);
	run.options = &options;
	run.settings = &settings;
	run.region = shmem_open(&options);
	run.drain = options.kind == SHMEM_WC;
	pin(&settings, &options);
	run.ns_per_tick = calibrate(&options);
	meet(&run);
	do_all_steps(&run);
	shmem_meet_leave(&run.meeting);
	return 0;
}
