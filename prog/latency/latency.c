/*
 * latency.c - __latency: the round trip of a word to another VM and back.
 *
 * Ping-pong: the measuring VM writes a number to its cache line. The answering VM polls
 * that line, and writes the same number to its own line, which the first VM polls. With
 * --matrix every VM measures to every other in turn. Instead of polling, or after polling
 * for a while, each side can sleep until the other rings.
 *
 * One clock measures both ends of a round trip. One way is not measured: that would need
 * a clock that two VMs share.
 *
 * This file has the command line and the meeting; latency.h lists the other files.
 */
#include "latency.h"

#include <sched.h>
#include <unistd.h>

/* Seats, then places. */
enum { PLACES_OFFSET = 0x1000 };

static_assert(SHMEM_SEATS_MAX * SHMEM_SEAT_SIZE <= PLACES_OFFSET, "seats fit");
static_assert(PLACES_OFFSET + SHMEM_SEATS_MAX * sizeof(struct latency_place) <=
		      SHMEM_LAYOUT_LATENCY_MATRIX - SHMEM_LAYOUT_LATENCY,
	      "places fit");
static_assert(SHMEM_LAYOUT_LATENCY_MATRIX - SHMEM_LAYOUT_LATENCY ==
		      SHMEM_LAYOUT_STREAM - SHMEM_LAYOUT_LATENCY_MATRIX,
	      "those of --matrix, too");

/* --- The others ----------------------------------------------------------- */

static void latency_meet(struct latency_run *run)
{
	const struct latency_settings *settings = run->settings;
	size_t offset = settings->matrix ? SHMEM_LAYOUT_LATENCY_MATRIX : SHMEM_LAYOUT_LATENCY;
	enum shmem_meet result =
		shmem_meet(&run->meeting, &run->region, offset, settings->seats, SHMEM_ANY_SEAT,
			   "__latency", settings->timeout);

	if (result == SHMEM_SEAT_TAKEN)
		shmem_die("others have held all seats for %.1f s (-w)",
			  (double)settings->timeout / SHMEM_SECOND);
	if (result == SHMEM_NOBODY_CAME)
		shmem_die("nobody came within %.1f s (-w); run this program in %s at the same time",
			  (double)settings->timeout / SHMEM_SECOND,
			  settings->matrix ? "as many VMs as --matrix says" : "two VMs");
	run->places = (struct latency_place *)(run->region.base + offset + PLACES_OFFSET);
	run->mine = &run->places[run->meeting.seat];
	gethostname(run->mine->name, NAME_SIZE);
	run->looked = ticks();
}

/* --- Command line --------------------------------------------------------- */

static const struct shmem_fault faults[] = {
	[FAULT_NONE] = { "none", "" },
	[FAULT_RUBBISH] = { "rubbish", "answer with a number that was not sent" },
	[FAULT_DIE] = { "die", "end in the middle without giving up the seat" },
	[FAULT_LEAVE] = { "leave", "give up the seat in the middle" },
	[FAULT_DEAF] = { "deaf", "live on, but stop answering" },
	[FAULT_SKIP] = { "skip", "answer without ringing a sleeper" },
	[FAULT_CLOCK] = { "clock", "let the time stamp counter run unevenly" },
	[FAULT_BACK] = { "back", "let the time stamp counter step back while measuring" },
	[FAULT_STALL] = { "stall", "stop for 20 ms when a message of --every is due" },
	{ 0 },
};

enum { OPTION_MATRIX = SHMEM_LONG, OPTION_INTERRUPT, OPTION_ADAPTIVE, OPTION_CPUS, OPTION_EVERY };

static const struct option longs[] = {
	{ .name = "matrix", .has_arg = required_argument, .val = OPTION_MATRIX },
	{ .name = "interrupt", .has_arg = no_argument, .val = OPTION_INTERRUPT },
	{ .name = "adaptive", .has_arg = optional_argument, .val = OPTION_ADAPTIVE },
	{ .name = "cpus", .has_arg = no_argument, .val = OPTION_CPUS },
	{ .name = "every", .has_arg = required_argument, .val = OPTION_EVERY },
	{ 0 },
};

static const struct shmem_program program = {
	.synopsis = "[-t SECONDS] [-n COUNT] [-w SECONDS] [-p CPU]\n"
		    "                 [--every US] [--matrix N] [--interrupt | --adaptive[=MICROSECONDS]]\n"
		    "       __latency --cpus [-t SECONDS] [-n COUNT]",
	.letters = "t:n:w:p:",
	.longs = longs,
	.faults = faults,
	.about = "Measures the round trip of a word to another VM and back. Both sides poll or, if the\n"
		 "VMs were started with SHMEM_MODE=doorbell, sleep until they are rung. Run it in two\n"
		 "VMs at the same time, in any order: one measures, one answers. On the host, -f\n"
		 "takes the socket of the ivshmem server.\n",
	.details = "  -t SECONDS  measure for this long (default: 3)\n"
		   "  -n COUNT    measure at most this many round trips, and not longer than -t\n"
		   "  -w SECONDS  wait this long for the other VM, and for an answer (default: 30)\n"
		   "  -p CPU      run on this CPU of the VM (default: the one where it starts)\n"
		   "  --every US  a message is due every US microseconds (1 to 1000000), and its time counts\n"
		   "              from then, so a stall counts for all that are due in it. The default is a\n"
		   "              closed loop: the next message waits for the answer, and a stall of any\n"
		   "              length is one sample. Give it on both sides: the one that measures decides.\n"
		   "  --matrix N  run in N VMs: each measures to each other in turn, and prints its row\n"
		   "  --cpus      measure between every two CPUs of this machine instead, and print the\n"
		   "              matrix (-t: of each pair, default 0.1; taskset chooses the CPUs)\n"
		   "  --interrupt\n"
		   "              sleep until the other side rings the doorbell\n"
		   "  --adaptive[=MICROSECONDS]\n"
		   "              poll for this long, then sleep (default: twice as long as a wake-up takes\n"
		   "              in the warm-up; at most 1000000). With less than a round trip by interrupt,\n"
		   "              both sides stay asleep once one has slept. Each side chooses its own way to\n"
		   "              wait; a side that polls also rings a sleeper.\n",
	.example = "  root@vm1:~# __latency --interrupt\n"
		   "                                        root@vm2:~# __latency --interrupt\n"
		   "  answered 6819 round trips of vm2, which prints the figures\n"
		   "  used here: 29.2 % of a CPU, 5775 sleeps, 5775 interrupts, 0 of them late\n"
		   "\n"
		   "  And in vm2 (of two VMs under TCG, on a busy host):\n"
		   "  vm2 measured, vm1 answered: 6051 round trips in 2.00 s, after 768 to warm up\n"
		   "  mapping uc (kernel: uncached-minus), accelerator tcg, clock: 46 ns a reading, steps of 0.4 ns\n"
		   "  waiting: vm2 interrupt; vm1 interrupt\n"
		   "  used here: 35.3 % of a CPU, 3991 sleeps, 3991 interrupts, 0 of them late\n"
		   "\n"
		   "  round trip in us:  min 36.353  median 194.970  p99 2595.226  p99.9 5819.597  max 7839.789\n"
		   "  half of the median, called one way and not measured: 97.485 us\n"
		   "  (and a histogram)\n",
};

/* The value of --adaptive, in nanoseconds; text is NULL without a value. */
static uint64_t parse_poll(const char *text)
{
	return text ? SHMEM_US * shmem_option_number("--adaptive", text, 1, 1000000) : POLL_LEARNS;
}

static void choose_poll(struct latency_settings *settings, uint64_t poll_ns)
{
	if (settings->poll_ns != SHMEM_NEVER)
		shmem_usage_error("--interrupt and --adaptive are two ways to wait: give only one of "
				  "them, and once");
	settings->poll_ns = poll_ns;
}

static void parse_latency(struct latency_settings *settings, struct shmem_options *options, int argc,
			  char **argv)
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
		case OPTION_INTERRUPT:
			choose_poll(settings, 0);
			break;
		case OPTION_CPUS:
			settings->cpus = true;
			break;
		case OPTION_EVERY:
			settings->every_ns =
				SHMEM_US * shmem_option_number("--every", optarg, 1, 1000000);
			break;
		case OPTION_ADAPTIVE:
			choose_poll(settings, parse_poll(optarg));
			break;
		}
	}
	if (time)
		settings->time = time;
	else if (settings->trips)
		settings->time = 3600 * SHMEM_SECOND;
	else if (settings->cpus)
		settings->time = SHMEM_SECOND / 10;
	if (settings->cpus && (settings->matrix || settings->cpu >= 0 || settings->every_ns ||
			       settings->poll_ns != SHMEM_NEVER))
		shmem_usage_error("--cpus pins its own processes, which poll: no -p, --matrix, "
				  "--every, --interrupt or --adaptive with it");
}

/* --- The whole ------------------------------------------------------------ */

/*
 * On a device the program stays on its current CPU. Two programs on a file share one host,
 * and might then both stay on the same CPU, so they do not.
 */
static void pin(struct latency_settings *settings, const struct shmem_options *options)
{
	if (settings->cpu < 0 && !options->file)
		settings->cpu = sched_getcpu();
	if (settings->cpu >= 0)
		shmem_pin((unsigned int)settings->cpu);
}

void run_latency(struct latency_run *run)
{
	struct shmem_error error;

	open_latency_region(run);
	pin(run->settings, run->options);
	if (!shmem_try_ticks_clock(&run->clock, run->options->fault == FAULT_CLOCK, &error))
		shmem_error_end(&error);
	shmem_meet_leave_at_end(&run->meeting);
	latency_meet(run);
	do_all_steps(run);
	shmem_meet_leave(&run->meeting);
	if (run->bell)
		shmem_doorbell_close(run->bell);
}

int main(int argc, char **argv)
{
	static struct latency_run run;
	struct latency_settings settings = {
		.time = 3 * SHMEM_SECOND, .timeout = 30 * SHMEM_SECOND, .seats = 2, .cpu = -1,
		.poll_ns = SHMEM_NEVER,
	};
	struct shmem_options options = { 0 };

	parse_latency(&settings, &options, argc, argv);
	run.options = &options;
	run.settings = &settings;
	if (settings.cpus)
		measure_cpus(&settings, &options);
	else
		run_latency(&run);
	return 0;
}
