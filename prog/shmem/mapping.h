/*
 * mapping.h - what the files of __shmem share; no other program includes it.
 * (shmem.h is the library's.)
 *
 *	shmem.c    the command line, each mapping in turn, advice
 *	mapping.c  one mapping, measured in a process of its own
 *	measure.c  which memory type a mapping behaves like
 *	watch.h    lists those of __shmem watch
 */
#ifndef MAPPING_H
#define MAPPING_H

#include "shmem.h"

enum mapping_fault { FAULT_NONE, FAULT_LOST, FAULT_LOADS, FAULT_ACCESSES };

enum verdict { UNKNOWN, NO_MODEL, WRITE_BACK, WRITE_COMBINING, UNCACHED };

struct speed {
	double load_ns;    /* of a load whose address depends on the load before it */
	double store_mb_s; /* of stores one after the other, MB of 10^6 bytes */
};

/*
 * A child process maps and measures one mapping. It sends this to its parent twice:
 * after mapping, and after measuring.
 */
struct finding {
	enum verdict verdict;
	bool known;       /* the kernel told the type */
	char type[32];    /* the type, if known */
	struct speed speed;
};

/* --- mapping.c ------------------------------------------------------ */

/*
 * Looks at the mapping in another process, which prints what it found. Returns NULL,
 * or the reason why there is no such mapping.
 */
const char *look_from_afar(const struct shmem_options *options, struct finding *finding);

/* --- measure.c ------------------------------------------------------ */

/*
 * Measures with a block at the beginning of that memory, or of the VM's own memory, and
 * renews the claim meanwhile. Ends the program if a stored value does not read back.
 */
struct speed measure_speed(unsigned char *block, enum mapping_fault fault, struct shmem_claim *claim);
struct speed measure_ordinary(void);

/* The memory type that explains the speed, compared with that of ordinary memory. */
enum verdict judge_speed(const struct speed *speed, const struct speed *ordinary);

#endif
