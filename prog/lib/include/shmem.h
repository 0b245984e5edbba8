/*
 * shmem.h - the library of all programs: the region, claims and meetings, options,
 * output, measuring.
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
 *		shmem_print("%d\n", region.base[SHMEM_LAYOUT_FREE]);
 *	}
 *
 * This is for small tools: a function that fails ends the program with one line on stderr and
 * status 1 (2 for a wrong command line). Claims are then given back, as at every end of the
 * program except SIGKILL and the like. A program that must go on calls the forms that return an
 * error, shmem_try_open and so on: see errors.h. The command line, output and records are for
 * tools alone, and have no such form.
 *
 * Another VM may write anything into the region at any time. Read a word once into a
 * variable, check the variable, and use it.
 *
 * One thread of a program calls the library at a time. While it waits in one call, it shows that
 * it lives in all that it holds: claims, seats, channels.
 */
#ifndef SHMEM_H
#define SHMEM_H

#include <getopt.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "errors.h"
#include "language.h"
#include "layout.h"
#include "meet.h"
#include "order.h"
#include "statistics.h"

SHMEM_C_BEGIN

/* The version of all programs; in every record of --json. */
#define SHMEM_VERSION "1.0"

/* --- The region --------------------------------------------------------- */

/* The memory type that the mapping asks the guest's kernel for. */
enum shmem_kind {
	SHMEM_UC, /* uncached: resource2 of the device, as every guest has it */
	SHMEM_WC, /* write-combining: resource2_wc */
	SHMEM_WB, /* write-back: /dev/mem, when the BAR is above 4 GiB */
};

/* Where the region is; all zero is the default. Strings must stay valid. */
struct shmem_options {
	const char *address; /* PCI address, or NULL: as prog.h says */
	const char *file;    /* ordinary file instead of a device, or NULL */
	enum shmem_kind kind;
	bool json;           /* records instead of text on stdout */
	bool read_only;      /* the program only looks: a store to the region ends it by SIGSEGV */
	size_t fault;        /* --inject: the index of the fault; 0: none */
};

/* A mapped region. It stays mapped until shmem_close, or until the program ends. */
struct shmem {
	unsigned char *base; /* start of the mapping, page aligned */
	size_t size;         /* bytes: whole pages, 1 MiB at least */
	uint64_t physical;   /* its address on this VM's bus; 0 for a file */
	enum shmem_order order; /* of loads and stores in it */
};

/* Firmware leaves addresses below this uncached, whatever a mapping asks for. */
#define SHMEM_FOUR_GIB (UINT64_C(1) << 32)

/* The ivshmem device itself. */
struct shmem_device {
	char address[sizeof("0000:00:04.0")]; /* on the PCI bus */
	uint64_t start;                       /* of BAR 2 on this VM's bus */
	uint64_t size;                        /* bytes */
};

/*
 * Finds the device, without mapping anything. Ignores the option -f. Fails if there is none, or
 * if there are several and the options do not say which.
 */
bool shmem_try_device_find(const struct shmem_options *options, struct shmem_device *device,
			   struct shmem_error *error);
struct shmem_device shmem_device_find(const struct shmem_options *options);

/*
 * Finds the region and maps it, for reading and writing unless the options say read_only. Fails
 * if it is not there, may not be opened or mapped, or has an impossible size.
 */
bool shmem_try_open(const struct shmem_options *options, struct shmem *region,
		    struct shmem_error *error);
struct shmem shmem_open(const struct shmem_options *options);

/* Unmaps it. First give up claims, seats, and a doorbell that was opened with it. */
void shmem_close(struct shmem *region);

/*
 * Fails if programs of another layout, or of another size of the region, have used it. Claims and
 * meetings check this themselves. Writes nothing.
 */
bool shmem_try_layout_check(const struct shmem *region, struct shmem_error *error);
void shmem_layout_check(const struct shmem *region);

/* --- Claims: one VM at a time ------------------------------------------- */

/*
 * The word of a claim in the region is 0 while free, otherwise a random ticket of its
 * holder above a counter, the beat. If the beat stands still for three seconds, the
 * holder is taken for dead, and a waiting program takes over the claim. Therefore renew a
 * claim more often than that. A claim is given back at exit, and on SIGINT, SIGTERM,
 * SIGHUP, SIGQUIT and SIGPIPE.
 */
struct shmem_claim {
	enum shmem_layout_claim which;
};

/*
 * Waits until the claim is free or its holder dead, and takes it. what is the area's name
 * in messages; it must stay valid. Fails if the holder keeps it for timeout nanoseconds (below
 * three seconds, that may be a dead one), or if programs of another layout, or of another size of
 * the region, have used it. A program must not take a claim that it holds.
 */
bool shmem_try_claim_take(struct shmem_claim *claim, const struct shmem *region,
			  enum shmem_layout_claim which, const char *what, uint64_t timeout,
			  struct shmem_error *error);
struct shmem_claim shmem_claim_take(const struct shmem *region, enum shmem_layout_claim which,
				    const char *what, uint64_t timeout);

/* Shows that we live. Fails if the claim was lost; it may then be taken again. */
bool shmem_try_claim_renew(struct shmem_claim *claim, struct shmem_error *error);
void shmem_claim_renew(struct shmem_claim *claim);

/* Gives the claim back. Fails if the claim was lost: others have used the area meanwhile. */
bool shmem_try_claim_drop(struct shmem_claim *claim, struct shmem_error *error);
void shmem_claim_drop(struct shmem_claim *claim);

/* --- Command line ------------------------------------------------------- */

/* A fault that --inject causes on purpose, to test that it is noticed. */
struct shmem_fault {
	const char *name;
	const char *about; /* the fault in a few words */
};

/* The command line of a program, for shmem_getopt and -h. */
struct shmem_program {
	const char *synopsis; /* own options and operands, or NULL */
	const char *letters;  /* own options as getopt(3) wants them, or NULL */
	const struct option *longs; /* as getopt_long(3) wants them, or NULL; val is
				     * one of the letters, or SHMEM_LONG and above */
	const struct shmem_fault *faults; /* for --inject, up to one without a name,
					   * or NULL; [0] is for "none" */
	int operands;         /* most operands that are accepted */
	const char *about;    /* its purpose, whole lines */
	const char *details;  /* own options, one a line, or NULL */
	const char *example;  /* a command and its output, whole lines */
};

/* The values of a program's own long options without a letter begin here. */
enum { SHMEM_LONG = 0x1000 };

/*
 * As getopt_long(3): returns the next of the program's own options, and -1 after the last;
 * then argv[optind] is the first operand. Handles -d, -f, -m, -h, --help, --json and
 * --inject, and all errors, itself.
 */
int shmem_getopt(const struct shmem_program *program,
		 struct shmem_options *options, int argc, char **argv);

/*
 * For getopt_long's answers ':' and '?': ends the program with status 2 and says which
 * option of argv is wrong, as it was typed. Long options' values are 0x100 or above.
 */
SHMEM_NORETURN void shmem_reject_option(int answer, char **argv);

/*
 * Reads an unsigned decimal or 0x-hexadecimal number, which must be all of text and at
 * most max. Returns false, and leaves *value unchanged, if it is not one.
 */
bool shmem_number(const char *text, uint64_t max, uint64_t *value);

/*
 * Values of options. option is the option's name for the error message, such as "-n" or
 * "--size". A wrong text, or a value out of range, ends the program with status 2.
 */

/* A number as above, from min to max. */
uint64_t shmem_option_number(const char *option, const char *text, uint64_t min,
			     uint64_t max);

/* Bytes from min to max: a number, with K, M or G after it for 2^10, 2^20, 2^30. */
uint64_t shmem_option_size(const char *option, const char *text, uint64_t min,
			   uint64_t max);

/*
 * Decimal seconds ("10", "0.5"), more than 0 and at most a week. Returns
 * nanoseconds.
 */
uint64_t shmem_option_seconds(const char *option, const char *text);

/* The index of text in names, which ends with NULL. */
size_t shmem_option_choice(const char *option, const char *text,
			   const char *const *names);

/* --- Output ------------------------------------------------------------- */

#define SHMEM_PRINTF __attribute__((format(printf, 1, 2)))

/* Prints results to stdout, at once. A failed write ends the program. */
SHMEM_PRINTF void shmem_print(const char *format, ...);

/* Prints a notice to stderr: "PROGRAM: ..." and a newline. */
SHMEM_PRINTF void shmem_warn(const char *format, ...);

/* The same, then ends the program with status 1, or 2 for a wrong command line. */
SHMEM_NORETURN SHMEM_PRINTF void shmem_die(const char *format, ...);
SHMEM_NORETURN SHMEM_PRINTF void shmem_usage_error(const char *format, ...);

/* The same with any status. */
__attribute__((format(printf, 2, 3)))
SHMEM_NORETURN void shmem_fail(int status, const char *format, ...);

/*
 * --json: a record is one JSON object on one line. It describes itself: it begins with
 * the kind of record, the program, its version, the mapping, the region and the machine.
 * The program's own members follow. One record at a time; names are plain words.
 */
void shmem_record_begin(const struct shmem *region, const struct shmem_options *options,
			const char *kind);
void shmem_record_integer(const char *name, uint64_t value);
void shmem_record_number(const char *name, double value); /* null if not finite */
void shmem_record_text(const char *name, const char *value); /* null for NULL */
void shmem_record_bytes(const char *name, const void *bytes, size_t length); /* as a text */
void shmem_record_flag(const char *name, bool value);

/* An array. Its members have NULL for a name. */
void shmem_record_array(const char *name);
void shmem_record_array_end(void);

/* An object within the record. */
void shmem_record_object(const char *name);
void shmem_record_object_end(void);

/* Prints the record, in one write. */
void shmem_record_end(void);

/* --- The machine --------------------------------------------------------- */

/* The mapping in use: "uc", "wc", "wb" or "file". */
const char *shmem_mapping_name(const struct shmem_options *options);

/*
 * The hypervisor according to CPUID: "tcg", "kvm", "none", or the hypervisor's own
 * signature. On a host that is itself a VM, it is the hypervisor of that VM.
 */
const char *shmem_accelerator(void);

/* The model name of the CPU, such as "QEMU Virtual CPU version 2.5+"; "" if it has none. */
const char *shmem_cpu_model(void);

/*
 * The memory type that the kernel has recorded for the region's mapping, such as
 * "write-back" or "uncached-minus". NULL if it is an ordinary file, if debugfs cannot be
 * read, or if nothing is recorded.
 */
const char *shmem_memory_type(const struct shmem *region);

/* Keeps this thread on one CPU of the VM. Fails if there is no such CPU. */
bool shmem_try_pin(unsigned int cpu, struct shmem_error *error);
void shmem_pin(unsigned int cpu);

/*
 * Keeps this thread on one of its allowed CPUs: turn counts through them. Every core comes
 * once before a second hardware thread of a core, since threads of one core share its units.
 * Where that is impossible, the thread stays where it is.
 */
void shmem_pin_apart(uint64_t turn);

/* --- Measuring ---------------------------------------------------------- */

/* CLOCK_MONOTONIC in nanoseconds. Not comparable with another VM's. */
uint64_t shmem_now(void);

/* Nanoseconds since start; at least 1, so that it can be divided by. */
uint64_t shmem_since(uint64_t start);

/* User and system time of this program so far, in nanoseconds. */
uint64_t shmem_cpu_time(void);

/*
 * 64 random bits from the kernel. Ends the program if the kernel has no getrandom, as before
 * Linux 3.17 (getrandom(2)); the kit's oldest is 6.1. It cannot fail otherwise.
 */
uint64_t shmem_random(void);

SHMEM_C_END

#endif
