/*
 * barrier.c - for barrier.bats: programs that meet and wait for each other, round after round.
 *
 * In each round, each writes the number of the round. After the barrier, all must read it
 * from all others, although the next round begins at once.
 */
#include <signal.h>
#include <stdlib.h>

#include "barrier.h"
#include "shmem.h"
#include "units.h"

enum { STEPS = 0x800, NUMBERS = 0x1000 }; /* offsets after the seats */

enum end { END_DIE = SHMEM_LONG, END_LEAVE, END_STOP, SURVIVE };

static struct shmem_meeting meeting;
static struct shmem_barrier barrier;

/* Ends the program if a peer has ended. */
static void wait_for_all(void)
{
	int seat;
	enum shmem_peer peer = shmem_barrier_wait(&barrier, &seat);

	if (peer == SHMEM_PEER_LIVES)
		return;
	shmem_print("seat %d %s\n", seat, shmem_peer_fate(peer));
	exit(0);
}

static void end_by(int how)
{
	if (how == END_DIE)
		raise(SIGKILL);
	if (how == END_LEAVE)
		exit(0);
	if (how == END_STOP || how == SURVIVE)
		raise(SIGSTOP);
}

static void do_round(uint64_t *numbers, uint64_t round)
{
	numbers[meeting.seat] = meeting.session + round;
	wait_for_all();
	for (int seat = 0; seat < meeting.seats; seat++)
		if (numbers[seat] != meeting.session + round)
			shmem_die("seat %d is not in round %lu", seat, round);
	wait_for_all();
}

static void meet(const struct shmem *region, int seats)
{
	unsigned char *steps = region->base + SHMEM_LAYOUT_FREE + STEPS;

	shmem_meet_leave_at_end(&meeting);
	if (shmem_meet(&meeting, region, SHMEM_LAYOUT_FREE, seats, SHMEM_ANY_SEAT, "the test",
		       20 * SHMEM_SECOND) != SHMEM_MET)
		shmem_die("nobody came");
	barrier = shmem_barrier_of(&meeting, (struct shmem_barrier_step *)steps);
}

static void go_on_for(const struct shmem *region, uint64_t rounds)
{
	for (uint64_t round = 1; round <= rounds; round++)
		do_round((uint64_t *)(region->base + SHMEM_LAYOUT_FREE + NUMBERS), round);
	shmem_print("seat %d: %lu rounds\n", meeting.seat, rounds);
}

/* Others have our seat by now. We say so, and meet once more. */
static void survive(const struct shmem *region, uint64_t rounds)
{
	struct shmem_error error;
	enum shmem_peer peer;
	int seat;

	if (shmem_try_barrier_wait(&barrier, &seat, &peer, &error))
		shmem_die("nobody took our seat");
	shmem_print("%d %s\n", error.status, error.text);
	shmem_meet_leave(&meeting);
	meet(region, meeting.seats);
	go_on_for(region, rounds);
}

int main(int argc, char **argv)
{
	static const struct option longs[] = {
		{ .name = "die", .val = END_DIE },
		{ .name = "leave", .val = END_LEAVE },
		{ .name = "stop", .val = END_STOP },
		{ .name = "survive", .val = SURVIVE },
		{ 0 },
	};
	static const struct shmem_program program = {
		.letters = "n:", .longs = longs, .operands = 1, .about = "", .example = "",
	};
	struct shmem_options options = { 0 };
	int option, how = 0, seats = 2;

	while ((option = shmem_getopt(&program, &options, argc, argv)) != -1) {
		if (option == 'n')
			seats = (int)shmem_option_number("-n", optarg, 1, SHMEM_SEATS_MAX);
		else
			how = option;
	}
	uint64_t rounds = shmem_option_number("ROUNDS", argv[optind], 0, UINT64_MAX);
	struct shmem region = shmem_open(&options);

	meet(&region, seats);
	go_on_for(&region, rounds);
	end_by(how);
	if (how == SURVIVE)
		survive(&region, rounds);
	while (how == END_STOP)
		wait_for_all();
	return 0;
}
