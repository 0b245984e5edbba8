/*
 * latency.c - __latency: how long a word takes to another VM and back.
 *
 * Ping-pong: one VM, which measures, puts a number on its cache line; the other,
 * which polls that line, puts the same number on a line of its own; the first
 * polls that one. With --matrix every VM measures to every other in turn.
 *
 * Of a round trip both ends are seen by one clock. One way is not measured: it
 * would take a clock that two VMs share.
 */
#include <inttypes.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <x86intrin.h>

#include "shmem.h"

#define SECOND UINT64_C(1000000000) /* in nanoseconds */

enum {
	WARM_UP_TRIPS = 10000,
	POLLS_UNTIL_IDLE = 4096,
	TRIPS_UNTIL_LOOK = 256,
	NAME_SIZE = 64,
	INJECT_AFTER = 100,
};

/* The histogram takes whole numbers: tenths of nanoseconds. */
#define UNITS_PER_NS 10.0
#define UNITS_TO_US (1e-3 / UNITS_PER_NS)

/*
 * What a seat writes, each word that others poll on a line of its own: 128
 * bytes, since Intel's CPUs fetch lines in pairs (optimization manual, "Spatial
 * prefetcher"). Only the seat's holder writes here.
 */
struct place {
	_Alignas(128) _Atomic uint64_t ball; /* the number on its way */
	_Alignas(128) _Atomic uint64_t turn; /* steps that this seat has finished */
	_Alignas(128) char name[NAME_SIZE];  /* of the VM, for the others' output */
};

/* The seats, then the places; those of --matrix apart, so that both can run. */
enum {
	MATRIX_OFFSET = 0x8000,
	PLACES_OFFSET = 0x1000,
};

static_assert(SHMEM_SEATS_MAX * SHMEM_SEAT_SIZE <= PLACES_OFFSET, "seats fit");
static_assert(PLACES_OFFSET + SHMEM_SEATS_MAX * sizeof(struct place) <= MATRIX_OFFSET &&
	      LAYOUT_LATENCY + 2 * MATRIX_OFFSET <= LAYOUT_STREAM, "places fit");

enum fault { FAULT_NONE, FAULT_RUBBISH, FAULT_DIE, FAULT_LEAVE, FAULT_DEAF, FAULT_CLOCK };

static const struct shmem_fault faults[] = {
	[FAULT_NONE] = { "none", "" },
	[FAULT_RUBBISH] = { "rubbish", "answer a number that was not sent" },
	[FAULT_DIE] = { "die", "end in the middle, without a word" },
	[FAULT_LEAVE] = { "leave", "give up the seat in the middle" },
	[FAULT_DEAF] = { "deaf", "live on, but answer no more" },
	[FAULT_CLOCK] = { "clock", "a time stamp counter that does not run evenly" },
	{ 0 },
};

struct settings {
	uint64_t trips;   /* to measure at most; 0: no limit but the time */
	uint64_t time;    /* to measure at most, ns */
	uint64_t timeout; /* for the others to come, and for each answer, ns */
	int seats;        /* 2, or that of --matrix */
	bool matrix;
	int cpu;          /* to run on; -1: where we are */
};

/* A moment by both clocks. */
struct moment {
	uint64_t ns, ticks;
};

/* One program in its run. */
struct run {
	struct shmem region;
	const struct shmem_options *options;
	const struct settings *settings;
	struct shmem_meeting meeting;
	struct place *places;
	struct place *mine;
	bool drain;              /* stores need a push: write-combining */
	uint64_t looked;         /* at the others, ticks */
	uint64_t waited;         /* for what we wait for now, ns */
	double ns_per_tick;
	struct shmem_histogram histogram;
};

struct figures {
	int from, to; /* seats */
	uint64_t warm_up;
	double seconds;
	struct shmem_summary us; /* round trips */
};

/* --- Clocks --------------------------------------------------------------- */

/*
 * The time stamp counter, since clock_gettime is a system call and the emulation
 * of a device in guests without kvm-clock. LFENCE lets no load wait past it
 * (Intel SDM volume 2, RDTSC).
 */
static inline uint64_t ticks(void)
{
	_mm_lfence();
	return __rdtsc();
}

/* The narrowest of some tries, in case we are interrupted between the readings. */
static struct moment now_by_both(void)
{
	struct moment best = { 0 };
	uint64_t narrowest = UINT64_MAX;

	for (int i = 0; i < 10; i++) {
		uint64_t before = ticks();
		uint64_t ns = shmem_now();
		uint64_t after = ticks();

		if (after - before < narrowest) {
			narrowest = after - before;
			best = (struct moment){ .ns = ns, .ticks = before + narrowest / 2 };
		}
	}
	return best;
}

static double rate(struct moment from, struct moment to)
{
	return (double)(to.ns - from.ns) / (double)(to.ticks - from.ticks);
}

/*
 * Measures the counter against CLOCK_MONOTONIC for 20 ms, twice: all times are
 * wrong if it does not run evenly.
 */
static double calibrate(const struct shmem_options *options)
{
	struct moment moments[3];

	for (int i = 0; i < 3; i++) {
		moments[i] = now_by_both();
		while (i < 2 && shmem_now() - moments[i].ns < SECOND / 50)
			;
	}
	if (options->fault == FAULT_CLOCK)
		moments[2].ticks += (moments[2].ticks - moments[1].ticks) / 10;

	double first = rate(moments[0], moments[1]);
	double second = rate(moments[1], moments[2]);
	double ratio = first / second;
	if (!(ratio > 0.98 && ratio < 1.02))
		shmem_die("the time stamp counter does not run evenly: %.4f ns a tick, then "
			  "%.4f; nothing can be measured with it", first, second);
	return rate(moments[0], moments[2]);
}

/* What one reading costs: the part of each round trip that is the clock. */
static double clock_cost_ns(double ns_per_tick)
{
	enum { READINGS = 1000 };
	uint64_t begin = ticks();

	for (int i = 0; i < READINGS; i++)
		ticks();
	return (double)(ticks() - begin) * ns_per_tick / READINGS;
}

/* --- The others ----------------------------------------------------------- */

/* Of a seat, as its holder tells it, as far as it is printable. */
static void name_of(const struct run *run, int seat, char name[static NAME_SIZE])
{
	memcpy(name, run->places[seat].name, NAME_SIZE);
	name[NAME_SIZE - 1] = '\0';
	for (char *c = name; *c; c++)
		if (*c < '!' || *c > '~')
			*c = '?';
	if (!name[0])
		snprintf(name, NAME_SIZE, "?");
}

static _Noreturn void lost(const struct run *run, int seat, const char *how)
{
	char name[NAME_SIZE];

	name_of(run, seat, name);
	shmem_die("%s (seat %d) %s", name, seat, how);
}

/*
 * For the pauses: shows that we live, and looks whether the seat's holder does.
 * Not if that was done just now, since it costs more than a round trip.
 */
static enum shmem_peer look(struct run *run, int seat)
{
	uint64_t now = ticks();
	uint64_t passed = (uint64_t)((double)(now - run->looked) * run->ns_per_tick);

	if (passed < SECOND / 200)
		return SHMEM_PEER_LIVES;
	run->looked = now;
	/* A pause of our own is not the other's. */
	run->waited += passed < SECOND / 10 ? passed : SECOND / 10;
	shmem_meet_beat(&run->meeting);
	return shmem_meet_peer(&run->meeting, seat);
}

/* Nothing came for thousands of polls: is somebody there at all? */
static enum shmem_peer idle(struct run *run, int seat)
{
	sched_yield();
	return look(run, seat);
}

static void check_peer(const struct run *run, int seat, enum shmem_peer peer, uint64_t patience)
{
	if (peer == SHMEM_PEER_DIED)
		lost(run, seat, "died: it gave no sign of life for 3 s");
	if (peer == SHMEM_PEER_LEFT)
		lost(run, seat, "left before the run was over");
	if (run->waited >= patience)
		lost(run, seat, "lives, but what was waited for did not come in time (-w)");
}

/* --- Ping-pong ------------------------------------------------------------ */

static uint64_t mix(uint64_t session, uint64_t step)
{
	uint64_t hash = (session + step) * 0x9e3779b97f4a7c15; /* 2^64 over the golden ratio */

	hash = (hash ^ hash >> 32) * 0xd6e8feb86659fd93;
	return hash ^ hash >> 32;
}

/*
 * The numbers of a step are base + 1, base + 2 and so on: 64 bits that depend on
 * the session, so that none is there from before. base - 1 ends it.
 */
static uint64_t base_of(const struct run *run, uint64_t step)
{
	return mix(run->meeting.session, step);
}

static inline void throw(struct run *run, uint64_t number)
{
	/* Pairs with the acquire in wait_for, in write-back and uncached memory. */
	atomic_store_explicit(&run->mine->ball, number, memory_order_release);
	if (run->drain)
		shmem_fence();
}

/*
 * Polls the seat's ball until it is number, or end. Returns which. Before the
 * first of a step anything else may be there, later on only the number before.
 */
static inline uint64_t wait_for(struct run *run, int seat, uint64_t number, uint64_t end,
				bool first)
{
	const _Atomic uint64_t *ball = &run->places[seat].ball;
	enum shmem_peer peer = SHMEM_PEER_LIVES;

	for (unsigned int polls = 1;; polls++) {
		uint64_t seen = atomic_load_explicit(ball, memory_order_acquire);

		if (seen == number || seen == end)
			return seen;
		if (!first && seen != number - 1)
			lost(run, seat, "sent a number that is not of this run; does something "
					"else write there?");
		/* Only now, so that who said the last word and left is heard. */
		check_peer(run, seat, peer, run->settings->timeout);
		if (polls % POLLS_UNTIL_IDLE == 0)
			peer = idle(run, seat);
	}
}

/* Sends, waits for it to come back, and returns the time between, in ticks. */
static inline uint64_t round_trip(struct run *run, int seat, uint64_t number, bool first)
{
	uint64_t begin = ticks();

	throw(run, number);
	wait_for(run, seat, number, number, first);
	return ticks() - begin;
}

/* Warms both sides up. Returns the number of round trips. */
static uint64_t warm_up(struct run *run, int seat, uint64_t base)
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

static uint64_t in_units(const struct run *run, uint64_t duration)
{
	return (uint64_t)((double)duration * run->ns_per_tick * UNITS_PER_NS + 0.5);
}

static struct figures measure(struct run *run, int seat, uint64_t step)
{
	const struct settings *settings = run->settings;
	uint64_t base = base_of(run, step);
	struct figures figures = { .from = run->meeting.seat, .to = seat };

	figures.warm_up = warm_up(run, seat, base);
	memset(&run->histogram, 0, sizeof(run->histogram));
	base += figures.warm_up;

	uint64_t begin = shmem_now();
	uint64_t limit = ticks() + (uint64_t)((double)settings->time / run->ns_per_tick);
	for (uint64_t trip = 1; !settings->trips || trip <= settings->trips; trip++) {
		run->waited = 0;
		uint64_t took = round_trip(run, seat, base + trip, false);

		shmem_histogram_add(&run->histogram, in_units(run, took));
		if (trip % TRIPS_UNTIL_LOOK == 0)
			look(run, seat);
		if (ticks() >= limit)
			break;
	}
	figures.seconds = (double)(shmem_now() - begin) / SECOND;
	figures.us = shmem_histogram_summary(&run->histogram, UNITS_TO_US);
	return figures;
}

/* What --inject does to who answers. */
static uint64_t inject(struct run *run, uint64_t number)
{
	switch ((enum fault)run->options->fault) {
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
	case FAULT_NONE:
	case FAULT_CLOCK:
		break;
	}
	return number;
}

/* Returns how many it answered. */
static uint64_t answer(struct run *run, int seat, uint64_t step)
{
	uint64_t base = base_of(run, step);
	uint64_t trips = 0;

	for (;; trips++) {
		uint64_t expected = base + trips + 1;

		run->waited = 0;
		uint64_t number = wait_for(run, seat, expected, base - 1, trips == 0);
		if (number != expected)
			return trips;
		if (trips == INJECT_AFTER)
			number = inject(run, number);
		throw(run, number);
		if (trips % TRIPS_UNTIL_LOOK == 0)
			look(run, seat);
	}
}

/* --- Steps: pair after pair ----------------------------------------------- */

/* Counts from a number of this session, so that nothing is there from before. */
static uint64_t turn_of(const struct run *run, uint64_t step)
{
	return mix(run->meeting.session, UINT64_MAX / 2) + step;
}

static uint64_t step_count(const struct run *run)
{
	uint64_t seats = (uint64_t)run->settings->seats;

	return run->settings->matrix ? seats * (seats - 1) : 1;
}

static void finish_step(struct run *run, uint64_t step)
{
	atomic_store(&run->mine->turn, turn_of(run, step + 1));
	shmem_fence();
}

/* Waits until the seat has finished the step, or even a later one. */
static void wait_for_step(struct run *run, int seat, uint64_t step, uint64_t patience)
{
	uint64_t wanted = turn_of(run, step + 1);
	uint64_t later_at_most = step_count(run) - (step + 1);
	enum shmem_peer peer = SHMEM_PEER_LIVES;

	run->waited = 0;
	while (atomic_load(&run->places[seat].turn) - wanted > later_at_most) {
		check_peer(run, seat, peer, patience);
		usleep(1000);
		peer = look(run, seat);
	}
}

/* The longest that who measures may take, as far as we can tell. */
static uint64_t patience(const struct settings *settings)
{
	return settings->time + settings->timeout + SECOND;
}

/* --- Output --------------------------------------------------------------- */

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

static void print_head(const struct run *run)
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

static void report(const struct run *run, const struct figures *figures)
{
	if (run->options->json)
		record_figures(run, figures);
	else if (run->settings->matrix)
		print_row(run, figures);
	else
		print_figures(run, figures);
}

static void report_answers(const struct run *run, int seat, uint64_t count)
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

/* --- The whole ------------------------------------------------------------ */

static void do_step(struct run *run, int from, int to, uint64_t step)
{
	if (from == run->meeting.seat) {
		struct figures figures = measure(run, to, step);

		/* The end stays there until it has been seen. */
		throw(run, base_of(run, step) - 1);
		wait_for_step(run, to, step, run->settings->timeout);
		finish_step(run, step);
		report(run, &figures);
	} else if (to == run->meeting.seat) {
		uint64_t count = answer(run, from, step);

		finish_step(run, step);
		report_answers(run, from, count);
	} else {
		wait_for_step(run, from, step, patience(run->settings));
	}
}

static void do_all_steps(struct run *run)
{
	int seats = run->settings->matrix ? run->settings->seats : 1;
	uint64_t step = 0;

	print_head(run);
	for (int from = 0; from < seats; from++)
		for (int to = 0; to < run->settings->seats; to++)
			if (from != to)
				do_step(run, from, to, step++);
}

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
	.example = "  root@vm1:~# __latency & # and in vm2: __latency\n"
		   "  vm1 measured, vm2 answered: 6291456 round trips in 3.00 s, ...\n"
		   "  mapping uc (kernel: uncached-minus), accelerator tcg, ...\n"
		   "\n"
		   "  round trip in us:  min 0.212  median 0.264  p99 0.517  p99.9 1.911  max 10204.117\n"
		   "  half of the median, called one way and not measured: 0.132 us\n"
		   "  (and a histogram)\n",
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
