/*
 * test.c - does a wake-up ever get lost?
 *
 * Two sides take turns. Each writes a number, wakes the other side, and sleeps until the
 * other side has written the same number. Neither polls. A wake-up was lost if the deadline
 * passes, the number is there, no interrupt came, and none comes in the following seconds
 * while the other side lives. A program without a deadline would have slept for ever.
 */
#include "doorbell.h"

#include <signal.h>
#include <stdio.h>
#include <time.h>

#include "lib/progress.h"
#include "sleep.h"

#define DOORBELL_PATIENCE (60 * SHMEM_SECOND) /* to wait for the other side to come */
#define MOST_TURNS 300                  /* to wait for an answer of a living peer */

enum {
	VECTOR = 0,
	DEFAULT_COUNT = 100000,
	TURNS_A_BEAT = 64,
	INJECT_AFTER = 100,
};

#define THE_END (UINT64_C(1) << 63) /* instead of a number */

/* In the region: words that only one side writes. */
struct test_side {
	_Alignas(128) _Atomic uint64_t number; /* session + exchanges */
	_Alignas(128) _Atomic uint64_t notice;
	_Alignas(128) _Atomic uint64_t enough; /* session + 1: this side has had its interrupts */
};

struct table {
	unsigned char seats[2 * SHMEM_SEAT_SIZE];
	struct test_side desks[2];
};

static_assert(SHMEM_LAYOUT_DOORBELL + sizeof(struct table) <= SHMEM_LAYOUT_LATENCY, "it has room");

struct test {
	struct doorbell *d;
	struct shmem_meeting meeting;
	struct test_side *own, *other;
	struct shmem_sleeper sleeper;
	struct shmem_waker waker;
	uint64_t exchanges; /* begun */
	uint64_t slow;      /* interrupts that came after the deadline */
	bool has_stopped;   /* FAULT_STOP has happened */
	uint64_t begin;
};

/* --- Results --------------------------------------------------------------- */

static void report_test(const struct test *t, uint64_t lost)
{
	double seconds = (double)(shmem_now() - t->begin) / SHMEM_SECOND;
	unsigned long long interrupts = t->sleeper.interrupts;
	unsigned long long needless = t->exchanges > interrupts ? t->exchanges - interrupts : 0;

	if (!t->d->options.json) {
		shmem_print("%llu wake-ups by interrupt in %.3g s; %llu exchanges needed none, %llu "
			    "interrupts were slow, %s\n", interrupts, seconds, needless,
			    (unsigned long long)t->slow, lost ? "1 was LOST" : "none was lost");
		return;
	}
	shmem_record_begin(&t->d->region, &t->d->options, "doorbell-test");
	shmem_record_integer("interrupts", t->sleeper.interrupts);
	shmem_record_integer("exchanges", t->exchanges);
	shmem_record_integer("sleeps", t->sleeper.sleeps);
	shmem_record_integer("rings", t->waker.rings);
	shmem_record_integer("slow", t->slow);
	shmem_record_integer("lost", lost);
	shmem_record_number("seconds", seconds);
	shmem_record_end();
}

/* --- One exchange ---------------------------------------------------------- */

static uint64_t number_now(const struct test *t)
{
	return t->meeting.session + t->exchanges;
}

/* The acquire pairs with the releases in say and inject_fault. */
static bool is_number_answered(void *context)
{
	const struct test *t = context;
	uint64_t seen = atomic_load_explicit(&t->other->number, memory_order_acquire);

	return seen == number_now(t) || seen == (t->meeting.session ^ THE_END);
}

/*
 * Waits until the other side has slept under one notice for half a turn, and returns that
 * notice. An earlier ring of ours that was still on its way has ended an earlier sleep.
 */
static uint64_t wait_for_sleep(const struct test *t)
{
	uint64_t notice = 0, since = 0;

	while (notice == 0 || shmem_now() - since < SHMEM_SLEEP_TURN / 2) {
		uint64_t seen = atomic_load_explicit(&t->other->notice, memory_order_relaxed);

		if (seen != notice)
			since = shmem_now();
		notice = seen;
		nanosleep(&(struct timespec){ .tv_nsec = SHMEM_MS }, NULL);
	}
	return notice;
}

/*
 * Stops between the store and the look at the notice, once, while the other side sleeps. If it
 * does not sleep under the same notice after the store, it has seen the number without a ring;
 * then the next exchange is tried.
 */
static void stop_before_the_look(struct test *t, uint64_t number)
{
	uint64_t notice = wait_for_sleep(t);

	atomic_store_explicit(&t->own->number, number, memory_order_release);
	shmem_fence(); /* pairs with the one of put_up_notice: its next look sees the number */
	if (atomic_load_explicit(&t->other->notice, memory_order_relaxed) == notice) {
		t->has_stopped = true;
		shmem_warn("stopping now; the other side sleeps under notice %016llx",
			   (unsigned long long)notice);
		raise(SIGSTOP);
	}
	shmem_wake(&t->waker);
}

/*
 * The stop happens once, the other faults in every exchange from there on. A wake-up counts
 * as lost only after an earlier one has arrived, so the first is never withheld.
 */
static bool is_time_to_inject(const struct test *t)
{
	switch ((enum doorbell_fault)t->d->options.fault) {
	case FAULT_NONE:
		return false;
	case FAULT_STOP:
		return t->exchanges >= INJECT_AFTER && !t->has_stopped;
	case FAULT_DIE:
		return t->exchanges > INJECT_AFTER;
	case FAULT_SKIP:
	case FAULT_ORDER:
		return t->exchanges > INJECT_AFTER && t->waker.rings > 0;
	}
	return false;
}

static void inject_fault(struct test *t, uint64_t number)
{
	switch ((enum doorbell_fault)t->d->options.fault) {
	case FAULT_DIE:
		raise(SIGKILL);
		break;
	case FAULT_STOP:
		stop_before_the_look(t, number);
		return;
	case FAULT_ORDER:
		shmem_wake(&t->waker);
		nanosleep(&(struct timespec){ .tv_nsec = 20 * SHMEM_MS }, NULL);
		break;
	case FAULT_SKIP:
	case FAULT_NONE:
		break;
	}
	atomic_store_explicit(&t->own->number, number, memory_order_release);
}

static void say(struct test *t, uint64_t number)
{
	shmem_meet_check(&t->meeting);
	if (is_time_to_inject(t)) {
		inject_fault(t, number);
		return;
	}
	atomic_store_explicit(&t->own->number, number, memory_order_release);
	shmem_wake(&t->waker);
}

static void check_other(enum shmem_peer peer)
{
	if (peer != SHMEM_PEER_LIVES)
		shmem_fail(shmem_peer_status(peer), "the other side %s", shmem_peer_fate(peer));
}

/* The number was there at the deadline. Is the interrupt lost, or only slow? */
static void judge_lateness(struct test *t)
{
	int other = 1 - t->meeting.seat;

	if (shmem_sleep_late(&t->sleeper, &t->meeting, other)) {
		t->slow++;
		return;
	}
	check_other(shmem_meet_peer(&t->meeting, other));
	report_test(t, 1);
	shmem_fail(SHMEM_STATUS_FAILED,
		   "a wake-up was LOST: number %llu was there, but no interrupt came",
		   (unsigned long long)t->exchanges);
}

/* Before the first interrupt ever, the VMs may not all know one another. */
static void check_unrung(struct test *t, uint64_t unrung)
{
	if (t->sleeper.unrung == unrung)
		return;
	if (t->sleeper.interrupts > 0)
		judge_lateness(t);
	else if (t->sleeper.unrung > SHMEM_FIRST_TRIES)
		shmem_die("no interrupt arrives here: the other side wrote %d numbers, and knew "
			  "whom to ring", SHMEM_FIRST_TRIES);
}

/* Returns when the other side has answered. */
static void sleep_until_answered(struct test *t)
{
	uint64_t unrung = t->sleeper.unrung;
	enum shmem_peer peer = SHMEM_PEER_LIVES;

	for (int turns = 0; !shmem_sleep(&t->sleeper, is_number_answered, t,
					 shmem_now() + SHMEM_SLEEP_TURN); turns++) {
		check_other(peer);
		if (turns == MOST_TURNS)
			shmem_die("the other side lives, but did not answer for %d s",
				  (int)(MOST_TURNS * SHMEM_SLEEP_TURN / SHMEM_SECOND));
		shmem_meet_beat(&t->meeting);
		peer = shmem_meet_peer(&t->meeting, 1 - t->meeting.seat);
	}
	check_unrung(t, unrung);
}

/* --- All exchanges --------------------------------------------------------- */

static bool both_have_enough(struct test *t)
{
	uint64_t enough = t->meeting.session + 1;

	if (t->sleeper.interrupts < t->d->count)
		return false;
	atomic_store_explicit(&t->own->enough, enough, memory_order_relaxed);
	return atomic_load_explicit(&t->other->enough, memory_order_relaxed) == enough;
}

static bool is_test_over(const struct test *t)
{
	return atomic_load_explicit(&t->other->number, memory_order_relaxed) ==
	       (t->meeting.session ^ THE_END);
}

/* The only time that counts here is the 100 ms for a ring; a line is drawn in much less. */
static void show_exchanges(const struct test *t)
{
	shmem_progress("%llu wake-ups by interrupt of %llu",
		       (unsigned long long)t->sleeper.interrupts, (unsigned long long)t->d->count);
}

/* Seat 0 begins each exchange, and ends the test. */
static void take_turns(struct test *t)
{
	bool first = t->meeting.seat == 0;

	for (;;) {
		bool enough = both_have_enough(t);

		t->exchanges++;
		if (first && enough)
			break;
		if (first)
			say(t, number_now(t));
		sleep_until_answered(t);
		if (!first && is_test_over(t))
			break;
		if (!first)
			say(t, number_now(t));
		if (t->exchanges % TURNS_A_BEAT == 0) {
			shmem_meet_beat(&t->meeting);
			show_exchanges(t);
		}
	}
	t->exchanges--;
	if (first)
		say(t, t->meeting.session ^ THE_END);
}

static void doorbell_meet(struct test *t, uint64_t patience)
{
	switch (shmem_meet(&t->meeting, &t->d->region, SHMEM_LAYOUT_DOORBELL, 2, SHMEM_ANY_SEAT,
			   "__doorbell test", patience)) {
	case SHMEM_MET:
	case SHMEM_MEET_FAILED: /* shmem_meet ends the program */
		return;
	case SHMEM_SEAT_TAKEN:
		shmem_die("both seats are taken: two others run this test already");
	case SHMEM_NOBODY_CAME:
		shmem_fail(SHMEM_STATUS_NOBODY, "no other side came within %.9g s; run this in "
			   "another VM at the same time", (double)patience / SHMEM_SECOND);
	}
}

void test_wake_ups(struct doorbell *d)
{
	static struct test test; /* its meeting lasts as long as the program */
	struct test *t = &test;
	struct table *table = (struct table *)(d->region.base + SHMEM_LAYOUT_DOORBELL);

	d->count = d->count ? d->count : DEFAULT_COUNT;
	t->d = d;
	shmem_meet_leave_at_end(&t->meeting);
	doorbell_meet(t, d->timeout ? d->timeout : DOORBELL_PATIENCE);
	t->own = &table->desks[t->meeting.seat];
	t->other = &table->desks[1 - t->meeting.seat];
	t->sleeper = shmem_sleeper_for(d->bell, &t->own->notice, VECTOR, 0);
	t->waker = shmem_waker_for(d->bell, &t->other->notice);
	t->begin = shmem_now();
	shmem_progress_begin();
	take_turns(t);
	report_test(t, 0);
}
