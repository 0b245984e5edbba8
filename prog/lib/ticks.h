/*
 * ticks.h - the time stamp counter as a clock; no program beyond the kit's own includes it.
 *
 * For what is shorter than a call of clock_gettime, which in guests without kvm-clock is a system
 * call that reads an emulated device.
 */
#ifndef TICKS_H
#define TICKS_H

#include <stdbool.h>
#include <stdint.h>
#include <x86intrin.h>

#include "errors.h"

/* The unit tests build the programs with a coarser counter. */
#ifndef TICKS_STEP
#define TICKS_STEP 1
#endif

/* Nanoseconds. */
struct ticks_clock {
	double tick;
	double reading; /* what one reading costs */
	double step;    /* what all differences of readings are multiples of: 26 ticks, or 10 ns, on AMD EPYC */
};

/* LFENCE waits for all earlier loads (Intel SDM volume 2, RDTSC). */
static inline uint64_t ticks(void)
{
	_mm_lfence();
	return __rdtsc() / TICKS_STEP * TICKS_STEP;
}

/* The ticks between two readings; 0 if the counter stepped back, as between unsynchronised CPUs. */
static inline uint64_t ticks_between(uint64_t from, uint64_t to)
{
	return to > from ? to - from : 0;
}

/*
 * Measures all three, the tick by CLOCK_MONOTONIC; it takes 45 ms. False if the counter does not run
 * evenly, since all times would be wrong. uneven: a fault, for tests.
 */
bool shmem_try_ticks_clock(struct ticks_clock *clock, bool uneven, struct shmem_error *error);

#endif
