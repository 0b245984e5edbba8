/*
 * hold.h - words in the region that this program holds: it shows that it is alive, and
 * gives them back when it ends. For the library's files; no program includes it.
 *
 * The word of a claim or a seat contains its holder's ticket, a random number, above a
 * counter, the beat. The word is 0 if nobody holds it.
 *
 * A signal may come between the instruction that changes a word and the one that notes
 * it. Therefore the note is written first, and giving back tries every value that the
 * word may have. No other program has the same ticket; if the word has another, it
 * stays as it is.
 */
#ifndef HOLD_H
#define HOLD_H

#include "shmem.h"
#include "units.h"

/* Lines for claims in the first page. */
#define CLAIMS_IN_PAGE ((SHMEM_LAYOUT_HEADER - SHMEM_LAYOUT_CLAIMS) / SHMEM_LAYOUT_CLAIM_LINE)

#define BEAT_BITS 16
#define BEAT_MASK ((UINT64_C(1) << BEAT_BITS) - 1)

/* Whether both words have the same ticket. */
static inline bool hold_is_same(uint64_t word, uint64_t other)
{
	return (word & ~BEAT_MASK) == (other & ~BEAT_MASK);
}

/* Puts a new ticket into the word if it holds what was seen. */
bool shmem_hold_take(struct shmem_hold *hold, uint64_t seen);

/* Advances the beat. False if the word does not have our ticket, or if we have none. */
bool shmem_hold_renew(struct shmem_hold *hold);

/* Between two looks at a word that somebody else holds. */
#define HOLD_LOOK (10 * SHMEM_MS)

/* A holder whose beat stands still for so long is taken for dead. */
#define HOLD_STALE (3 * SHMEM_SECOND)

/* After this time we say that we wait. */
#define HOLD_TELL_AFTER (500 * SHMEM_MS)

/* Waits until the next look. Shows meanwhile that we live, in all that we hold. */
void shmem_hold_wait_a_look(void);

/* Whether we have a ticket, and the word still has it. */
bool shmem_hold_is_there(const struct shmem_hold *hold);

/* False if we no longer held it. Uses atomics only, so that a signal handler may call it. */
bool shmem_hold_give_back(struct shmem_hold *hold);

/* --- All words -------------------------------------------------------------- */

/* All words of one kind, claims or seats. */
struct holdings {
	void (*renew)(void);
	void (*give_back)(void); /* also called by signal handlers */
};

/* Makes shmem_hold_renew_all and the end of the program include them. */
void shmem_hold_register(const struct holdings *holdings);

/* Shows that we live, during long operations. A lost word is noticed at its next renewal. */
void shmem_hold_renew_all(void);

#endif
