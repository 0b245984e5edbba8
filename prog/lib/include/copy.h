/* copy.h - ways to copy memory, for __bandwidth to measure. */
#ifndef COPY_H
#define COPY_H

#include <stdbool.h>
#include <stddef.h>

/* Sizes are multiples of this, and both sides are aligned to it. */
enum { COPY_UNIT = 128 };

struct copy_kernel {
	const char *name;
	const char *about;
	bool (*available)(void); /* whether this CPU has it; NULL: every CPU has */
	void (*copy)(void *to, const void *from, size_t size);
};

/* The last has no name. The first is the C library's memcpy. */
extern const struct copy_kernel shmem_copy_kernels[];

static inline bool copy_available(const struct copy_kernel *kernel)
{
	return !kernel->available || kernel->available();
}

#endif
