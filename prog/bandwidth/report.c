/* report.c - the figures of __bandwidth, as text and as records. */
#include "bandwidth.h"

#include <stdio.h>
#include <string.h>

enum { SWEEP_FACTOR = 4, ROW_SIZE = 256 };

static const char *const direction_names[] = { "to", "from", "local" };

/* A block that was just copied is still in the cache, if that has room for it and its copy. */
static bool fits_cache(size_t size)
{
	return 2 * size <= last_level_cache();
}

static void record_bandwidth(const struct bench *bench, const struct shmem_copy_kernel *kernel,
			   size_t size, const struct bandwidth_figures *figures)
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
	shmem_record_number("spread_percent", figures->spread);
	if (last_level_cache())
		shmem_record_flag("fits_cache", fits_cache(size));
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
	const struct bandwidth_settings *settings = bench->settings;
	const char *type = shmem_memory_type(&bench->region);

	shmem_print("%s, MB/s of 10^6 bytes; spread: of the faster half of the samples, !: above %.0f %%\n"
		    "mapping %s%s%s%s, accelerator %s\n",
		    phrases[settings->direction], WIDE_SPREAD,
		    shmem_mapping_name(bench->options), type ? " (kernel: " : "",
		    type ? type : "", type ? ")" : "", shmem_accelerator());
	if (last_level_cache())
		shmem_print("blocks of up to %zu KiB are copied within the last-level cache, %zu KiB\n",
			    last_level_cache() >> 11, last_level_cache() >> 10);
	shmem_print("\n");
}

static const char *mark_of(double spread)
{
	return spread > WIDE_SPREAD ? " !" : "";
}

/* Not for the specification's own command, whose output is fixed. */
static void warn_of_cache(const struct bandwidth_settings *settings, size_t size)
{
	if (settings->size && fits_cache(size))
		shmem_warn("both blocks fit into the last-level cache of %zu KiB: this is the speed of the "
			   "cache; give a larger -s to measure memory", last_level_cache() >> 10);
}

static bool is_wanted(const struct bandwidth_settings *settings, const struct shmem_copy_kernel *kernel)
{
	return !settings->best && shmem_copy_available(kernel) &&
	       (!settings->kernel || settings->kernel == kernel);
}

/* Chosen by one measurement each. The figure is then that of another one. */
static const struct shmem_copy_kernel *fastest(struct bench *bench, size_t size)
{
	const struct shmem_copy_kernel *best = NULL;
	double rate = 0;

	for (const struct shmem_copy_kernel *kernel = shmem_copy_kernels; kernel->name; kernel++) {
		if (!shmem_copy_available(kernel))
			continue;
		double median = measure_bandwidth(bench, kernel, size).median;

		if (median > rate) {
			rate = median;
			best = kernel;
		}
	}
	return best;
}

void one_figure(struct bench *bench, size_t size)
{
	static const char *const phrases[] = {
		[TO] = "", [FROM] = " from the shared memory", [LOCAL] = " within the VM"
	};
	const struct bandwidth_settings *settings = bench->settings;
	const struct shmem_copy_kernel *kernel = settings->best ? fastest(bench, size) :
								  settings->kernel;
	struct bandwidth_figures figures = measure_bandwidth(bench, kernel, size);

	if (bench->options->json) {
		record_bandwidth(bench, kernel, size, &figures);
	} else {
		shmem_print("%s bandwidth%s: %.2f MB/s\n", kernel->name,
			    phrases[settings->direction], figures.median);
		warn_of_cache(settings, size);
	}
}

void all_kernels(struct bench *bench, size_t size)
{
	bool json = bench->options->json;
	double first = 0;

	if (!json) {
		print_title(bench);
		print_block("", size, "");
		shmem_print("\n%-10s %10s %10s %10s %9s %9s\n", "kernel", "median", "min", "max",
			    "x memcpy", "spread");
	}
	for (const struct shmem_copy_kernel *kernel = shmem_copy_kernels; kernel->name; kernel++) {
		if (!is_wanted(bench->settings, kernel))
			continue;
		struct bandwidth_figures figures = measure_bandwidth(bench, kernel, size);
		if (first == 0)
			first = figures.median;
		if (json)
			record_bandwidth(bench, kernel, size, &figures);
		else
			shmem_print("%-10s %10.2f %10.2f %10.2f %9.2f %7.1f %%%s\n", kernel->name,
				    figures.median, figures.min, figures.max,
				    figures.median / first, figures.spread, mark_of(figures.spread));
	}
}

/*
 * A figure of the sweep, with name after it unless that is empty: a record, or added to the row.
 * Returns its spread.
 */
static double sweep_figure(struct bench *bench, const struct shmem_copy_kernel *kernel, size_t size,
			   const char *name, char row[static ROW_SIZE])
{
	struct bandwidth_figures figures = measure_bandwidth(bench, kernel, size);
	size_t length = strlen(row);

	if (bench->options->json)
		record_bandwidth(bench, kernel, size, &figures);
	else
		snprintf(row + length, ROW_SIZE - length, " %9.2f%s%s", figures.median,
			 name[0] ? " " : "", name);
	return figures.spread;
}

static double larger(double a, double b)
{
	return a > b ? a : b;
}

/* Prints the row as a whole, since the line of progress would erase a part of it. */
static void sweep_row(struct bench *bench, size_t size)
{
	const struct bandwidth_settings *settings = bench->settings;
	double spread = 0; /* the largest of the row */
	char row[ROW_SIZE] = "";

	if (settings->best) {
		const struct shmem_copy_kernel *best = fastest(bench, size);

		spread = sweep_figure(bench, best, size, best->name, row);
	}
	for (const struct shmem_copy_kernel *kernel = shmem_copy_kernels; kernel->name; kernel++)
		if (is_wanted(settings, kernel))
			spread = larger(spread, sweep_figure(bench, kernel, size, "", row));
	if (!bench->options->json)
		shmem_print("%7zu KiB%s  %7.1f %%%s\n", size >> 10, row, spread, mark_of(spread));
}

void sweep(struct bench *bench, size_t last)
{
	if (!bench->options->json) {
		print_title(bench);
		shmem_print("%-11s", "block");
		if (bench->settings->best)
			shmem_print(" %9s", "best");
		for (const struct shmem_copy_kernel *kernel = shmem_copy_kernels; kernel->name; kernel++)
			if (is_wanted(bench->settings, kernel))
				shmem_print(" %9s", kernel->name);
		shmem_print("    spread\n");
	}
	size_t size = PAGE;
	for (; size < last; size *= SWEEP_FACTOR)
		sweep_row(bench, size);
	sweep_row(bench, last);
}
