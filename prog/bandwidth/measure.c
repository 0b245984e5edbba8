/* measure.c - one copy of __bandwidth, from calibration to verification. */
#include "bandwidth.h"

#include <string.h>
#include <time.h>

#include "bytes.h"
#include "units.h"

#define CHUNK_SIZE (1UL << 20)

/* A sample takes at least this long. A copy that takes longer is split into pieces. */
#define SAMPLE_AT_LEAST (2 * MS)
#define PIECE_AT_MOST (100 * MS)

enum { CONFIRMATIONS = 3 };

/*
 * No copy to the region is this many times faster than the same copy within the
 * guest, since both are memory of one host. More than 1, because samples vary.
 */
#define BEYOND_PHYSICS 2.0

/* One copy that is measured. */
struct job {
	struct bench *bench;
	const struct copy_kernel *kernel;
	unsigned char *to;
	const unsigned char *from;
	size_t size;   /* bytes */
	size_t piece;  /* bytes between two renewals of the claim */
	size_t copies; /* of size bytes, in each sample */
	enum bandwidth_fault fault;
};

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
		size_t rest = (size - at) / COPY_UNIT * COPY_UNIT;
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
	return took ? took : 1;
}

static double sample(const struct job *job)
{
	uint64_t took = time_sample(job);

	return (double)job->size * (double)job->copies * 1e3 / (double)took;
}

/*
 * Warms up, by touching all pages of both sides, and chooses how to measure. A long
 * copy is split into pieces, and the claim is renewed between them. A short copy is
 * repeated until a sample is long enough for the clock.
 */
static void calibrate_job(struct job *job)
{
	job->copies = 1;
	job->piece = CHUNK_SIZE;
	uint64_t took = time_sample(job);
	size_t pieces = took / PIECE_AT_MOST + 1;

	job->piece = (job->size / pieces + PAGE - 1) / PAGE * PAGE;
	while ((took = time_sample(job)) < SAMPLE_AT_LEAST && job->copies < SIZE_MAX / 16)
		job->copies *= took < SAMPLE_AT_LEAST / 16 ? 8 : 2;
}

/* --- The bytes ------------------------------------------------------------ */

/* Imitates a VM that is short of memory. */
static void pause_if_slow(const struct bench *bench)
{
	if (bench->options->fault == FAULT_SLOW)
		nanosleep(&(struct timespec){ .tv_nsec = 50 * MS }, NULL);
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

/* The warm-up copies another pattern, so that verify_copy checks the measured copies. */
static struct bandwidth_figures run_job(struct job *job, int repetitions)
{
	double samples[REPETITIONS_MAX];
	uint64_t seed = shmem_random();

	prepare(job, ~seed);
	calibrate_job(job);
	prepare(job, seed);
	for (int i = 0; i < repetitions; i++)
		samples[i] = sample(job);
	if (job->fault == FAULT_LOST)
		job->to[job->size / 2] ^= 1;
	verify_copy(job);

	struct shmem_summary summary = shmem_summarise(samples, (size_t)repetitions);
	return (struct bandwidth_figures){
		.count = summary.count,
		.copies = job->copies,
		.min = summary.min,
		.median = summary.median,
		.max = summary.max,
	};
}

static struct job job_of(struct bench *bench, const struct copy_kernel *kernel, size_t size,
			 enum direction direction)
{
	unsigned char *shared = bench->region.base + layout_bandwidth(bench->region.size);

	return (struct job){
		.bench = bench,
		.kernel = kernel,
		.to = direction == TO ? shared : bench->sink,
		.from = direction == FROM ? shared : bench->source,
		.size = size,
	};
}

static struct bandwidth_figures measure_alone(struct bench *bench,
					      const struct copy_kernel *kernel, size_t size)
{
	const struct bandwidth_settings *settings = bench->settings;
	struct job job = job_of(bench, kernel, size, settings->direction);
	struct job local = job_of(bench, kernel, size, LOCAL);
	struct bandwidth_figures figures;
	double limit = 0; /* the fastest: others may have disturbed any of them */

	job.fault = (enum bandwidth_fault)bench->options->fault;
	for (int i = 0; i < CONFIRMATIONS; i++) {
		figures = run_job(&job, settings->repetitions);
		if (settings->direction == LOCAL)
			return figures;
		double within = run_job(&local, 3).max;

		limit = within > limit ? within : limit;
		if (figures.median <= BEYOND_PHYSICS * limit)
			return figures;
	}
	shmem_die("%s: %.2f MB/s is more than %.0f times the rate of the same copy within this VM, "
		  "%.2f MB/s; that cannot be, so nothing is reported", kernel->name,
		  figures.median, BEYOND_PHYSICS, limit);
}

/* Drops the claim before the figure is printed, since printing can take any time. */
struct bandwidth_figures measure_bandwidth(struct bench *bench, const struct copy_kernel *kernel,
					   size_t size)
{
	bench->claim = shmem_claim_take(&bench->region, CLAIM_BANDWIDTH,
					"the area of __bandwidth", bench->settings->patience);
	struct bandwidth_figures figures = measure_alone(bench, kernel, size);
	shmem_claim_drop(&bench->claim);
	return figures;
}
