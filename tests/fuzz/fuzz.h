/*
 * fuzz.h - what the targets share. A target takes its choices from the input.
 *
 * A target includes the source that it tests after this, so that the tested
 * code calls adversary() at each load of an atomic and at each fence: those are
 * the moments between which another VM may change the region.
 */
#ifndef FUZZ_H
#define FUZZ_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shmem.h"

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size);

/* May change the region. */
static void adversary(void);

#undef atomic_load_explicit
#define atomic_load_explicit(pointer, order) (adversary(), *(pointer))

#define shmem_fence() adversary()

#define MUST(condition) \
	((condition) ? (void)0 : fuzz_broken(__FILE__, __LINE__, #condition))

static inline void fuzz_broken(const char *file, int line, const char *condition)
{
	fprintf(stderr, "%s:%d: does not hold: %s\n", file, line, condition);
	abort();
}

/* The rest of the input. After its end there are zeros. */
static const uint8_t *supply;
static size_t supplied;

static inline void take(void *to, size_t length)
{
	size_t there = length < supplied ? length : supplied;

	memset(to, 0, length);
	if (there > 0)
		memcpy(to, supply, there);
	supply += there;
	supplied -= there;
}

static inline uint8_t take_byte(void)
{
	uint8_t byte;

	take(&byte, sizeof(byte));
	return byte;
}

static inline uint64_t take_word(void)
{
	uint64_t word;

	take(&word, sizeof(word));
	return word;
}

#endif
