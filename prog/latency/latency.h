/*
 * latency.h - shared by the files of __latency; no other program includes it.
 *
 *	latency.c  the command line, meeting the others, the whole run
 *	peer.c     the others: their names, and whether they live
 *	pair.c     one measures, one answers: the ping-pong itself
 *	wait.c     sleeping instead of polling, and the cost of waiting
 *	steps.c    pair after pair, for --matrix
 *	cpus.c     every two CPUs of one machine, for --cpus
 *	report.c   the output
 */
#ifndef LATENCY_H
#define LATENCY_H

#include "lib/ticks.h"
#include "shmem.h"
#include "sleep.h"

/* The clock is too coarse for a round trip if its step is more than this part of the median. */
#define COARSE_CLOCK 0.02

/* The histogram takes whole numbers: tenths of nanoseconds. */
#define UNITS_PER_NS 10.0
#define UNITS_TO_US (1e-3 / UNITS_PER_NS)

enum {
	NAME_SIZE = 64,
	BATCH_TRIPS = 64, /* between two readings of a clock that is too coarse for one trip */
	WAKE_UPS = 32,    /* that --adaptive measures for its window */
};

/* As poll_ns: adaptive, with a window that is yet to be measured. */
#define POLL_LEARNS (SHMEM_NEVER - 1)

/*
 * In the region: the words of one seat. Only the seat's holder writes them. Each word that
 * others poll is on a line of 128 bytes, since Intel's CPUs fetch cache lines in pairs
 * (optimization manual, "Spatial prefetcher").
 */
struct latency_place {
	_Alignas(128) _Atomic uint64_t ball;   /* the number that is sent */
	_Alignas(128) _Atomic uint64_t notice; /* that this seat sleeps (sleep.h) */
	_Alignas(128) _Atomic uint64_t turn;   /* steps that this seat has finished */
	_Alignas(128) char name[NAME_SIZE];    /* of the VM, for the output of the others */
	_Atomic uint64_t poll_ns;              /* as in settings */
	_Atomic uint64_t cpu;                  /* where its holder runs, plus 1; see show_cpu */
};

enum latency_fault {
	FAULT_NONE,
	FAULT_RUBBISH,
	FAULT_DIE,
	FAULT_LEAVE,
	FAULT_DEAF,
	FAULT_SKIP,
	FAULT_CLOCK,
	FAULT_BACK,
	FAULT_STALL,
};

struct latency_settings {
	uint64_t trips;   /* most trips to measure; 0: limited by time only */
	uint64_t time;    /* longest time to measure, ns */
	uint64_t every_ns; /* from one message to the next; 0: as soon as the answer is there */
	uint64_t timeout; /* for the others to come, and for each answer, ns */
	int seats;        /* 2, or the N of --matrix */
	bool matrix;
	bool cpus;        /* --cpus */
	int cpu;          /* to run on; -1: the current one */
	uint64_t poll_ns; /* time to poll before sleeping; 0: --interrupt; SHMEM_NEVER: only polls;
			     POLL_LEARNS */
};

/* Our knowledge of a seat, also of our own. */
struct seat {
	uint64_t poll_ns;         /* as its holder showed it */
	struct shmem_waker waker; /* wakes its holder, if that sleeps */
	bool has_rung;            /* it has interrupted us before */
	unsigned int silent;      /* before that: words it wrote without interrupting our sleep */
};

/* One program in its run. */
struct latency_run {
	struct shmem region;
	const struct shmem_options *options;
	struct latency_settings *settings;
	struct shmem_meeting meeting;
	struct latency_place *places;
	struct latency_place *mine;
	struct seat others[SHMEM_SEATS_MAX];
	struct shmem_doorbell *bell;  /* NULL if nobody sleeps */
	struct shmem_sleeper sleeper; /* if we sleep, and the others know */
	bool sleeps;
	unsigned int look_mask;  /* 2^n - 1; the looks between two pauses are 2^n */
	uint64_t window;         /* the time to poll before sleeping, in ticks */
	bool learns;             /* the window is being measured; until then it is 0 */
	unsigned int sleeps_seen, wake_up_count; /* while it is */
	double wake_ups[WAKE_UPS];               /* in ticks: from the first look to the interrupt */
	double wake_up_us;       /* their median; 0: none was measured */
	uint64_t polled_since;   /* ticks at the first pause of this wait; 0: none yet */
	uint64_t late;           /* interrupts that came after the deadline, or never */
	bool drain;              /* fence after each store: write-combining */
	uint64_t looked;         /* time of the last look at the others, ticks */
	uint64_t waited;         /* time of the current wait, ns */
	struct ticks_clock clock;
	struct shmem_histogram histogram;
	struct latency_figures *kept; /* takes the figures instead of the output, for --cpus; or NULL */
};

/* The cost of waiting, for this program. */
struct cost {
	uint64_t time, cpu; /* ns; cpu is user and system time */
	uint64_t sleeps, interrupts, late;
};

struct latency_figures {
	int from, to; /* seats */
	uint64_t warm_up;
	uint64_t overdue;        /* messages that were due before the last answer, for --every */
	struct shmem_summary us; /* round trips; with --every, from when they were due */
	double clock_step_us;
	double batch_us;         /* a trip of a batch, the median; 0 unless the clock is too coarse */
	struct cost cost;        /* without the warm-up and the batches */
};

struct answers {
	int to; /* the seat */
	uint64_t count;
	struct cost cost;
};

/* --- latency.c ---------------------------------------------------- */

/* A whole run, with run->settings and run->options: opens the region, meets the others, measures. */
void run_latency(struct latency_run *run);

/* --- peer.c ------------------------------------------------------- */

/* The name that the holder of the seat wrote, made printable. */
void name_of(const struct latency_run *run, int seat, char name[static NAME_SIZE]);

/* Ends the program with one line: the name of the peer, and how it was lost. */
_Noreturn void lose_peer(const struct latency_run *run, int seat, const char *how);

/* Shows in our place on which CPU of this machine we run. look does so, too. */
void show_cpu(struct latency_run *run);

/* The CPU of its machine that the seat's holder ran on lately; -1 if it does not say. */
int cpu_of(const struct latency_run *run, int seat);

/*
 * To be called in pauses: shows that we live, checks that the seat's holder does, and adds
 * to run->waited. Does nothing if the last call was just now, since this costs more than a
 * round trip.
 */
enum shmem_peer look(struct latency_run *run, int seat);

/* The same for a peer that died or left, or that lives but did not answer in time. */
_Noreturn void give_up(const struct latency_run *run, int seat, enum shmem_peer peer);

/* Ends the program if waiting for that peer is useless; patience is in ns. Inline, for every look. */
static inline void check_peer(const struct latency_run *run, int seat, enum shmem_peer peer,
			      uint64_t patience)
{
	if (peer != SHMEM_PEER_LIVES || run->waited >= patience)
		give_up(run, seat, peer);
}

/* --- pair.c ------------------------------------------------------- */

/* Measures to the seat, whose holder answers; throw_end then tells the holder to stop. */
struct latency_figures measure_trips(struct latency_run *run, int seat, uint64_t step);
void throw_end(struct latency_run *run, int seat, uint64_t step);

/* Answers the seat, whose holder measures, until that stops. */
struct answers answer(struct latency_run *run, int seat, uint64_t step);

/* --- wait.c ------------------------------------------------------- */

/* Opens the region, and the doorbell if we sleep. */
void open_latency_region(struct latency_run *run);

/* Shows in our place how we wait. Nobody sleeps yet. */
void show_how_we_wait(struct latency_run *run);

/* After all have shown it: reads how the others wait. From now on sleepers are woken. */
void see_how_others_wait(struct latency_run *run);

/*
 * Sleeps until the word, which the seat's holder writes, differs from seen, or for 100 ms.
 * Without a doorbell, sleeps for 1 ms.
 */
void wait_for_change(struct latency_run *run, int seat, const _Atomic uint64_t *word,
		     uint64_t seen);

/* While run->learns: to be called after each sleep, with the interrupts that came before it. */
void learn_window(struct latency_run *run, uint64_t interrupts);

/* Ends the learning, with the wake-ups so far. */
void set_window(struct latency_run *run);

/* Call this after each store that the seat's holder may wait for. Inline, for throw. */
static inline void wake_seat(struct latency_run *run, int seat)
{
	if (run->others[seat].poll_ns != SHMEM_NEVER)
		shmem_wake(&run->others[seat].waker);
}

/* The cost since the program began. */
struct cost cost_now(const struct latency_run *run);

/* The cost since before. */
struct cost cost_since(const struct latency_run *run, const struct cost *before);

/* --- steps.c ------------------------------------------------------ */

/*
 * Draws the line of progress for this step, if it takes that long, in ns, that it ends late enough
 * (progress.h). Nothing is drawn while round trips are measured, so call it before.
 */
bool show_step(const struct latency_run *run, int from, int to, uint64_t step, uint64_t time);

/* Every pair in turn: does our part, and waits for the others to do theirs. */
void do_all_steps(struct latency_run *run);

/* --- cpus.c ------------------------------------------------------- */

/*
 * Measures between every two CPUs that this process may use, and prints the matrix. Without
 * a file in the options it uses memory of its own, whose name it puts there.
 */
void measure_cpus(const struct latency_settings *settings, struct shmem_options *options);

/* --- report.c ----------------------------------------------------- */

/* Members clock_step_us, and mean_of_64_us, which is null unless the clock is too coarse. */
void record_clock_step(const struct latency_figures *figures);

/* The lines before all figures. */
void report_head(const struct latency_run *run);

/* The figures of one pair. */
void report_figures(const struct latency_run *run, const struct latency_figures *figures);

/* The number of our answers, and their cost. */
void report_answers(const struct latency_run *run, const struct answers *answers);

#endif
