/*
 * shmem.h - what the programs share: the region, claims, time, options, output.
 *
 * A whole program:
 *
 *	int main(int argc, char **argv)
 *	{
 *		static const struct shmem_program program = {
 *			.about = "Prints the first byte that is free.\n",
 *			.example = "  __first\n",
 *		};
 *		struct shmem_options options = { 0 };
 *
 *		shmem_getopt(&program, &options, argc, argv);
 *		struct shmem region = shmem_open(&options);
 *		shmem_print("%d\n", region.base[LAYOUT_FREE]);
 *	}
 *
 * No function here returns an error: what cannot be done ends the program with
 * one line on stderr and status 1 (2 for a wrong command line). Claims that are
 * held at that moment stay behind and are taken over by the next one.
 *
 * Whatever is in the region was written by somebody else, perhaps just now and
 * perhaps wrongly: read it once into a variable, check that, and use that.
 */
#ifndef SHMEM_H
#define SHMEM_H

#include <assert.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "layout.h"
#include "prog.h"

/* --- The region --------------------------------------------------------- */

/* Which memory type the mapping asks the guest's kernel for. */
enum shmem_kind {
	SHMEM_UC, /* uncached: resource2 of the device, as every guest has it */
	SHMEM_WC, /* write-combining: resource2_wc */
	SHMEM_WB, /* write-back: /dev/mem, when the BAR is above 4 GiB */
};

/* Where the region is: all zero is the default. Strings are the caller's. */
struct shmem_options {
	const char *address; /* PCI address, or NULL: as prog.h says */
	const char *file;    /* ordinary file instead of a device, or NULL */
	enum shmem_kind kind;
};

/* A mapped region. It stays mapped until the program ends. */
struct shmem {
	unsigned char *base; /* start of the mapping, page aligned */
	size_t size;         /* bytes: whole pages, 1 MiB at least */
};

/* Finds the region and maps it for reading and writing. */
struct shmem shmem_open(const struct shmem_options *options);

/*
 * Keeps all loads and stores before it ahead of all after it, in every type of
 * mapping. Release and acquire do not: on x86 they are plain moves, relying on
 * an order that write-combining memory does not keep, while the locked
 * instruction or MFENCE behind a seq_cst fence drains the write-combining
 * buffers (Intel SDM volume 3, "Buffering of Write Combining Memory Locations").
 */
static inline void shmem_fence(void)
{
	atomic_thread_fence(memory_order_seq_cst);
}

/* --- Claims: one VM at a time ------------------------------------------- */

/*
 * The word of a claim in the region is 0 while free, otherwise a random ticket
 * of its holder above a counter, the beat. A holder whose beat has stood still
 * for three seconds is taken for dead, and its claim goes to who waits for it.
 * A live one so has to renew in shorter intervals.
 */
struct shmem_claim {
	_Atomic uint64_t *word; /* in the region */
	uint64_t mine;          /* what this program last put there */
	const char *what;       /* the area's name in messages; the caller's */
};

/* Only lock-free atomics work across address spaces (C11 7.17.5p3). */
static_assert(ATOMIC_LLONG_LOCK_FREE == 2, "64-bit atomics must be lock-free");

/* Waits until the claim is free or its holder dead, and takes it. */
struct shmem_claim shmem_claim_take(const struct shmem *region,
				    enum layout_claim which, const char *what);

/* Shows that the holder lives. Ends the program if the claim was lost. */
void shmem_claim_renew(struct shmem_claim *claim);

/* Gives the claim back. Ends the program if it had been lost before. */
void shmem_claim_drop(struct shmem_claim *claim);

/* --- Command line ------------------------------------------------------- */

/* What distinguishes a program in shmem_getopt and in -h. */
struct shmem_program {
	const char *synopsis; /* own options and operands, or NULL */
	const char *letters;  /* own options as getopt(3) wants them, or NULL */
	int operands;         /* how many operands are accepted at most */
	const char *about;    /* what it does, whole lines */
	const char *details;  /* own options, one a line, or NULL */
	const char *example;  /* a command and its output, whole lines */
};

/*
 * As getopt(3): returns the program's next own option, -1 after the last; takes
 * care of -d, -f, -m and -h, and of all errors. Then argv[optind] is the first
 * operand.
 */
int shmem_getopt(const struct shmem_program *program,
		 struct shmem_options *options, int argc, char **argv);

/*
 * Reads an unsigned decimal or 0x-hexadecimal number that takes up all of text
 * and is no larger than max. False, and *value untouched, if it is not one.
 */
bool shmem_number(const char *text, uint64_t max, uint64_t *value);

/* --- Output ------------------------------------------------------------- */

#define SHMEM_PRINTF __attribute__((format(printf, 1, 2)))

/* Results: to stdout, at once. A failed write ends the program. */
SHMEM_PRINTF void shmem_print(const char *format, ...);

/* Notices: "PROGRAM: ..." to stderr; the newline is added. */
SHMEM_PRINTF void shmem_warn(const char *format, ...);

/* The same, then ends the program with status 1, or 2 for a wrong command. */
_Noreturn SHMEM_PRINTF void shmem_die(const char *format, ...);
_Noreturn SHMEM_PRINTF void shmem_usage_error(const char *format, ...);

/* --- Measuring ---------------------------------------------------------- */

/* CLOCK_MONOTONIC in nanoseconds. Means nothing in another VM. */
uint64_t shmem_now(void);

/* Sorts the samples, count of them, at least one, and returns their median. */
double shmem_median(double *samples, size_t count);

/* 64 bits from the kernel's generator. */
uint64_t shmem_random(void);

#endif
