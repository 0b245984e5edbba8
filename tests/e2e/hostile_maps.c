/*
 * hostile_maps.c - tries to get beyond the maps of a UIO device: hostile_maps UIO MEMORY_SIZE.
 * Prints what it reached that it must not, and then fails.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static int fd, status;

static void refused(const char *what, const void *start, int expected)
{
	if (start != MAP_FAILED || errno != expected) {
		printf("%s: %s\n", what, start == MAP_FAILED ? strerror(errno) : "is mapped");
		status = 1;
	}
}

static char *map(int number, size_t pages)
{
	size_t page = (size_t)getpagesize();

	return mmap(NULL, pages * page, PROT_READ | PROT_WRITE, MAP_SHARED, fd, (off_t)(number * page));
}

int main(int argc, char **argv)
{
	size_t page = (size_t)getpagesize(), pages = strtoul(argv[argc - 1], NULL, 0) / page;

	fd = open(argv[1], O_RDWR);
	refused("two pages of registers", map(0, 2), EINVAL);
	refused("a page more than the memory", map(1, pages + 1), EINVAL);
	refused("all addresses there are", map(1, (size_t)1 << 34), EINVAL);
	for (int i = 2; i < 8; i++)
		refused("a map that does not exist", map(i, 1), EINVAL);
	refused("a map far away", map(1 << 30, 1), EINVAL);
	refused("more registers, by mremap", mremap(map(0, 1), page, 2 * page, MREMAP_MAYMOVE), EFAULT);
	refused("more memory, by mremap",
		mremap(map(1, pages), pages * page, (pages + 1) * page, MREMAP_MAYMOVE), EFAULT);

	/* And all of the memory is there. */
	char *memory = map(1, pages);
	memory[pages * page - 1] = 1;
	return status;
}
