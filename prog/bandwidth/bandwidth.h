/*
 * bandwidth.h - what the files of __bandwidth share; no other program includes it.
 *
 *	bandwidth.c  the command line, and memory for the copies
 *	measure.c    one copy: calibrated, timed, verified, checked for plausibility
 *	report.c     one figure, or a table of them
 */
#ifndef BANDWIDTH_H
#define BANDWIDTH_H

#include "copy.h"
#include "shmem.h"

#define PAGE 4096UL

enum { REPETITIONS_MAX = 1000 };

/* A spread above this, in percent, is marked. */
#define WIDE_SPREAD 10.0

enum direction { TO, FROM, LOCAL };

enum bandwidth_fault { FAULT_NONE, FAULT_LOST, FAULT_SHORT, FAULT_CLOCK, FAULT_DISTURBED, FAULT_UNEVEN, FAULT_SLOW, FAULT_FAR };

struct bandwidth_settings {
	enum direction direction;
	const struct shmem_copy_kernel *kernel; /* NULL: all that this CPU has, or */
	bool best;                              /* whichever of them is the fastest */
	size_t size;                      /* bytes; 0: the default */
	int repetitions;                  /* samples; 0: until they are stable */
	bool sweep;
	uint64_t patience; /* nanoseconds to wait while another VM uses the area */
};

/* One run of the program. source and sink are buffers in ordinary memory. */
struct bench {
	struct shmem region;
	const struct shmem_options *options;
	const struct bandwidth_settings *settings;
	struct shmem_claim claim;
	unsigned char *source;
	unsigned char *sink;
};

struct bandwidth_figures {
	size_t count;
	size_t copies; /* in each sample */
	double min, median, max; /* MB/s */
	double spread;           /* of the faster half of the samples, in percent of the fastest */
};

/* --- measure.c -------------------------------------------------- */

/*
 * Measures, as the only VM at that time. Compares the figure with copies of the same size
 * within the guest, and ends the program if the figure is implausibly high. Something may
 * have slowed the comparison down, so it takes several attempts to conclude that.
 */
struct bandwidth_figures measure_bandwidth(struct bench *bench, const struct shmem_copy_kernel *kernel,
					   size_t size);

/* The size of the last-level cache in bytes; 0: unknown, as under TCG. */
size_t last_level_cache(void);

/* --- report.c --------------------------------------------------- */

/* The figure of the one kernel of the settings, or the best, printed as the specification says. */
void one_figure(struct bench *bench, size_t size);

/* A row for each kernel. */
void all_kernels(struct bench *bench, size_t size);

/* A row for each size from 4 KiB to the last: a column for each kernel, or the best of the size. */
void sweep(struct bench *bench, size_t last);

#endif
