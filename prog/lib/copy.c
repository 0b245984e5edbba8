/* copy.c - ways to copy memory. */
#include "copy.h"

#include <assert.h>
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
	/* Words at any address, as x86 has them. */
	typedef uint64_t __attribute__((aligned(1), may_alias)) word;
	volatile word *target = to;
	const volatile word *source = from;

	for (size_t i = 0; i < size / sizeof(*target); i++)
		target[i] = source[i];
}

static void copy_sse2(void *to, const void *from, size_t size)
{
	__m128i *target = to;
	const __m128i *source = from;

	for (size_t i = 0; i < size / sizeof(*target); i += 4) {
		__m128i a = _mm_loadu_si128(source + i), b = _mm_loadu_si128(source + i + 1);
		__m128i c = _mm_loadu_si128(source + i + 2), d = _mm_loadu_si128(source + i + 3);

		_mm_storeu_si128(target + i, a);
		_mm_storeu_si128(target + i + 1, b);
		_mm_storeu_si128(target + i + 2, c);
		_mm_storeu_si128(target + i + 3, d);
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
		__m256i a = _mm256_loadu_si256(source + i), b = _mm256_loadu_si256(source + i + 1);
		__m256i c = _mm256_loadu_si256(source + i + 2), d = _mm256_loadu_si256(source + i + 3);

		_mm256_storeu_si256(target + i, a);
		_mm256_storeu_si256(target + i + 1, b);
		_mm256_storeu_si256(target + i + 2, c);
		_mm256_storeu_si256(target + i + 3, d);
		AS_WRITTEN();
	}
}

static void copy_nt(void *to, const void *from, size_t size)
{
	__m128i *target = to;
	const __m128i *source = from;

	for (size_t i = 0; i < size / sizeof(*target); i += 4) {
		_mm_stream_si128(target + i, _mm_loadu_si128(source + i));
		_mm_stream_si128(target + i + 1, _mm_loadu_si128(source + i + 1));
		_mm_stream_si128(target + i + 2, _mm_loadu_si128(source + i + 2));
		_mm_stream_si128(target + i + 3, _mm_loadu_si128(source + i + 3));
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

		_mm_storeu_si128(target + i, a);
		_mm_storeu_si128(target + i + 1, b);
		_mm_storeu_si128(target + i + 2, c);
		_mm_storeu_si128(target + i + 3, d);
		AS_WRITTEN();
	}
}

static void copy_movsb(void *to, const void *from, size_t size)
{
	__asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(size) : : "memory");
}

const struct shmem_copy_kernel shmem_copy_kernels[] = {
	{ "memcpy", "the C library's function", NULL, copy_memcpy, SHMEM_COPY_ANY },
	{ "words", "8 bytes at a time", NULL, copy_words, SHMEM_COPY_ANY },
	{ "sse2", "16 bytes at a time, four in a row", NULL, copy_sse2, SHMEM_COPY_ANY },
	{ "avx2", "32 bytes at a time, four in a row", have_avx2, copy_avx2, SHMEM_COPY_ANY },
	{ "nt", "16 bytes at a time, non-temporal stores", NULL, copy_nt, SHMEM_COPY_TO_COMBINING },
	{ "ntload", "16 bytes at a time, non-temporal loads", have_sse4_1, copy_ntload,
	  SHMEM_COPY_FROM_COMBINING },
	{ "movsb", "the instruction rep movsb", NULL, copy_movsb, SHMEM_COPY_ANY },
	{ 0 },
};

static_assert(sizeof(shmem_copy_kernels) / sizeof(*shmem_copy_kernels) - 1 <=
	      SHMEM_COPY_KERNELS_MAX, "each has its turn in a trial");

const struct shmem_copy_kernel *shmem_copy_named(const char *name)
{
	for (const struct shmem_copy_kernel *kernel = shmem_copy_kernels; kernel->name; kernel++)
		if (strcmp(name, kernel->name) == 0)
			return kernel;
	return NULL;
}

/* --- Any number of bytes ---------------------------------------------------- */

/* Below this many bytes, a kernel gains nothing over memcpy. */
enum { SHORT_COPY = 8 * SHMEM_COPY_UNIT };

/* The bytes before the next multiple of SHMEM_COPY_UNIT. */
static size_t bytes_to_unit(const void *at)
{
	return -(uintptr_t)at % SHMEM_COPY_UNIT;
}

/* Non-temporal instructions want one address aligned (Intel SDM volume 2, MOVNTDQ, MOVNTDQA). */
static bool can_begin(const struct shmem_copy_kernel *kernel, const void *to, const void *from)
{
	switch (kernel->use) {
	case SHMEM_COPY_TO_COMBINING:
		return (uintptr_t)to % 16 == 0;
	case SHMEM_COPY_FROM_COMBINING:
		return (uintptr_t)from % 16 == 0;
	case SHMEM_COPY_ANY:
		break;
	}
	return true;
}

/* The kernel begins where the address in the region is a multiple of its unit. */
static void copy_pieces(const struct shmem_copy_kernel *kernel, void *to, const void *from,
			size_t size, size_t head)
{
	unsigned char *target = to;
	const unsigned char *source = from;
	size_t body = (size - head) / SHMEM_COPY_UNIT * SHMEM_COPY_UNIT;

	if (!can_begin(kernel, target + head, source + head))
		kernel = shmem_copy_kernels;
	memcpy(target, source, head);
	kernel->copy(target + head, source + head, body);
	memcpy(target + head + body, source + head + body, size - head - body);
}

static bool is_for_memcpy(const struct shmem_copy_kernel *kernel, size_t size)
{
	return kernel == shmem_copy_kernels || size < SHORT_COPY;
}

void shmem_copy_to(const struct shmem_copy_kernel *kernel, void *shared, const void *from,
		   size_t size)
{
	if (is_for_memcpy(kernel, size))
		memcpy(shared, from, size);
	else
		copy_pieces(kernel, shared, from, size, bytes_to_unit(shared));
}

void shmem_copy_from(const struct shmem_copy_kernel *kernel, void *to, const void *shared,
		     size_t size)
{
	if (is_for_memcpy(kernel, size))
		memcpy(to, shared, size);
	else
		copy_pieces(kernel, to, shared, size, bytes_to_unit(shared));
}
