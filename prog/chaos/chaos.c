/*
 * chaos.c - __chaos: a VM that misbehaves on purpose, so that you can test your protocol.
 *
 * It breaks the rule of layout.h that a writer holds a claim or a seat. Therefore it writes only
 * to what its command line names, and makes no area.
 *
 * This file has the command line, the pace, and what is printed; chaos.h lists the other files.
 */
#include "chaos.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "lib/progress.h"
#include "units.h"

#define CHAOS_DURATION (10 * SHMEM_SECOND)

enum { CHAOS_RATE = 1000, RATE_MAX = 1000000 };

static const char *const kind_names[KINDS + 1] = {
	[KIND_BITS] = "bits",
	[KIND_COUNTS] = "counts",
	[KIND_BEATS] = "beats",
	[KIND_NOTICES] = "notices",
	[KIND_REPLAY] = "replay",
};

/* --- Output --------------------------------------------------------------- */

enum { HEX_SIZE = 2 + 2 * PIECE_SIZE + 1 };

/* A byte or a word as a number, more bytes in the order of their places. */
static const char *hex(const unsigned char *bytes, size_t length, char text[static HEX_SIZE])
{
	bool number = length <= sizeof(uint64_t);
	char *end = text + sprintf(text, "%s", number ? "0x" : "");

	for (size_t i = 0; i < length; i++)
		end += sprintf(end, "%02x", bytes[number ? length - 1 - i : i]);
	return text;
}

static size_t offset_of(const struct chaos *c, const unsigned char *at)
{
	return (size_t)(at - c->region.base);
}

static void print_target(const struct chaos *c, const struct target *target)
{
	const struct part *parts = target->parts;

	if (target->channel)
		shmem_print("%s: words at 0x%zx, ring of %zu bytes at 0x%zx\n", target->name,
			    offset_of(c, (const unsigned char *)target->channel), parts[1].size,
			    offset_of(c, parts[1].base));
	else
		shmem_print("%s: %zu bytes at 0x%zx\n", target->name, parts[0].size + parts[1].size,
			    offset_of(c, parts[0].base));
}

/* The seed comes before the first act, so that a run that is killed can be repeated, too. */
static void report_begin(const struct chaos *c)
{
	if (c->options.json) {
		shmem_record_begin(&c->region, &c->options, "seed");
		shmem_record_integer("seed", c->seed);
		shmem_record_end();
		return;
	}
	shmem_print("seed %llu\n", (unsigned long long)c->seed);
	for (size_t i = 0; i < c->targets_count; i++)
		print_target(c, &c->targets[i]);
}

static void report_act(const struct chaos *c, const struct act *act)
{
	char before[HEX_SIZE], after[HEX_SIZE];

	hex(act->before, act->length, before);
	hex(act->after, act->length, after);
	if (!c->options.json) {
		shmem_print("0x%zx %s %s -> %s\n", offset_of(c, act->at), kind_names[act->kind],
			    before, after);
		return;
	}
	shmem_record_begin(&c->region, &c->options, "act");
	shmem_record_text("area", act->target->name);
	shmem_record_text("kind", kind_names[act->kind]);
	shmem_record_integer("offset", offset_of(c, act->at));
	shmem_record_text("before", before);
	shmem_record_text("after", after);
	shmem_record_end();
}

static void record_end(const struct chaos *c, uint64_t acts, uint64_t duration)
{
	shmem_record_begin(&c->region, &c->options, "chaos");
	shmem_record_integer("seed", c->seed);
	shmem_record_array("areas");
	for (size_t i = 0; i < c->targets_count; i++)
		shmem_record_text(NULL, c->targets[i].name);
	shmem_record_array_end();
	shmem_record_number("seconds", (double)duration / SHMEM_SECOND);
	shmem_record_integer("acts", acts);
	for (int kind = 0; kind < KINDS; kind++)
		shmem_record_integer(kind_names[kind], c->done[kind]);
	shmem_record_end();
}

static void print_end(const struct chaos *c, uint64_t acts)
{
	shmem_print("%llu acts in", (unsigned long long)acts);
	for (size_t i = 0; i < c->targets_count; i++)
		shmem_print(" %s", c->targets[i].name);
	shmem_print(" (seed %llu)", (unsigned long long)c->seed);
	for (int kind = 0; kind < KINDS; kind++)
		shmem_print("%s %llu %s", kind ? "," : ":", (unsigned long long)c->done[kind],
			    kind_names[kind]);
	shmem_print("\n");
}

/* --- The pace ------------------------------------------------------------- */

static volatile sig_atomic_t ended;

static void end_on_signal(int number)
{
	(void)number;
	ended = 1;
}

/* A second signal ends the program at once, should its output wait for a reader. */
static void note_signals(void)
{
	struct sigaction action = { .sa_handler = end_on_signal,
				    .sa_flags = (int)(SA_RESETHAND | SA_RESTART) };

	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
}

/* Sleeps until that time by shmem_now, or a signal. */
static void sleep_until(uint64_t due)
{
	struct timespec time = { .tv_sec = (time_t)(due / SHMEM_SECOND),
				 .tv_nsec = (long)(due % SHMEM_SECOND) };

	clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &time, NULL);
}

/* Returns the number of acts. Drawing the line may make one act late, but not those after it. */
static uint64_t run(struct chaos *c)
{
	uint64_t due = shmem_now(), end = c->acts ? UINT64_MAX : due + c->duration;
	uint64_t acts = 0;

	for (; !c->acts || acts < c->acts; acts++, due += c->interval) {
		if (c->interval)
			sleep_until(due < end ? due : end);
		if (ended || shmem_now() >= end)
			break;
		struct act act = do_act(c);
		if (c->verbose)
			report_act(c, &act);
		else
			shmem_progress("%llu acts", (unsigned long long)acts + 1);
	}
	return acts;
}

/* --- Command line --------------------------------------------------------- */

enum { OPTION_SEED = SHMEM_LONG, OPTION_RATE, OPTION_ONLY };

static const struct option longs[] = {
	{ .name = "seed", .val = OPTION_SEED, .has_arg = required_argument },
	{ .name = "rate", .val = OPTION_RATE, .has_arg = required_argument },
	{ .name = "only", .val = OPTION_ONLY, .has_arg = required_argument },
	{ 0 },
};

static const struct shmem_program program = {
	.synopsis = "[OPTION...] AREA...",
	.letters = "n:t:v",
	.longs = longs,
	.operands = TARGETS_MAX,
	.about = "A neighbour that misbehaves on purpose: overwrites bytes that other VMs use, to test\n"
		 "that their protocol notices. AREA is the name of a named area, which must be there\n"
		 "already, or channel:N, a channel of __stream: its words and the bytes of its ring. It\n"
		 "writes to nothing else, and takes no claim and no seat.\n"
		 "\n"
		 "Each act is a random one of these kinds. An area has bits, counts and replay only.\n"
		 "  bits     flips a bit, or several of a byte\n"
		 "  counts   writes 0, 1, 2^40 or 2^64-1; adds or subtracts 1; changes the sign; goes backwards.\n"
		 "           In an area any aligned word of 64 bits may be a count\n"
		 "  beats    moves a seat's beat, stops it, or gives the seat to another holder\n"
		 "  notices  claims that an awake side sleeps, or hides that a side sleeps\n"
		 "  replay   puts bytes back as they were some acts ago\n"
		 "The same seed, AREAs and --only give the same acts in the same places. The bytes that it\n"
		 "writes may depend on those in the region.\n"
		 "\n"
		 "Exit status: 0 done, or ended by Ctrl-C; 1 a failure here, such as an area that is not\n"
		 "there; 2 a wrong command line; 5 another program wrote to the directory of areas.\n",
	.details = "  -n COUNT    end after this many acts\n"
		   "  -t SECONDS  end after this long (default: 10)\n"
		   "  --rate N    acts a second, up to 1000000; 0: without a pause (default: 1000)\n"
		   "  --seed N    repeat the acts of that seed (default: a random one, which is printed)\n"
		   "  --only KIND[,KIND...]\n"
		   "              do acts of these kinds only\n"
		   "  -v          list each act: its offset in the region, its kind, the bytes before and\n"
		   "              after\n",
	.example = "  root@vm2:~# __chaos channel:0      # while __stream sends from vm1 to vm3\n"
		   "\n"
		   "  Seen on the host:\n"
		   "  $ __chaos -f region -n 4 -v --seed 1 --only counts,bits log\n"
		   "  seed 1\n"
		   "  log: 4008 bytes at 0x500000\n"
		   "  0x5007b8 counts 0x00000000005a0000 -> 0x00000000005979a4\n"
		   "  0x500490 counts 0x0000000000000000 -> 0xffffffffffffb2e1\n"
		   "  0x500f20 counts 0x0000000000000000 -> 0xffffffffffffffff\n"
		   "  0x500240 counts 0x0000000000000000 -> 0x0000010000000000\n"
		   "  4 acts in log (seed 1): 0 bits, 4 counts, 0 beats, 0 notices, 0 replay\n",
};

/* KIND[,KIND...] as a bit each. */
static unsigned int parse_kinds(char *text)
{
	unsigned int kinds = 0;
	char *kind;

	while ((kind = strsep(&text, ",")))
		kinds |= 1U << shmem_option_choice("--only", kind, kind_names);
	return kinds;
}

static void parse_chaos(struct chaos *c, int option)
{
	uint64_t rate;

	switch (option) {
	case 'n':
		c->acts = shmem_option_number("-n", optarg, 1, UINT64_C(1000000000000));
		break;
	case 't':
		c->duration = shmem_option_seconds("-t", optarg);
		break;
	case 'v':
		c->verbose = true;
		break;
	case OPTION_SEED:
		c->seed = shmem_option_number("--seed", optarg, 0, UINT64_MAX);
		break;
	case OPTION_RATE:
		rate = shmem_option_number("--rate", optarg, 0, RATE_MAX);
		c->interval = rate ? SHMEM_SECOND / rate : 0;
		break;
	case OPTION_ONLY:
		c->only = parse_kinds(optarg);
		break;
	}
}

/* Before the region is opened, so that a wrong command line changes nothing there. */
static void check_chaos(struct chaos *c, char **names)
{
	if (c->acts && c->duration)
		shmem_usage_error("-n is a number of acts, -t a time: give one or the other");
	if (!c->duration)
		c->duration = CHAOS_DURATION;
	if (!*names)
		shmem_usage_error("name the AREA to write to, or channel:N");
	for (; *names; names++)
		if (!(kinds_for(*names) & c->only))
			shmem_usage_error("--only: '%s' is an area, which has bits, counts and "
					  "replay", *names);
}

int main(int argc, char **argv)
{
	static struct chaos chaos;
	struct chaos *c = &chaos;
	int option;

	*c = (struct chaos){
		.seed = shmem_random() >> 32, /* short enough to be typed again */
		.interval = SHMEM_SECOND / CHAOS_RATE,
		.only = KINDS_ALL,
	};
	while ((option = shmem_getopt(&program, &c->options, argc, argv)) != -1)
		parse_chaos(c, option);
	check_chaos(c, argv + optind);

	c->region = shmem_open(&c->options);
	shmem_layout_check(&c->region); /* otherwise a channel would be elsewhere */
	for (char **name = argv + optind; *name; name++)
		add_target(c, *name);
	prepare_acts(c);
	note_signals();
	report_begin(c);

	shmem_progress_begin();
	uint64_t begin = shmem_now(), acts = run(c);
	if (c->options.json)
		record_end(c, acts, shmem_since(begin));
	else
		print_end(c, acts);
	return 0;
}
