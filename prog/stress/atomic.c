/*
 * atomic.c - the checks of atomic operations of __stress: additions, a lock, a word
 * (Intel SDM volume 3, 8.1).
 */
#include "stress.h"

#include "turn.h"

enum { LOCK_TURNS = SHMEM_TURN_SHORT_NAPS + 10000 }; /* 10 s; the holder needs one slice at most */

/* --- Atomic counters ------------------------------------------------------ */

/* By an addition, or by a compare and exchange. */
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

void check_counter(struct stress *s)
{
	struct slice slice = { 0 };
	uint64_t added = 0;

	if (s->meeting.seat == 0)
		store(&s->common->counter, 0);
	barrier(s);
	while (go_on(s, &slice))
		add_one(s, added++ % 2);
	store(&s->own->count, added + injected(s, FAULT_COUNTER));
	barrier(s);

	uint64_t sum = sum_of_counts(s), counter = load(&s->common->counter);
	if (counter != sum)
		violation(s, CHECK_COUNTER,
			  "%d participants together added %llu, and the counter is %llu, so %lld "
			  "were lost: locked instructions are not atomic between these VMs. "
			  "QEMU's TCG does this in a VM with maxcpus=1: start it with "
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
			violation(s, CHECK_LOCK, "the lock has holder %llu of %d, which does not "
				  "give it back", (unsigned long long)holder, s->participants);
		wait_for(s, (int)holder - 1, &wait);
		holder = 0;
	}
}

/* Under the lock two plain words stay equal, and the lock keeps its holder. */
static void enter(struct stress *s)
{
	volatile uint64_t *guarded = s->common->guarded;

	take_lock(s);
	shmem_fence(); /* pairs with the one before the store that gives it back */
	uint64_t first = guarded[0], second = guarded[1], holder;

	guarded[0] = first + 1;
	if (injected(s, FAULT_LOCK))
		dawdle();
	guarded[1] = second + 1;
	holder = load(&s->common->lock);
	if (first != second || holder != own_number(s))
		violation(s, CHECK_LOCK,
			  "participant %d holds the lock, but its word has holder %llu, and two words "
			  "that only change together under it are %llu and %llu",
			  s->meeting.seat, (unsigned long long)holder,
			  (unsigned long long)first, (unsigned long long)second);
	shmem_fence();
	store(&s->common->lock, 0);
}

void check_lock(struct stress *s)
{
	struct slice slice = { 0 };
	uint64_t entered = 0;

	if (s->meeting.seat == 0) {
		store(&s->common->lock, 0);
		s->common->guarded[0] = s->common->guarded[1] = 0;
	}
	barrier(s);
	for (; go_on(s, &slice); entered++)
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

/* --- Torn reads ----------------------------------------------------------- */

/* A word whose upper half is the complement of the lower half. */
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

void check_torn(struct stress *s)
{
	const struct desk *from = neighbour(s);
	struct slice slice = { 0 };
	uint64_t number = 0;

	store(&s->own->word, whole_word(0));
	barrier(s);
	while (go_on(s, &slice)) {
		write_word(s, whole_word(++number));
		uint64_t word = load(&from->word);

		if (word != whole_word(word))
			violation(s, CHECK_TORN,
				  "a word of 64 bits was read as 0x%016llx, whose halves were "
				  "never written together", (unsigned long long)word);
	}
	barrier(s);
	s->done[CHECK_TORN] += number;
}
