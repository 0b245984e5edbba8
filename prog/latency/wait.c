/* wait.c - __latency sleeping on the doorbell, and the cost of waiting. */
#include "latency.h"

#include <unistd.h>

#include "units.h"

enum {
	VECTOR = 0,
	NAP_US = 1000,
	LOOKS_UNTIL_IDLE = 4096,
	LOOKS_A_CLOCK = 64,
	SLEEPS_TO_LEARN = 8 * WAKE_UPS, /* at most; some end because the word is there already */
	DEFAULT_POLL_US = 500,          /* if no wake-ups could be measured */
};

/* --- Before the first ball ------------------------------------------------ */

void open_latency_region(struct latency_run *run)
{
	if (run->settings->poll_ns == SHMEM_NEVER)
		run->region = shmem_open(run->options);
	else
		run->bell = shmem_doorbell_open(run->options, &run->region, true);
	run->drain = run->options->kind == SHMEM_WC;
}

/* Until all have met, we take everybody to poll, and ring nobody. */
void show_how_we_wait(struct latency_run *run)
{
	for (int seat = 0; seat < SHMEM_SEATS_MAX; seat++)
		run->others[seat].poll_ns = SHMEM_NEVER;
	run->others[run->meeting.seat].poll_ns = run->settings->poll_ns;
	run->look_mask = LOOKS_UNTIL_IDLE - 1;
	atomic_store_explicit(&run->mine->poll_ns, run->settings->poll_ns, memory_order_relaxed);
	atomic_store_explicit(&run->mine->notice, 0, memory_order_relaxed);
	show_cpu(run);
}

static void poll_before_sleep(struct latency_run *run, uint64_t poll_ns)
{
	run->look_mask = poll_ns ? LOOKS_A_CLOCK - 1 : 0;
	run->window = (uint64_t)((double)poll_ns / run->clock.tick);
}

/*
 * The window is twice the median wake-up. A side that was woken answers late, by the time that
 * waking takes. If the other side has gone to sleep by then, it must be woken as well, and so
 * on, although both are quick.
 */
void set_window(struct latency_run *run)
{
	uint64_t poll_ns = DEFAULT_POLL_US * SHMEM_US;

	if (!run->learns)
		return;
	run->learns = false;
	if (run->wake_up_count == WAKE_UPS) {
		run->wake_up_us = shmem_summarise(run->wake_ups, WAKE_UPS).median *
				  run->clock.tick / (double)SHMEM_US;
		poll_ns = (uint64_t)(2 * run->wake_up_us * (double)SHMEM_US);
	}
	poll_before_sleep(run, poll_ns);
	/* For the output of the other side. */
	atomic_store_explicit(&run->mine->poll_ns, poll_ns, memory_order_relaxed);
}

void learn_window(struct latency_run *run, uint64_t interrupts)
{
	if (run->sleeper.interrupts != interrupts)
		run->wake_ups[run->wake_up_count++] =
			(double)ticks_between(run->polled_since, ticks());
	if (run->wake_up_count == WAKE_UPS || ++run->sleeps_seen == SLEEPS_TO_LEARN)
		set_window(run);
}

/* The sleeper's own polling is not used, since looking through a function is slower. */
static void get_ready_to_sleep(struct latency_run *run)
{
	uint64_t poll_ns = run->settings->poll_ns;

	run->sleeper = shmem_sleeper_for(run->bell, &run->mine->notice, VECTOR, 0);
	run->sleeps = true;
	run->learns = poll_ns == POLL_LEARNS;
	poll_before_sleep(run, run->learns ? 0 : poll_ns);
}

/* A side that polls needs a doorbell too, to ring a sleeper. */
static void get_ready_to_wake(struct latency_run *run, int seat)
{
	if (!run->bell)
		run->bell = shmem_doorbell_open(run->options, &run->region, false);
	run->others[seat].waker = shmem_waker_for(run->bell, &run->places[seat].notice);
}

void see_how_others_wait(struct latency_run *run)
{
	for (int seat = 0; seat < run->settings->seats; seat++) {
		if (seat == run->meeting.seat)
			continue;
		/* Any value is valid. It was written before turn, which we have seen. */
		uint64_t poll_ns = atomic_load_explicit(&run->places[seat].poll_ns,
							memory_order_relaxed);
		if (poll_ns != SHMEM_NEVER)
			get_ready_to_wake(run, seat);
		run->others[seat].poll_ns = poll_ns;
	}
	if (run->settings->poll_ns != SHMEM_NEVER)
		get_ready_to_sleep(run);
}

/* --- Asleep --------------------------------------------------------------- */

struct awaited {
	const _Atomic uint64_t *word;
	uint64_t seen;
};

/* Pairs with the release in throw, and the store in show_finished. */
static bool has_changed(void *context)
{
	const struct awaited *awaited = context;

	return atomic_load_explicit(awaited->word, memory_order_acquire) != awaited->seen;
}

/*
 * The word was there at the deadline, but no interrupt came. Is it lost, or only late?
 * Before a seat's first ring, the VMs may not all know one another yet.
 */
static void wait_for_late_ring(struct latency_run *run, int seat)
{
	struct seat *other = &run->others[seat];

	run->late++;
	if (!other->has_rung && ++other->silent <= SHMEM_FIRST_TRIES)
		return;
	if (!other->has_rung)
		lose_peer(run, seat, "wrote while we slept, many times, and no interrupt ever came");
	if (shmem_sleep_late(&run->sleeper, &run->meeting, seat))
		return;
	check_peer(run, seat, shmem_meet_peer(&run->meeting, seat), SHMEM_NEVER);
	lose_peer(run, seat, "wrote while we slept, and no interrupt came: a wake-up was lost");
}

void wait_for_change(struct latency_run *run, int seat, const _Atomic uint64_t *word,
		     uint64_t seen)
{
	struct awaited awaited = { word, seen };
	uint64_t interrupts = run->sleeper.interrupts;
	uint64_t unrung = run->sleeper.unrung;

	if (!run->sleeps) {
		usleep(NAP_US);
		return;
	}
	shmem_sleep(&run->sleeper, has_changed, &awaited, shmem_now() + SHMEM_SLEEP_TURN);
	if (run->sleeper.unrung != unrung)
		wait_for_late_ring(run, seat);
	else if (run->sleeper.interrupts != interrupts)
		run->others[seat].has_rung = true;
}

/* --- Cost ----------------------------------------------------------------- */

struct cost cost_now(const struct latency_run *run)
{
	return (struct cost){
		.time = shmem_now(),
		.cpu = shmem_cpu_time(),
		.sleeps = run->sleeper.sleeps,
		.interrupts = run->sleeper.interrupts,
		.late = run->late,
	};
}

struct cost cost_since(const struct latency_run *run, const struct cost *before)
{
	struct cost now = cost_now(run);

	return (struct cost){
		.time = now.time - before->time,
		.cpu = now.cpu - before->cpu,
		.sleeps = now.sleeps - before->sleeps,
		.interrupts = now.interrupts - before->interrupts,
		.late = now.late - before->late,
	};
}
