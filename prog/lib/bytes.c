/* bytes.c - checksums, and numbers made of others. */
#include "bytes.h"

#include <string.h>

#define FNV_BASIS UINT64_C(0xcbf29ce484222325)
#define FNV_PRIME UINT64_C(0x100000001b3)

/*
 * FNV-1a, by words of eight bytes and by bytes for the rest. The shift brings the high
 * bits of a word down, since multiplying alone only carries bits up. The length is part
 * of it, so that zeros in memory are no text with a valid checksum.
 */
uint64_t shmem_checksum(const void *bytes, size_t length)
{
	const unsigned char *at = bytes;
	uint64_t hash = FNV_BASIS ^ length;
	uint64_t word;

	for (; length >= sizeof(word); length -= sizeof(word), at += sizeof(word)) {
		memcpy(&word, at, sizeof(word));
		hash = (hash ^ word) * FNV_PRIME;
		hash ^= hash >> 32;
	}
	for (; length > 0; length--)
		hash = (hash ^ *at++) * FNV_PRIME;
	return hash;
}

/* Multiply and shift, twice; each step can be undone, so no bit gets lost. */
uint64_t shmem_mix(uint64_t one, uint64_t other)
{
	uint64_t hash = (one ^ other) * UINT64_C(0x9e3779b97f4a7c15);

	hash = (hash ^ hash >> 32) * UINT64_C(0xd6e8feb86659fd93);
	return hash ^ hash >> 32;
}
