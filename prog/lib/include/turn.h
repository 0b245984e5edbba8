/*
 * turn.h - how a program waits for another VM to change a word, turn by turn.
 *
 * There may be more VMs than CPUs. So a program first spins for 1000 pauses, which take
 * 3 to 50 us, depending on the CPU. Then it yields to others, then sleeps in short pieces,
 * and finally in longer ones.
 */
#ifndef SHMEM_TURN_H
#define SHMEM_TURN_H

#include <stdbool.h>

#include "language.h"

enum {
	SHMEM_TURN_SPINS = 1000, /* pauses */
	SHMEM_TURN_YIELDS = SHMEM_TURN_SPINS + 100,
	SHMEM_TURN_SHORT_NAPS = SHMEM_TURN_YIELDS + 2000,
	SHMEM_TURNS_A_LOOK = 32,
};

SHMEM_C_BEGIN

/* The turns after spinning, for shmem_wait_turn: yields or sleeps. */
void shmem_turn_aside(unsigned int turn);

/*
 * One turn of waiting; *turns is 0 before the first. True every few milliseconds, but not
 * while it still spins. When true, show that you live, and check that the others do.
 */
static inline bool shmem_wait_turn(unsigned int *turns)
{
	unsigned int turn = ++*turns;

	if (turn < SHMEM_TURN_SPINS) {
		__builtin_ia32_pause();
		return false;
	}
	shmem_turn_aside(turn);
	return turn % SHMEM_TURNS_A_LOOK == 0;
}

SHMEM_C_END

#endif
