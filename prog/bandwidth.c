/*
 * bandwidth.c - __bandwidth: how fast memcpy fills the shared memory.
 *
 * Copies 64 MiB from ordinary memory into the region's upper half, REPETITIONS
 * times, and prints the median in MB/s, 1 MB being 10^6 bytes. While it runs it
 * holds a claim, so that of several VMs each measures alone.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "shmem.h"

#define COPY_SIZE (64UL << 20)
#define CHUNK_SIZE (1UL << 20)

enum { REPETITIONS = 9 };

/*
 * The memcpy that is measured is the C library's: a volatile pointer keeps the
 * compiler from replacing the call by code of its own, and from dropping it.
 */
static void *(*const volatile library_memcpy)(void *, const void *, size_t) = memcpy;

static unsigned char *upper_half(const struct shmem *region)
{
	size_t offset = layout_bandwidth(region->size);

	if (region->size - offset < COPY_SIZE)
		shmem_die("the region has %zu MiB and this needs %lu MiB; set SHMEM_SIZE=128M on "
			  "the host and restart the VMs, or give a larger file",
			  region->size >> 20, 2 * COPY_SIZE >> 20);
	return region->base + offset;
}

/* A pattern that differs at each place and with each seed. */
static void fill(uint64_t *words, uint64_t seed)
{
	for (size_t i = 0; i < COPY_SIZE / sizeof(*words); i++)
		words[i] = seed += 0x9e3779b97f4a7c15; /* 2^64 over the golden ratio */
}

/* In MB/s. The fence ends the copy: stores may sit in write-combining buffers. */
static double copy_once(unsigned char *to, const uint64_t *from)
{
	uint64_t start = shmem_now();

	library_memcpy(to, from, COPY_SIZE);
	shmem_fence();
	return COPY_SIZE * 1e3 / (double)(shmem_now() - start);
}

static void verify(const unsigned char *to, const uint64_t *from, struct shmem_claim *claim)
{
	const unsigned char *expected = (const unsigned char *)from;

	for (size_t at = 0; at < COPY_SIZE; at += CHUNK_SIZE) {
		if (memcmp(to + at, expected + at, CHUNK_SIZE) != 0)
			shmem_die("the shared memory does not hold what was copied (offset %zu of "
				  "the copy, or up to 1 MiB after it); is another program writing "
				  "there?", at);
		shmem_claim_renew(claim);
	}
}

/*
 * The warm-up copy touches all pages of both sides, with another pattern, so
 * that verify sees what the measured copies brought.
 */
static double measure(unsigned char *to, uint64_t *from, struct shmem_claim *claim)
{
	double samples[REPETITIONS];
	uint64_t seed = shmem_random();

	fill(from, ~seed);
	copy_once(to, from);
	shmem_claim_renew(claim);
	fill(from, seed);
	for (int i = 0; i < REPETITIONS; i++) {
		shmem_claim_renew(claim);
		samples[i] = copy_once(to, from);
	}
	shmem_claim_renew(claim);
	verify(to, from, claim);
	return shmem_median(samples, REPETITIONS);
}

static const struct shmem_program program = {
	.about = "Measures the bandwidth of copying 64 MiB from ordinary memory to the shared\n"
		 "memory with memcpy: the median of several copies, in MB/s of 10^6 bytes.\n",
	.example = "  root@vm1:~# __bandwidth\n"
		   "  --- mmap successful\n"
		   "  memcpy bandwidth: 1523.40 MB/s\n",
};

int main(int argc, char **argv)
{
	struct shmem_options options = { 0 };

	shmem_getopt(&program, &options, argc, argv);
	struct shmem region = shmem_open(&options);
	shmem_print("--- mmap successful\n");

	unsigned char *to = upper_half(&region);
	uint64_t *from = malloc(COPY_SIZE);
	if (!from)
		shmem_die("no memory for the 64 MiB to copy from; give the VM more");

	struct shmem_claim claim = shmem_claim_take(&region, CLAIM_BANDWIDTH,
						    "the area of __bandwidth");
	double median = measure(to, from, &claim);
	shmem_claim_drop(&claim);
	free(from);
	shmem_print("memcpy bandwidth: %.2f MB/s\n", median);
	return 0;
}
