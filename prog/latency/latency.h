/*
 * latency.h - what the files of __latency share; no other program includes it.
 *
 *	latency.c         the command line, meeting the others, the whole run
 *	clock.c   the time stamp counter, and how far it can be trusted
 *	peer.c    the others: their names, and whether they live
 *	pair.c    one measures, one answers: the ping-pong itself
 *	wait.c    asleep instead of polling, and what waiting costs
 *	steps.c   pair after pair, for --matrix
 *	report.c  what is printed
 */
#ifndef LATENCY_H
#define LATENCY_H

#include <x86intrin.h>

#include "shmem.h"
#include "sleep.h"

/* The histogram takes whole numbers: tenths of nanoseconds. */
#define UNITS_PER_NS 10.0
#define UNITS_TO_US (1e-3 / UNITS_PER_NS)

enum { NAME_SIZE = 64 };

/*
 * What a seat writes, each word that others poll on a line of its own: 128
 * bytes, since Intel's CPUs fetch lines in pairs (optimization manual, "Spatial
 * prefetcher"). Only the seat's holder writes here.
 */
struct latency_place {
	_Alignas(128) _Atomic uint64_t ball;   /* the number on its way */
	_Alignas(128) _Atomic uint64_t notice; /* that this seat sleeps: sleep.h */
	_Alignas(128) _Atomic uint64_t turn;   /* steps that this seat has finished */
	_Alignas(128) char name[NAME_SIZE];    /* of the VM, for the others' output */
	_Atomic uint64_t poll_ns;              /* as in settings */
};

enum fault {
	FAULT_NONE,
	FAULT_RUBBISH,
	FAULT_DIE,
	FAULT_LEAVE,
	FAULT_DEAF,
	FAULT_SKIP,
	FAULT_CLOCK,
	FAULT_BACK,
};

struct latency_settings {
	uint64_t trips;   /* to measure at most; 0: no limit but the time */
	uint64_t time;    /* to measure at most, ns */
	uint64_t timeout; /* for the others to come, and for each answer, ns */
	int seats;        /* 2, or that of --matrix */
	bool matrix;
	int cpu;          /* to run on; -1: where we are */
	uint64_t poll_ns; /* before sleeping: 0 with --interrupt; SHMEM_NEVER: polled */
};

/* What we know of a seat, of our own too. */
struct seat {
	uint64_t poll_ns;         /* its own, as it told us */
	struct shmem_waker waker; /* of who sits there, if that one sleeps */
	bool has_rung;            /* an interrupt came for what it wrote */
	unsigned int silent;      /* before that: wrote while we slept, and none came */
};

/* One program in its run. */
struct latency_run {
	struct shmem region;
	const struct shmem_options *options;
	const struct latency_settings *settings;
	struct shmem_meeting meeting;
	struct latency_place *places;
	struct latency_place *mine;
	struct seat others[SHMEM_SEATS_MAX];
	struct shmem_doorbell *bell;  /* NULL if nobody sleeps */
	struct shmem_sleeper sleeper; /* if we do, and the others know */
	bool sleeps;
	unsigned int look_mask;  /* looks between two pauses - 1: 2^n - 1 */
	uint64_t window;         /* settings->poll_ns in ticks */
	uint64_t polled_since;   /* ticks; 0: not for as long as look_mask says */
	uint64_t late;           /* interrupts that came after the deadline, or never */
	bool drain;              /* stores need a push: write-combining */
	uint64_t looked;         /* at the others, ticks */
	uint64_t waited;         /* for what we wait for now, ns */
	double ns_per_tick;
	struct shmem_histogram histogram;
};

/* What waiting has cost this program. */
struct cost {
	uint64_t time, cpu; /* ns; cpu: in the program and for it in the kernel */
	uint64_t sleeps, interrupts, late;
};

struct latency_figures {
	int from, to; /* seats */
	uint64_t warm_up;
	struct shmem_summary us; /* round trips */
	struct cost cost;        /* without the warm-up */
};

struct answers {
	int to; /* the seat */
	uint64_t count;
	struct cost cost;
};

/* --- clock.c ------------------------------------------------------ */

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

/* Between two readings; 0 if the counter has stepped back, as between unsynchronised CPUs. */
static inline uint64_t ticks_between(uint64_t from, uint64_t to)
{
	return to > from ? to - from : 0;
}

/*
 * Nanoseconds a tick, by CLOCK_MONOTONIC. Ends the program if the counter does
 * not run evenly: all times would be wrong.
 */
double calibrate_clock(const struct shmem_options *options);

/* What one reading costs, in ns: the part of each round trip that is the clock. */
double clock_cost_ns(double ns_per_tick);

/* --- peer.c ------------------------------------------------------- */

/* Of a seat, as its holder tells it, as far as it is printable. */
void name_of(const struct latency_run *run, int seat, char name[static NAME_SIZE]);

/* Ends the program: one line that says who that was, and how it was lost. */
_Noreturn void lose_peer(const struct latency_run *run, int seat, const char *how);

/*
 * For the pauses: shows that we live, looks whether the seat's holder does, and
 * adds to run->waited. Not if that was done just now, since it costs more than a
 * round trip.
 */
enum shmem_peer look(struct latency_run *run, int seat);

/* The same for a peer that is gone or, if it lives, for what did not come in time. */
_Noreturn void give_up(const struct latency_run *run, int seat, enum shmem_peer peer);

/* Whether to go on waiting for that peer; patience is in ns. At every look: inline. */
static inline void check_peer(const struct latency_run *run, int seat, enum shmem_peer peer,
			      uint64_t patience)
{
	if (peer != SHMEM_PEER_LIVES || run->waited >= patience)
		give_up(run, seat, peer);
}

/* --- pair.c ------------------------------------------------------- */

/* Measures to the seat, whose holder answers; then tells it that this was all. */
struct latency_figures measure_trips(struct latency_run *run, int seat, uint64_t step);
void throw_end(struct latency_run *run, int seat, uint64_t step);

/* Answers the seat, whose holder measures, to that end. */
struct answers answer(struct latency_run *run, int seat, uint64_t step);

/* --- wait.c ------------------------------------------------------- */

/* Opens the region, and the doorbell if we are to sleep on it. */
void open_latency_region(struct latency_run *run);

/* Writes to our place how we wait; nobody sleeps yet. */
void show_how_we_wait(struct latency_run *run);

/* When all have shown it: from now on who sleeps is woken. */
void see_how_others_wait(struct latency_run *run);

/*
 * Sleeps until the word, which the seat's holder writes, is not what was seen,
 * or for 100 ms. Who does not sleep on the doorbell takes a nap of 1 ms.
 */
void wait_for_change(struct latency_run *run, int seat, const _Atomic uint64_t *word,
		     uint64_t seen);

/* After each store to a word that the seat's holder may wait for. Inline: see throw. */
static inline void wake_seat(struct latency_run *run, int seat)
{
	if (run->others[seat].poll_ns != SHMEM_NEVER)
		shmem_wake(&run->others[seat].waker);
}

/* Since the program began. */
struct cost cost_now(const struct latency_run *run);

/* Since then. */
struct cost cost_since(const struct latency_run *run, const struct cost *before);

/* --- steps.c ------------------------------------------------------ */

/* Every pair in turn: our part of it, and waiting for what is the others'. */
void do_all_steps(struct latency_run *run);

/* --- report.c ----------------------------------------------------- */

/* What stands before all figures. */
void report_head(const struct latency_run *run);

/* The figures of one pair. */
void report_figures(const struct latency_run *run, const struct latency_figures *figures);

/* That we answered, and what it cost. */
void report_answers(const struct latency_run *run, const struct answers *answers);

#endif
