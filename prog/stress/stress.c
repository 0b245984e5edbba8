/*
 * stress.c - __stress: can the memory be relied on, from all VMs at once?
 *
 * All participants go from check to check together, with a barrier between two checks.
 * Within a check each works for a slice of time by its own clock, so that they overlap. It
 * compares the others' words with the promises of the architecture (Intel SDM volume 3,
 * 8.1 "Locked Atomic Operations" and 8.2 "Memory Ordering").
 *
 * This file has the command line and the results; stress.h lists the other files.
 */
#include "stress.h"

#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/progress.h"

#define STRESS_DURATION (10 * SHMEM_SECOND)
#define STRESS_PATIENCE (60 * SHMEM_SECOND)

/* In the order in which they run. */
static const struct {
	const char *name;  /* in records */
	const char *title; /* of the count */
	void (*run)(struct stress *s);
} checks[CHECKS] = {
	[CHECK_COUNTER] = { "counter", "atomic additions", check_counter },
	[CHECK_LOCK] = { "lock", "entries under a spinlock", check_lock },
	[CHECK_MESSAGE] = { "message", "messages passed by data and flag", check_message },
	[CHECK_FENCED] = { "fenced", "store, fence, load on both sides", check_fenced },
	[CHECK_BUFFERED] = { "buffered", "store, load on both sides (the control)",
			     check_buffered },
	[CHECK_TORN] = { "torn", "reads of an aligned 64-bit word", check_torn },
	[CHECK_BLOCK] = { "block", "blocks of 4 KB with a checksum", check_block },
};

/* --- Results -------------------------------------------------------------- */

static void print_counts(const struct stress *s)
{
	for (int i = 0; i < CHECKS; i++)
		shmem_print("%14llu %s\n", (unsigned long long)s->done[i], checks[i].title);
	shmem_print("%14llu overtakings of a store by a load without the fence, %llu with it\n",
		    (unsigned long long)s->seen_buffered, (unsigned long long)s->seen_fenced);
}

/* x86 lets loads overtake stores. If none did so without the fence, nothing tested the fence. */
static bool is_conclusive(const struct stress *s)
{
	return s->seen_buffered > 0;
}

static const char *verdict_of(const struct stress *s, const char *failed)
{
	return failed ? "violation" : is_conclusive(s) ? "no violation" : "inconclusive";
}

static void record_result(const struct stress *s, const char *failed, const char *account)
{
	shmem_record_begin(&s->region, &s->options, "stress");
	shmem_record_integer("participants", (uint64_t)s->participants);
	shmem_record_integer("seat", (uint64_t)s->meeting.seat);
	shmem_record_integer("cycles", s->cycle);
	for (int i = 0; i < CHECKS; i++)
		shmem_record_integer(checks[i].name, s->done[i]);
	shmem_record_integer("seen_buffered", s->seen_buffered);
	shmem_record_integer("seen_fenced", s->seen_fenced);
	shmem_record_text("verdict", verdict_of(s, failed));
	shmem_record_text("violation", failed);
	shmem_record_text("account", account);
	shmem_record_end();
}

/* Uncached accesses stay in program order (Intel SDM volume 3, "Methods of Caching Available"). */
static void print_verdict(const struct stress *s)
{
	if (is_conclusive(s)) {
		shmem_print("no violation\n");
		return;
	}
	shmem_print("inconclusive: nothing was overtaken without the fence either, so no two ran at "
		    "the same time%s\n"
		    "give each VM a CPU, or more time (-t)\n",
		    !s->options.file && s->options.kind == SHMEM_UC ?
			    ",\nor the mapping is really uncached (see __shmem)" : "");
}

/* The account is a result, so it goes to stdout. */
void end_with(const struct stress *s, enum check check, const char *account)
{
	if (s->options.json) {
		record_result(s, checks[check].name, account);
	} else {
		print_counts(s);
		shmem_print("VIOLATION (%s): %s\n", checks[check].name, account);
	}
	shmem_warn("the memory violates a promise of the architecture: %s", checks[check].name);
	exit(SHMEM_STATUS_FAILED);
}

void violation(struct stress *s, enum check check, const char *format, ...)
{
	char account[512];
	va_list values;

	va_start(values, format);
	vsnprintf(account, sizeof(account), format, values);
	va_end(values);
	shmem_meet_check(&s->meeting); /* otherwise we may have seen another run's words */
	store(&s->own->verdict, s->meeting.session + 1 + check);
	shmem_fence(); /* out of the write-combining buffer */
	end_with(s, check, account);
}

/*
 * Any locked instruction on memory that is not write-back is a bus lock (Linux,
 * Documentation/arch/x86/buslock.rst). TCG has no memory types.
 */
static void warn_of_bus_locks(const struct stress *s)
{
	if (s->options.file || s->options.kind == SHMEM_WB || strcmp(shmem_accelerator(), "tcg") == 0)
		return;
	shmem_warn("the mapping is %s: unless KVM makes it write-back, as on Intel, each locked "
		   "instruction stops all CPUs of the host, and its kernel may punish that "
		   "(split_lock_detect); -m wb avoids it",
		   s->options.kind == SHMEM_UC ? "uncached" : "write-combining");
}

/* --- All checks ----------------------------------------------------------- */

static void inject_an_end(const struct stress *s)
{
	if (injected(s, FAULT_DIE))
		raise(SIGKILL);
	if (injected(s, FAULT_LEAVE))
		exit(SHMEM_STATUS_FAILED);
}

/* The run goes on as long as any participant has time left. */
static bool is_time_over(struct stress *s, uint64_t start)
{
	bool over = true;

	store(&s->own->enough, s->meeting.session + (shmem_now() - start >= s->duration));
	barrier(s);
	for (int seat = 0; seat < s->participants; seat++)
		over = over && load(&desk(s, seat)->enough) == s->meeting.session + 1;
	barrier(s);
	return over;
}

static void run_checks(struct stress *s)
{
	uint64_t start = shmem_now();

	shmem_progress_begin();
	do {
		for (int i = 0; i < CHECKS; i++)
			checks[i].run(s);
		s->cycle++;
		/* Between two checks, where all wait for one another. */
		shmem_progress("%llu times through all checks", (unsigned long long)s->cycle);
		inject_an_end(s);
	} while (!is_time_over(s, start));
}

static void stress_meet(struct stress *s)
{
	switch (shmem_meet(&s->meeting, &s->region, SHMEM_LAYOUT_STRESS, s->participants,
			   SHMEM_ANY_SEAT, "__stress", s->patience)) {
	case SHMEM_MET:
	case SHMEM_MEET_FAILED: /* shmem_meet ends the program */
		break;
	case SHMEM_SEAT_TAKEN:
		shmem_die("all seats are taken: %d others run this already", s->participants);
	case SHMEM_NOBODY_CAME:
		shmem_fail(SHMEM_STATUS_NOBODY, "%d participants did not come together within %.9g s",
			   s->participants, (double)s->patience / SHMEM_SECOND);
	}
	unsigned char *area = s->region.base + SHMEM_LAYOUT_STRESS;

	s->common = (struct common *)(area + COMMON);
	s->own = desk(s, s->meeting.seat);
	s->barrier = shmem_barrier_of(&s->meeting, (struct shmem_barrier_step *)(area + STEPS));
}

/* Words that an earlier run left on our desk must not be taken for ours. */
static void clear_desk(struct stress *s)
{
	store(&s->own->verdict, 0);
	store(&s->own->enough, 0);
	barrier(s);
}

/* --- Command line --------------------------------------------------------- */

static const struct shmem_fault faults[] = {
	{ "none", "" },
	[FAULT_COUNTER] = { "counter", "count an addition that was not done" },
	[FAULT_PLAIN] = { "plain", "add without atomicity, as TCG with one CPU does" },
	[FAULT_LOCK] = { "lock", "enter without taking the lock" },
	[FAULT_MESSAGE] = { "message", "raise the flag before the data is there" },
	[FAULT_FENCE] = { "fence", "load before the store, as if there were no fence" },
	[FAULT_TORN] = { "torn", "write a word in two halves" },
	[FAULT_BLOCK] = { "block", "change a bit after computing the checksum" },
	[FAULT_CONTROL] = { "control", "fence where there should be no fence (both sides must)" },
	[FAULT_DIE] = { "die", "end by SIGKILL in the middle" },
	[FAULT_LEAVE] = { "leave", "give up in the middle" },
	{ 0 },
};

static const struct shmem_program program = {
	.synopsis = "[-n N] [-t SECONDS] [-w SECONDS]",
	.letters = "n:t:w:",
	.faults = faults,
	.about = "Tests whether the memory can be relied on, from all VMs at once: atomic counters, a\n"
		 "spinlock, message passing, store buffering with and without a fence, reads of\n"
		 "whole words, blocks with a checksum. The first violation ends it. Start it in\n"
		 "each VM, in any order. Prints the number of operations that this VM checked.\n"
		 "Without a fence, loads overtake stores if VMs run at the same time. If none did,\n"
		 "nothing was tested, and the verdict is \"inconclusive\".\n"
		 "\n"
		 "Exit status: 0 no violation; 1 a violation, or a failure here; 2 a wrong command\n"
		 "line; 3 the others did not come; 4 one of them died; 6 one of them gave up.\n",
	.details = "  -n N        wait for N participants, 1 to 16 (default: 2)\n"
		   "  -t SECONDS  run for this long; the longest time of all VMs counts (default: 10)\n"
		   "  -w SECONDS  wait up to this long for the others to come (default: 60)\n",
	.example = "  root@vm1:~# __stress -t 60\n"
		   "  participant 0 of 2 goes on for 60 s\n"
		   "        19481221 atomic additions\n"
		   "         1204632 entries under a spinlock\n"
		   "  ...\n"
		   "             312 overtakings of a store by a load without the fence, 0 with it\n"
		   "  no violation\n",
};

static void parse_stress(struct stress *s, int option)
{
	switch (option) {
	case 'n':
		s->participants = (int)shmem_option_number("-n", optarg, 1, SHMEM_SEATS_MAX);
		break;
	case 't':
		s->duration = shmem_option_seconds("-t", optarg);
		break;
	case 'w':
		s->patience = shmem_option_seconds("-w", optarg);
		break;
	}
}

int main(int argc, char **argv)
{
	static struct stress stress;
	struct stress *s = &stress;
	int option;

	*s = (struct stress){
		.participants = 2, .duration = STRESS_DURATION, .patience = STRESS_PATIENCE
	};
	while ((option = shmem_getopt(&program, &s->options, argc, argv)) != -1)
		parse_stress(s, option);

	s->region = shmem_open(&s->options);
	warn_of_bus_locks(s);
	shmem_meet_leave_at_end(&s->meeting);
	stress_meet(s);
	if (!s->options.json)
		shmem_print("participant %d of %d goes on for %.9g s\n", s->meeting.seat,
			    s->participants, (double)s->duration / SHMEM_SECOND);
	clear_desk(s);
	run_checks(s);
	if (s->options.json) {
		record_result(s, NULL, NULL);
		return 0;
	}
	print_counts(s);
	print_verdict(s);
	return 0;
}
