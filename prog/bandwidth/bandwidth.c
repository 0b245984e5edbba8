/*
 * bandwidth.c - __bandwidth: how fast memory is copied to and from the region.
 *
 * Without options: copies 64 MiB from ordinary memory into the region's upper
 * half with memcpy until the samples are stable, and prints the median in MB/s, 1 MB
 * being 10^6 bytes. It holds a claim for each figure, so that only one VM measures at a
 * time.
 *
 * Here is the command line; bandwidth.h says where the rest is.
 */
#include "bandwidth.h"

#include <stdlib.h>
#include <string.h>

#include "lib/progress.h"
#include "units.h"

#define DEFAULT_SIZE (64UL << 20)
#define BANDWIDTH_PATIENCE (600 * SHMEM_SECOND) /* in -h, too */

/* --- Room ----------------------------------------------------------------- */

static size_t block_size(const struct shmem *region, const struct bandwidth_settings *settings)
{
	size_t room = region->size - shmem_layout_bandwidth(region->size);
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
	shmem_die("the region has %zu %s, but %zu %s are needed; set SHMEM_SIZE=%zuM on the host and "
		  "restart the VMs, give a larger file, or copy less with -s",
		  region->size >> shift, unit, 2 * size >> shift, unit, wanted);
}

static unsigned char *ordinary_memory(size_t size)
{
	unsigned char *memory = aligned_alloc(PAGE, size);

	if (!memory)
		shmem_die("no memory for a copy of %zu MiB; give the VM more memory", size >> 20);
	return memory;
}

/* --- Command line --------------------------------------------------------- */

static const struct shmem_fault faults[] = {
	[FAULT_NONE] = { "none", "" },
	[FAULT_LOST] = { "lost", "change a bit after the copy" },
	[FAULT_SHORT] = { "short", "do not copy the last bytes" },
	[FAULT_CLOCK] = { "clock", "let the clock run at a hundredth of its speed" },
	[FAULT_DISTURBED] = { "disturbed", "let the first samples of the calibration take longer" },
	[FAULT_UNEVEN] = { "uneven", "let samples take once to four times as long" },
	[FAULT_SLOW] = { "slow", "wait 50 ms before filling each MiB" },
	[FAULT_FAR] = { "far", "let this kernel's copies within the VM take a hundred times as long" },
	{ 0 },
};

enum { OPTION_TO = SHMEM_LONG, OPTION_FROM, OPTION_LOCAL, OPTION_SWEEP };

static const struct option longs[] = {
	{ .name = "to", .val = OPTION_TO },
	{ .name = "from", .val = OPTION_FROM },
	{ .name = "local", .val = OPTION_LOCAL },
	{ .name = "sweep", .val = OPTION_SWEEP },
	{ 0 },
};

static const struct shmem_program program = {
	.synopsis = "[-k NAME] [-s SIZE] [-r COUNT] [OPTION...]",
	.letters = "k:s:r:w:",
	.longs = longs,
	.faults = faults,
	.about = "Measures the bandwidth of copying 64 MiB from ordinary memory to the shared\n"
		 "memory with memcpy: the median of several copies, in MB/s of 10^6 bytes.\n",
	.details = "  -k NAME     copy with this kernel instead of memcpy; all: with each; best: with the\n"
		   "              fastest, which takes as long as all; list: show them\n"
		   "  -s SIZE     copy this many bytes, whole pages of 4 KiB; K, M and G may follow\n"
		   "              (default: 64M)\n"
		   "  -r COUNT    take this many samples (default: 9 or more, until the faster half of\n"
		   "              them differs by less than 2 %, or for half a second)\n"
		   "  -w SECONDS  wait up to this long while another VM measures (default: 600)\n"
		   "  --to        from ordinary to shared memory (default)\n"
		   "  --from      from shared to ordinary memory (from the cache, if it has the block)\n"
		   "  --local     within ordinary memory, for comparison\n"
		   "  --sweep     blocks of all sizes from 4 KiB up to the size of -s\n",
	.example = "  root@vm1:~# __bandwidth\n"
		   "  --- mmap successful\n"
		   "  memcpy bandwidth: 1523.40 MB/s\n",
};

static void list_kernels(void)
{
	for (const struct shmem_copy_kernel *kernel = shmem_copy_kernels; kernel->name; kernel++)
		shmem_print("%-10s %s%s\n", kernel->name, kernel->about,
			    shmem_copy_available(kernel) ? "" : " (this CPU does not have it)");
	exit(0);
}

static void parse_kernel(struct bandwidth_settings *settings, const char *text)
{
	settings->kernel = shmem_copy_named(text);
	settings->best = strcmp(text, "best") == 0;
	if (strcmp(text, "list") == 0)
		list_kernels();
	if (settings->best || strcmp(text, "all") == 0)
		return;
	if (!settings->kernel)
		shmem_usage_error("-k %s: there is no such kernel; -k list shows them", text);
	if (!shmem_copy_available(settings->kernel))
		shmem_die("-k %s: this CPU does not have it", text);
}

static size_t parse_block_size(const char *text)
{
	size_t size = shmem_option_size("-s", text, PAGE, SIZE_MAX / 4);

	if (size % PAGE)
		shmem_usage_error("-s %s: whole pages of 4 KiB are needed", text);
	return size;
}

static void parse_bandwidth(struct bandwidth_settings *settings, struct shmem_options *options,
			    int argc, char **argv)
{
	int option;

	while ((option = shmem_getopt(&program, options, argc, argv)) != -1) {
		switch (option) {
		case 'k':
			parse_kernel(settings, optarg);
			break;
		case 's':
			settings->size = parse_block_size(optarg);
			break;
		case 'r':
			settings->repetitions =
				(int)shmem_option_number("-r", optarg, 1, REPETITIONS_MAX);
			break;
		case 'w':
			settings->patience = shmem_option_seconds("-w", optarg);
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

/* --- The whole ------------------------------------------------------------ */

int main(int argc, char **argv)
{
	struct bandwidth_settings settings = { .kernel = shmem_copy_kernels,
				     .patience = BANDWIDTH_PATIENCE };
	struct shmem_options options = { 0 };
	struct bench bench = { .options = &options, .settings = &settings };

	parse_bandwidth(&settings, &options, argc, argv);
	bench.region = shmem_open(&options);
	if (!options.json)
		shmem_print("--- mmap successful\n");

	size_t size = block_size(&bench.region, &settings);
	shmem_progress_begin();
	bench.source = ordinary_memory(size);
	bench.sink = ordinary_memory(size);
	if (settings.sweep)
		sweep(&bench, size);
	else if (settings.kernel || settings.best)
		one_figure(&bench, size);
	else
		all_kernels(&bench, size);
	free(bench.source);
	free(bench.sink);
	return 0;
}
