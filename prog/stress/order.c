/*
 * order.c - the checks of memory ordering of __stress (Intel SDM volume 3, 8.2).
 */
#include "stress.h"

#include <string.h>

#include "bytes.h"

enum { LITMUS_BURSTS = 8 }; /* in a check */

/* --- Message passing ------------------------------------------------------ */

/* This is how the library orders what it exchanges, such as a ring's bytes and its count. */
static void pass_message(struct stress *s, uint64_t message)
{
	bool wrong = injected(s, FAULT_MESSAGE);

	store(wrong ? &s->own->flag : &s->own->data, message);
	if (wrong)
		dawdle();
	/* Pairs with the acquire in receive_message. */
	shmem_publish(wrong ? &s->own->data : &s->own->flag, message, s->region.order);
}

/* If the flag is seen, the data written before it, or newer data, must be seen too. */
static void receive_message(struct stress *s, const struct desk *from)
{
	/* Pairs with the release in pass_message. */
	uint64_t flag = shmem_load_acquire(&from->flag, s->region.order);
	uint64_t data = load(&from->data);

	if (data < flag)
		violation(s, CHECK_MESSAGE,
			  "the flag says that message %llu was written, but the data is "
			  "still message %llu: two stores or two loads changed places",
			  (unsigned long long)flag, (unsigned long long)data);
}

void check_message(struct stress *s)
{
	const struct desk *from = neighbour(s);
	struct slice slice = { 0 };
	uint64_t message = 0;

	store(&s->own->flag, 0);
	store(&s->own->data, 0);
	barrier(s);
	while (go_on(s, &slice)) {
		pass_message(s, ++message);
		receive_message(s, from);
	}
	barrier(s);
	s->done[CHECK_MESSAGE] += message;
}

/* --- Store buffering ------------------------------------------------------ */

/*
 * Two partners store 1, 2, 3... each into its own word, and load the other's word after
 * each store. Suppose our run i loads the value of their run j - 1, and their run j loads
 * the value of our run i - 1 or an older one. Then each load came before the other's store,
 * which must never happen with a fence in between. Without a fence it happens whenever the two
 * really run at the same time. So CHECK_BUFFERED is the control: if it sees nothing, then
 * that CHECK_FENCED sees nothing means nothing.
 */
static int partner_of(const struct stress *s)
{
	uint64_t turn = s->cycle % (uint64_t)s->participants;

	return (int)((turn + (uint64_t)(s->participants - s->meeting.seat)) %
		     (uint64_t)s->participants);
}

static void store_and_load(struct stress *s, const struct desk *other, bool checked)
{
	bool fenced = checked || injected(s, FAULT_CONTROL);

	for (uint32_t run = 1; run <= LITMUS_RUNS; run++) {
		uint64_t seen = 0;

		if (checked && injected(s, FAULT_FENCE)) {
			seen = load(&other->stored);
			dawdle();
		}
		store(&s->own->stored, run);
		if (fenced)
			shmem_fence();
		else
			atomic_signal_fence(memory_order_seq_cst);
		if (!checked || !injected(s, FAULT_FENCE))
			seen = load(&other->stored);
		atomic_store_explicit(&s->own->loaded[run], (uint32_t)seen, memory_order_relaxed);
	}
}

/* Counts our runs for which the partner has a run with which both loads came too early. */
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
	uint64_t *seen = check == CHECK_FENCED ? &s->seen_fenced : &s->seen_buffered;
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

		*seen += passed;
		if (check == CHECK_FENCED && passed > 0)
			violation(s, check,
				  "run %u here and run %u of participant %d each stored, fenced and "
				  "then loaded the value from before the other's store: a load "
				  "overtook a store in spite of a full fence", run, theirs,
				  partner);
		s->done[check] += LITMUS_RUNS;
	}
	barrier(s);
}

void check_fenced(struct stress *s)
{
	check_buffering(s, CHECK_FENCED);
}

void check_buffered(struct stress *s)
{
	check_buffering(s, CHECK_BUFFERED);
}

/* --- Blocks with a checksum ----------------------------------------------- */

/* The sequence is odd while the block is being written. */
static void write_block(struct stress *s, uint64_t number)
{
	uint64_t words[BLOCK_WORDS];
	uint64_t value = s->meeting.session + number;

	for (int i = 0; i < BLOCK_WORDS; i++)
		words[i] = value += SHMEM_PATTERN_STEP;
	shmem_meet_check(&s->meeting);
	store(&s->own->sequence, 2 * number - 1);
	shmem_fence(); /* pairs with the fence after the block in read_block */
	store(&s->own->checksum, shmem_checksum(words, sizeof(words)));
	words[number % BLOCK_WORDS] ^= injected(s, FAULT_BLOCK);
	memcpy(s->own->block, words, sizeof(words));
	shmem_fence(); /* pairs with the fence before the block in read_block */
	store(&s->own->sequence, 2 * number);
}

/* True if the block did not change while it was read. */
static bool read_block(struct stress *s, const struct desk *from)
{
	uint64_t words[BLOCK_WORDS];
	uint64_t sequence = load(&from->sequence);

	shmem_fence(); /* pairs with the fence after the block in write_block */
	uint64_t expected = load(&from->checksum);
	memcpy(words, from->block, sizeof(words));
	shmem_fence(); /* pairs with the fence before the block in write_block */
	if (sequence % 2 != 0 || load(&from->sequence) != sequence)
		return false;
	uint64_t sum = shmem_checksum(words, sizeof(words));

	if (sum != expected)
		violation(s, CHECK_BLOCK,
			  "block %llu has checksum 0x%016llx but was written with 0x%016llx",
			  (unsigned long long)sequence / 2, (unsigned long long)sum,
			  (unsigned long long)expected);
	return true;
}

void check_block(struct stress *s)
{
	const struct desk *from = neighbour(s);
	uint64_t number = 1, end = shmem_now() + SLICE_NS;

	write_block(s, number);
	barrier(s);
	/* The read after the barrier is of a neighbour that has stopped writing. */
	do {
		s->done[CHECK_BLOCK] += read_block(s, from);
		write_block(s, ++number);
	} while (shmem_now() < end);
	barrier(s);
	s->done[CHECK_BLOCK] += read_block(s, from);
	barrier(s);
}
