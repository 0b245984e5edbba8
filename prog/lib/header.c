/* header.c - the region says which layout it has, and for which size. */
#include "internal.h"

#include <ctype.h>
#include <string.h>
#include <unistd.h>

/*
 * word is 0 in a fresh region. Otherwise it has, from the top bits down, HEADER_MAGIC, the
 * layout's version, and the size in pages. All of it is one word, so that two programs cannot
 * mix theirs.
 */
struct header {
	_Atomic uint64_t word;
	char writer[SHMEM_LAYOUT_HEADER_SIZE - 8]; /* its VM's name, for messages */
};

#define HEADER_MAGIC UINT64_C(0x9d7c)
#define HEADER_PAGE UINT64_C(4096)

static uint64_t header_word(const struct shmem *region)
{
	return HEADER_MAGIC << 48 | (uint64_t)SHMEM_LAYOUT_VERSION << 36 |
	       region->size / HEADER_PAGE;
}

static unsigned int version_in(uint64_t word)
{
	return word >> 36 & 0xfff;
}

static unsigned long long size_in(uint64_t word)
{
	return (word & ((UINT64_C(1) << 36) - 1)) * HEADER_PAGE;
}

/* The name in the header, as far as it is printable. */
static void read_writer(const struct header *header, char name[static sizeof(header->writer)])
{
	size_t length = 0;

	memcpy(name, header->writer, sizeof(header->writer));
	while (length < sizeof(header->writer) - 1 && isgraph((unsigned char)name[length]))
		length++;
	name[length] = '\0';
}

static bool refuse(const struct shmem *region, const struct header *header, uint64_t seen,
		   struct shmem_error *error)
{
	char writer[sizeof(header->writer)];

	read_writer(header, writer);
	return shmem_error_set(error, SHMEM_STATUS_FAILED,
		"the region is in use for %llu bytes, layout %u, by programs of %s, but this one "
		"is for %zu bytes, layout %u: put the same programs, with the same SHMEM_SIZE in "
		"prog.h, into all VMs (./run.sh push), then zero the region (./run.sh clear)",
		size_in(seen), version_in(seen), writer[0] ? writer : "another VM",
		region->size, SHMEM_LAYOUT_VERSION);
}

/* Anything but a header, such as the data of a program that is not ours, is replaced. */
bool shmem_header_check(const struct shmem *region, struct shmem_error *error)
{
	struct header *header = (struct header *)(region->base + SHMEM_LAYOUT_HEADER);
	uint64_t seen = atomic_load_explicit(&header->word, memory_order_relaxed);

	while (seen >> 48 != HEADER_MAGIC)
		if (atomic_compare_exchange_weak(&header->word, &seen, header_word(region))) {
			memset(header->writer, 0, sizeof(header->writer));
			gethostname(header->writer, sizeof(header->writer) - 1);
			return true;
		}
	return seen == header_word(region) || refuse(region, header, seen, error);
}

bool shmem_try_layout_check(const struct shmem *region, struct shmem_error *error)
{
	const struct header *header = (const struct header *)(region->base + SHMEM_LAYOUT_HEADER);
	uint64_t seen = atomic_load_explicit(&header->word, memory_order_relaxed);

	return seen >> 48 != HEADER_MAGIC || seen == header_word(region) ||
	       refuse(region, header, seen, error);
}

void shmem_layout_check(const struct shmem *region)
{
	struct shmem_error error;

	if (!shmem_try_layout_check(region, &error))
		shmem_error_end(&error);
}
