/* claim.c - one VM at a time, without trusting that it lives. */
#include "shmem.h"

#include <time.h>

/*
 * Staleness is counted in looks, not by the clock: a waiter that was itself
 * paused, with its VM or with the host, must not conclude from the time it
 * missed that the holder is dead.
 */
enum {
	LOOK_MS = 10,
	LOOKS_UNTIL_TOLD = 500 / LOOK_MS,
	LOOKS_UNTIL_STALE = 3000 / LOOK_MS,
};

#define BEAT_BITS 16
#define BEAT_MASK ((UINT64_C(1) << BEAT_BITS) - 1)

static _Noreturn void lost(const struct shmem_claim *claim)
{
	shmem_die("another VM took over %s, because this one gave no sign of life for 3 s; "
		  "run this program again", claim->what);
}

static uint64_t new_ticket(void)
{
	/* The beat begins at 1, so that no ticket makes the word 0. */
	return (shmem_random() & ~BEAT_MASK) | 1;
}

/*
 * Puts next into the word if it holds *seen, otherwise sets *seen to what it
 * holds. Strong, since a spurious failure would read as a lost claim. The
 * acquire of who takes pairs with the release of who dropped or last renewed,
 * in mappings of all types: LOCK CMPXCHG is a full fence.
 */
static bool exchange(struct shmem_claim *claim, uint64_t *seen, uint64_t next)
{
	return atomic_compare_exchange_strong_explicit(claim->word, seen, next,
						       memory_order_acq_rel,
						       memory_order_relaxed);
}

static void wait_a_look(void)
{
	nanosleep(&(struct timespec){ .tv_nsec = LOOK_MS * 1000000L }, NULL);
}

struct shmem_claim shmem_claim_take(const struct shmem *region,
				    enum layout_claim which, const char *what)
{
	size_t offset = LAYOUT_CLAIMS + (size_t)which * LAYOUT_CLAIM_LINE;
	struct shmem_claim claim = {
		.word = (_Atomic uint64_t *)(region->base + offset),
		.mine = new_ticket(),
		.what = what,
	};
	uint64_t watched = 0;
	int unchanged = 0;

	for (int looks = 0;; looks++) {
		uint64_t seen = 0;

		if (exchange(&claim, &seen, claim.mine))
			return claim;
		unchanged = seen == watched ? unchanged + 1 : 0;
		watched = seen;
		if (unchanged >= LOOKS_UNTIL_STALE && exchange(&claim, &seen, claim.mine)) {
			shmem_warn("took over %s: its holder gave no sign of life for 3 s", what);
			return claim;
		}
		if (looks == LOOKS_UNTIL_TOLD)
			shmem_warn("waiting for %s, which another VM holds", what);
		wait_a_look();
	}
}

void shmem_claim_renew(struct shmem_claim *claim)
{
	uint64_t seen = claim->mine;
	uint64_t beat = (claim->mine + 1) & BEAT_MASK;
	uint64_t next = (claim->mine & ~BEAT_MASK) | (beat ? beat : 1);

	if (!exchange(claim, &seen, next))
		lost(claim);
	claim->mine = next;
}

void shmem_claim_drop(struct shmem_claim *claim)
{
	uint64_t seen = claim->mine;

	if (!exchange(claim, &seen, 0))
		lost(claim);
}
