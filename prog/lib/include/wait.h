/*
 * wait.h - how a program waits for another VM to change a word.
 *
 * Who waits looks again at once for some 50 us, then lets others run, then
 * sleeps in short pieces, and at last in longer ones: there may be more VMs
 * than CPUs.
 */
#ifndef WAIT_H
#define WAIT_H

#include <sched.h>
#include <stdbool.h>
#include <time.h>

enum {
	WAIT_SPINS = 1000,
	WAIT_YIELDS = WAIT_SPINS + 100,
	WAIT_SHORT_NAPS = WAIT_YIELDS + 2000,
	WAIT_SHORT_NAP_NS = 50000,
	WAIT_LONG_NAP_NS = 1000000,
	WAIT_TURNS_A_LOOK = 32,
};

/*
 * One turn of waiting; *turns is 0 before the first. True every few
 * milliseconds, but not while it is still spinning: then look after the others,
 * and show that you live.
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
