/*
 * bandwidth.c - __bandwidth: how fast memory is copied to and from the region.
 *
 * Without options: copies 64 MiB from ordinary memory into the region's upper
 * half with memcpy, REPETITIONS times, and prints the median in MB/s, 1 MB being
 * 10^6 bytes. While it runs it holds a claim, so that of several VMs each
 * measures alone.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "copy.h"
#include "shmem.h"

#define DEFAULT_SIZE (64UL << 20)
#define CHUNK_SIZE (1UL << 20)
#define PAGE 4096UL
#define MS UINT64_C(1000000) /* in nanoseconds */

/* A sample is at least so long; a copy longer than the second goes in pieces. */
#define SAMPLE_AT_LEAST (2 * MS)
#define PIECE_AT_MOST (500 * MS)

enum { REPETITIONS = 9, REPETITIONS_MAX = 1000, SWEEP_FACTOR = 4, CONFIRMATIONS = 3 };

/*
 * No copy to the region is this much faster than the same copy within the
 * guest: both sides are memory of one host. More than 1, since copies vary.
 */
#define BEYOND_PHYSICS 2.0

enum direction { TO, FROM, LOCAL };

static const char *const direction_names[] = { "to", "from", "local" };

enum fault { FAULT_NONE, FAULT_LOST, FAULT_SHORT, FAULT_CLOCK };

static const struct shmem_fault faults[] = {
	[FAULT_NONE] = { "none", "" },
	[FAULT_LOST] = { "lost", "change a bit after the copy" },
	[FAULT_SHORT] = { "short", "leave out the last bytes" },
	[FAULT_CLOCK] = { "clock", "a clock that runs at a hundredth of its speed" },
	{ 0 },
};

struct settings {
	enum direction direction;
	const struct copy_kernel *kernel; /* NULL: all that this CPU has */
	size_t size;                      /* bytes; 0: as much as there is room for */
	int repetitions;
	bool sweep;
};

/* The two buffers of ordinary memory, and what is worked with besides. */
struct bench {
	struct shmem region;
	const struct shmem_options *options;
	const struct settings *settings;
	struct shmem_claim claim;
	unsigned char *source;
	unsigned char *sink;
};

/* One copy that is measured. */
struct job {
	struct bench *bench;
	const struct copy_kernel *kernel;
	unsigned char *to;
	const unsigned char *from;
	size_t size;   /* bytes */
	size_t piece;  /* bytes that are copied at once */
	size_t copies; /* of size, in a sample */
	enum fault fault;
};

struct figures {
	size_t count;
	size_t copies; /* in each sample */
	double min, median, max; /* MB/s */
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

/* In nanoseconds. The fence ends it: stores may sit in write-combining buffers. */
static uint64_t time_sample(const struct job *job)
{
	uint64_t start = shmem_now();

	for (size_t i = 0; i < job->copies; i++)
		copy(job);
	shmem_fence();
	uint64_t took = shmem_now() - start;
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
 * Warms up, touching all pages of both sides, and finds how to measure: a copy
 * that takes long goes in pieces, with signs of life for the claim between them;
 * one that takes no time is repeated until a sample is long enough for the clock.
 */
static void calibrate(struct job *job)
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

/* A pattern that differs at each place and with each seed. */
static void fill(unsigned char *to, size_t size, uint64_t seed)
{
	uint64_t *words = (uint64_t *)to;

	for (size_t i = 0; i < size / sizeof(*words); i++)
		words[i] = seed += 0x9e3779b97f4a7c15; /* 2^64 over the golden ratio */
}

/* Another pattern where the job copies from; for that, source has it always. */
static void prepare(const struct job *job, uint64_t seed)
{
	struct bench *bench = job->bench;

	fill(bench->source, job->size, seed);
	for (size_t at = 0; job->from != bench->source && at < job->size; at += CHUNK_SIZE) {
		size_t rest = job->size - at;

		memcpy((unsigned char *)job->from + at, bench->source + at,
		       rest < CHUNK_SIZE ? rest : CHUNK_SIZE);
		shmem_claim_renew(&bench->claim);
	}
	shmem_fence();
	shmem_claim_renew(&bench->claim);
}

static void verify(const struct job *job)
{
	struct bench *bench = job->bench;
	const char *where = job->to == bench->sink ? "this VM's memory" : "the shared memory";

	for (size_t at = 0; at < job->size; at += CHUNK_SIZE) {
		size_t rest = job->size - at;

		if (memcmp(job->to + at, bench->source + at,
			   rest < CHUNK_SIZE ? rest : CHUNK_SIZE) != 0)
			shmem_die("%s: %s does not hold what was copied (offset %zu of the copy, "
				  "or up to 1 MiB after it); is another program writing there?",
				  job->kernel->name, where, at);
		shmem_claim_renew(&bench->claim);
	}
}

/* --- Measuring ------------------------------------------------------------ */

/* The warm-up brings another pattern, so that verify sees the measured copies. */
static struct figures run_job(struct job *job, int repetitions)
{
	double samples[REPETITIONS_MAX];
	uint64_t seed = shmem_random();

	prepare(job, ~seed);
	calibrate(job);
	prepare(job, seed);
	for (int i = 0; i < repetitions; i++)
		samples[i] = sample(job);
	if (job->fault == FAULT_LOST)
		job->to[job->size / 2] ^= 1;
	verify(job);

	struct shmem_summary summary = shmem_summarise(samples, (size_t)repetitions);
	return (struct figures){
		.count = summary.count,
		.copies = job->copies,
		.min = summary.min,
		.median = shmem_median(samples, (size_t)repetitions),
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

/*
 * Measures, and compares with the best that the same copy does within the guest.
 * Something may have disturbed that one; so a figure has to be beyond physics
 * several times until it is not believed.
 */
static struct figures measure(struct bench *bench, const struct copy_kernel *kernel, size_t size)
{
	const struct settings *settings = bench->settings;
	struct job job = job_of(bench, kernel, size, settings->direction);
	struct job local = job_of(bench, kernel, size, LOCAL);
	struct figures figures, limit;

	job.fault = (enum fault)bench->options->fault;
	for (int i = 0; i < CONFIRMATIONS; i++) {
		figures = run_job(&job, settings->repetitions);
		if (settings->direction == LOCAL)
			return figures;
		limit = run_job(&local, 3);
		if (figures.median <= BEYOND_PHYSICS * limit.max)
			return figures;
	}
	shmem_die("%s: %.2f MB/s is more than %.0f times what the same copy reaches within this "
		  "VM, %.2f MB/s; that cannot be, so nothing is reported", kernel->name,
		  figures.median, BEYOND_PHYSICS, limit.max);
}

/* --- Output --------------------------------------------------------------- */

static void record_figures(const struct bench *bench, const struct copy_kernel *kernel,
			   size_t size, const struct figures *figures)
{
	shmem_record_begin(&bench->region, bench->options, "bandwidth");
	shmem_record_text("copy", kernel->name);
	shmem_record_text("direction", direction_names[bench->settings->direction]);
	shmem_record_integer("block_bytes", size);
	shmem_record_integer("copies_per_sample", figures->copies);
	shmem_record_integer("count", figures->count);
	shmem_record_number("min_mb_s", figures->min);
	shmem_record_number("median_mb_s", figures->median);
	shmem_record_number("max_mb_s", figures->max);
	shmem_record_flag("verified", true);
	shmem_record_end();
}

static void print_block(const char *before, size_t size, const char *after)
{
	if (size % (1UL << 20) == 0)
		shmem_print("%s%zu MiB%s", before, size >> 20, after);
	else
		shmem_print("%s%zu KiB%s", before, size >> 10, after);
}

static void print_title(const struct bench *bench)
{
	static const char *const phrases[] = {
		[TO] = "copied to the shared memory",
		[FROM] = "copied from the shared memory",
		[LOCAL] = "copied within this VM's own memory",
	};
	const struct settings *settings = bench->settings;
	const char *type = shmem_memory_type(&bench->region);

	shmem_print("%s, MB/s of 10^6 bytes, of %d samples each\n"
		    "mapping %s%s%s%s, accelerator %s\n\n",
		    phrases[settings->direction], settings->repetitions,
		    shmem_mapping_name(bench->options), type ? " (kernel: " : "",
		    type ? type : "", type ? ")" : "", shmem_accelerator());
}

static bool is_wanted(const struct settings *settings, const struct copy_kernel *kernel)
{
	return copy_available(kernel) && (!settings->kernel || settings->kernel == kernel);
}

static void one_figure(struct bench *bench, size_t size)
{
	static const char *const phrases[] = {
		[TO] = "", [FROM] = " from the shared memory", [LOCAL] = " within the VM"
	};
	const struct settings *settings = bench->settings;
	struct figures figures = measure(bench, settings->kernel, size);

	if (bench->options->json)
		record_figures(bench, settings->kernel, size, &figures);
	else
		shmem_print("%s bandwidth%s: %.2f MB/s\n", settings->kernel->name,
			    phrases[settings->direction], figures.median);
}

static void all_kernels(struct bench *bench, size_t size)
{
	bool json = bench->options->json;
	double first = 0;

	if (!json) {
		print_title(bench);
		print_block("", size, "");
		shmem_print("\n%-10s %10s %10s %10s %9s\n", "kernel", "median", "min", "max",
			    "x memcpy");
	}
	for (const struct copy_kernel *kernel = copy_kernels; kernel->name; kernel++) {
		if (!is_wanted(bench->settings, kernel))
			continue;
		struct figures figures = measure(bench, kernel, size);
		if (first == 0)
			first = figures.median;
		if (json)
			record_figures(bench, kernel, size, &figures);
		else
			shmem_print("%-10s %10.2f %10.2f %10.2f %9.2f\n", kernel->name,
				    figures.median, figures.min, figures.max,
				    figures.median / first);
	}
}

static void sweep_row(struct bench *bench, size_t size)
{
	bool json = bench->options->json;

	if (!json)
		shmem_print("%7zu KiB", size >> 10);
	for (const struct copy_kernel *kernel = copy_kernels; kernel->name; kernel++) {
		if (!is_wanted(bench->settings, kernel))
			continue;
		struct figures figures = measure(bench, kernel, size);
		if (json)
			record_figures(bench, kernel, size, &figures);
		else
			shmem_print(" %9.2f", figures.median);
	}
	if (!json)
		shmem_print("\n");
}

static void sweep(struct bench *bench, size_t last)
{
	if (!bench->options->json) {
		print_title(bench);
		shmem_print("%-11s", "block");
		for (const struct copy_kernel *kernel = copy_kernels; kernel->name; kernel++)
			if (is_wanted(bench->settings, kernel))
				shmem_print(" %9s", kernel->name);
		shmem_print("\n");
	}
	size_t size = PAGE;
	for (; size < last; size *= SWEEP_FACTOR)
		sweep_row(bench, size);
	sweep_row(bench, last);
}

static void list_kernels(void)
{
	for (const struct copy_kernel *kernel = copy_kernels; kernel->name; kernel++)
		shmem_print("%-10s %s%s\n", kernel->name, kernel->about,
			    copy_available(kernel) ? "" : " (this CPU does not have it)");
	exit(0);
}

/* --- The whole ------------------------------------------------------------ */

static size_t block_size(const struct shmem *region, const struct settings *settings)
{
	size_t room = region->size - layout_bandwidth(region->size);
	size_t size = settings->size ? settings->size : DEFAULT_SIZE;

	if (settings->direction == LOCAL || size <= room)
		return size;
	if (settings->sweep && !settings->size)
		return room / PAGE * PAGE;

	bool whole = 2 * size % (1UL << 20) == 0;
	const char *unit = whole ? "MiB" : "KiB";
	int shift = whole ? 20 : 10;
	size_t wanted = 1; /* a power of two, as SHMEM_SIZE has to be */
	while (wanted << 20 < 2 * size)
		wanted *= 2;
	shmem_die("the region has %zu %s and this needs %zu %s; set SHMEM_SIZE=%zuM on the host and "
		  "restart the VMs, give a larger file, or copy less with -s",
		  region->size >> shift, unit, 2 * size >> shift, unit, wanted);
}

static unsigned char *ordinary_memory(size_t size)
{
	unsigned char *memory = aligned_alloc(PAGE, size);

	if (!memory)
		shmem_die("no memory for the %zu MiB to copy; give the VM more", size >> 20);
	return memory;
}

enum { OPTION_TO = SHMEM_LONG, OPTION_FROM, OPTION_LOCAL, OPTION_SWEEP };

static const struct option longs[] = {
	{ .name = "to", .val = OPTION_TO },
	{ .name = "from", .val = OPTION_FROM },
	{ .name = "local", .val = OPTION_LOCAL },
	{ .name = "sweep", .val = OPTION_SWEEP },
	{ 0 },
};

static const struct shmem_program program = {
	.synopsis = "[-k NAME] [-s SIZE] [-r COUNT] [--from] [--sweep]",
	.letters = "k:s:r:",
	.longs = longs,
	.faults = faults,
	.about = "Measures the bandwidth of copying 64 MiB from ordinary memory to the shared\n"
		 "memory with memcpy: the median of several copies, in MB/s of 10^6 bytes.\n",
	.details = "  -k NAME     copy with this kernel instead of memcpy; with all; or list them\n"
		   "  -s SIZE     copy so much, in steps of 4 KiB; K, M and G may follow\n"
		   "              (default: 64M)\n"
		   "  -r COUNT    so many samples (default: 9)\n"
		   "  --to        from ordinary to shared memory (default)\n"
		   "  --from      from shared to ordinary memory\n"
		   "  --local     within ordinary memory, for comparison\n"
		   "  --sweep     blocks of all sizes from 4 KiB up to that of -s\n",
	.example = "  root@vm1:~# __bandwidth\n"
		   "  --- mmap successful\n"
		   "  memcpy bandwidth: 1523.40 MB/s\n",
};

static const struct copy_kernel *parse_kernel(const char *text)
{
	if (strcmp(text, "list") == 0)
		list_kernels();
	if (strcmp(text, "all") == 0)
		return NULL;
	for (const struct copy_kernel *kernel = copy_kernels; kernel->name; kernel++) {
		if (strcmp(text, kernel->name) != 0)
			continue;
		if (!copy_available(kernel))
			shmem_die("-k %s: this CPU does not have it", text);
		return kernel;
	}
	shmem_usage_error("-k %s: there is no such kernel; -k list shows them", text);
}

static size_t parse_size(const char *text)
{
	size_t size = shmem_option_size("-s", text, PAGE, SIZE_MAX / 4);

	if (size % PAGE)
		shmem_usage_error("-s %s: whole pages of 4 KiB are needed", text);
	return size;
}

static void parse(struct settings *settings, struct shmem_options *options, int argc, char **argv)
{
	int option;

	while ((option = shmem_getopt(&program, options, argc, argv)) != -1) {
		switch (option) {
		case 'k':
			settings->kernel = parse_kernel(optarg);
			break;
		case 's':
			settings->size = parse_size(optarg);
			break;
		case 'r':
			settings->repetitions =
				(int)shmem_option_number("-r", optarg, 1, REPETITIONS_MAX);
			break;
		case OPTION_TO:
		case OPTION_FROM:
		case OPTION_LOCAL:
			settings->direction = (enum direction)(option - OPTION_TO);
			break;
		case OPTION_SWEEP:
			settings->sweep = true;
			break;
		}
	}
}

int main(int argc, char **argv)
{
	struct settings settings = { .kernel = copy_kernels, .repetitions = REPETITIONS };
	struct shmem_options options = { 0 };
	struct bench bench = { .options = &options, .settings = &settings };

	parse(&settings, &options, argc, argv);
	bench.region = shmem_open(&options);
	if (!options.json)
		shmem_print("--- mmap successful\n");

	size_t size = block_size(&bench.region, &settings);
	bench.source = ordinary_memory(size);
	bench.sink = ordinary_memory(size);
	bench.claim = shmem_claim_take(&bench.region, CLAIM_BANDWIDTH, "the area of __bandwidth");
	if (settings.sweep)
		sweep(&bench, size);
	else if (settings.kernel)
		one_figure(&bench, size);
	else
		all_kernels(&bench, size);
	shmem_claim_drop(&bench.claim);
	free(bench.source);
	free(bench.sink);
	return 0;
}
