/* measure.c - one copy of __bandwidth, from calibration to verification. */
#include "bandwidth.h"

#include <string.h>
#include <time.h>
#include <unistd.h>

#include "bytes.h"
#include "lib/progress.h"
#include "units.h"

#define CHUNK_SIZE (1UL << 20)

/* The unit tests build the programs with a size of their own. */
#ifndef CACHE_SIZE
#define CACHE_SIZE sysconf(_SC_LEVEL3_CACHE_SIZE)
#endif

/* A sample takes at least this long. A copy that takes longer is split into pieces. */
#define SAMPLE_AT_LEAST (2 * SHMEM_MS)
#define PIECE_AT_MOST (100 * SHMEM_MS)

/* Without -r: samples are stable when the faster half of at least these differs by no more. */
#define STABLE_SPREAD 2.0
#define STABLE_WITHIN (SHMEM_SECOND / 2)

#define CALIBRATION_AT_MOST (SHMEM_SECOND / 2)

enum { CONFIRMATIONS = 10, SAMPLES_AT_LEAST = 9, SAMPLES_OF_LIMIT = 3, CALIBRATIONS = 3 };

/*
 * No copy to the region is this many times faster than every copy within the guest,
 * since both are memory of one host. More than 1, because samples vary.
 */
#define BEYOND_PHYSICS 2.0

/* One copy that is measured. */
struct job {
	struct bench *bench;
	const struct shmem_copy_kernel *kernel;
	unsigned char *to;
	const unsigned char *from;
	size_t size;   /* bytes */
	size_t piece;  /* bytes between two renewals of the claim */
	size_t copies; /* of size bytes, in each sample */
	enum bandwidth_fault fault;
};

/* --- Progress ------------------------------------------------------------- */

/* Between two samples. A terminal that is busy then may slow the next one, and the median stands that. */
static void show_warm_up(const struct job *job)
{
	shmem_progress("%s, blocks of %zu KiB, warming up", job->kernel->name, job->size >> 10);
}

static void show_sample(const struct job *job, size_t number)
{
	shmem_progress("%s, blocks of %zu KiB, sample %zu", job->kernel->name, job->size >> 10, number);
}

/* --- One copy ------------------------------------------------------------- */

static void copy(const struct job *job)
{
	size_t left_out = job->fault == FAULT_SHORT ? 64 : 0;
	size_t size = job->size - left_out;

	if (job->piece >= job->size && !left_out) {
		job->kernel->copy(job->to, job->from, size);
		return;
	}
	for (size_t at = 0; at < size; at += job->piece) {
		size_t rest = (size - at) / SHMEM_COPY_UNIT * SHMEM_COPY_UNIT;
		size_t length = rest < job->piece ? rest : job->piece;

		job->kernel->copy(job->to + at, job->from + at, length);
		shmem_claim_renew(&job->bench->claim);
	}
}

/* In nanoseconds, up to a fence: stores may sit in write-combining buffers until then. */
static uint64_t time_sample(const struct job *job)
{
	uint64_t start = shmem_now();

	for (size_t i = 0; i < job->copies; i++)
		copy(job);
	shmem_fence();
	uint64_t took = shmem_since(start);
	shmem_claim_renew(&job->bench->claim);
	if (job->fault == FAULT_CLOCK)
		took /= 100;
	if (job->fault == FAULT_FAR)
		took *= 100;
	return took ? took : 1;
}

static double sample(const struct job *job)
{
	uint64_t took = time_sample(job);

	return (double)job->size * (double)job->copies * 1e3 / (double)took;
}

/* A disturbance can only make a sample longer. So one that is long is repeated, in bounded time. */
static uint64_t shortest_sample(const struct job *job)
{
	uint64_t shortest = UINT64_MAX, start = shmem_now();

	for (int i = 0; i < CALIBRATIONS && shortest >= SAMPLE_AT_LEAST; i++) {
		show_warm_up(job);
		uint64_t took = time_sample(job);

		if (job->fault == FAULT_DISTURBED && i == 0)
			took += PIECE_AT_MOST;
		shortest = took < shortest ? took : shortest;
		if (shmem_since(start) > CALIBRATION_AT_MOST)
			break;
	}
	return shortest;
}

/*
 * Warms up, by touching all pages of both sides, and chooses how to measure. A long
 * copy is split into pieces, and the claim is renewed between them. A short copy is
 * repeated until a sample is long enough for the clock.
 */
static void calibrate_job(struct job *job)
{
	show_warm_up(job);
	job->copies = 1;
	job->piece = CHUNK_SIZE;
	uint64_t took = time_sample(job);
	size_t pieces = took / PIECE_AT_MOST + 1;

	job->piece = (job->size / pieces + PAGE - 1) / PAGE * PAGE;
	while ((took = shortest_sample(job)) < SAMPLE_AT_LEAST && job->copies < SIZE_MAX / 16)
		job->copies *= took < SAMPLE_AT_LEAST / 16 ? 8 : 2;
}

/* --- The bytes ------------------------------------------------------------ */

/* Imitates a VM that is short of memory. */
static void pause_if_slow(const struct bench *bench)
{
	if (bench->options->fault == FAULT_SLOW)
		nanosleep(&(struct timespec){ .tv_nsec = 50 * SHMEM_MS }, NULL);
}

/*
 * Fills source with a pattern that differs at each place and with each seed. Renews the
 * claim after each piece, since the first touch of memory is slow.
 */
static void fill(struct bench *bench, size_t size, uint64_t seed)
{
	uint64_t *words = (uint64_t *)bench->source;

	for (size_t i = 0; i < size / sizeof(*words); i++) {
		if (i % (CHUNK_SIZE / sizeof(*words)) == 0) {
			pause_if_slow(bench);
			shmem_claim_renew(&bench->claim);
		}
		words[i] = seed += SHMEM_PATTERN_STEP;
	}
}

/* Puts the pattern of the seed where the job copies from, and into source for verify_copy. */
static void prepare(const struct job *job, uint64_t seed)
{
	struct bench *bench = job->bench;

	fill(bench, job->size, seed);
	for (size_t at = 0; job->from != bench->source && at < job->size; at += CHUNK_SIZE) {
		size_t rest = job->size - at;

		memcpy((unsigned char *)job->from + at, bench->source + at,
		       rest < CHUNK_SIZE ? rest : CHUNK_SIZE);
		shmem_claim_renew(&bench->claim);
	}
	shmem_fence();
	shmem_claim_renew(&bench->claim);
}

static void verify_copy(const struct job *job)
{
	struct bench *bench = job->bench;
	const char *where = job->to == bench->sink ? "this VM's memory" : "the shared memory";

	for (size_t at = 0; at < job->size; at += CHUNK_SIZE) {
		size_t rest = job->size - at;

		if (memcmp(job->to + at, bench->source + at,
			   rest < CHUNK_SIZE ? rest : CHUNK_SIZE) != 0)
			shmem_die("%s: %s does not hold the copied bytes (at offset %zu of the copy, "
				  "or up to 1 MiB after it); is another program writing there?",
				  job->kernel->name, where, at);
		shmem_claim_renew(&bench->claim);
	}
}

/* --- Measuring ------------------------------------------------------------ */

/* Of the faster half of sorted samples, in percent. The slower ones show what else ran. */
static double spread_of(const double *samples, size_t count)
{
	return 100 * (samples[count - 1] - samples[count / 2]) / samples[count - 1];
}

/* Takes samples until there are enough. Sorts them; returns their number. */
static size_t take_samples(const struct job *job, double *samples, int repetitions)
{
	uint64_t end = shmem_now() + STABLE_WITHIN;
	size_t count = 0, least = repetitions ? (size_t)repetitions : SAMPLES_AT_LEAST;

	for (;;) {
		show_sample(job, count + 1);
		samples[count] = sample(job);
		if (job->fault == FAULT_UNEVEN)
			samples[count] /= (double)(1 + count % 4);
		count++;
		if (count < least)
			continue;
		shmem_summarise(samples, count); /* sorts them */
		if (repetitions || count == REPETITIONS_MAX || shmem_now() >= end ||
		    spread_of(samples, count) < STABLE_SPREAD)
			return count;
	}
}

/* The warm-up copies another pattern, so that verify_copy checks the measured copies. */
static struct bandwidth_figures run_job(struct job *job, int repetitions)
{
	double samples[REPETITIONS_MAX];
	uint64_t seed = shmem_random();

	prepare(job, ~seed);
	calibrate_job(job);
	prepare(job, seed);
	size_t count = take_samples(job, samples, repetitions);
	if (job->fault == FAULT_LOST)
		job->to[job->size / 2] ^= 1;
	verify_copy(job);

	struct shmem_summary summary = shmem_summarise(samples, count);
	return (struct bandwidth_figures){
		.count = summary.count,
		.copies = job->copies,
		.min = summary.min,
		.median = summary.median,
		.max = summary.max,
		.spread = spread_of(samples, count),
	};
}

/* The fastest of some copies whose bytes nobody looks at, in MB/s. */
static double fastest_copy(struct job *job)
{
	double samples[SAMPLES_OF_LIMIT];

	calibrate_job(job);
	return samples[take_samples(job, samples, SAMPLES_OF_LIMIT) - 1];
}

static struct job job_of(struct bench *bench, const struct shmem_copy_kernel *kernel, size_t size,
			 enum direction direction)
{
	unsigned char *shared = bench->region.base + shmem_layout_bandwidth(bench->region.size);

	return (struct job){
		.bench = bench,
		.kernel = kernel,
		.to = direction == TO ? shared : bench->sink,
		.from = direction == FROM ? shared : bench->source,
		.size = size,
	};
}

/* Comes to all kernels that this CPU has, in turn. */
static const struct shmem_copy_kernel *next_kernel(const struct shmem_copy_kernel *kernel)
{
	do {
		kernel++;
		if (!kernel->name)
			kernel = shmem_copy_kernels;
	} while (!shmem_copy_available(kernel));
	return kernel;
}

/*
 * The comparison begins with the same kernel, and goes on to the others: the guest's own buffers may be
 * in memory that is slow for this one (nt: on another NUMA node, or where others write much).
 */
static struct bandwidth_figures measure_alone(struct bench *bench,
					      const struct shmem_copy_kernel *kernel, size_t size)
{
	const struct bandwidth_settings *settings = bench->settings;
	enum bandwidth_fault fault = (enum bandwidth_fault)bench->options->fault;
	struct job job = job_of(bench, kernel, size, settings->direction);
	struct job local = job_of(bench, kernel, size, LOCAL);
	struct bandwidth_figures figures;
	double limit = 0; /* the fastest: others may have disturbed any of them */

	job.fault = fault == FAULT_FAR ? FAULT_NONE : fault;
	local.fault = fault == FAULT_FAR ? FAULT_FAR : FAULT_NONE;
	for (int i = 0; i < CONFIRMATIONS; i++) {
		figures = run_job(&job, settings->repetitions);
		if (settings->direction == LOCAL)
			return figures;
		double within = fastest_copy(&local);

		limit = within > limit ? within : limit;
		if (figures.median <= BEYOND_PHYSICS * limit)
			return figures;
		local.kernel = next_kernel(local.kernel);
		local.fault = FAULT_NONE;
	}
	shmem_die("%s: %.2f MB/s is more than %.0f times the rate of the fastest copy within this VM, "
		  "%.2f MB/s; that cannot be, so nothing is reported", kernel->name,
		  figures.median, BEYOND_PHYSICS, limit);
}

/* QEMU's TCG tells the VM of a cache that does not exist. */
size_t last_level_cache(void)
{
	long size = CACHE_SIZE;

	return size <= 0 || strcmp(shmem_accelerator(), "tcg") == 0 ? 0 : (size_t)size;
}

/* Drops the claim before the figure is printed, since printing can take any time. */
struct bandwidth_figures measure_bandwidth(struct bench *bench, const struct shmem_copy_kernel *kernel,
					   size_t size)
{
	bench->claim = shmem_claim_take(&bench->region, SHMEM_CLAIM_BANDWIDTH,
					"the area of __bandwidth", bench->settings->patience);
	struct bandwidth_figures figures = measure_alone(bench, kernel, size);
	shmem_claim_drop(&bench->claim);
	return figures;
}
