/*
 * copy.h - ways to copy memory, and which of them is the fastest here.
 *
 * The C library's memcpy chooses how it copies by CPUID, which may be wrong in a VM:
 * under TCG it takes "rep movsb" for 16 to 256 KiB, at an eighth of the rate of a plain loop.
 * So a program that moves much data tries the kernels where it will use them.
 */
#ifndef SHMEM_COPY_H
#define SHMEM_COPY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "errors.h"
#include "order.h"

SHMEM_C_BEGIN

/* Sizes are multiples of this, in bytes. */
enum { SHMEM_COPY_UNIT = 128 };

/*
 * Where a kernel may be the best choice. Non-temporal stores go past the caches, through which
 * both sides exchange the bytes: the writer would win, and the reader lose more. Only
 * write-combining memory (SHMEM_ORDER_NONE) is not cached anyway. Non-temporal loads are for that
 * memory, too; elsewhere they are plain loads.
 */
enum shmem_copy_use {
	SHMEM_COPY_ANY,
	SHMEM_COPY_TO_COMBINING,   /* into write-combining memory */
	SHMEM_COPY_FROM_COMBINING, /* out of it */
};

struct shmem_copy_kernel {
	const char *name;
	const char *about;
	bool (*available)(void); /* whether this CPU has it; NULL: every CPU has */
	/* nt needs to, ntload needs from aligned to 16 bytes. */
	void (*copy)(void *to, const void *from, size_t size);
	enum shmem_copy_use use;
};

/* The last has no name. The first is the C library's memcpy. */
extern const struct shmem_copy_kernel shmem_copy_kernels[];

static inline bool shmem_copy_available(const struct shmem_copy_kernel *kernel)
{
	return !kernel->available || kernel->available();
}

/* The kernel of that name, or NULL. This CPU may not have it. */
const struct shmem_copy_kernel *shmem_copy_named(const char *name);

/*
 * Copy any number of bytes into the region, or out of it. Sizes and addresses need no
 * alignment. memcpy copies the bytes that the kernel cannot take, and all short copies.
 */
void shmem_copy_to(const struct shmem_copy_kernel *kernel, void *shared, const void *from,
		   size_t size);
void shmem_copy_from(const struct shmem_copy_kernel *kernel, void *to, const void *shared,
		     size_t size);

/*
 * --- The fastest kernel ---
 *
 * One side of a ring tries kernels in turns, each on the same piece of the region. Between two
 * turns the other side copies that piece, as it will later: a copy takes longer when the other
 * side had the bytes last.
 *
 *	struct shmem_copy_trial trial = shmem_copy_trial_begin(true, region.order);
 *	for (unsigned int turn = 0; turn < SHMEM_COPY_TURNS; turn++) {
 *		shmem_copy_try(&trial, turn, shared, mine, size);
 *		... let the other side have its turn
 *	}
 *	ring.copy = shmem_copy_best(&trial);
 */
enum { SHMEM_COPY_KERNELS_MAX = 8, SHMEM_COPY_TURNS = 4 * SHMEM_COPY_KERNELS_MAX };

/* Private. */
struct shmem_copy_trial {
	bool to; /* into the region */
	enum shmem_order order;
	const struct shmem_copy_kernel *pinned;   /* by SHMEM_COPY, or NULL */
	uint64_t times[SHMEM_COPY_KERNELS_MAX]; /* nanoseconds; the best of each; 0: untried */
};

/*
 * Begins a trial of copies into the region, or out of it. If SHMEM_COPY is in the environment,
 * that kernel wins. Fails with SHMEM_STATUS_USAGE if there is no such kernel here.
 */
bool shmem_try_copy_trial_begin(struct shmem_copy_trial *trial, bool to, enum shmem_order order,
				struct shmem_error *error);
struct shmem_copy_trial shmem_copy_trial_begin(bool to, enum shmem_order order);

/*
 * A turn, from 0 on: copies size bytes between shared, in the region, and mine, with the kernel
 * whose turn it is. Does nothing if that kernel is not for this mapping or this CPU, or if
 * SHMEM_COPY has chosen one.
 */
void shmem_copy_try(struct shmem_copy_trial *trial, unsigned int turn, void *shared, void *mine,
		    size_t size);

/* The fastest so far. memcpy if no other is clearly faster. */
const struct shmem_copy_kernel *shmem_copy_best(const struct shmem_copy_trial *trial);

SHMEM_C_END

#endif
