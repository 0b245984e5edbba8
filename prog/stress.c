/*
 * stress.c - __stress: can the memory be relied on, from all VMs at once?
 *
 * All who take part go from check to check together, with a barrier between
 * them. Within a check each works for a slice of time by its own clock, so that
 * they do overlap, and compares what it sees of the others with what the
 * architecture promises (Intel SDM volume 3, 8.1 "Locked Atomic Operations" and
 * 8.2 "Memory Ordering").
 */
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shmem.h"
#include "wait.h"

#define SLICE_NS UINT64_C(5000000)
#define DEFAULT_DURATION UINT64_C(10000000000)
#define DEFAULT_PATIENCE UINT64_C(60000000000)

enum {
	DESK_SIZE = 0x3000,
	DESKS = 0x1000,       /* where they begin in the area */
	COMMON = 0x400,       /* behind the seats */
	BLOCK_WORDS = 500,
	LITMUS_RUNS = 1000,   /* of store buffering, at a time */
	LITMUS_BURSTS = 8,    /* in a check */
	CLOCK_EVERY = 64,     /* operations between two looks at it */
	LOCK_TURNS = WAIT_SHORT_NAPS + 10000, /* 10 s; its holder needs a slice at most */
	DAWDLE = 50,          /* pauses, where a fault needs some time to be seen */
};

/* Documented in -h. */
enum status {
	STATUS_VIOLATION = 1,
	STATUS_NOBODY = 3,
	STATUS_DIED = 4,
	STATUS_LEFT = 6,
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

static const struct {
	const char *name;  /* in records */
	const char *title; /* what is counted */
} checks[CHECKS] = {
	[CHECK_COUNTER] = { "counter", "atomic additions" },
	[CHECK_LOCK] = { "lock", "entries under a spinlock" },
	[CHECK_MESSAGE] = { "message", "messages passed by data and flag" },
	[CHECK_FENCED] = { "fenced", "store, fence, load on both sides" },
	[CHECK_BUFFERED] = { "buffered", "store, load on both sides (no promise)" },
	[CHECK_TORN] = { "torn", "reads of an aligned 64-bit word" },
	[CHECK_BLOCK] = { "block", "blocks of 4 KB with a checksum" },
};

enum fault {
	FAULT_NONE,
	FAULT_COUNTER,
	FAULT_PLAIN,
	FAULT_LOCK,
	FAULT_MESSAGE,
	FAULT_FENCE,
	FAULT_TORN,
	FAULT_BLOCK,
	FAULT_DIE,
	FAULT_LEAVE,
};

/* In the region: words that all write to, on a line each. */
struct common {
	_Alignas(64) _Atomic uint64_t counter;
	_Alignas(64) _Atomic uint64_t lock; /* 0, or the number of who has it */
	_Alignas(64) volatile uint64_t guarded[2];
};

/* In the region: what one alone writes to and the others read. */
struct desk {
	_Alignas(64) _Atomic uint64_t step; /* session + barriers reached */
	_Atomic uint64_t verdict;           /* session + 1 + the check that it saw fail */
	_Atomic uint64_t enough;            /* session + 1: its time is up */
	_Atomic uint64_t count;             /* how often it did what is checked */
	_Alignas(64) _Atomic uint64_t flag;
	_Alignas(64) _Atomic uint64_t data;
	_Alignas(64) _Atomic uint64_t word;
	_Alignas(64) _Atomic uint64_t stored;
	_Alignas(64) _Atomic uint64_t sequence;
	_Atomic uint64_t checksum;
	uint64_t block[BLOCK_WORDS];
	_Alignas(64) _Atomic uint32_t loaded[LITMUS_RUNS + 1];
};

static_assert(sizeof(struct desk) <= DESK_SIZE, "a desk has its place");
static_assert(COMMON >= SHMEM_SEATS_MAX * SHMEM_SEAT_SIZE, "the seats have theirs");
static_assert(COMMON + sizeof(struct common) <= DESKS, "what is common has its");
static_assert(DESKS + SHMEM_SEATS_MAX * DESK_SIZE <= LAYOUT_STRESS_END - LAYOUT_STRESS,
	      "and all have room");

struct stress {
	struct shmem_options options;
	struct shmem region;
	struct shmem_meeting meeting;
	uint64_t duration, patience; /* nanoseconds */
	int participants;
	struct common *common;
	struct desk *own;
	uint64_t steps;          /* barriers so far */
	uint64_t cycle;          /* times through all checks */
	uint64_t done[CHECKS];   /* operations checked */
	uint64_t seen_buffered;  /* what x86 allows */
};

static struct stress stress; /* one a program, for leave and on_signal */

static struct desk *desk(const struct stress *s, int seat)
{
	return (struct desk *)(s->region.base + LAYOUT_STRESS + DESKS + (size_t)seat * DESK_SIZE);
}

/* Whose desk is read: everybody is read by the next one. */
static struct desk *neighbour(const struct stress *s)
{
	return desk(s, (s->meeting.seat + 1) % s->participants);
}

static bool injected(const struct stress *s, enum fault fault)
{
	return s->options.fault == fault;
}

static void dawdle(void)
{
	for (int i = 0; i < DAWDLE; i++)
		__builtin_ia32_pause();
}

static uint64_t load(const _Atomic uint64_t *word)
{
	return atomic_load_explicit(word, memory_order_relaxed);
}

static void store(_Atomic uint64_t *word, uint64_t value)
{
	atomic_store_explicit(word, value, memory_order_relaxed);
}

/*
 * Orders what x86 orders by itself in uncached and write-back memory, where
 * this only keeps the compiler from reordering, and with a fence what it does
 * not, in write-combining memory.
 */
static void order(const struct stress *s)
{
	if (s->options.kind == SHMEM_WC)
		shmem_fence();
	else
		atomic_signal_fence(memory_order_seq_cst);
}

/* --- Ending --------------------------------------------------------------- */

static void leave(void)
{
	if (stress.meeting.mine)
		shmem_meet_leave(&stress.meeting);
}

/* SA_RESETHAND: when raised again it does what it does by default. */
static void on_signal(int number)
{
	leave();
	raise(number);
}

static void arrange_ending(void)
{
	struct sigaction action = { .sa_handler = on_signal, .sa_flags = (int)SA_RESETHAND };

	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGHUP, &action, NULL);
	atexit(leave);
}

static void print_counts(const struct stress *s)
{
	for (int i = 0; i < CHECKS; i++)
		shmem_print("%14llu %s\n", (unsigned long long)s->done[i], checks[i].title);
	shmem_print("%14llu times a load overtook a store before it, which x86 allows\n",
		    (unsigned long long)s->seen_buffered);
}

static void record_result(const struct stress *s, const char *failed, const char *account)
{
	shmem_record_begin(&s->region, &s->options, "stress");
	shmem_record_integer("participants", (uint64_t)s->participants);
	shmem_record_integer("seat", (uint64_t)s->meeting.seat);
	shmem_record_integer("cycles", s->cycle);
	for (int i = 0; i < CHECKS; i++)
		shmem_record_integer(checks[i].name, s->done[i]);
	shmem_record_integer("seen_buffered", s->seen_buffered);
	shmem_record_text("violation", failed);
	shmem_record_text("account", account);
	shmem_record_end();
}

/* The account goes to stdout: it is a result. */
static _Noreturn void end_with(const struct stress *s, enum check check, const char *account)
{
	if (s->options.json) {
		record_result(s, checks[check].name, account);
	} else {
		print_counts(s);
		shmem_print("VIOLATION (%s): %s\n", checks[check].name, account);
	}
	shmem_warn("violation of what the memory must do: %s", checks[check].name);
	exit(STATUS_VIOLATION);
}

__attribute__((format(printf, 3, 4)))
static _Noreturn void violation(struct stress *s, enum check check, const char *format, ...)
{
	char account[512];
	va_list values;

	va_start(values, format);
	vsnprintf(account, sizeof(account), format, values);
	va_end(values);
	store(&s->own->verdict, s->meeting.session + 1 + check);
	shmem_fence(); /* out of the write-combining buffer */
	end_with(s, check, account);
}

/* --- Together ------------------------------------------------------------- */

/* Whether somebody else saw a violation, which ends it here, too. */
static void look_for_verdict(const struct stress *s, int seat)
{
	uint64_t verdict = load(&desk(s, seat)->verdict) - s->meeting.session - 1;
	char account[64];

	if (verdict >= CHECKS)
		return;
	snprintf(account, sizeof(account), "participant %d saw it, and says what", seat);
	end_with(s, (enum check)verdict, account);
}

static void look_after(struct stress *s, int seat, enum shmem_peer peer)
{
	look_for_verdict(s, seat);
	if (peer == SHMEM_PEER_LIVES)
		return;
	shmem_warn(peer == SHMEM_PEER_DIED ? "participant %d died: it gave no sign of life for 3 s" :
					     "participant %d gave up", seat);
	exit(peer == SHMEM_PEER_DIED ? STATUS_DIED : STATUS_LEFT);
}

/*
 * A turn of waiting for that seat. That it is gone is acted upon a turn later,
 * after the caller has looked once more for what it may have done before.
 */
struct wait {
	unsigned int turns;
	enum shmem_peer peer;
};

static void show_step(struct stress *s)
{
	shmem_fence(); /* pairs with the one in barrier: what came before is seen */
	store(&s->own->step, s->meeting.session + s->steps);
	shmem_fence(); /* out of the write-combining buffer */
}

/* The step is shown again, lest all wait for ever after somebody overwrote it. */
static void wait_for(struct stress *s, int seat, struct wait *wait)
{
	if (wait->peer != SHMEM_PEER_LIVES)
		look_after(s, seat, wait->peer);
	if (!wait_turn(&wait->turns))
		return;
	show_step(s);
	shmem_meet_beat(&s->meeting);
	wait->peer = shmem_meet_peer(&s->meeting, seat);
	look_for_verdict(s, seat);
}

/*
 * Nobody goes on before all have come. Steps begin at the session number, so
 * that what an earlier run left is far from them; somebody who has gone on may
 * be at the next one already.
 */
static void barrier(struct stress *s)
{
	s->steps++;
	show_step(s);
	for (int seat = 0; seat < s->participants; seat++) {
		struct wait wait = { 0 };

		while (load(&desk(s, seat)->step) - s->meeting.session - s->steps > 1)
			wait_for(s, seat, &wait);
	}
	shmem_fence(); /* pairs with the first one in show_step */
	shmem_meet_beat(&s->meeting);
}

/* A slice of time: true until it is over. Zeroed, it begins. */
struct slice {
	uint64_t operations, end;
};

static bool go_on(struct slice *slice)
{
	if (slice->operations++ % CLOCK_EVERY != 0)
		return true;
	uint64_t now = shmem_now();

	if (!slice->end)
		slice->end = now + SLICE_NS;
	return now < slice->end;
}

static uint64_t sum_of_counts(const struct stress *s)
{
	uint64_t sum = 0;

	for (int seat = 0; seat < s->participants; seat++)
		sum += load(&desk(s, seat)->count);
	return sum;
}

/* --- Atomic counters ------------------------------------------------------ */

/* By an addition and by a compare and exchange in turn. */
static void add_one(struct stress *s, bool exchange)
{
	_Atomic uint64_t *counter = &s->common->counter;
	uint64_t seen = load(counter);

	if (injected(s, FAULT_PLAIN)) {
		store(counter, seen + 1);
		return;
	}
	if (!exchange) {
		atomic_fetch_add(counter, 1);
		return;
	}
	while (!atomic_compare_exchange_weak(counter, &seen, seen + 1))
		;
}

static void check_counter(struct stress *s)
{
	struct slice slice = { 0 };
	uint64_t added = 0;

	if (s->meeting.seat == 0)
		store(&s->common->counter, 0);
	barrier(s);
	while (go_on(&slice))
		add_one(s, added++ % 2);
	store(&s->own->count, added + injected(s, FAULT_COUNTER));
	barrier(s);

	uint64_t sum = sum_of_counts(s), counter = load(&s->common->counter);
	if (counter != sum)
		violation(s, CHECK_COUNTER,
			  "%d participants together added %llu, and the counter is %llu, so %lld "
			  "were lost: locked instructions are not atomic between these VMs. "
			  "Under QEMU's TCG that is so in a VM with maxcpus=1: start it with "
			  "-smp 1,maxcpus=2",
			  s->participants, (unsigned long long)sum, (unsigned long long)counter,
			  (long long)(sum - counter));
	s->done[CHECK_COUNTER] += added;
}

/* --- A spinlock ----------------------------------------------------------- */

static uint64_t own_number(const struct stress *s)
{
	return (uint64_t)s->meeting.seat + 1;
}

static void take_lock(struct stress *s)
{
	struct wait wait = { 0 };
	uint64_t holder = 0;

	if (injected(s, FAULT_LOCK))
		return;
	while (!atomic_compare_exchange_strong(&s->common->lock, &holder, own_number(s))) {
		if (holder > (uint64_t)s->participants || wait.turns > LOCK_TURNS)
			violation(s, CHECK_LOCK, "the lock says holder %llu of %d, who does not "
				  "give it back", (unsigned long long)holder, s->participants);
		wait_for(s, (int)holder - 1, &wait);
		holder = 0;
	}
}

/* Alone, two plain words stay equal, and the lock keeps its holder. */
static void enter(struct stress *s)
{
	volatile uint64_t *guarded = s->common->guarded;

	take_lock(s);
	shmem_fence(); /* pairs with the one before the last holder gave it back */
	uint64_t first = guarded[0], second = guarded[1], holder;

	guarded[0] = first + 1;
	if (injected(s, FAULT_LOCK))
		dawdle();
	guarded[1] = second + 1;
	holder = load(&s->common->lock);
	if (first != second || holder != own_number(s))
		violation(s, CHECK_LOCK,
			  "participant %d has the lock, but it says holder %llu, and two words "
			  "that only change together under it are %llu and %llu",
			  s->meeting.seat, (unsigned long long)holder,
			  (unsigned long long)first, (unsigned long long)second);
	shmem_fence();
	store(&s->common->lock, 0);
}

static void check_lock(struct stress *s)
{
	struct slice slice = { 0 };
	uint64_t entered = 0;

	if (s->meeting.seat == 0) {
		store(&s->common->lock, 0);
		s->common->guarded[0] = s->common->guarded[1] = 0;
	}
	barrier(s);
	for (; go_on(&slice); entered++)
		enter(s);
	store(&s->own->count, entered);
	barrier(s);

	uint64_t sum = sum_of_counts(s), counted = s->common->guarded[0];
	if (counted != sum)
		violation(s, CHECK_LOCK,
			  "%d participants together entered %llu times, and a word that each "
			  "increments under the lock is %llu", s->participants,
			  (unsigned long long)sum, (unsigned long long)counted);
	s->done[CHECK_LOCK] += entered;
}

/* --- Message passing ------------------------------------------------------ */

static void pass_message(struct stress *s, uint64_t message)
{
	bool wrong = injected(s, FAULT_MESSAGE);

	store(wrong ? &s->own->flag : &s->own->data, message);
	order(s); /* pairs with the one in receive_message */
	if (wrong)
		dawdle();
	store(wrong ? &s->own->data : &s->own->flag, message);
}

/* Who sees the flag sees the data that was written before it, or newer. */
static void receive_message(struct stress *s, const struct desk *from)
{
	uint64_t flag = load(&from->flag);

	order(s); /* pairs with the one in pass_message */
	uint64_t data = load(&from->data);

	if (data < flag)
		violation(s, CHECK_MESSAGE,
			  "the flag says that message %llu was written, and the data behind it is "
			  "still message %llu: two stores or two loads changed places",
			  (unsigned long long)flag, (unsigned long long)data);
}

static void check_message(struct stress *s)
{
	const struct desk *from = neighbour(s);
	struct slice slice = { 0 };
	uint64_t message = 0;

	store(&s->own->flag, 0);
	store(&s->own->data, 0);
	barrier(s);
	while (go_on(&slice)) {
		pass_message(s, ++message);
		receive_message(s, from);
	}
	barrier(s);
	s->done[CHECK_MESSAGE] += message;
}

/* --- Store buffering ------------------------------------------------------ */

/*
 * Two partners store 1, 2, 3... each into its own word, and load the other's
 * after each store. If run i of ours loads what their run j - 1 stored, and
 * their run j loads what our run i - 1 stored, or older, then both loads came
 * before the other's store: with a fence in between that must never be.
 */
static int partner_of(const struct stress *s)
{
	uint64_t turn = s->cycle % (uint64_t)s->participants;

	return (int)((turn + (uint64_t)(s->participants - s->meeting.seat)) %
		     (uint64_t)s->participants);
}

static void store_and_load(struct stress *s, const struct desk *other, bool fenced)
{
	for (uint32_t run = 1; run <= LITMUS_RUNS; run++) {
		uint64_t seen = 0;

		if (fenced && injected(s, FAULT_FENCE)) {
			seen = load(&other->stored);
			dawdle();
		}
		store(&s->own->stored, run);
		if (fenced)
			shmem_fence();
		else
			atomic_signal_fence(memory_order_seq_cst);
		if (!fenced || !injected(s, FAULT_FENCE))
			seen = load(&other->stored);
		atomic_store_explicit(&s->own->loaded[run], (uint32_t)seen, memory_order_relaxed);
	}
}

/* How many of our runs had a partner's run that passed them so. */
static uint64_t count_passed(struct stress *s, const struct desk *other, uint32_t *run,
			     uint32_t *theirs)
{
	uint64_t passed = 0;

	for (uint32_t ours = 1; ours <= LITMUS_RUNS; ours++) {
		uint32_t next = atomic_load_explicit(&s->own->loaded[ours],
						     memory_order_relaxed) + 1;

		if (next == 0 || next > LITMUS_RUNS ||
		    atomic_load_explicit(&other->loaded[next], memory_order_relaxed) >= ours)
			continue;
		passed++;
		*run = ours;
		*theirs = next;
	}
	return passed;
}

static void check_buffering(struct stress *s, enum check check)
{
	int partner = partner_of(s);
	const struct desk *other = desk(s, partner);
	uint32_t run = 0, theirs = 0;

	for (int burst = 0; burst < LITMUS_BURSTS; burst++) {
		store(&s->own->stored, 0);
		barrier(s);
		if (partner != s->meeting.seat)
			store_and_load(s, other, check == CHECK_FENCED);
		barrier(s);
		if (partner == s->meeting.seat)
			continue;
		uint64_t passed = count_passed(s, other, &run, &theirs);

		if (check == CHECK_BUFFERED)
			s->seen_buffered += passed;
		else if (passed > 0)
			violation(s, check,
				  "run %u here and run %u of participant %d each stored, fenced and "
				  "then loaded what was there before the other's store: a load "
				  "overtook a store in spite of a full fence", run, theirs,
				  partner);
		s->done[check] += LITMUS_RUNS;
	}
	barrier(s);
}

static void check_fenced(struct stress *s)
{
	check_buffering(s, CHECK_FENCED);
}

static void check_buffered(struct stress *s)
{
	check_buffering(s, CHECK_BUFFERED);
}

/* --- Torn reads ----------------------------------------------------------- */

/* A word whose halves belong together. */
static uint64_t whole_word(uint64_t number)
{
	return (uint64_t)(uint32_t)~number << 32 | (uint32_t)number;
}

static void write_word(struct stress *s, uint64_t word)
{
	if (injected(s, FAULT_TORN)) {
		store(&s->own->word, (load(&s->own->word) >> 32) << 32 | (uint32_t)word);
		dawdle();
	}
	store(&s->own->word, word);
}

static void check_torn(struct stress *s)
{
	const struct desk *from = neighbour(s);
	struct slice slice = { 0 };
	uint64_t number = 0;

	store(&s->own->word, whole_word(0));
	barrier(s);
	while (go_on(&slice)) {
		write_word(s, whole_word(++number));
		uint64_t word = load(&from->word);

		if (word != whole_word(word))
			violation(s, CHECK_TORN,
				  "a word of 64 bits was read as 0x%016llx, of which the halves were "
				  "never written together", (unsigned long long)word);
	}
	barrier(s);
	s->done[CHECK_TORN] += number;
}

/* --- Blocks with a checksum ----------------------------------------------- */

static uint64_t checksum(const uint64_t *words)
{
	uint64_t hash = 0xcbf29ce484222325;

	for (int i = 0; i < BLOCK_WORDS; i++) {
		hash = (hash ^ words[i]) * 0x100000001b3; /* FNV-1a, by words */
		hash ^= hash >> 32;
	}
	return hash;
}

/* The sequence is odd while the block is being written. */
static void write_block(struct stress *s, uint64_t number)
{
	uint64_t words[BLOCK_WORDS];
	uint64_t value = s->meeting.session + number;

	for (int i = 0; i < BLOCK_WORDS; i++)
		words[i] = value += 0x9e3779b97f4a7c15; /* 2^64 over the golden ratio */
	store(&s->own->sequence, 2 * number - 1);
	shmem_fence(); /* pairs with the fence behind the block in read_block */
	store(&s->own->checksum, checksum(words));
	words[number % BLOCK_WORDS] ^= injected(s, FAULT_BLOCK);
	memcpy(s->own->block, words, sizeof(words));
	shmem_fence(); /* pairs with the fence before the block in read_block */
	store(&s->own->sequence, 2 * number);
}

/* True if the block stood still while it was read. */
static bool read_block(struct stress *s, const struct desk *from)
{
	uint64_t words[BLOCK_WORDS];
	uint64_t sequence = load(&from->sequence);

	shmem_fence(); /* pairs with the fence behind the block in write_block */
	uint64_t expected = load(&from->checksum);
	memcpy(words, from->block, sizeof(words));
	shmem_fence(); /* pairs with the fence before the block in write_block */
	if (sequence % 2 != 0 || load(&from->sequence) != sequence)
		return false;
	uint64_t sum = checksum(words);

	if (sum != expected)
		violation(s, CHECK_BLOCK,
			  "block %llu has checksum 0x%016llx and was written with 0x%016llx",
			  (unsigned long long)sequence / 2, (unsigned long long)sum,
			  (unsigned long long)expected);
	return true;
}

static void check_block(struct stress *s)
{
	const struct desk *from = neighbour(s);
	uint64_t number = 1, end = shmem_now() + SLICE_NS;

	write_block(s, number);
	barrier(s);
	/* One at least is read of a neighbour who writes no more. */
	do {
		s->done[CHECK_BLOCK] += read_block(s, from);
		write_block(s, ++number);
	} while (shmem_now() < end);
	barrier(s);
	s->done[CHECK_BLOCK] += read_block(s, from);
	barrier(s);
}

/* --- All of it ------------------------------------------------------------ */

static void inject_an_end(const struct stress *s)
{
	if (injected(s, FAULT_DIE))
		raise(SIGKILL);
	if (injected(s, FAULT_LEAVE))
		exit(STATUS_VIOLATION);
}

/* It goes on as long as anybody has time left. */
static bool is_over(struct stress *s, uint64_t start)
{
	bool over = true;

	store(&s->own->enough, s->meeting.session + (shmem_now() - start >= s->duration));
	barrier(s);
	for (int seat = 0; seat < s->participants; seat++)
		over = over && load(&desk(s, seat)->enough) == s->meeting.session + 1;
	barrier(s);
	return over;
}

static void run(struct stress *s)
{
	static void (*const functions[CHECKS])(struct stress *) = {
		check_counter, check_lock,  check_message, check_fenced,
		check_buffered, check_torn, check_block,
	};
	uint64_t start = shmem_now();

	do {
		for (int i = 0; i < CHECKS; i++)
			functions[i](s);
		s->cycle++;
		inject_an_end(s);
	} while (!is_over(s, start));
}

static void meet(struct stress *s)
{
	switch (shmem_meet(&s->meeting, &s->region, LAYOUT_STRESS, s->participants,
			   SHMEM_ANY_SEAT, "__stress", s->patience)) {
	case SHMEM_MET:
		break;
	case SHMEM_SEAT_TAKEN:
		shmem_die("all seats are taken: %d others are at it already", s->participants);
	case SHMEM_NOBODY_CAME:
		shmem_warn("%d participants did not come together within %.9g s", s->participants,
			   (double)s->patience / 1e9);
		exit(STATUS_NOBODY);
	}
	s->common = (struct common *)(s->region.base + LAYOUT_STRESS + COMMON);
	s->own = desk(s, s->meeting.seat);
}

/* What an earlier run has left on our desk must not be taken for ours. */
static void clear_desk(struct stress *s)
{
	store(&s->own->verdict, 0);
	store(&s->own->enough, 0);
	barrier(s);
}

/* --- Command line --------------------------------------------------------- */

static const struct shmem_fault faults[] = {
	{ "none", "" },
	[FAULT_COUNTER] = { "counter", "count an addition that was not made" },
	[FAULT_PLAIN] = { "plain", "add without atomicity, as TCG with one CPU does" },
	[FAULT_LOCK] = { "lock", "enter without taking the lock" },
	[FAULT_MESSAGE] = { "message", "raise the flag before the data is there" },
	[FAULT_FENCE] = { "fence", "load before the store, as if there were no fence" },
	[FAULT_TORN] = { "torn", "write a word in two halves" },
	[FAULT_BLOCK] = { "block", "change a bit after the checksum was made" },
	[FAULT_DIE] = { "die", "end under way by SIGKILL" },
	[FAULT_LEAVE] = { "leave", "give up under way" },
	{ 0 },
};

static const struct shmem_program program = {
	.synopsis = "[-n N] [-t SECONDS] [-w SECONDS]",
	.letters = "n:t:w:",
	.faults = faults,
	.about = "Proves that the memory can be relied on, from all VMs at once: atomic counters, a\n"
		 "spinlock, message passing, store buffering with and without a fence, reads of\n"
		 "whole words, blocks with a checksum. The first violation ends it. Start it in\n"
		 "each VM, in any order. Counts what this VM checked.\n"
		 "\n"
		 "Exit status: 0 no violation; 1 a violation, or a failure here; 2 a wrong command\n"
		 "line; 3 the others did not come; 4 one of them died; 6 one of them gave up.\n",
	.details = "  -n N        wait for N participants, 1 to 16 (default: 2)\n"
		   "  -t SECONDS  go on for so long; the longest of all counts (default: 10)\n"
		   "  -w SECONDS  wait that long for the others to come (default: 60)\n",
	.example = "  root@vm1:~# __stress -t 60\n"
		   "  participant 0 of 2 goes on for 60 s\n"
		   "        19481221 atomic additions\n"
		   "         1204632 entries under a spinlock\n"
		   "  ...\n"
		   "  no violation\n",
};

static void parse_option(struct stress *s, int option)
{
	switch (option) {
	case 'n':
		s->participants = (int)shmem_option_number("-n", optarg, 1, SHMEM_SEATS_MAX);
		break;
	case 't':
		s->duration = shmem_option_seconds("-t", optarg);
		break;
	case 'w':
		s->patience = shmem_option_seconds("-w", optarg);
		break;
	}
}

int main(int argc, char **argv)
{
	struct stress *s = &stress;
	int option;

	*s = (struct stress){
		.participants = 2, .duration = DEFAULT_DURATION, .patience = DEFAULT_PATIENCE
	};
	while ((option = shmem_getopt(&program, &s->options, argc, argv)) != -1)
		parse_option(s, option);

	s->region = shmem_open(&s->options);
	arrange_ending();
	meet(s);
	if (!s->options.json)
		shmem_print("participant %d of %d goes on for %.9g s\n", s->meeting.seat,
			    s->participants, (double)s->duration / 1e9);
	clear_desk(s);
	run(s);
	if (s->options.json) {
		record_result(s, NULL, NULL);
		return 0;
	}
	print_counts(s);
	shmem_print("no violation\n");
	return 0;
}
