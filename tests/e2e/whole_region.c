/*
 * whole_region.c - a foreign program, for 5_own.bats: uses all of a region from offset 0, and knows nothing of the kit.
 *
 *	whole_region fill PATH SEED    writes a pattern over all of it
 *	whole_region sum PATH          prints a checksum of all of it
 *	whole_region tail PATH [WORD]  writes WORD to its last eight bytes, or prints them
 */
#include <fcntl.h>
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static uint64_t next(uint64_t x)
{
	return x * 6364136223846793005u + 1442695040888963407u;
}

int main(int argc, char **argv)
{
	struct stat status;
	int fd = argc > 2 ? open(argv[2], O_RDWR) : -1;

	if (fd < 0 || fstat(fd, &status) < 0) {
		perror("whole_region: cannot open");
		return 1;
	}
	size_t words = (size_t)status.st_size / 8;
	uint64_t *region = mmap(NULL, words * 8, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (region == MAP_FAILED) {
		perror("whole_region: cannot map");
		return 1;
	}
	if (strcmp(argv[1], "fill") == 0) {
		uint64_t x = strtoull(argv[3], NULL, 10);

		for (size_t i = 0; i < words; i++)
			region[i] = x = next(x);
	} else if (strcmp(argv[1], "sum") == 0) {
		uint64_t sum = 0;

		for (size_t i = 0; i < words; i++)
			sum = next(sum ^ region[i]);
		printf("%016" PRIx64 " of %zu bytes\n", sum, words * 8);
	} else {
		if (argc > 3)
			region[words - 1] = strtoull(argv[3], NULL, 10);
		printf("%" PRIu64 "\n", region[words - 1]);
	}
	return 0;
}
