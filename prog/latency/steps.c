/* steps.c - the pairs of __latency, one after the other; without --matrix there is one. */
#include "latency.h"

#include <inttypes.h>
#include <stdio.h>

#include "bytes.h"
#include "lib/progress.h"
#include "units.h"

/* Counts from a number of this session, which an earlier run cannot have left. */
static uint64_t turn_of(const struct latency_run *run, uint64_t step)
{
	return shmem_mix(run->meeting.session, UINT64_MAX / 2) + step;
}

static uint64_t step_count(const struct latency_run *run)
{
	uint64_t seats = (uint64_t)run->settings->seats;

	return run->settings->matrix ? seats * (seats - 1) : 1;
}

/* Shows the others how many steps we have finished. */
static void show_finished(struct latency_run *run, uint64_t steps)
{
	shmem_meet_check(&run->meeting);
	atomic_store(&run->mine->turn, turn_of(run, steps));
	shmem_fence();
	for (int seat = 0; seat < run->settings->seats; seat++)
		if (seat != run->meeting.seat)
			wake_seat(run, seat);
}

/* Waits until the seat has finished that many steps, or more. */
static void wait_until_finished(struct latency_run *run, int seat, uint64_t steps,
				uint64_t patience)
{
	const _Atomic uint64_t *turn = &run->places[seat].turn;
	uint64_t wanted = turn_of(run, steps);
	uint64_t more_at_most = step_count(run) - steps;
	enum shmem_peer peer = SHMEM_PEER_LIVES;
	uint64_t seen;

	run->waited = 0;
	while ((seen = atomic_load(turn)) - wanted > more_at_most) {
		check_peer(run, seat, peer, patience);
		wait_for_change(run, seat, turn, seen);
		peer = look(run, seat);
	}
}

/* After this, the words in the others' places are of this run. */
static void introduce(struct latency_run *run)
{
	show_how_we_wait(run);
	show_finished(run, 0);
	for (int seat = 0; seat < run->settings->seats; seat++)
		if (seat != run->meeting.seat)
			wait_until_finished(run, seat, 0, run->settings->timeout);
	see_how_others_wait(run);
}

/* The longest time of a measuring side, if its options are ours. */
static uint64_t patience(const struct latency_settings *settings)
{
	return settings->time + settings->timeout + SHMEM_SECOND;
}

bool show_step(const struct latency_run *run, int from, int to, uint64_t step, uint64_t time)
{
	char first[NAME_SIZE], second[NAME_SIZE], pair[64] = "", seconds[32] = "";

	name_of(run, from, first);
	name_of(run, to, second);
	if (run->settings->matrix)
		snprintf(pair, sizeof(pair), "pair %" PRIu64 " of %" PRIu64 ": ", step + 1,
			 step_count(run));
	if (time)
		snprintf(seconds, sizeof(seconds), " for about %.0f s", (double)time / SHMEM_SECOND);
	return shmem_progress_before(time, "%s%s measures to %s%s", pair, first, second, seconds);
}

/* The time that the measuring side takes, if its options are ours; 0 if only their -n tells. */
static uint64_t time_of_others(const struct latency_settings *settings)
{
	return settings->trips ? 0 : settings->time;
}

static void do_step(struct latency_run *run, int from, int to, uint64_t step)
{
	if (from == run->meeting.seat) {
		struct latency_figures figures = measure_trips(run, to, step);

		throw_end(run, to, step);
		wait_until_finished(run, to, step + 1, run->settings->timeout);
		show_finished(run, step + 1);
		report_figures(run, &figures);
	} else if (to == run->meeting.seat) {
		show_step(run, from, to, step, time_of_others(run->settings));
		struct answers answers = answer(run, from, step);

		show_finished(run, step + 1);
		report_answers(run, &answers);
	} else {
		show_step(run, from, to, step, time_of_others(run->settings));
		wait_until_finished(run, from, step + 1, patience(run->settings));
	}
}

void do_all_steps(struct latency_run *run)
{
	int seats = run->settings->matrix ? run->settings->seats : 1;
	uint64_t step = 0;

	introduce(run);
	shmem_progress_begin();
	report_head(run);
	for (int from = 0; from < seats; from++)
		for (int to = 0; to < run->settings->seats; to++)
			if (from != to)
				do_step(run, from, to, step++);
}
