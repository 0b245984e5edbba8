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
 *		shmem_print("%d\n", region.base[LAYOUT_FREE]);
 *	}
 *
 * No function here returns an error: a failure ends the program with one line on
 * stderr and status 1 (2 for a wrong command line). Claims are then given back, as at
 * every end of the program except SIGKILL and the like.
 *
 * Another VM may write anything into the region at any time. Read a word once into a
 * variable, check the variable, and use it.
 */
#ifndef SHMEM_H
#define SHMEM_H

#include <assert.h>
#include <getopt.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "layout.h"
#include "prog.h"
#include "statistics.h"

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
	size_t fault;        /* --inject: the index of the fault; 0: none */
};

/* A mapped region. It stays mapped until the program ends. */
struct shmem {
	unsigned char *base; /* start of the mapping, page aligned */
	size_t size;         /* bytes: whole pages, 1 MiB at least */
	uint64_t physical;   /* its address on this VM's bus; 0 for a file */
};

/* Firmware leaves addresses below this uncached, whatever a mapping asks for. */
#define SHMEM_FOUR_GIB (UINT64_C(1) << 32)

/* The ivshmem device itself. */
struct shmem_device {
	char address[sizeof("0000:00:04.0")]; /* on the PCI bus */
	uint64_t start;                       /* of BAR 2 on this VM's bus */
	uint64_t size;                        /* bytes */
};

/* Finds the device, without mapping anything. Ignores the option -f. */
struct shmem_device shmem_device(const struct shmem_options *options);

/* Finds the region and maps it for reading and writing. */
struct shmem shmem_open(const struct shmem_options *options);

/*
 * Orders all loads and stores before it ahead of all after it, in every type of mapping.
 * Release and acquire do not. On x86 they are plain moves, which rely on an order that
 * write-combining memory does not keep. A seq_cst fence is a locked instruction or MFENCE,
 * which drains the write-combining buffers (Intel SDM volume 3, "Buffering of Write
 * Combining Memory Locations").
 */
static inline void shmem_fence(void)
{
	atomic_thread_fence(memory_order_seq_cst);
}

/* A word in the region that the program holds. Private. */
struct shmem_hold {
	_Atomic uint64_t *word;
	_Atomic uint64_t mine; /* the value that we put there; 0: none. Handlers read it. */
};

/* --- Claims: one VM at a time ------------------------------------------- */

/*
 * The word of a claim in the region is 0 while free, otherwise a random ticket of its
 * holder above a counter, the beat. If the beat stands still for three seconds, the
 * holder is taken for dead, and a waiting program takes over the claim. Therefore renew a
 * claim more often than that. A claim is given back at exit, and on SIGINT, SIGTERM,
 * SIGHUP, SIGQUIT and SIGPIPE.
 */
struct shmem_claim {
	enum layout_claim which;
};

/* Only lock-free atomics work across address spaces (C11 7.17.5p3). */
static_assert(ATOMIC_LLONG_LOCK_FREE == 2, "64-bit atomics must be lock-free");

/*
 * Waits until the claim is free or its holder dead, and takes it. what is the area's name
 * in messages. Ends the program if a living holder keeps it for timeout nanoseconds.
 */
struct shmem_claim shmem_claim_take(const struct shmem *region, enum layout_claim which,
				    const char *what, uint64_t timeout);

/* Shows that we live. Ends the program if the claim was lost. */
void shmem_claim_renew(struct shmem_claim *claim);

/* Gives the claim back. Ends the program if the claim was lost. */
void shmem_claim_drop(struct shmem_claim *claim);

/* --- Meetings: two VMs or more run the same program ---------------------- */

/*
 * A meeting is a row of seats in the region, each a line of SHMEM_SEAT_SIZE bytes. Each
 * program takes a seat and waits until living programs have taken all seats. Then all of
 * them have the same session number, which no earlier run had. They may start in any
 * order.
 *
 * Put the session number into everything that you exchange: data without it was left by
 * another run.
 */
enum { SHMEM_SEAT_SIZE = 64, SHMEM_SEATS_MAX = 16, SHMEM_ANY_SEAT = -1 };

enum shmem_meet {
	SHMEM_MET,
	SHMEM_NOBODY_CAME, /* not all seats were taken before the timeout */
	SHMEM_SEAT_TAKEN,  /* a living program kept the seat until the timeout */
};

enum shmem_peer {
	SHMEM_PEER_LIVES,
	SHMEM_PEER_LEFT, /* gave up its seat, or another program has it now */
	SHMEM_PEER_DIED, /* gave no sign of life for 3 s */
};

/* The end of a peer that does not live, for messages: "died: ..." or "gave up". */
const char *shmem_peer_fate(enum shmem_peer peer);

/* The exit status for that: SHMEM_STATUS_DIED or SHMEM_STATUS_LEFT. */
int shmem_peer_status(enum shmem_peer peer);

/* The state of a seat, as a meeting saw it. Private. */
struct shmem_seat_watch {
	uint64_t seen;  /* last value of its word */
	uint64_t still; /* nanoseconds without a change */
	bool moved;     /* it changed while we looked, so its holder lives */
};

/* Read seats, seat and session; the rest is private. */
struct shmem_meeting {
	int seats;
	int seat;         /* ours: 0 up to seats - 1 */
	uint64_t session; /* the same for all that met, and not 0 */

	struct shmem_seat *row; /* in the region */
	const char *what;
	uint64_t size;          /* of our region, bytes */
	struct shmem_hold hold; /* of our seat */
	uint64_t looked;  /* time of our last look at the seats */
	struct shmem_seat_watch watch[SHMEM_SEATS_MAX];
	uint64_t tickets[SHMEM_SEATS_MAX]; /* of all that met */
};

/*
 * Takes the seat, or the first free one for SHMEM_ANY_SEAT, and waits for the others,
 * timeout nanoseconds at most. The row of seats begins offset bytes into the region, a
 * multiple of SHMEM_SEAT_SIZE. what is the meeting's name in messages. If the result is
 * not SHMEM_MET, the seat is free again. Ends the program if a peer has mapped another
 * size of the region.
 */
enum shmem_meet shmem_meet(struct shmem_meeting *meeting, const struct shmem *region,
			   size_t offset, int seats, int seat, const char *what,
			   uint64_t timeout);

/*
 * Shows the others that we live. Cheap: call it every few milliseconds, and at least once
 * a second. Ends the program if our seat was lost, because we were paused for more than 3 s.
 */
void shmem_meet_beat(struct shmem_meeting *meeting);

/*
 * Ends the program if our seat was lost. It is one load: call it before each store of a
 * word that the others take for ours. A program that was paused for long does not know
 * that it lost its seat, and would write into the exchange of two others. A pause between
 * this check and the store goes unnoticed.
 */
void shmem_meet_check(const struct shmem_meeting *meeting);

/*
 * The state of the peer that met us on that seat. Look at its data first: a peer that has
 * finished leaves. Call it at least every 100 ms, as well as shmem_meet_beat: the time
 * between two looks counts as 100 ms at most.
 */
enum shmem_peer shmem_meet_peer(struct shmem_meeting *meeting, int seat);

/* Gives up our seat. */
void shmem_meet_leave(struct shmem_meeting *meeting);

/*
 * Makes the end of the program give up our seat, if we have one, as claims are given
 * back: the others learn of it at once, unless SIGKILL or the like ends us. Call it once,
 * before shmem_meet, with a zeroed meeting that lasts as long as the program.
 */
void shmem_meet_leave_at_end(struct shmem_meeting *meeting);

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
_Noreturn void shmem_reject_option(int answer, char **argv);

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

/* How programs end; each documents in -h which of these it has. */
enum shmem_status {
	SHMEM_STATUS_FAILED = 1,  /* as shmem_die does */
	SHMEM_STATUS_USAGE = 2,   /* a wrong command line */
	SHMEM_STATUS_NOBODY = 3,  /* nobody came, or nobody rang */
	SHMEM_STATUS_DIED = 4,    /* a peer died */
	SHMEM_STATUS_RUBBISH = 5, /* a peer, or an intruder, wrote something impossible */
	SHMEM_STATUS_LEFT = 6,    /* a peer gave up */
};

/* Prints results to stdout, at once. A failed write ends the program. */
SHMEM_PRINTF void shmem_print(const char *format, ...);

/* Prints a notice to stderr: "PROGRAM: ..." and a newline. */
SHMEM_PRINTF void shmem_warn(const char *format, ...);

/* The same, then ends the program with status 1, or 2 for a wrong command line. */
_Noreturn SHMEM_PRINTF void shmem_die(const char *format, ...);
_Noreturn SHMEM_PRINTF void shmem_usage_error(const char *format, ...);

/* The same with any status. */
__attribute__((format(printf, 2, 3)))
_Noreturn void shmem_fail(int status, const char *format, ...);

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

/* Keeps this thread on one CPU of the VM. Ends the program if there is no such CPU. */
void shmem_pin(unsigned int cpu);

/*
 * Keeps this thread on one of its allowed CPUs: turn counts through them. Every core comes
 * once before a second hardware thread of a core, since threads of one core share its units.
 */
void shmem_pin_apart(uint64_t turn);

/* --- Measuring ---------------------------------------------------------- */

/* CLOCK_MONOTONIC in nanoseconds. Not comparable with another VM's. */
uint64_t shmem_now(void);

/* Nanoseconds since start; at least 1, so that it can be divided by. */
uint64_t shmem_since(uint64_t start);

/* User and system time of this program so far, in nanoseconds. */
uint64_t shmem_cpu_time(void);

/* 64 random bits from the kernel. */
uint64_t shmem_random(void);

#endif
