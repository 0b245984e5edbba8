/*
 * hold.h - what this program holds in the region: shown to be alive while it is,
 * given back when it ends. For the library's files; no program includes it.
 *
 * Who holds a claim or a seat has a word there with a ticket: a random number
 * above a counter, the beat. 0 is nobody.
 *
 * A signal may come between the instruction that changes a word and the one that
 * notes it. So the note is written first, and giving back tries what may be
 * there: a ticket is nobody else's, and where it is not nothing happens.
 */
#ifndef HOLD_H
#define HOLD_H

#include "shmem.h"
#include "units.h"

#define BEAT_BITS 16
#define BEAT_MASK ((UINT64_C(1) << BEAT_BITS) - 1)

/* Whether both words have the same ticket. */
static inline bool hold_is_same(uint64_t word, uint64_t other)
{
	return (word & ~BEAT_MASK) == (other & ~BEAT_MASK);
}

/* Puts a new ticket into the word if it holds what was seen. */
bool shmem_hold_take(struct shmem_hold *hold, uint64_t seen);

/* The next beat. False if the ticket is not there any more. */
bool shmem_hold_renew(struct shmem_hold *hold);

/* Between two looks at a word that somebody else holds. */
#define HOLD_LOOK (10 * MS)

/* A holder whose beat stands still for so long is taken for dead. */
#define HOLD_STALE (3 * SECOND)

/* When to say that we wait. */
#define HOLD_TELL_AFTER (500 * MS)

void shmem_hold_wait_a_look(void);

bool shmem_hold_is_there(const struct shmem_hold *hold);

/* False if it was not there. Nothing but atomics, so that a handler may call it. */
bool shmem_hold_give_back(struct shmem_hold *hold);

/* --- All of them ----------------------------------------------------------- */

/* A kind of holding, with what is done to all of that kind. */
struct holdings {
	void (*renew)(void);
	void (*give_back)(void); /* also from a handler */
};

/* From now on that is done by hold_renew_all, and at the end. */
void shmem_hold_register(const struct holdings *holdings);

/* For what may take long: shows that we live. Ends the program if something was lost. */
void shmem_hold_renew_all(void);

#endif
