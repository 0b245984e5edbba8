/*
 * stress.h - shared by the files of __stress; no other program includes it.
 *
 *	stress.c    the command line, the results, and all checks in turn
 *	together.c  barriers, waiting, slices of time
 *	atomic.c    checks of locked instructions and of whole words
 *	order.c     checks of the order of loads and stores
 */
#ifndef STRESS_H
#define STRESS_H

#include "barrier.h"
#include "shmem.h"
#include "units.h"

#define SLICE_NS (5 * SHMEM_MS)

enum {
	DESK_SIZE = 0x3000,
	DESKS = 0x1000,       /* offset of the desks in the area */
	COMMON = 0x400,       /* offset of the common words, after the seats */
	STEPS = 0x800,        /* offset of the steps of the barriers */
	BLOCK_WORDS = 500,
	LITMUS_RUNS = 1000,   /* of store buffering, at a time */
	DAWDLE = 50,          /* pauses, to give others the time to see a fault */
};

enum check {
	CHECK_COUNTER,
	CHECK_LOCK,
	CHECK_MESSAGE,
	CHECK_FENCED,
	CHECK_BUFFERED,
	CHECK_TORN,
	CHECK_BLOCK,
	CHECKS,
};

enum stress_fault {
	FAULT_NONE,
	FAULT_COUNTER,
	FAULT_PLAIN,
	FAULT_LOCK,
	FAULT_MESSAGE,
	FAULT_FENCE,
	FAULT_TORN,
	FAULT_BLOCK,
	FAULT_CONTROL,
	FAULT_DIE,
	FAULT_LEAVE,
};

/* In the region: words that all participants write to, each on a line of its own. */
struct common {
	_Alignas(64) _Atomic uint64_t counter;
	_Alignas(64) _Atomic uint64_t lock; /* 0, or the number of its holder */
	_Alignas(64) volatile uint64_t guarded[2];
};

/* In the region: words that one participant writes and the others read. */
struct desk {
	_Alignas(64) _Atomic uint64_t verdict; /* session + 1 + the check that failed here */
	_Atomic uint64_t enough;               /* session + 1: its time is up */
	_Atomic uint64_t count;                /* operations in the current check */
	_Alignas(64) _Atomic uint64_t flag;
	_Alignas(64) _Atomic uint64_t data;
	_Alignas(64) _Atomic uint64_t word;
	_Alignas(64) _Atomic uint64_t stored;
	_Alignas(64) _Atomic uint64_t sequence;
	_Atomic uint64_t checksum;
	uint64_t block[BLOCK_WORDS];
	_Alignas(64) _Atomic uint32_t loaded[LITMUS_RUNS + 1];
};

static_assert(sizeof(struct desk) <= DESK_SIZE, "a desk fits its place");
static_assert(COMMON >= SHMEM_SEATS_MAX * SHMEM_SEAT_SIZE, "the seats fit before the common words");
static_assert(COMMON + sizeof(struct common) <= STEPS, "the common words fit before the steps");
static_assert(STEPS + SHMEM_SEATS_MAX * sizeof(struct shmem_barrier_step) <= DESKS,
	      "the steps fit before the desks");
static_assert(DESKS + SHMEM_SEATS_MAX * DESK_SIZE <= SHMEM_LAYOUT_STRESS_END - SHMEM_LAYOUT_STRESS,
	      "all desks fit the area");

struct stress {
	struct shmem_options options;
	struct shmem region;
	struct shmem_meeting meeting;
	struct shmem_barrier barrier;
	uint64_t duration, patience; /* nanoseconds */
	int participants;
	struct common *common;
	struct desk *own;
	uint64_t cycle;          /* times through all checks */
	uint64_t done[CHECKS];   /* operations checked */
	uint64_t seen_fenced;    /* loads that overtook a store in spite of a fence */
	uint64_t seen_buffered;  /* loads that overtook a store without one, which x86 allows */
};

static inline struct desk *desk(const struct stress *s, int seat)
{
	return (struct desk *)(s->region.base + SHMEM_LAYOUT_STRESS + DESKS +
			       (size_t)seat * DESK_SIZE);
}

/* The desk that we read: that of the next participant. We are read by the one before. */
static inline struct desk *neighbour(const struct stress *s)
{
	return desk(s, (s->meeting.seat + 1) % s->participants);
}

static inline bool injected(const struct stress *s, enum stress_fault fault)
{
	return s->options.fault == fault;
}

static inline void dawdle(void)
{
	for (int i = 0; i < DAWDLE; i++)
		__builtin_ia32_pause();
}

static inline uint64_t load(const _Atomic uint64_t *word)
{
	return atomic_load_explicit(word, memory_order_relaxed);
}

static inline void store(_Atomic uint64_t *word, uint64_t value)
{
	atomic_store_explicit(word, value, memory_order_relaxed);
}

/* --- stress.c ------------------------------------------------------------- */

/* Prints the results and the account of the failed check, and ends the program. */
_Noreturn void end_with(const struct stress *s, enum check check, const char *account);

/* The same, and tells the other participants. */
__attribute__((format(printf, 3, 4)))
_Noreturn void violation(struct stress *s, enum check check, const char *format, ...);

/* --- together.c ---------------------------------------------------- */

/*
 * One turn of waiting for that seat. Gives up on a dead peer only a turn later, after the
 * caller has looked once more: its last store may have arrived just before.
 */
struct wait {
	unsigned int turns;
	enum shmem_peer peer;
};

void wait_for(struct stress *s, int seat, struct wait *wait);

/* Returns when all participants have reached it. */
void barrier(struct stress *s);

/* A slice of time. It begins with the first go_on, which is true until the slice is over. */
struct slice {
	uint64_t operations, end;
};

bool go_on(const struct stress *s, struct slice *slice);

/* The sum of count on all desks. */
uint64_t sum_of_counts(const struct stress *s);

/* --- atomic.c ------------------------------------------------------ */

void check_counter(struct stress *s);
void check_lock(struct stress *s);
void check_torn(struct stress *s);

/* --- order.c ------------------------------------------------------- */

void check_message(struct stress *s);
void check_fenced(struct stress *s);
void check_buffered(struct stress *s);
void check_block(struct stress *s);

#endif
