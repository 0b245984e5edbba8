/*
 * layout.h - who owns which part of the shared region.
 *
 *	offset
 *	0x0000   +--------------------------------------------+
 *	         | claims, each on its own 64-byte line; the  |
 *	         | last is the server's (peers.h)             |
 *	0x1000   +--------------------------------------------+
 *	         | the message of __read_write                |
 *	0x2000   +--------------------------------------------+
 *	         | who is connected to the server (peers.h)   |
 *	0x3000   +--------------------------------------------+
 *	         | free: put your own programs' data here     |
 *	0xf000   +--------------------------------------------+
 *	         | the seats and words of __doorbell test     |
 *	0x10000  +--------------------------------------------+
 *	         | the seats and cache lines of __latency     |
 *	0x20000  +--------------------------------------------+
 *	         | the seats and control pages of __stream    |
 *	0x40000  +--------------------------------------------+
 *	         | the area of __stress                       |
 *	0x80000  +--------------------------------------------+
 *	         | unused (in a region of 1 MiB: none)        |
 *	1 MiB    +--------------------------------------------+
 *	         | the data of __stream's rings               |
 *	size/2   +--------------------------------------------+
 *	         | the area of __bandwidth                    |
 *	size     +--------------------------------------------+
 *
 * The lab's default region of 128 MiB so leaves __bandwidth exactly the 64 MiB
 * that it copies. The smallest region, 1 MiB, has everything but room for
 * __stream's data; there __bandwidth's area begins at 0x80000.
 *
 * A program that writes to an area holds that area's claim meanwhile, or a seat
 * in it, so that programs may run in all VMs at the same time. A new area gets
 * a new claim.
 */
#ifndef LAYOUT_H
#define LAYOUT_H

#include <stddef.h>

enum {
	LAYOUT_CLAIMS = 0x0000,
	LAYOUT_VECTORS = 0x0fc0,
	LAYOUT_MESSAGE = 0x1000,
	LAYOUT_PEERS = 0x2000,
	LAYOUT_FREE = 0x3000,
	LAYOUT_DOORBELL = 0xf000,
	LAYOUT_LATENCY = 0x10000,
	LAYOUT_STREAM = 0x20000,
	LAYOUT_STRESS = 0x40000,
	LAYOUT_STRESS_END = 0x80000,
	LAYOUT_STREAM_DATA = 0x100000,
};

/* Offset in bytes of __bandwidth's area, which reaches to the region's end. */
static inline size_t layout_bandwidth(size_t region_size)
{
	return region_size / 2;
}

/* Bytes from LAYOUT_STREAM_DATA on that belong to __stream; 0 if it has no room. */
static inline size_t layout_stream_data_size(size_t region_size)
{
	size_t end = layout_bandwidth(region_size);

	return end > LAYOUT_STREAM_DATA ? end - LAYOUT_STREAM_DATA : 0;
}

/*
 * Claims: which 64-byte line of the first page. 64 bytes is the cache line of
 * x86; two claims on one line would slow each other's owners down.
 */
enum { LAYOUT_CLAIM_LINE = 64 };

enum layout_claim {
	CLAIM_MESSAGE,
	CLAIM_BANDWIDTH,
};

#endif
