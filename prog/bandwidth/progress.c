/* progress.c - a line on the terminal while __bandwidth measures: uncached copies take minutes. */
#include "bandwidth.h"

#include <stdio.h>
#include <unistd.h>

#include "units.h"

#define ERASE "\r\033[K" /* ECMA-48: from the line's start to its end */

static const struct shmem_copy_kernel *kernel;
static size_t size;    /* of the block, bytes */
static uint64_t begun; /* ns */
static bool shown;

void progress_begin(const struct shmem_copy_kernel *measured, size_t block)
{
	kernel = measured;
	size = block;
	begun = shmem_now();
}

void progress_show(size_t sample)
{
	uint64_t passed = shmem_since(begun);

	if (passed < SHMEM_SECOND / 2 || !isatty(STDERR_FILENO))
		return;
	fprintf(stderr, ERASE "%s, blocks of %zu KiB, ", kernel->name, size >> 10);
	if (sample)
		fprintf(stderr, "sample %zu", sample);
	else
		fprintf(stderr, "warming up");
	fprintf(stderr, ": %llu s", (unsigned long long)(passed / SHMEM_SECOND));
	shown = true;
}

void progress_end(void)
{
	if (shown)
		fprintf(stderr, ERASE);
	shown = false;
}
