/* report.c - the figures of __bandwidth, as text and as records. */
#include "bandwidth.h"

enum { SWEEP_FACTOR = 4 };

static const char *const direction_names[] = { "to", "from", "local" };

static void record_bandwidth(const struct bench *bench, const struct copy_kernel *kernel,
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

	shmem_print("%s, MB/s of 10^6 bytes, of %d samples each\n"
		    "mapping %s%s%s%s, accelerator %s\n\n",
		    phrases[settings->direction], settings->repetitions,
		    shmem_mapping_name(bench->options), type ? " (kernel: " : "",
		    type ? type : "", type ? ")" : "", shmem_accelerator());
}

static bool is_wanted(const struct bandwidth_settings *settings, const struct copy_kernel *kernel)
{
	return copy_available(kernel) && (!settings->kernel || settings->kernel == kernel);
}

void one_figure(struct bench *bench, size_t size)
{
	static const char *const phrases[] = {
		[TO] = "", [FROM] = " from the shared memory", [LOCAL] = " within the VM"
	};
	const struct bandwidth_settings *settings = bench->settings;
	struct bandwidth_figures figures = measure_bandwidth(bench, settings->kernel, size);

	if (bench->options->json)
		record_bandwidth(bench, settings->kernel, size, &figures);
	else
		shmem_print("%s bandwidth%s: %.2f MB/s\n", settings->kernel->name,
			    phrases[settings->direction], figures.median);
}

void all_kernels(struct bench *bench, size_t size)
{
	bool json = bench->options->json;
	double first = 0;

	if (!json) {
		print_title(bench);
		print_block("", size, "");
		shmem_print("\n%-10s %10s %10s %10s %9s\n", "kernel", "median", "min", "max",
			    "x memcpy");
	}
	for (const struct copy_kernel *kernel = shmem_copy_kernels; kernel->name; kernel++) {
		if (!is_wanted(bench->settings, kernel))
			continue;
		struct bandwidth_figures figures = measure_bandwidth(bench, kernel, size);
		if (first == 0)
			first = figures.median;
		if (json)
			record_bandwidth(bench, kernel, size, &figures);
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
	for (const struct copy_kernel *kernel = shmem_copy_kernels; kernel->name; kernel++) {
		if (!is_wanted(bench->settings, kernel))
			continue;
		struct bandwidth_figures figures = measure_bandwidth(bench, kernel, size);
		if (json)
			record_bandwidth(bench, kernel, size, &figures);
		else
			shmem_print(" %9.2f", figures.median);
	}
	if (!json)
		shmem_print("\n");
}

void sweep(struct bench *bench, size_t last)
{
	if (!bench->options->json) {
		print_title(bench);
		shmem_print("%-11s", "block");
		for (const struct copy_kernel *kernel = shmem_copy_kernels; kernel->name; kernel++)
			if (is_wanted(bench->settings, kernel))
				shmem_print(" %9s", kernel->name);
		shmem_print("\n");
	}
	size_t size = PAGE;
	for (; size < last; size *= SWEEP_FACTOR)
		sweep_row(bench, size);
	sweep_row(bench, last);
}
