/*
 * layout.h - the areas of the shared region.
 *
 *	offset
 *	0x0000   +--------------------------------------------+
 *	         | claims, each on a 64-byte line; the last   |
 *	         | line is the server's (peers.h)             |
 *	0x1000   +--------------------------------------------+
 *	         | the message of __read_write                |
 *	0x2000   +--------------------------------------------+
 *	         | the table of peers, when a program wants   |
 *	         | it (peers.h)                               |
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
 * In the lab's default region of 128 MiB, __bandwidth has exactly the 64 MiB that it
 * copies. In the smallest region, 1 MiB, there is no room for __stream's data, and
 * __bandwidth's area begins at 0x80000.
 *
 * A program may write to an area only while it holds the area's claim, or a seat in it.
 * So programs can run in all VMs at the same time. A new area needs a new claim.
 */
#ifndef LAYOUT_H
#define LAYOUT_H

#include <stddef.h>

enum {
	LAYOUT_CLAIMS = 0x0000,
	LAYOUT_SERVER = 0x0fc0,
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

/* Offset in bytes of __bandwidth's area, which ends at the end of the region. */
static inline size_t layout_bandwidth(size_t region_size)
{
	return region_size / 2;
}

/* Size in bytes of __stream's data, from LAYOUT_STREAM_DATA on; 0 if there is no room. */
static inline size_t layout_stream_data_size(size_t region_size)
{
	size_t end = layout_bandwidth(region_size);

	return end > LAYOUT_STREAM_DATA ? end - LAYOUT_STREAM_DATA : 0;
}

/*
 * A claim is the number of a 64-byte line in the first page. 64 bytes is the cache line of
 * x86; two claims on one line would slow down both holders.
 */
enum { LAYOUT_CLAIM_LINE = 64 };

enum layout_claim {
	CLAIM_MESSAGE,
	CLAIM_BANDWIDTH,
};

#endif
