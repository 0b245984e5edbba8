/* area.c - the directory of named areas. */
#include "area.h"

#include <ctype.h>
#include <string.h>

#include "internal.h"
#include "units.h"

#define AREAS_PATIENCE (10 * SHMEM_SECOND)

/*
 * In the region. A program that reads or writes names holds SHMEM_CLAIM_AREAS. An entry without a
 * name is free, as are all after it.
 */
struct entry {
	char name[SHMEM_AREA_NAME_MAX + 1];
	uint64_t offset; /* into the region, bytes */
	uint64_t size;   /* bytes */
	unsigned char rest[8];
	unsigned char claim[SHMEM_LAYOUT_CLAIM_LINE]; /* for claim.c */
};

struct directory {
	struct entry entries[SHMEM_AREAS_MAX];
	unsigned char rest[sizeof(struct entry)];
};

static_assert(sizeof(struct entry) == SHMEM_LAYOUT_AREA_ENTRY, "two cache lines");
static_assert(offsetof(struct entry, claim) == SHMEM_LAYOUT_AREA_CLAIM, "claim.c knows the place");
static_assert(sizeof(struct directory) == SHMEM_LAYOUT_DOORBELL - SHMEM_LAYOUT_AREAS, "a page");

/* The name decides which entry it is, so it must be the same byte for byte. */
static bool check_name(const char *name, struct shmem_error *error)
{
	size_t length = 0;

	while (isgraph((unsigned char)name[length]))
		length++;
	if (length > 0 && length <= SHMEM_AREA_NAME_MAX && !name[length])
		return true;
	return shmem_error_set(error, SHMEM_STATUS_FAILED,
			       "area '%s': a name has 1 to %d printable characters, and no space", name,
			       SHMEM_AREA_NAME_MAX);
}

/* Another VM wrote the entry: it is copied, then checked. */
static bool read_entry(const struct shmem *region, const struct entry *at, struct entry *entry,
		       struct shmem_error *error)
{
	size_t end = shmem_layout_bandwidth(region->size);

	char first = atomic_load_explicit((const _Atomic char *)at->name, memory_order_acquire);

	shmem_fence(); /* pairs with the one in write_entry */
	memcpy(entry, at, sizeof(*entry));
	entry->name[0] = first;
	entry->name[SHMEM_AREA_NAME_MAX] = '\0';
	if (!entry->name[0] ||
	    (entry->offset >= SHMEM_LAYOUT_AREA_DATA && entry->offset % SHMEM_AREA_UNIT == 0 &&
	     entry->offset <= end && entry->size <= end - entry->offset))
		return true;
	return shmem_error_set(error, SHMEM_STATUS_RUBBISH,
			       "the directory of areas has an impossible entry: another program wrote "
			       "there; zero the region (./run.sh clear)");
}

/*
 * The first character comes last. So a program that reads without the claim finds the entry empty or
 * whole, and so does the next holder of the claim after a writer that was killed.
 */
static void write_entry(struct entry *at, const char *name, uint64_t offset, size_t size)
{
	struct entry entry = { .offset = offset, .size = size };

	memcpy(entry.name + 1, name + 1, strlen(name) - 1);
	memcpy(at, &entry, offsetof(struct entry, claim));
	shmem_fence(); /* pairs with the one in read_entry; a full one, for write-combining memory */
	atomic_store_explicit((_Atomic char *)at->name, name[0], memory_order_release);
}

static bool check_room(const struct shmem *region, const char *name, uint64_t offset, size_t size,
		       struct shmem_error *error)
{
	size_t end = shmem_layout_bandwidth(region->size);

	if (end <= SHMEM_LAYOUT_AREA_DATA)
		return shmem_error_set(error, SHMEM_STATUS_FAILED,
				       "area '%s': a region of %zu MiB has no room for areas; set "
				       "SHMEM_SIZE=16M or more on the host and restart the VMs, or give "
				       "a larger file", name, region->size >> 20);
	if (offset > end || size > end - offset)
		return shmem_error_set(error, SHMEM_STATUS_FAILED,
				       "area '%s': %zu bytes do not fit, %zu are left; set a larger "
				       "SHMEM_SIZE on the host and restart the VMs, or give a larger file",
				       name, size, offset < end ? end - (size_t)offset : 0);
	return true;
}

/* The first byte of the next area. */
static uint64_t end_of(const struct entry *entry)
{
	return entry->offset +
	       (entry->size + SHMEM_AREA_UNIT - 1) / SHMEM_AREA_UNIT * SHMEM_AREA_UNIT;
}

static struct shmem_area area_at(const struct shmem *region, int number, uint64_t offset, size_t size)
{
	return (struct shmem_area){
		.base = region->base + offset,
		.size = size,
		.claim = (enum shmem_layout_claim)(SHMEM_CLAIM_OF_AREA + number),
	};
}

static bool check_size(const struct entry *entry, size_t size, struct shmem_error *error)
{
	if (entry->size == size)
		return true;
	return shmem_error_set(error, SHMEM_STATUS_FAILED, "area '%s' has %llu bytes already, not %zu",
			       entry->name, (unsigned long long)entry->size, size);
}

/* Finds the entry of that name, or makes it. */
static bool find_area(const struct shmem *region, const char *name, size_t size,
		      struct shmem_area *area, struct shmem_error *error)
{
	struct directory *directory = (struct directory *)(region->base + SHMEM_LAYOUT_AREAS);
	uint64_t next = SHMEM_LAYOUT_AREA_DATA;
	struct entry entry;

	for (int i = 0; i < SHMEM_AREAS_MAX; i++) {
		if (!read_entry(region, &directory->entries[i], &entry, error))
			return false;
		if (!entry.name[0]) {
			if (!check_room(region, name, next, size, error))
				return false;
			write_entry(&directory->entries[i], name, next, size);
			*area = area_at(region, i, next, size);
			return true;
		}
		if (strcmp(entry.name, name) == 0) {
			*area = area_at(region, i, entry.offset, size);
			return check_size(&entry, size, error);
		}
		if (end_of(&entry) > next)
			next = end_of(&entry);
	}
	return shmem_error_set(error, SHMEM_STATUS_FAILED,
			       "area '%s': the region has %d areas, and room for no more", name,
			       SHMEM_AREAS_MAX);
}

bool shmem_try_area_open(const struct shmem *region, const char *name, size_t size,
			 struct shmem_area *area, struct shmem_error *error)
{
	struct shmem_error lost;
	struct shmem_claim claim;

	if (!check_name(name, error))
		return false;
	if (size == 0)
		return shmem_error_set(error, SHMEM_STATUS_FAILED, "area '%s': its size must not be 0", name);
	if (!shmem_try_claim_take(&claim, region, SHMEM_CLAIM_AREAS, "the directory of areas",
				  AREAS_PATIENCE, error))
		return false;
	bool found = find_area(region, name, size, area, error);
	bool held = shmem_try_claim_drop(&claim, found ? error : &lost); /* the first error is told */
	return found && held;
}

struct shmem_area shmem_area_open(const struct shmem *region, const char *name, size_t size)
{
	struct shmem_error error;
	struct shmem_area area;

	if (!shmem_try_area_open(region, name, size, &area, &error))
		shmem_error_end(&error);
	return area;
}

/* No claim: the caller may be one that must not write, not even that word. */
bool shmem_try_area_find(const struct shmem *region, const char *name, struct shmem_area *area,
			 struct shmem_error *error)
{
	const struct directory *directory =
		(const struct directory *)(region->base + SHMEM_LAYOUT_AREAS);
	struct entry entry;

	for (int i = 0; i < SHMEM_AREAS_MAX; i++) {
		if (!read_entry(region, &directory->entries[i], &entry, error))
			return false;
		if (!entry.name[0])
			break;
		if (strcmp(entry.name, name) == 0) {
			*area = area_at(region, i, entry.offset, entry.size);
			return true;
		}
	}
	return shmem_error_set(error, SHMEM_STATUS_FAILED,
			       "there is no area '%s'; run the program that makes it first", name);
}

struct shmem_area shmem_area_find(const struct shmem *region, const char *name)
{
	struct shmem_error error;
	struct shmem_area area;

	if (!shmem_try_area_find(region, name, &area, &error))
		shmem_error_end(&error);
	return area;
}
