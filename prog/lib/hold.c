/* hold.c - the words in the region that this program holds, until it ends. */
#include "hold.h"
#include "internal.h"

#include <time.h>

static uint64_t new_ticket(void)
{
	uint64_t ticket;

	do
		ticket = shmem_random() & ~BEAT_MASK;
	while (ticket == 0);
	return ticket | 1; /* the beat is never 0 */
}

static uint64_t next_beat(uint64_t word)
{
	uint64_t beat = (word + 1) & BEAT_MASK;

	return (word & ~BEAT_MASK) | (beat ? beat : 1);
}

/*
 * Strong, because a spurious failure would look like a lost claim. The acquire of a taker
 * pairs with the release of the last holder, in giving back or renewing. This holds in
 * mappings of all types, since LOCK CMPXCHG is a full fence. It also keeps the notes in order.
 */
static bool exchange(_Atomic uint64_t *word, uint64_t seen, uint64_t next)
{
	return atomic_compare_exchange_strong_explicit(word, &seen, next, memory_order_acq_rel,
						       memory_order_relaxed);
}

static void note(struct shmem_hold *hold, uint64_t word)
{
	atomic_store_explicit(&hold->mine, word, memory_order_relaxed);
}

static uint64_t noted(const struct shmem_hold *hold)
{
	return atomic_load_explicit(&hold->mine, memory_order_relaxed);
}

bool shmem_hold_take(struct shmem_hold *hold, uint64_t seen)
{
	uint64_t ticket = new_ticket();

	note(hold, ticket);
	if (exchange(hold->word, seen, ticket))
		return true;
	note(hold, 0);
	return false;
}

bool shmem_hold_renew(struct shmem_hold *hold)
{
	uint64_t word = noted(hold), next = next_beat(word);

	if (word == 0 || !exchange(hold->word, word, next))
		return false;
	note(hold, next);
	return true;
}

bool shmem_hold_is_there(const struct shmem_hold *hold)
{
	uint64_t word = noted(hold);

	return word != 0 && atomic_load_explicit(hold->word, memory_order_relaxed) == word;
}

/* The second attempt is for a handler that interrupts shmem_hold_renew between its two steps. */
bool shmem_hold_give_back(struct shmem_hold *hold)
{
	uint64_t word = noted(hold);
	bool there = exchange(hold->word, word, 0) || exchange(hold->word, next_beat(word), 0);

	note(hold, 0);
	return there;
}

void shmem_hold_wait_a_look(void)
{
	shmem_hold_renew_all();
	nanosleep(&(struct timespec){ .tv_nsec = HOLD_LOOK }, NULL);
}

/* --- All of them ----------------------------------------------------------- */

enum { KINDS_MAX = 2 }; /* claims, and the seats of meetings */

static const struct holdings *_Atomic kinds[KINDS_MAX];

void shmem_hold_renew_all(void)
{
	for (int i = 0; i < KINDS_MAX && kinds[i]; i++)
		kinds[i]->renew();
}

static void give_all_back(void)
{
	for (int i = 0; i < KINDS_MAX && kinds[i]; i++)
		kinds[i]->give_back();
}

void shmem_hold_register(const struct holdings *holdings)
{
	int i = 0;

	while (i < KINDS_MAX && kinds[i] && kinds[i] != holdings)
		i++;
	assert(i < KINDS_MAX);
	if (kinds[i])
		return;
	kinds[i] = holdings;
	shmem_while_blocked(shmem_hold_renew_all);
	shmem_at_end(give_all_back);
}
