/* latency_steps.c - pair after pair of __latency; without --matrix there is one. */
#include "latency.h"

#include <unistd.h>

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

static void do_step(struct run *run, int from, int to, uint64_t step)
{
	if (from == run->meeting.seat) {
		struct figures figures = measure(run, to, step);

		throw_end(run, step);
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

void do_all_steps(struct run *run)
{
	int seats = run->settings->matrix ? run->settings->seats : 1;
	uint64_t step = 0;

	print_head(run);
	for (int from = 0; from < seats; from++)
		for (int to = 0; to < run->settings->seats; to++)
			if (from != to)
				do_step(run, from, to, step++);
}
