/*
 * language.h - lets C11 and C++17 read the same headers. Every public header that needs it
 * includes it.
 *
 * A program in C++ and one in C may share a word of the region. shmem_atomic(T) is its type in
 * a header for both: C's _Atomic(T), or std::atomic<T>. C++23 does the same with the name
 * _Atomic, and recommends that both have the same representation ([stdatomic.h.syn]). The
 * checks below are made in both languages, with the same numbers.
 *
 * In C++ the fence and the memory orders also have the names of C's <stdatomic.h>, so that one
 * inline function does for both.
 */
#ifndef SHMEM_LANGUAGE_H
#define SHMEM_LANGUAGE_H

#include <assert.h>
#include <stdint.h>

#ifdef __cplusplus

#include <atomic>

#define shmem_atomic(type) std::atomic<type>

using std::atomic_thread_fence;
using std::memory_order_acq_rel;
using std::memory_order_acquire;
using std::memory_order_relaxed;
using std::memory_order_release;
using std::memory_order_seq_cst;

/* Around all declarations of functions. */
#define SHMEM_C_BEGIN extern "C" {
#define SHMEM_C_END }

#else

#include <stdalign.h>
#include <stdatomic.h>

#define shmem_atomic(type) _Atomic(type)

#define SHMEM_C_BEGIN
#define SHMEM_C_END

#endif

static_assert(sizeof(shmem_atomic(uint64_t)) == 8 && alignof(shmem_atomic(uint64_t)) == 8 &&
	      sizeof(shmem_atomic(uint32_t)) == 4 && alignof(shmem_atomic(uint32_t)) == 4,
	      "an atomic word is as large as the word, in C and in C++");

/* Only lock-free atomics work across address spaces (C11 7.17.5p3). */
static_assert(ATOMIC_INT_LOCK_FREE == 2 && ATOMIC_LLONG_LOCK_FREE == 2,
	      "32-bit and 64-bit atomics must be lock-free");

/* C's _Noreturn and C++'s [[noreturn]] have no place in a declaration that suits both. */
#define SHMEM_NORETURN __attribute__((noreturn))

#endif
