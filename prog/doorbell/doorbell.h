/*
 * doorbell.h - what the files of __doorbell share; no other program includes it.
 *
 *	doorbell.c        the command line; ring and wait
 *	peers.c  who is connected: list and name
 *	test.c   whether a wake-up gets lost
 */
#ifndef DOORBELL_H
#define DOORBELL_H

#include "interrupt.h"
#include "peers.h"
#include "shmem.h"
#include "units.h"

enum fault { FAULT_NONE, FAULT_SKIP, FAULT_ORDER, FAULT_DIE, FAULT_STOP };

struct doorbell {
	struct shmem_options options;
	struct shmem region;
	struct shmem_doorbell *bell;
	uint64_t count;   /* of -n; 0 if it was not given */
	uint64_t timeout; /* nanoseconds of -t; 0 if it was not given */
};

/* --- peers.c ------------------------------------------------------ */

/* An entry of the table of peers, as far as it can be believed and printed. */
struct doorbell_peer {
	unsigned int id;
	char name[LAYOUT_PEER_NAME + 1]; /* "" if it has none */
};

/* Puts a name into our own entry; our host's, for NULL. Ends the program if it does not fit. */
void set_name(const struct doorbell *d, const char *name);

/* Prints who is connected. */
void list_peers(const struct doorbell *d);

/*
 * The id of who is meant by a name or a number. Ends the program if that one is
 * not connected, as far as the table tells, or if several have the name.
 */
unsigned int find_peer(const struct doorbell *d, const char *text);

/* --- test.c ------------------------------------------------------- */

/* Exchanges interrupts with who runs it too, and ends the program if one is lost. */
void test_wake_ups(struct doorbell *d);

#endif
