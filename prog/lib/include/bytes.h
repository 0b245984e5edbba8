/* bytes.h - checksums, test patterns, and numbers that mark one run. */
#ifndef SHMEM_BYTES_H
#define SHMEM_BYTES_H

#include <stddef.h>
#include <stdint.h>

#include "language.h"

SHMEM_C_BEGIN

/* 64 bits that depend on all bytes and on their number: finds accidents, not attacks. */
uint64_t shmem_checksum(const void *bytes, size_t length);

/*
 * A number made of two, all bits of which depend on both. The same in every VM, so
 * that all programs that know the two agree on it.
 */
uint64_t shmem_mix(uint64_t one, uint64_t other);

/*
 * A test pattern: a random number, then each word this much more than the one before,
 * modulo 2^64. It is 2^64 over the golden ratio, so no word repeats and neighbouring
 * words differ in about half of their bits (Knuth, volume 3, 6.4).
 */
#define SHMEM_PATTERN_STEP UINT64_C(0x9e3779b97f4a7c15)

SHMEM_C_END

#endif
