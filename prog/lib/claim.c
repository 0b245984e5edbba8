/* claim.c - claims: one VM at a time, and a dead one loses what it held. */
#include "hold.h"

/*
 * Time is counted in looks, not by the clock. A waiter may itself be paused, with its VM
 * or with the host. The time that it missed must not make the holder look dead, nor use up
 * the waiter's patience.
 */
enum {
	LOOKS_UNTIL_TOLD = HOLD_TELL_AFTER / HOLD_LOOK,
	LOOKS_UNTIL_STALE = HOLD_STALE / HOLD_LOOK,
};

#define CLAIMS_MAX ((LAYOUT_SERVER - LAYOUT_CLAIMS) / LAYOUT_CLAIM_LINE)

/* Kept here, not in the callers' variables, so that all can be given back at the end. */
static struct {
	struct shmem_hold hold;
	const char *what;
} claims[CLAIMS_MAX];

static _Noreturn void claim_lost(const struct shmem_claim *claim)
{
	shmem_die("another VM took over %s, because this one gave no sign of life for 3 s; "
		  "run this program again", claims[claim->which].what);
}

/* --- All claims that we hold ------------------------------------------------ */

static void renew_all(void)
{
	for (int i = 0; i < CLAIMS_MAX; i++)
		if (claims[i].hold.mine)
			shmem_claim_renew(&(struct shmem_claim){ .which = i });
}

static void give_all_back(void)
{
	for (int i = 0; i < CLAIMS_MAX; i++)
		if (claims[i].hold.mine)
			shmem_hold_give_back(&claims[i].hold);
}

/* --- One claim --------------------------------------------------------------- */

struct shmem_claim shmem_claim_take(const struct shmem *region, enum layout_claim which,
				    const char *what, uint64_t timeout)
{
	static const struct holdings kind = { .renew = renew_all, .give_back = give_all_back };
	struct shmem_hold *hold = &claims[which].hold;
	struct shmem_claim claim = { .which = which };
	uint64_t watched = 0;
	int unchanged = 0;

	assert((int)which < CLAIMS_MAX && !hold->mine);
	hold->word = (_Atomic uint64_t *)(region->base + LAYOUT_CLAIMS +
					  (size_t)which * LAYOUT_CLAIM_LINE);
	claims[which].what = what;
	shmem_hold_register(&kind);
	for (uint64_t looks = 0; looks * HOLD_LOOK < timeout; looks++) {
		uint64_t seen = atomic_load_explicit(hold->word, memory_order_relaxed);

		if (seen == 0 && shmem_hold_take(hold, 0))
			return claim;
		unchanged = seen == watched ? unchanged + 1 : 0;
		watched = seen;
		if (unchanged >= LOOKS_UNTIL_STALE && shmem_hold_take(hold, seen)) {
			shmem_warn("took over %s: its holder gave no sign of life for 3 s", what);
			return claim;
		}
		if (looks == LOOKS_UNTIL_TOLD)
			shmem_warn("waiting for %s, which another VM holds", what);
		shmem_hold_wait_a_look();
	}
	shmem_die("another VM holds %s, and is still alive after %.9g s; wait until it has finished, "
		  "or end its program", what, (double)timeout / SECOND);
}

void shmem_claim_renew(struct shmem_claim *claim)
{
	if (!shmem_hold_renew(&claims[claim->which].hold))
		claim_lost(claim);
}

void shmem_claim_drop(struct shmem_claim *claim)
{
	if (!shmem_hold_give_back(&claims[claim->which].hold))
		claim_lost(claim);
}
