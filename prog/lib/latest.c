/*
 * latest.c - a sequence lock, see latest.h.
 *
 * The value is copied by relaxed atomic loads and stores of words: a reader may read what a
 * writer is writing, and with other loads that would be a data race (C11 5.1.2.4p25). Atomic
 * loads and stores alone do not keep the copy between the two looks at the sequence, though.
 * An acquire load holds back what follows it, and a release store what comes before it. The
 * other two sides need fences (H.-J. Boehm, "Can Seqlocks Get Along With Programming Language
 * Memory Models?", MSPC 2012).
 */
#include "latest.h"

#include <assert.h>
#include <stdbool.h>
#include <string.h>

enum { READ_TRIES = 1000, WORD = sizeof(uint64_t) };

static uint64_t load_word(const _Atomic uint64_t *word)
{
	return atomic_load_explicit(word, memory_order_relaxed);
}

static void store_word(_Atomic uint64_t *word, uint64_t value)
{
	atomic_store_explicit(word, value, memory_order_relaxed);
}

/* Earlier loads come before later ones. */
static void fence_loads(enum shmem_order order)
{
	if (order == SHMEM_ORDER_NONE)
		shmem_fence();
	else
		atomic_thread_fence(memory_order_acquire);
}

/* Earlier stores are seen before later ones. */
static void fence_stores(enum shmem_order order)
{
	if (order == SHMEM_ORDER_NONE)
		shmem_fence();
	else
		atomic_thread_fence(memory_order_release);
}

static void copy_in(_Atomic uint64_t *words, const unsigned char *value, size_t size)
{
	size_t whole = size / WORD * WORD;
	uint64_t word;

	for (size_t at = 0; at < whole; at += WORD) {
		memcpy(&word, value + at, WORD);
		store_word(words++, word);
	}
	if (whole < size) {
		word = 0;
		memcpy(&word, value + whole, size - whole);
		store_word(words, word);
	}
}

static void copy_out(unsigned char *value, const _Atomic uint64_t *words, size_t size)
{
	size_t whole = size / WORD * WORD;
	uint64_t word;

	for (size_t at = 0; at < whole; at += WORD) {
		word = load_word(words++);
		memcpy(value + at, &word, WORD);
	}
	if (whole < size) {
		word = load_word(words);
		memcpy(value + whole, &word, size - whole);
	}
}

struct shmem_latest shmem_latest_at(void *place, size_t size, enum shmem_order order)
{
	assert((uintptr_t)place % WORD == 0);
	return (struct shmem_latest){ .words = place, .size = size, .order = order };
}

/* The sequence is twice the number of a finished value. It is odd already if a writer died. */
uint64_t shmem_latest_publish(const struct shmem_latest *latest, const void *value)
{
	uint64_t writing = (load_word(latest->words) + 1) | 1;

	if (writing == UINT64_MAX) /* somebody wrote rubbish; after it comes 0, which is no value */
		writing = 1;
	store_word(latest->words, writing);
	/* Pairs with fence_loads in try_to_read: a reader of a new word sees the odd sequence. */
	fence_stores(latest->order);
	copy_in(latest->words + 1, value, latest->size);
	/* Pairs with the acquire in try_to_read: a reader that sees this sequence sees the new words. */
	shmem_publish(latest->words, writing + 1, latest->order);
	return (writing + 1) / 2;
}

/* Sets *sequence in any case. True if it was the same before and after the copy, and even. */
static bool try_to_read(const struct shmem_latest *latest, void *value, uint64_t *sequence)
{
	/* Pairs with the release in shmem_latest_publish. */
	uint64_t before = *sequence = shmem_load_acquire(latest->words, latest->order);

	if (before % 2 != 0)
		return false;
	copy_out(value, latest->words + 1, latest->size);
	fence_loads(latest->order); /* pairs with fence_stores in shmem_latest_publish */
	*sequence = load_word(latest->words);
	return *sequence == before;
}

enum shmem_latest_status shmem_latest_read(const struct shmem_latest *latest, void *value,
					   uint64_t *number)
{
	uint64_t sequence;

	for (int i = 0; i < READ_TRIES; i++) {
		if (try_to_read(latest, value, &sequence)) {
			*number = sequence / 2;
			return sequence == 0 ? SHMEM_LATEST_NONE : SHMEM_LATEST_READ;
		}
		__builtin_ia32_pause();
	}
	*number = sequence / 2 + sequence % 2;
	return SHMEM_LATEST_UNFINISHED;
}
