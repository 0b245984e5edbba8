/* measure.c - how __shmem measures which type a piece of memory behaves like. */
#include "mapping.h"

#include <stdlib.h>
#include <string.h>

/* The block that is measured fits into any first-level cache. */
enum { BLOCK = 16 << 10, LINE = 64, ROUNDS = 200, TRIES = 7 };

/*
 * A load from a first-level cache takes some 5 cycles, one from memory hundreds;
 * a store to uncached memory waits as long, to write-combining memory it does
 * not. So these factors over ordinary memory lie far from both sides.
 */
#define SLOW_LOAD 10.0
#define SLOW_STORE 20.0

/*
 * Where the next load goes depends on what the last one brought, though never
 * does it make a difference: the compiler does not know that none is 0.
 */
static double time_loads(const unsigned char *block)
{
	static volatile uint64_t zero;
	uint64_t none = zero, value = 0;
	uint64_t start = shmem_now();

	for (int round = 0; round < ROUNDS; round++)
		for (size_t at = 0; at < BLOCK; at += LINE)
			value = *(const volatile uint64_t *)(block + at + (value & none));
	return (double)shmem_since(start) / (ROUNDS * (BLOCK / LINE));
}

static double time_stores(unsigned char *block, uint64_t pattern)
{
	volatile uint64_t *words = (volatile uint64_t *)block;
	uint64_t start = shmem_now();

	for (int round = 0; round < ROUNDS; round++)
		for (size_t i = 0; i < BLOCK / sizeof(*words); i++)
			words[i] = pattern + i;
	shmem_fence();
	return (double)shmem_since(start) / ROUNDS;
}

static void verify_stores(const unsigned char *block, uint64_t pattern)
{
	const volatile uint64_t *words = (const volatile uint64_t *)block;

	for (size_t i = 0; i < BLOCK / sizeof(*words); i++)
		if (words[i] != pattern + i)
			shmem_die("the memory does not hold what was stored; is another program "
				  "writing there, or is the device's memory switched off?");
}

/* The best of some tries: what disturbs makes all slower, and nothing faster. */
struct speed measure_speed(unsigned char *block, enum fault fault, struct shmem_claim *claim)
{
	uint64_t pattern = shmem_random();
	double load = 0, store = 0;

	for (int i = 0; i < TRIES; i++) {
		double stores = time_stores(block, pattern);
		double loads = time_loads(block);

		load = i == 0 || loads < load ? loads : load;
		store = i == 0 || stores < store ? stores : store;
		if (claim)
			shmem_claim_renew(claim);
	}
	if (fault == FAULT_LOST)
		block[BLOCK / 2] ^= 1;
	verify_stores(block, pattern);
	if (fault == FAULT_LOADS || fault == FAULT_ACCESSES)
		load *= 50;
	if (fault == FAULT_ACCESSES)
		store *= 50;
	return (struct speed){ .load_ns = load, .store_mb_s = BLOCK * 1e3 / store };
}

struct speed measure_ordinary(void)
{
	unsigned char *block = aligned_alloc(BLOCK, BLOCK);

	if (!block)
		shmem_die("no memory for %d KiB", BLOCK >> 10);
	struct speed speed = measure_speed(block, FAULT_NONE, NULL);
	free(block);
	return speed;
}

enum verdict judge_speed(const struct speed *speed, const struct speed *ordinary)
{
	bool slow_loads = speed->load_ns > SLOW_LOAD * ordinary->load_ns;
	bool slow_stores = speed->store_mb_s < ordinary->store_mb_s / SLOW_STORE;

	if (!slow_loads)
		return strcmp(shmem_accelerator(), "tcg") == 0 ? NO_MODEL : WRITE_BACK;
	return slow_stores ? UNCACHED : WRITE_COMBINING;
}
