/*
 * seat.h - a seat of a meeting in the region: for meet.c, for __shmem watch, which only looks,
 * and for __chaos, which overwrites it.
 */
#ifndef SEAT_H
#define SEAT_H

#include "shmem.h"

/*
 * word is like that of a claim: 0 while free, otherwise the random ticket of its holder above
 * a beat. agreed is the session number that the holder makes of the tickets of all living
 * holders.
 *
 * None of this is trusted. A word counts only while its beat moves. agreed counts only if
 * it equals the number that we make of the tickets ourselves. Our own ticket is among
 * them and new, so a number that a killed run left behind cannot be equal.
 */
struct shmem_seat {
	_Atomic uint64_t word;
	_Atomic uint64_t agreed;
	unsigned char rest[SHMEM_SEAT_SIZE - 16];
};

static_assert(sizeof(struct shmem_seat) == SHMEM_SEAT_SIZE, "a cache line");

#endif
