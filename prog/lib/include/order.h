/*
 * order.h - in which order another VM sees our loads and stores in the region.
 *
 * x86 keeps loads in order with loads, and stores with stores, in write-back and in uncached
 * memory (Intel SDM volume 3, 8.2.2). Acquire and release are plain moves there, and cost
 * next to nothing. Write-combining memory keeps no such order, so only full fences help there.
 * "rep movsb" and non-temporal stores keep none either, in any memory. But a plain store after
 * "rep movsb" is seen after all of it (8.2.4.1), and the kernels of copy.h that use
 * non-temporal stores end with SFENCE.
 */
#ifndef SHMEM_ORDER_H
#define SHMEM_ORDER_H

#include <stdint.h>

#include "language.h"

SHMEM_C_BEGIN

/* The order that the memory type of a mapping keeps. */
enum shmem_order {
	SHMEM_ORDER_X86,  /* write-back and uncached memory: acquire and release suffice */
	SHMEM_ORDER_NONE, /* write-combining memory: full fences are needed */
};

/*
 * Orders all loads and stores before it ahead of all after it, in every type of mapping. A
 * seq_cst fence is a locked instruction or MFENCE, which also drains the write-combining
 * buffers (Intel SDM volume 3, "Buffering of Write Combining Memory Locations").
 */
static inline void shmem_fence(void)
{
	atomic_thread_fence(memory_order_seq_cst);
}

/* Loads a word of another VM. All later loads see what that VM stored before the word. */
static inline uint64_t shmem_load_acquire(const shmem_atomic(uint64_t) *word,
					  enum shmem_order order)
{
	uint64_t value = atomic_load_explicit(word, memory_order_acquire);

	if (order == SHMEM_ORDER_NONE)
		shmem_fence();
	return value;
}

/*
 * Stores a word for another VM, which loads it by shmem_load_acquire. All that we loaded and
 * stored before comes first. In write-combining memory the second fence drains the buffer,
 * where the word could stay for long.
 */
static inline void shmem_publish(shmem_atomic(uint64_t) *word, uint64_t value,
				 enum shmem_order order)
{
	if (order == SHMEM_ORDER_NONE)
		shmem_fence();
	atomic_store_explicit(word, value, memory_order_release);
	if (order == SHMEM_ORDER_NONE)
		shmem_fence();
}

SHMEM_C_END

#endif
