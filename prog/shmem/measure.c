/* measure.c - how __shmem finds out which type a piece of memory behaves like. */
#include "mapping.h"

#include <stdlib.h>
#include <string.h>

/* The block that is measured fits into any first-level cache. */
enum { BLOCK = 16 << 10, LINE = 64, ROUNDS = 200, TRIES = 7 };

/*
 * A load from a first-level cache takes some 5 cycles, a load from memory takes
 * hundreds. A store to uncached memory takes as long as such a load, a store to
 * write-combining memory does not. These factors over ordinary memory lie far from
 * both cases.
 */
#define SLOW_LOAD 10.0
#define SLOW_STORE 20.0

/*
 * Each address depends on the value of the load before, so that loads do not overlap.
 * The value makes no difference, because none is 0, which the compiler does not know.
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
			shmem_die("a value stored in the memory did not read back; does another program "
				  "write there, or is the device's memory switched off?");
}

/* The best of some tries: a disturbance can only make a try slower. */
struct speed measure_speed(unsigned char *block, enum mapping_fault fault, struct shmem_claim *claim)
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
