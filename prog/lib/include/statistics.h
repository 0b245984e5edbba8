/* statistics.h - percentiles and histograms of samples. shmem.h includes it. */
#ifndef SHMEM_STATISTICS_H
#define SHMEM_STATISTICS_H

#include <stddef.h>
#include <stdint.h>

#include "language.h"

SHMEM_C_BEGIN

/* Of samples in any unit. Each figure is one of the samples: there is no interpolation. */
struct shmem_summary {
	size_t count;
	double min, median, p99, p999, max;
};

/* Sorts the samples, count of them, at least one. */
struct shmem_summary shmem_summarise(double *samples, size_t count);

/*
 * Any number of samples in constant memory: counts of 64 ranges for each power of two. A
 * percentile is at most 1.6 % above its sample, and exact below 128. Minimum and maximum
 * are exact. An empty one is all zero.
 */
enum { SHMEM_HISTOGRAM_STEPS = 64, SHMEM_HISTOGRAM_RANGES = 59 * SHMEM_HISTOGRAM_STEPS };

struct shmem_histogram {
	uint64_t count, min, max;
	uint64_t counts[SHMEM_HISTOGRAM_RANGES];
};

void shmem_histogram_add(struct shmem_histogram *histogram, uint64_t sample);

/*
 * The summary in units of scale samples: 0.001 for microseconds from samples
 * in nanoseconds. All zero if there are no samples.
 */
struct shmem_summary shmem_histogram_summary(const struct shmem_histogram *histogram,
					     double scale);

/* Prints it on one screen, in units of scale samples. */
void shmem_histogram_print(const struct shmem_histogram *histogram, double scale,
			   const char *unit);

/* Members count, min, median, p99, p999 and max; all but count end with ending, e.g. "_us". */
void shmem_record_summary(const struct shmem_summary *summary, const char *ending);

/* An array of [lower bound, count] of the ranges that are not empty. */
void shmem_record_histogram(const char *name, const struct shmem_histogram *histogram,
			    double scale);

SHMEM_C_END

#endif
