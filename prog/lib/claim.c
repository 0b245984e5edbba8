/* claim.c - claims: one VM at a time, and a dead one loses what it held. */
#include "area.h"
#include "hold.h"
#include "internal.h"

/*
 * Time is counted in looks, not by the clock. A waiter may itself be paused, with its VM
 * or with the host. The time that it missed must not make the holder look dead, nor use up
 * the waiter's patience.
 */
enum {
	LOOKS_UNTIL_TOLD = HOLD_TELL_AFTER / HOLD_LOOK,
	LOOKS_UNTIL_STALE = HOLD_STALE / HOLD_LOOK,
};

#define CLAIMS_MAX (SHMEM_CLAIM_OF_AREA + SHMEM_AREAS_MAX)

static_assert(CLAIMS_IN_PAGE <= SHMEM_CLAIM_OF_AREA, "those of areas have other numbers");

/* Kept here, not in the callers' variables, so that all can be given back at the end. */
static struct {
	struct shmem_hold hold;
	const char *what;
} claims[CLAIMS_MAX];

/* --- All claims that we hold ------------------------------------------------ */

static void renew_all(void)
{
	for (int i = 0; i < CLAIMS_MAX; i++)
		if (claims[i].hold.mine)
			shmem_hold_renew(&claims[i].hold);
}

static void give_all_back(void)
{
	for (int i = 0; i < CLAIMS_MAX; i++)
		if (claims[i].hold.mine)
			shmem_hold_give_back(&claims[i].hold);
}

static _Atomic uint64_t *claim_word(const struct shmem *region, int which)
{
	size_t offset = SHMEM_LAYOUT_CLAIMS + (size_t)which * SHMEM_LAYOUT_CLAIM_LINE;

	assert(which < CLAIMS_IN_PAGE || which >= SHMEM_CLAIM_OF_AREA);
	if (which >= SHMEM_CLAIM_OF_AREA)
		offset = SHMEM_LAYOUT_AREAS + SHMEM_LAYOUT_AREA_CLAIM +
			 (size_t)(which - SHMEM_CLAIM_OF_AREA) * SHMEM_LAYOUT_AREA_ENTRY;
	return (_Atomic uint64_t *)(region->base + offset);
}

/* --- One claim --------------------------------------------------------------- */

static bool claim_not_free(const char *what, uint64_t timeout, bool alive, struct shmem_error *error)
{
	double seconds = (double)timeout / SHMEM_SECOND;

	if (alive)
		return shmem_error_set(error, SHMEM_STATUS_FAILED,
				       "another VM holds %s, and is still alive after %.9g s; wait until "
				       "it has finished, or end its program", what, seconds);
	return shmem_error_set(error, SHMEM_STATUS_FAILED,
			       "another VM holds %s, and gave no sign of life within %.9g s; wait longer: "
			       "after 3 s without one it loses that", what, seconds);
}

bool shmem_try_claim_take(struct shmem_claim *claim, const struct shmem *region,
			  enum shmem_layout_claim which, const char *what, uint64_t timeout,
			  struct shmem_error *error)
{
	static const struct holdings kind = { .renew = renew_all, .give_back = give_all_back };
	struct shmem_hold *hold = &claims[which].hold;
	uint64_t watched = 0;
	int unchanged = 0;
	bool alive = false; /* whether a holder's beat has moved */

	assert((int)which < CLAIMS_MAX && !hold->mine);
	if (!shmem_header_check(region, error))
		return false;
	*claim = (struct shmem_claim){ .which = which };
	hold->word = claim_word(region, (int)which);
	claims[which].what = what;
	shmem_hold_register(&kind);
	for (uint64_t looks = 0; looks * HOLD_LOOK < timeout; looks++) {
		uint64_t seen = atomic_load_explicit(hold->word, memory_order_relaxed);

		if (seen == 0 && shmem_hold_take(hold, 0))
			return true;
		unchanged = seen == watched ? unchanged + 1 : 0;
		alive |= seen != watched && hold_is_same(seen, watched);
		watched = seen;
		if (unchanged >= LOOKS_UNTIL_STALE && shmem_hold_take(hold, seen)) {
			shmem_warn("took over %s: its holder gave no sign of life for 3 s", what);
			return true;
		}
		if (looks == LOOKS_UNTIL_TOLD)
			shmem_warn("waiting for %s, which another VM holds", what);
		shmem_hold_wait_a_look();
	}
	return claim_not_free(what, timeout, alive, error);
}

/* A lost claim is no longer ours to give back, and does not prevent us from taking it again. */
static bool claim_lost(const struct shmem_claim *claim, struct shmem_error *error)
{
	claims[claim->which].hold.mine = 0;
	return shmem_error_set(error, SHMEM_STATUS_FAILED,
			       "another VM took over %s, because this one gave no sign of life for 3 s; "
			       "run this program again", claims[claim->which].what);
}

bool shmem_try_claim_renew(struct shmem_claim *claim, struct shmem_error *error)
{
	return shmem_hold_renew(&claims[claim->which].hold) || claim_lost(claim, error);
}

bool shmem_try_claim_drop(struct shmem_claim *claim, struct shmem_error *error)
{
	return shmem_hold_give_back(&claims[claim->which].hold) || claim_lost(claim, error);
}

/* --- The short forms ---------------------------------------------------------- */

struct shmem_claim shmem_claim_take(const struct shmem *region, enum shmem_layout_claim which,
				    const char *what, uint64_t timeout)
{
	struct shmem_error error;
	struct shmem_claim claim;

	if (!shmem_try_claim_take(&claim, region, which, what, timeout, &error))
		shmem_error_end(&error);
	return claim;
}

void shmem_claim_renew(struct shmem_claim *claim)
{
	struct shmem_error error;

	if (!shmem_try_claim_renew(claim, &error))
		shmem_error_end(&error);
}

void shmem_claim_drop(struct shmem_claim *claim)
{
	struct shmem_error error;

	if (!shmem_try_claim_drop(claim, &error))
		shmem_error_end(&error);
}
