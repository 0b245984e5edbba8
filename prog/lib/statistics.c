/* statistics.c - percentiles and histograms of samples. */
#include "shmem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int compare(const void *left, const void *right)
{
	double a = *(const double *)left, b = *(const double *)right;

	return (a > b) - (a < b);
}

/*
 * The nearest rank, counted from 1: per_mille of all samples are no larger than the sample
 * with this rank. In whole numbers, since 0.999 * 1000 is more than 999.
 */
static uint64_t rank_of(uint64_t count, unsigned int per_mille)
{
	uint64_t rank = count / 1000 * per_mille + (count % 1000 * per_mille + 999) / 1000;

	return rank ? rank : 1;
}

struct shmem_summary shmem_summarise(double *samples, size_t count)
{
	qsort(samples, count, sizeof(*samples), compare);
	return (struct shmem_summary){
		.count = count,
		.min = samples[0],
		.median = samples[rank_of(count, 500) - 1],
		.p99 = samples[rank_of(count, 990) - 1],
		.p999 = samples[rank_of(count, 999) - 1],
		.max = samples[count - 1],
	};
}

/* --- Histograms ----------------------------------------------------------- */

#define RANGES ((uint64_t)SHMEM_HISTOGRAM_STEPS)

static_assert((SHMEM_HISTOGRAM_STEPS & (SHMEM_HISTOGRAM_STEPS - 1)) == 0,
	      "a power of two");

/*
 * Each sample below 2 * RANGES has a range of its own. Above, each power of two has RANGES
 * ranges: the sample is shifted down until it lies between RANGES and 2 * RANGES.
 */
static size_t range_of(uint64_t sample)
{
	unsigned int shift = 0;

	if (sample >= 2 * RANGES)
		shift = 63 - (unsigned int)__builtin_clzll(sample / RANGES);
	return shift * RANGES + (sample >> shift);
}

static uint64_t lower_bound(size_t range)
{
	if (range < 2 * RANGES)
		return range;
	return (RANGES + range % RANGES) << (range / RANGES - 1);
}

/* The largest sample of the range. */
static uint64_t upper_bound(size_t range)
{
	return range + 1 < SHMEM_HISTOGRAM_RANGES ? lower_bound(range + 1) - 1 : UINT64_MAX;
}

void shmem_histogram_add(struct shmem_histogram *histogram, uint64_t sample)
{
	if (histogram->count == 0 || sample < histogram->min)
		histogram->min = sample;
	if (sample > histogram->max)
		histogram->max = sample;
	histogram->count++;
	histogram->counts[range_of(sample)]++;
}

static uint64_t percentile(const struct shmem_histogram *histogram, unsigned int per_mille)
{
	uint64_t rank = rank_of(histogram->count, per_mille);
	uint64_t below = 0;

	for (size_t range = 0; range < SHMEM_HISTOGRAM_RANGES; range++) {
		below += histogram->counts[range];
		if (below >= rank) {
			uint64_t bound = upper_bound(range);

			return bound < histogram->max ? bound : histogram->max;
		}
	}
	return histogram->max;
}

struct shmem_summary shmem_histogram_summary(const struct shmem_histogram *histogram,
					     double scale)
{
	if (histogram->count == 0)
		return (struct shmem_summary){ 0 };
	return (struct shmem_summary){
		.count = histogram->count,
		.min = (double)histogram->min * scale,
		.median = (double)percentile(histogram, 500) * scale,
		.p99 = (double)percentile(histogram, 990) * scale,
		.p999 = (double)percentile(histogram, 999) * scale,
		.max = (double)histogram->max * scale,
	};
}

/* --- Histograms on a screen ----------------------------------------------- */

enum { EVEN_ROWS = 10, TAIL_ROWS = 10, ROWS_MAX = EVEN_ROWS + TAIL_ROWS + 2, BAR = 40 };

struct row {
	uint64_t from; /* smallest sample of the row */
	uint64_t count;
};

static uint64_t plus(uint64_t a, uint64_t b)
{
	return a > UINT64_MAX - b ? UINT64_MAX : a + b;
}

static uint64_t times(uint64_t a, uint64_t b)
{
	return a > UINT64_MAX / b ? UINT64_MAX : a * b;
}

/* The smallest factor, from 2 on, that reaches from one to the other in TAIL_ROWS steps. */
static uint64_t tail_factor(uint64_t from, uint64_t to)
{
	for (uint64_t factor = 2;; factor++) {
		uint64_t reach = from ? from : 1;

		for (int i = 0; i < TAIL_ROWS; i++)
			reach = times(reach, factor);
		if (reach >= to)
			return factor;
	}
}

/*
 * Rows of equal width up to twice the median, where nearly all samples are. From there to
 * the maximum each row ends a constant factor above the row before.
 */
static int make_rows(const struct shmem_histogram *histogram, struct row *rows)
{
	uint64_t end = times(percentile(histogram, 500), 2);
	uint64_t last = histogram->max;
	uint64_t from = histogram->min;
	int count = 0;

	end = end < last ? end : last;
	uint64_t width = (end - from) / EVEN_ROWS + 1;
	rows[count++] = (struct row){ .from = from };
	for (from = plus(from, width); from <= end && from > rows[count - 1].from;
	     from = plus(from, width))
		rows[count++] = (struct row){ .from = from };
	for (uint64_t factor = tail_factor(from, last);
	     from <= last && from > rows[count - 1].from && count < ROWS_MAX;
	     from = times(from, factor))
		rows[count++] = (struct row){ .from = from };
	return count;
}

static void fill_rows(const struct shmem_histogram *histogram, struct row *rows, int count)
{
	int row = 0;

	for (size_t range = 0; range < SHMEM_HISTOGRAM_RANGES; range++) {
		if (histogram->counts[range] == 0)
			continue;
		while (row + 1 < count && rows[row + 1].from <= upper_bound(range))
			row++;
		rows[row].count += histogram->counts[range];
	}
}

void shmem_histogram_print(const struct shmem_histogram *histogram, double scale,
			   const char *unit)
{
	struct row rows[ROWS_MAX];
	uint64_t most = 1;

	if (histogram->count == 0)
		return;
	int count = make_rows(histogram, rows);
	fill_rows(histogram, rows, count);
	for (int i = 0; i < count; i++)
		most = rows[i].count > most ? rows[i].count : most;
	for (int i = 0; i < count; i++) {
		double share = (double)rows[i].count / (double)most;
		int bar = (int)(share * BAR + 0.5);

		shmem_print("%12.3f %s %12llu  %.*s\n", (double)rows[i].from * scale, unit,
			    (unsigned long long)rows[i].count, bar ? bar : rows[i].count > 0,
			    bar ? "########################################" : ".");
	}
}

/* --- In records ----------------------------------------------------------- */

static void record_member(const char *name, const char *ending, double value)
{
	char full[32];

	snprintf(full, sizeof(full), "%s%s", name, ending);
	shmem_record_number(full, value);
}

void shmem_record_summary(const struct shmem_summary *summary, const char *ending)
{
	shmem_record_integer("count", summary->count);
	record_member("min", ending, summary->min);
	record_member("median", ending, summary->median);
	record_member("p99", ending, summary->p99);
	record_member("p999", ending, summary->p999);
	record_member("max", ending, summary->max);
}

void shmem_record_histogram(const char *name, const struct shmem_histogram *histogram,
			    double scale)
{
	shmem_record_array(name);
	for (size_t range = 0; range < SHMEM_HISTOGRAM_RANGES; range++) {
		if (histogram->counts[range] == 0)
			continue;
		shmem_record_array(NULL);
		shmem_record_number(NULL, (double)lower_bound(range) * scale);
		shmem_record_integer(NULL, histogram->counts[range]);
		shmem_record_array_end();
	}
	shmem_record_array_end();
}
