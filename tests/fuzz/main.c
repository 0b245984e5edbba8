/*
 * main.c - runs a target without libFuzzer: on random inputs and mutations of
 * them, the same in every run.
 *
 * Usage: TARGET SECONDS HANG. An input that takes HANG seconds ends the program. The last line of
 * output is that of libFuzzer.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size);

enum { LONGEST = 8192 };

static uint64_t state = 0x9e3779b97f4a7c15;

/* xorshift64 (Marsaglia 2003). */
static uint64_t next(void)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return state;
}

/* A new input now and then, otherwise a few changes of the last one. */
static size_t mutate(uint8_t *input, size_t size)
{
	if (size == 0 || next() % 16 == 0) {
		size = next() % 16 ? next() % 256 : next() % LONGEST;
		for (size_t i = 0; i < size; i++)
			input[i] = (uint8_t)(next() >> 32);
		return size;
	}
	for (uint64_t changes = next() % 8 + 1; changes > 0; changes--) {
		static const uint8_t favourites[] = { 0, 1, 0x7f, 0x80, 0xff, 64, 63, 65 };
		size_t at = next() % size;

		input[at] = next() % 2 ? (uint8_t)next() : favourites[next() % 8];
	}
	return size;
}

int main(int argc, char **argv)
{
	static uint8_t input[LONGEST];
	long seconds = argc > 1 ? atol(argv[1]) : 20;
	unsigned int hang = argc > 2 ? (unsigned int)atol(argv[2]) : 30;
	time_t end = time(NULL) + seconds;
	unsigned long runs = 0;
	size_t size = 0;

	while (runs % 256 != 0 || time(NULL) < end) {
		/* A copy of its exact size, for the address sanitizer. */
		uint8_t *copy = malloc(size = mutate(input, size));

		memcpy(copy, input, size);
		alarm(hang);
		LLVMFuzzerTestOneInput(copy, size);
		free(copy);
		runs++;
	}
	fprintf(stderr, "Done %lu runs in %ld second(s)\n", runs, seconds);
	return 0;
}
