/*
 * fuzz.h - what the targets share. A target takes its choices from the input.
 *
 * A target includes the source that it tests after this, so that the tested
 * code calls adversary() at each load of an atomic, at each exchange and at each
 * fence: those are the moments between which another VM may change the region.
 *
 * The tested code also has a clock that moves only as the target says, and the end
 * of the program is only the end of one input.
 */
#ifndef FUZZ_H
#define FUZZ_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ring.h"
#include "shmem.h"
#include "units.h"

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size);

/* May change the region. */
static void adversary(void);

#undef atomic_load_explicit
#define atomic_load_explicit(pointer, order) (adversary(), *(pointer))

#undef atomic_load
#define atomic_load(pointer) (adversary(), *(pointer))

static inline bool fuzz_exchange(_Atomic uint64_t *word, uint64_t *seen, uint64_t next)
{
	adversary();
	return atomic_compare_exchange_strong(word, seen, next);
}

#undef atomic_compare_exchange_strong_explicit
#define atomic_compare_exchange_strong_explicit(word, seen, next, success, failure) \
	fuzz_exchange(word, seen, next)

#define shmem_fence() adversary()
#define shmem_load_acquire(pointer, order) atomic_load_explicit(pointer, order)

#define MUST(condition) \
	((condition) ? (void)0 : fuzz_broken(__FILE__, __LINE__, #condition))

static inline void fuzz_broken(const char *file, int line, const char *condition)
{
	fprintf(stderr, "%s:%d: does not hold: %s\n", file, line, condition);
	abort();
}

/* --- The input ------------------------------------------------------------ */

/* The rest of the input. After its end there are zeros. */
static const uint8_t *supply;
static size_t supplied;

static inline void take(void *to, size_t length)
{
	size_t there = length < supplied ? length : supplied;

	memset(to, 0, length);
	if (there > 0)
		memcpy(to, supply, there);
	supply += there;
	supplied -= there;
}

static inline uint8_t take_byte(void)
{
	uint8_t byte;

	take(&byte, sizeof(byte));
	return byte;
}

static inline uint64_t take_word(void)
{
	uint64_t word;

	take(&word, sizeof(word));
	return word;
}

/* --- What another VM may do to a ring of size bytes ------------------------- */

static inline _Atomic uint64_t *choose_count(struct shmem_ring_counts *counts)
{
	return take_byte() % 2 ? &counts->written : &counts->read;
}

/* The interesting values of a count are close to the right ones. */
static inline void change_count(_Atomic uint64_t *count, const struct shmem_ring_counts *counts,
				size_t size)
{
	switch (take_byte() % 4) {
	case 0:
		*count += (uint64_t)(int8_t)take_byte();
		break;
	case 1:
		*count = take_word();
		break;
	case 2:
		*count = counts->written + size + (uint64_t)(int8_t)take_byte();
		break;
	case 3:
		*count = counts->written - size + (uint64_t)(int8_t)take_byte();
		break;
	}
}

static inline void change_byte(unsigned char *bytes, size_t size)
{
	bytes[take_word() % size] ^= take_byte();
}

static inline void tamper_with_ring(struct shmem_ring_counts *counts, unsigned char *bytes,
				    size_t size)
{
	if (take_byte() % 4 == 3)
		change_byte(bytes, size);
	else
		change_count(choose_count(counts), counts, size);
}

/* --- The clock ------------------------------------------------------------ */

/* Nanoseconds. A look takes a microsecond. */
__attribute__((unused)) static uint64_t fuzz_clock;

#define shmem_now() (fuzz_clock += SHMEM_US)
#define shmem_since(start) (shmem_now() - (start))

/* --- Output, and the end of the program ------------------------------------ */

/* The last line. It is formatted, so that the sanitizers look at its values. */
static char said[32768];

static inline void say_values(const char *format, va_list values)
{
	int length = vsnprintf(said, sizeof(said), format, values);

	MUST(length > 0 && (size_t)length < sizeof(said));
}

SHMEM_PRINTF static inline void say(const char *format, ...)
{
	va_list values;

	va_start(values, format);
	say_values(format, values);
	va_end(values);
}

static jmp_buf fuzz_end;
static int fuzz_status;

__attribute__((format(printf, 2, 3)))
_Noreturn static inline void end_with(int status, const char *format, ...)
{
	va_list values;

	va_start(values, format);
	say_values(format, values);
	va_end(values);
	fuzz_status = status;
	longjmp(fuzz_end, 1);
}

/* Whether the tested code, in run, ends the program: fuzz_status and said tell how. */
static inline bool ends(void (*run)(void))
{
	if (setjmp(fuzz_end) != 0)
		return true;
	run();
	return false;
}

#define shmem_print say
#define shmem_warn say
#define shmem_fail end_with
#define shmem_die(...) end_with(SHMEM_STATUS_FAILED, __VA_ARGS__)
#define shmem_error_end(error) end_with((error)->status, "%s", (error)->text)

#endif
