/*
 * area.h - named areas: room in the region for your own programs.
 *
 * The first program that asks for a name gets new room, and every later one in any VM gets the
 * same. An area lasts as long as the region: until all VMs have stopped, or ./run.sh clear. Each
 * area has a claim of its own.
 *
 *	struct shmem_area area = shmem_area_open(&region, "frames", 1 << 20);
 *	struct shmem_claim claim = shmem_claim_take(&region, area.claim, "frames",
 *						    10 * SHMEM_SECOND);
 */
#ifndef SHMEM_AREA_H
#define SHMEM_AREA_H

#include <stddef.h>

#include "shmem.h"

SHMEM_C_BEGIN

enum {
	SHMEM_AREAS_MAX = 31,
	SHMEM_AREA_NAME_MAX = 39, /* bytes */
	SHMEM_AREA_UNIT = 4096,   /* areas begin at multiples of this, so that none share a line */
};

struct shmem_area {
	unsigned char *base; /* in the region, until shmem_close */
	size_t size;         /* bytes, as they were asked for */
	enum shmem_layout_claim claim;
};

/*
 * The area of that name, with size bytes, at least 1: zeros if it is new in a fresh region. The
 * name has 1 to SHMEM_AREA_NAME_MAX printable characters without spaces; it is copied. Fails if the
 * area exists with another size, if there is no room left, nor an entry, if the region is smaller
 * than 16 MiB, if programs of another layout or size have used it, if another program holds the
 * directory of areas for 10 s, or, with SHMEM_STATUS_RUBBISH, if something else was written there.
 */
bool shmem_try_area_open(const struct shmem *region, const char *name, size_t size,
			 struct shmem_area *area, struct shmem_error *error);
struct shmem_area shmem_area_open(const struct shmem *region, const char *name, size_t size);

/*
 * Finds the area of that name, of whatever size, and writes nothing to the region. Fails if there
 * is none, or, with SHMEM_STATUS_RUBBISH, if something else was written into the directory. May
 * miss an area that another VM is making at this moment.
 */
bool shmem_try_area_find(const struct shmem *region, const char *name, struct shmem_area *area,
			 struct shmem_error *error);
struct shmem_area shmem_area_find(const struct shmem *region, const char *name);

SHMEM_C_END

#endif
