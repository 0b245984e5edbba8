/* targets.c - from the names on the command line to bytes in the region. */
#include "chaos.h"

#include <string.h>

#define CHANNEL_PREFIX "channel:"

/* Most programs have their counts at the beginning of their area. */
#define HEAD_SIZE ((size_t)SHMEM_AREA_UNIT)

bool names_channel(const char *name, uint64_t *number)
{
	size_t prefix = strlen(CHANNEL_PREFIX);

	if (strncmp(name, CHANNEL_PREFIX, prefix) != 0)
		return false;
	*number = shmem_option_number(CHANNEL_PREFIX, name + prefix, 0, SHMEM_CHANNELS - 1);
	return true;
}

unsigned int kinds_for(const char *name)
{
	uint64_t number;

	return names_channel(name, &number) ? KINDS_ALL : KINDS_OF_BYTES | 1U << KIND_COUNTS;
}

static void aim_at_channel(const struct shmem *region, uint64_t number, struct target *target)
{
	const size_t words = offsetof(struct shmem_channel_words, counts); /* after the seats */
	unsigned char *page = region->base + channel_offset(number);
	size_t ring = channel_ring_size(region->size);

	if (ring == 0)
		shmem_die("%s: the region has %zu MiB, but channels need %lu MiB", target->name,
			  region->size >> 20, CHANNEL_LEAST_REGION >> 20);
	target->channel = (struct shmem_channel_words *)page;
	target->parts[0] = (struct part){ page + words, sizeof(struct shmem_channel_words) - words };
	target->parts[1] = (struct part){ region->base + SHMEM_LAYOUT_STREAM_DATA + number * ring,
					  ring };
}

/* Another VM wrote the area's size. It is inside of the areas, but may be 0. */
static void aim_at_area(const struct shmem *region, struct target *target)
{
	struct shmem_area area = shmem_area_find(region, target->name);

	if (area.size == 0)
		shmem_fail(SHMEM_STATUS_RUBBISH, "the area '%s' has 0 bytes: another program "
			   "wrote to the directory of areas", target->name);
	size_t head = area.size < HEAD_SIZE ? area.size : HEAD_SIZE;

	target->parts[0] = (struct part){ area.base, head };
	target->parts[1] = (struct part){ area.base + head, area.size - head };
}

void add_target(struct chaos *c, const char *name)
{
	struct target *target = &c->targets[c->targets_count++];
	uint64_t number;

	*target = (struct target){ .name = name, .kinds = kinds_for(name) & c->only };
	if (names_channel(name, &number))
		aim_at_channel(&c->region, number, target);
	else
		aim_at_area(&c->region, target);
	if (target->parts[0].size < sizeof(uint64_t))
		target->kinds &= KINDS_OF_BYTES;
	if (!target->kinds)
		shmem_die("--only counts: the area '%s' has no room for a count", name);
}
