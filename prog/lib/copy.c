/* copy.c - ways to copy memory. */
#include "copy.h"

#include <immintrin.h>
#include <stdint.h>
#include <string.h>

/* Keeps the compiler from making a loop into something else, such as memcpy. */
#define AS_WRITTEN() __asm__ volatile("" ::: "memory")

/*
 * A volatile pointer, so that the compiler neither replaces the call of the C library's
 * function by its own code nor drops it.
 */
static void *(*const volatile library_memcpy)(void *, const void *, size_t) = memcpy;

static void copy_memcpy(void *to, const void *from, size_t size)
{
	library_memcpy(to, from, size);
}

static void copy_words(void *to, const void *from, size_t size)
{
	volatile uint64_t *target = to;
	const volatile uint64_t *source = from;

	for (size_t i = 0; i < size / sizeof(*target); i++)
		target[i] = source[i];
}

static void copy_sse2(void *to, const void *from, size_t size)
{
	__m128i *target = to;
	const __m128i *source = from;

	for (size_t i = 0; i < size / sizeof(*target); i += 4) {
		__m128i a = _mm_load_si128(source + i), b = _mm_load_si128(source + i + 1);
		__m128i c = _mm_load_si128(source + i + 2), d = _mm_load_si128(source + i + 3);

		_mm_store_si128(target + i, a);
		_mm_store_si128(target + i + 1, b);
		_mm_store_si128(target + i + 2, c);
		_mm_store_si128(target + i + 3, d);
		AS_WRITTEN();
	}
}

static bool have_avx2(void)
{
	return __builtin_cpu_supports("avx2");
}

__attribute__((target("avx2")))
static void copy_avx2(void *to, const void *from, size_t size)
{
	__m256i *target = to;
	const __m256i *source = from;

	for (size_t i = 0; i < size / sizeof(*target); i += 4) {
		__m256i a = _mm256_load_si256(source + i), b = _mm256_load_si256(source + i + 1);
		__m256i c = _mm256_load_si256(source + i + 2), d = _mm256_load_si256(source + i + 3);

		_mm256_store_si256(target + i, a);
		_mm256_store_si256(target + i + 1, b);
		_mm256_store_si256(target + i + 2, c);
		_mm256_store_si256(target + i + 3, d);
		AS_WRITTEN();
	}
}

static void copy_nt(void *to, const void *from, size_t size)
{
	__m128i *target = to;
	const __m128i *source = from;

	for (size_t i = 0; i < size / sizeof(*target); i += 4) {
		_mm_stream_si128(target + i, _mm_load_si128(source + i));
		_mm_stream_si128(target + i + 1, _mm_load_si128(source + i + 1));
		_mm_stream_si128(target + i + 2, _mm_load_si128(source + i + 2));
		_mm_stream_si128(target + i + 3, _mm_load_si128(source + i + 3));
		AS_WRITTEN();
	}
	_mm_sfence();
}

static bool have_sse4_1(void)
{
	return __builtin_cpu_supports("sse4.1");
}

/* MOVNTDQA fetches a whole line from write-combining memory (SDM volume 1, 12.10.3). */
__attribute__((target("sse4.1")))
static void copy_ntload(void *to, const void *from, size_t size)
{
	__m128i *target = to;
	__m128i *source = (__m128i *)from; /* older compilers want it without const */

	for (size_t i = 0; i < size / sizeof(*target); i += 4) {
		__m128i a = _mm_stream_load_si128(source + i);
		__m128i b = _mm_stream_load_si128(source + i + 1);
		__m128i c = _mm_stream_load_si128(source + i + 2);
		__m128i d = _mm_stream_load_si128(source + i + 3);

		_mm_store_si128(target + i, a);
		_mm_store_si128(target + i + 1, b);
		_mm_store_si128(target + i + 2, c);
		_mm_store_si128(target + i + 3, d);
		AS_WRITTEN();
	}
}

static void copy_movsb(void *to, const void *from, size_t size)
{
	__asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(size) : : "memory");
}

const struct copy_kernel shmem_copy_kernels[] = {
	{ "memcpy", "the C library's function", NULL, copy_memcpy },
	{ "words", "8 bytes at a time", NULL, copy_words },
	{ "sse2", "16 bytes at a time, four in a row", NULL, copy_sse2 },
	{ "avx2", "32 bytes at a time, four in a row", have_avx2, copy_avx2 },
	{ "nt", "16 bytes at a time, non-temporal stores", NULL, copy_nt },
	{ "ntload", "16 bytes at a time, non-temporal loads", have_sse4_1, copy_ntload },
	{ "movsb", "the instruction rep movsb", NULL, copy_movsb },
	{ 0 },
};
