/*
 * layout.h - which bytes of the shared region belong to whom.
 *
 * Each part has an owner. A program writes to a part only while it holds the claim that is named
 * here (shmem.h), or has a seat in the part (meet.h). So programs can run in all VMs at the same
 * time. Reading needs neither. A new part needs a claim or seats of its own.
 *
 *	from     bytes     what it holds                         who writes there
 *	0        62 x 64   the claims, a cache line each         the taker or holder of the claim
 *	0xf80    64        the header: the layout's version and  the first program that takes a
 *	                   the region's size (lib/header.c)      claim or a seat
 *	0xfc0    64        the server's line (peers.h)           a program that wants the table of
 *	                                                         peers; the ivshmem server's answer
 *	0x1000   4 KiB     the message of __read_write           SHMEM_CLAIM_MESSAGE
 *	0x2000   4 KiB     the table of peers (peers.h)          the ivshmem server, when asked
 *	0x3000   16        the words of __example                SHMEM_CLAIM_EXAMPLE
 *	0x3010   44 KiB    free: the data of your own programs   SHMEM_CLAIM_FREE up to 61
 *	0xe000   4 KiB     the directory of named areas, with    SHMEM_CLAIM_AREAS; a claim: its
 *	                   a claim for each (area.h)             taker or holder
 *	0xf000   4 KiB     __doorbell test                       its 2 seats
 *	0x10000  32 KiB    __latency                             its 2 seats
 *	0x18000  32 KiB    __latency --matrix, which can run     its 16 seats
 *	                   beside a pair
 *	0x20000  8 x 4 KiB the seats and counts of the numbered  2 seats each: a sender and a
 *	                   channels (channel.h, __stream)        receiver
 *	0x28000  96 KiB    nothing
 *	0x40000  256 KiB   __stress                              its 16 seats
 *	0x80000  512 KiB   nothing
 *	1 MiB    4 MiB     the rings of the numbered channels    the sender of the channel
 *	5 MiB    the rest  the named areas (area.h)              the area's claim, or seats in it
 *	size/2   size/2    __bandwidth; __shmem measures here    SHMEM_CLAIM_BANDWIDTH
 *
 * size is that of the region. Parts that begin before size/2 also end there:
 *
 *	128 MiB, the lab's default: __bandwidth has just the 64 MiB that it copies, and the named
 *	areas have 59 MiB.
 *	below 16 MiB: there are no named areas, and the rings are smaller.
 *	below 4 MiB: there are no numbered channels, either.
 *	1 MiB, the least: __bandwidth begins where __stress ends.
 */
#ifndef SHMEM_LAYOUT_H
#define SHMEM_LAYOUT_H

#include <stddef.h>

/* Change it when anything in the region moves or changes its meaning: see lib/header.c. */
enum { SHMEM_LAYOUT_VERSION = 2 };

/* Offsets in bytes, as above. */
enum {
	SHMEM_LAYOUT_CLAIMS = 0x0000,
	SHMEM_LAYOUT_HEADER = 0x0f80,
	SHMEM_LAYOUT_SERVER = 0x0fc0,
	SHMEM_LAYOUT_MESSAGE = 0x1000,
	SHMEM_LAYOUT_PEERS = 0x2000,
	SHMEM_LAYOUT_FREE = 0x3000,
	SHMEM_LAYOUT_AREAS = 0xe000,
	SHMEM_LAYOUT_DOORBELL = 0xf000,
	SHMEM_LAYOUT_LATENCY = 0x10000,
	SHMEM_LAYOUT_LATENCY_MATRIX = 0x18000,
	SHMEM_LAYOUT_STREAM = 0x20000, /* the numbered channels */
	SHMEM_LAYOUT_STRESS = 0x40000,
	SHMEM_LAYOUT_STRESS_END = 0x80000,
	SHMEM_LAYOUT_STREAM_DATA = 0x100000, /* their rings */
	SHMEM_LAYOUT_AREA_DATA = 0x500000,
};

/* Bytes. */
enum { SHMEM_LAYOUT_HEADER_SIZE = SHMEM_LAYOUT_SERVER - SHMEM_LAYOUT_HEADER };

/* Offset in bytes of __bandwidth's part, which ends at the end of the region. */
static inline size_t shmem_layout_bandwidth(size_t region_size)
{
	return region_size / 2;
}

/* Bytes of all rings of the numbered channels together; 0 if there is no room. */
static inline size_t shmem_layout_stream_data_size(size_t region_size)
{
	size_t end = shmem_layout_bandwidth(region_size);

	if (end > SHMEM_LAYOUT_AREA_DATA)
		end = SHMEM_LAYOUT_AREA_DATA;
	return end > SHMEM_LAYOUT_STREAM_DATA ? end - SHMEM_LAYOUT_STREAM_DATA : 0;
}

/* Bytes of a claim: a cache line of x86, since two on one line would slow down both holders. */
enum { SHMEM_LAYOUT_CLAIM_LINE = 64 };

/* Bytes of an entry in the directory of areas, and where in it the area's claim is. */
enum {
	SHMEM_LAYOUT_AREA_ENTRY = 2 * SHMEM_LAYOUT_CLAIM_LINE,
	SHMEM_LAYOUT_AREA_CLAIM = SHMEM_LAYOUT_CLAIM_LINE,
};

/* The claims: up to 61 the number of a line at SHMEM_LAYOUT_CLAIMS, and then those of areas. */
enum shmem_layout_claim {
	SHMEM_CLAIM_MESSAGE,
	SHMEM_CLAIM_BANDWIDTH,
	SHMEM_CLAIM_EXAMPLE,
	SHMEM_CLAIM_AREAS,        /* of the directory, not of what is in the areas */
	SHMEM_CLAIM_FREE = 32,    /* this one and those up to 61 are for your own programs */
	SHMEM_CLAIM_OF_AREA = 64, /* of the first area in the directory; the others follow */
};

#endif
