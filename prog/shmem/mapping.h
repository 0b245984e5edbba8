/*
 * mapping.h - what the files of __shmem share; no other program includes it.
 * (shmem.h is the library's.)
 *
 *	shmem.c          the command line, all mappings in turn, what to make of them
 *	shmem_mapping.c  one mapping, looked at from a process of its own
 *	shmem_measure.c  which memory type a mapping behaves like
 */
#ifndef SHMEM_PARTS_H
#define SHMEM_PARTS_H

#include "shmem.h"

enum fault { FAULT_NONE, FAULT_LOST, FAULT_LOADS, FAULT_ACCESSES };

enum verdict { UNKNOWN, NO_MODEL, WRITE_BACK, WRITE_COMBINING, UNCACHED };

struct speed {
	double load_ns;    /* of a load that depends on the one before */
	double store_mb_s; /* of stores one after the other, MB of 10^6 bytes */
};

/*
 * What the process for one mapping tells the one that started it: once when it
 * is mapped, and again when it is measured.
 */
struct finding {
	enum verdict verdict;
	bool known;       /* the kernel told the type */
	char type[32];    /* which it is, then */
	struct speed speed;
};

/* --- shmem_mapping.c ------------------------------------------------------ */

/*
 * Looks at the mapping in another process. NULL if that has printed what it
 * found, otherwise why the mapping cannot be had.
 */
const char *look_from_afar(const struct shmem_options *options, struct finding *finding);

/* --- shmem_measure.c ------------------------------------------------------ */

/*
 * Measures with a block at the beginning of that memory, or in the VM's own;
 * renews the claim meanwhile. Ends the program if the memory does not hold what
 * is stored.
 */
struct speed measure_speed(unsigned char *block, enum fault fault, struct shmem_claim *claim);
struct speed measure_ordinary(void);

/* Which memory type has that speed, where ordinary memory has the other. */
enum verdict judge_speed(const struct speed *speed, const struct speed *ordinary);

#endif
