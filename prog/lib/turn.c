/* turn.c - waiting longer than spinning is worth. */
#include "turn.h"

#include <sched.h>
#include <time.h>

enum { SHORT_NAP_NS = 50000, LONG_NAP_NS = 1000000 };

void shmem_turn_aside(unsigned int turn)
{
	long nap = turn < SHMEM_TURN_SHORT_NAPS ? SHORT_NAP_NS : LONG_NAP_NS;

	if (turn < SHMEM_TURN_YIELDS)
		sched_yield();
	else
		nanosleep(&(struct timespec){ .tv_nsec = nap }, NULL);
}
