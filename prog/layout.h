/*
 * layout.h - who owns which part of the shared region.
 *
 *	offset
 *	0x0000   +--------------------------------------------+
 *	         | claims, each on its own 64-byte line       |
 *	0x1000   +--------------------------------------------+
 *	         | the message of __read_write                |
 *	0x2000   +--------------------------------------------+
 *	         | free: put your own programs' data here     |
 *	size/2   +--------------------------------------------+
 *	         | the area of __bandwidth                    |
 *	size     +--------------------------------------------+
 *
 * The lab's default region of 128 MiB so leaves __bandwidth exactly the 64 MiB
 * that it copies.
 *
 * A program that writes to an area holds that area's claim meanwhile, so that
 * programs may run in all VMs at the same time. A new area gets a new claim.
 */
#ifndef LAYOUT_H
#define LAYOUT_H

#include <stddef.h>

enum {
	LAYOUT_CLAIMS = 0x0000,
	LAYOUT_MESSAGE = 0x1000,
	LAYOUT_FREE = 0x2000,
};

/* Offset in bytes of __bandwidth's area, which reaches to the region's end. */
static inline size_t layout_bandwidth(size_t region_size)
{
	return region_size / 2;
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
