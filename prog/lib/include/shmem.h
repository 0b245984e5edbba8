/*
 * shmem.h - what the programs share: the region, claims and meetings, options,
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
 * No function here returns an error: what cannot be done ends the program with
 * one line on stderr and status 1 (2 for a wrong command line). Claims that are
 * held at that moment are given back, as at each end but a violent one.
 *
 * Whatever is in the region was written by somebody else, perhaps just now and
 * perhaps wrongly: read it once into a variable, check that, and use that.
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

/* Of all the programs together; in every record of --json. */
#define SHMEM_VERSION "1.0"

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
	bool json;           /* records instead of text on stdout */
	size_t fault;        /* --inject: which of the program's faults; 0: none */
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

/* Finds it, without mapping anything. The option -f makes no difference. */
struct shmem_device shmem_device(const struct shmem_options *options);

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

/* What the library remembers of a word in the region that it holds. Private. */
struct shmem_hold {
	_Atomic uint64_t *word;
	_Atomic uint64_t mine; /* what we have put there; 0: nothing. Handlers read it. */
};

/* --- Claims: one VM at a time ------------------------------------------- */

/*
 * The word of a claim in the region is 0 while free, otherwise a random ticket
 * of its holder above a counter, the beat. A holder whose beat has stood still
 * for three seconds is taken for dead, and its claim goes to who waits for it.
 * A live one so has to renew in shorter intervals. At exit, and on SIGINT,
 * SIGTERM, SIGHUP, SIGQUIT and SIGPIPE, a claim that is held is given back.
 */
struct shmem_claim {
	enum layout_claim which;
};

/* Only lock-free atomics work across address spaces (C11 7.17.5p3). */
static_assert(ATOMIC_LLONG_LOCK_FREE == 2, "64-bit atomics must be lock-free");

/*
 * Waits until the claim is free or its holder dead, and takes it. what is the
 * area's name in messages. Ends the program if somebody who lives holds it for
 * timeout nanoseconds.
 */
struct shmem_claim shmem_claim_take(const struct shmem *region, enum layout_claim which,
				    const char *what, uint64_t timeout);

/* Shows that the holder lives. Ends the program if the claim was lost. */
void shmem_claim_renew(struct shmem_claim *claim);

/* Gives the claim back. Ends the program if it had been lost before. */
void shmem_claim_drop(struct shmem_claim *claim);

/* --- Meetings: two VMs or more run the same program ---------------------- */

/*
 * A meeting is a row of seats in the region, a line of SHMEM_SEAT_SIZE bytes
 * each. Who runs the program takes a seat and waits until all seats are taken
 * by programs that are seen to live; then all of them hold the same session
 * number, which no earlier run had. Which of them starts first does not matter.
 *
 * Put the session number into all that you exchange: whatever does not bear it
 * is the leftover of another run.
 */
enum { SHMEM_SEAT_SIZE = 64, SHMEM_SEATS_MAX = 16, SHMEM_ANY_SEAT = -1 };

enum shmem_meet {
	SHMEM_MET,
	SHMEM_NOBODY_CAME, /* not all seats were taken before the timeout */
	SHMEM_SEAT_TAKEN,  /* somebody who lives kept the seat until the timeout */
};

enum shmem_peer {
	SHMEM_PEER_LIVES,
	SHMEM_PEER_LEFT, /* gave up its seat, or somebody else has it now */
	SHMEM_PEER_DIED, /* gave no sign of life for 3 s */
};

/* What became of a peer that does not live, for messages: "died: ..." or "gave up". */
const char *shmem_peer_fate(enum shmem_peer peer);

/* The exit status for it: SHMEM_STATUS_DIED or SHMEM_STATUS_LEFT. */
int shmem_peer_status(enum shmem_peer peer);

/* What a meeting remembers of a seat. Private. */
struct shmem_seat_watch {
	uint64_t seen;  /* last value of its word */
	uint64_t still; /* nanoseconds that it has not changed */
	bool moved;     /* has changed while we looked, so its holder lives */
};

/* Read seats, seat and session; the rest is private. */
struct shmem_meeting {
	int seats;
	int seat;         /* ours: 0 up to seats - 1 */
	uint64_t session; /* the same for all who met, and not 0 */

	struct shmem_seat *row; /* in the region */
	const char *what;
	uint64_t size;          /* of our region, bytes */
	struct shmem_hold hold; /* of our seat */
	uint64_t looked;  /* when we did last, by our clock */
	struct shmem_seat_watch watch[SHMEM_SEATS_MAX];
	uint64_t tickets[SHMEM_SEATS_MAX]; /* of those who met */
};

/*
 * Takes the seat (or the first free one, for SHMEM_ANY_SEAT) of the row of
 * seats that begins offset bytes into the region, on a line of its own, and
 * waits for the others, timeout nanoseconds at most. what is the meeting's name
 * in messages. With another result than SHMEM_MET the seat is free again. Ends the
 * program if who met us has mapped more or less of the region than we have.
 */
enum shmem_meet shmem_meet(struct shmem_meeting *meeting, const struct shmem *region,
			   size_t offset, int seats, int seat, const char *what,
			   uint64_t timeout);

/*
 * Shows the others that we live. Cheap; call it every few milliseconds, and
 * never more than a second apart. Ends the program if our seat was lost, which
 * happens to who was paused for longer than 3 s.
 */
void shmem_meet_beat(struct shmem_meeting *meeting);

/*
 * Ends the program if our seat was lost. A load: do it before each word that the
 * others believe to be ours, since who was paused for long does not know it, and
 * would write into what two others are at by now. One that is paused between this
 * and its store still does.
 */
void shmem_meet_check(const struct shmem_meeting *meeting);

/*
 * What has become of who met us on that seat. Look at the data that it sent
 * first: who has finished leaves. Needs calls at most 100 ms apart, beside
 * shmem_meet_beat: time during which we did not look does not count.
 */
enum shmem_peer shmem_meet_peer(struct shmem_meeting *meeting, int seat);

/* Gives up our seat. */
void shmem_meet_leave(struct shmem_meeting *meeting);

/*
 * Gives up our seat, if we have one then, at the end of the program, as claims are
 * given back, so that the others learn at once of every end but a violent one.
 * Call it once, before shmem_meet; the meeting is the caller's, zeroed, and has to
 * last as long as the program.
 */
void shmem_meet_leave_at_end(struct shmem_meeting *meeting);

/* --- Command line ------------------------------------------------------- */

/* One of the faults that --inject makes on purpose, to show that it is noticed. */
struct shmem_fault {
	const char *name;
	const char *about; /* what goes wrong, in a few words */
};

/* What distinguishes a program in shmem_getopt and in -h. */
struct shmem_program {
	const char *synopsis; /* own options and operands, or NULL */
	const char *letters;  /* own options as getopt(3) wants them, or NULL */
	const struct option *longs; /* as getopt_long(3) wants them, or NULL; val is
				     * one of the letters, or SHMEM_LONG and above */
	const struct shmem_fault *faults; /* for --inject, up to one without a name,
					   * or NULL; [0] is for "none" */
	int operands;         /* how many operands are accepted at most */
	const char *about;    /* what it does, whole lines */
	const char *details;  /* own options, one a line, or NULL */
	const char *example;  /* a command and its output, whole lines */
};

/* The values of own long options that have no letter begin here. */
enum { SHMEM_LONG = 0x1000 };

/*
 * As getopt_long(3): returns the program's next own option, -1 after the last;
 * takes care of -d, -f, -m, -h, --help, --json and --inject, and of all errors.
 * Then argv[optind] is the first operand.
 */
int shmem_getopt(const struct shmem_program *program,
		 struct shmem_options *options, int argc, char **argv);

/*
 * For getopt_long's answers ':' and '?': ends the program with status 2 and says which
 * option of argv is wrong, as it was typed. Long options' values are 0x100 or above.
 */
_Noreturn void shmem_reject_option(int answer, char **argv);

/*
 * Reads an unsigned decimal or 0x-hexadecimal number that takes up all of text
 * and is no larger than max. False, and *value untouched, if it is not one.
 */
bool shmem_number(const char *text, uint64_t max, uint64_t *value);

/*
 * The values of options. option is its name for the error message, "-n" or
 * "--size"; a text that is not such a value, or one out of range, ends the
 * program with status 2.
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
	SHMEM_STATUS_RUBBISH = 5, /* the region holds what no peer wrote */
	SHMEM_STATUS_LEFT = 6,    /* a peer gave up */
};

/* Results: to stdout, at once. A failed write ends the program. */
SHMEM_PRINTF void shmem_print(const char *format, ...);

/* Notices: "PROGRAM: ..." to stderr; the newline is added. */
SHMEM_PRINTF void shmem_warn(const char *format, ...);

/* The same, then ends the program with status 1, or 2 for a wrong command. */
_Noreturn SHMEM_PRINTF void shmem_die(const char *format, ...);
_Noreturn SHMEM_PRINTF void shmem_usage_error(const char *format, ...);

/* The same with a status of the program's own. */
__attribute__((format(printf, 2, 3)))
_Noreturn void shmem_fail(int status, const char *format, ...);

/*
 * --json: a record is one JSON object on one line. It says by itself what it is
 * about: it begins with the program, its version, the mapping, the region and
 * the machine, and the kind of record. Then come the program's own members.
 * One record at a time; names are plain words.
 */
void shmem_record_begin(const struct shmem *region, const struct shmem_options *options,
			const char *kind);
void shmem_record_integer(const char *name, uint64_t value);
void shmem_record_number(const char *name, double value); /* null if not finite */
void shmem_record_text(const char *name, const char *value); /* null for NULL */
void shmem_record_bytes(const char *name, const void *bytes, size_t length); /* as a text */
void shmem_record_flag(const char *name, bool value);

/* An array: members in it have NULL for a name. */
void shmem_record_array(const char *name);
void shmem_record_array_end(void);

/* Prints the record, in one write. */
void shmem_record_end(void);

/* --- The machine --------------------------------------------------------- */

/* "uc", "wc", "wb" or "file". */
const char *shmem_mapping_name(const struct shmem_options *options);

/*
 * What the CPU says it runs under: "tcg", "kvm", "none", or the hypervisor's own
 * signature. A file on a host that is a VM itself shows that VM's hypervisor.
 */
const char *shmem_accelerator(void);

/* Its model name, such as "QEMU Virtual CPU version 2.5+"; "" if it has none. */
const char *shmem_cpu_model(void);

/*
 * The memory type that the kernel has noted for the mapping of these physical
 * addresses while it is there, such as "write-back" or "uncached-minus", or
 * NULL: it is an ordinary file, debugfs cannot be read, or nothing is noted.
 */
const char *shmem_memory_type(const struct shmem *region);

/* Keeps this thread on one CPU of the VM. Ends the program if that is not there. */
void shmem_pin(unsigned int cpu);

/*
 * Keeps it on the CPU whose turn it is, of those that it may run on: cores first,
 * as two hardware threads of one core share what they work with.
 */
void shmem_pin_apart(uint64_t turn);

/* --- Measuring ---------------------------------------------------------- */

/* CLOCK_MONOTONIC in nanoseconds. Means nothing in another VM. */
uint64_t shmem_now(void);

/* Nanoseconds since then, to divide by: 1 at least. */
uint64_t shmem_since(uint64_t start);

/* User and system time of this program so far, in nanoseconds. */
uint64_t shmem_cpu_time(void);

/* 64 bits from the kernel's generator. */
uint64_t shmem_random(void);

#endif
