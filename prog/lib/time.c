/* time.c - clocks, and the kernel's random numbers. */
#include "shmem.h"

#include <errno.h>
#include <string.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <time.h>

#include "units.h"

uint64_t shmem_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * SHMEM_SECOND + (uint64_t)now.tv_nsec;
}

uint64_t shmem_since(uint64_t start)
{
	uint64_t now = shmem_now();

	return now > start ? now - start : 1;
}

static uint64_t nanoseconds(struct timeval time)
{
	return (uint64_t)time.tv_sec * SHMEM_SECOND + (uint64_t)time.tv_usec * SHMEM_US;
}

uint64_t shmem_cpu_time(void)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	return nanoseconds(usage.ru_utime) + nanoseconds(usage.ru_stime);
}

uint64_t shmem_random(void)
{
	uint64_t bits;

	/* A signal interrupts it only at boot, before the kernel has collected entropy. */
	while (getrandom(&bits, sizeof(bits), 0) != sizeof(bits))
		if (errno != EINTR)
			shmem_die("no random numbers: getrandom: %s", strerror(errno));
	return bits;
}
