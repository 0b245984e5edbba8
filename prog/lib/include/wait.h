/*
 * wait.h - how a program waits for another VM to change a word.
 *
 * There may be more VMs than CPUs. So a program first spins for 1000 pauses, which take
 * 3 to 50 us, depending on the CPU. Then it yields to others, then sleeps in short pieces,
 * and finally in longer ones.
 */
#ifndef WAIT_H
#define WAIT_H

#include <sched.h>
#include <stdbool.h>
#include <time.h>

enum {
	WAIT_SPINS = 1000, /* pauses */
	WAIT_YIELDS = WAIT_SPINS + 100,
	WAIT_SHORT_NAPS = WAIT_YIELDS + 2000,
	WAIT_SHORT_NAP_NS = 50000,
	WAIT_LONG_NAP_NS = 1000000,
	WAIT_TURNS_A_LOOK = 32,
};

/*
 * One turn of waiting; *turns is 0 before the first. True every few milliseconds, but not
 * while it still spins. When true, show that you live, and check that the others do.
 */
static inline bool wait_turn(unsigned int *turns)
{
	unsigned int turn = ++*turns;

	if (turn < WAIT_SPINS) {
		__builtin_ia32_pause();
		return false;
	}
	if (turn < WAIT_YIELDS)
		sched_yield();
	else
		nanosleep(&(struct timespec){ .tv_nsec = turn < WAIT_SHORT_NAPS ?
								 WAIT_SHORT_NAP_NS :
								 WAIT_LONG_NAP_NS }, NULL);
	return turn % WAIT_TURNS_A_LOOK == 0;
}

#endif
