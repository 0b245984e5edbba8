/*
 * doorbell.h - shared by the files of __doorbell; no other program includes it.
 *
 *	doorbell.c  the command line; ring and wait
 *	peers.c     the connected peers: list, and whom a name means
 *	test.c      test: does a wake-up ever get lost?
 */
#ifndef DOORBELL_H
#define DOORBELL_H

#include "interrupt.h"
#include "peers.h"
#include "shmem.h"
#include "units.h"

enum doorbell_fault { FAULT_NONE, FAULT_SKIP, FAULT_ORDER, FAULT_DIE, FAULT_STOP };

struct doorbell {
	struct shmem_options options;
	struct shmem region;
	struct shmem_doorbell *bell;
	uint64_t count;   /* of -n; 0 if it was not given */
	uint64_t timeout; /* nanoseconds of -t; 0 if it was not given */
};

/* --- peers.c ------------------------------------------------------ */

/* Prints the connected peers. */
void list_peers(const struct doorbell *d);

/*
 * The id of the peer with that name or number. Ends the program if, according to the
 * table, no such peer is connected, or if several have the name. Without a table it takes
 * numbers only, and believes them.
 */
unsigned int find_peer(const struct doorbell *d, const char *text);

/* --- test.c ------------------------------------------------------- */

/* Exchanges interrupts with the other side. Ends the program if one is lost. */
void test_wake_ups(struct doorbell *d);

#endif
