/*
 * ring.c - fuzzes both ends of a ring.
 *
 * One input is a series of writes and reads of all lengths. In between, an
 * adversary may change counts and bytes. Before it does, the ring must return the
 * bytes that were written. Afterwards, no access may leave the ring (the address
 * sanitizer checks that), and no result may exceed the requested length.
 */
#include "fuzz.h"

#include "../../prog/lib/ring.c"

enum { RING_SIZE = 64, LONGEST = 160 };

static struct shmem_ring_counts *counts;
static unsigned char *bytes;
static bool hostile;  /* may the adversary act? */
static bool tampered; /* has it acted? */

static void adversary(void)
{
	if (!hostile || take_byte() % 4 != 0)
		return;
	tampered = true;
	tamper_with_ring(counts, bytes, RING_SIZE);
}

/* The byte at that place of the stream. */
static unsigned char expected(uint64_t place)
{
	return (unsigned char)(place * 251 + (place >> 8));
}

static void do_write(struct shmem_ring *writer, uint64_t *written)
{
	size_t length = take_byte() % LONGEST;
	unsigned char *from = malloc(length + 1);

	for (size_t i = 0; i < length; i++)
		from[i] = expected(*written + i);
	size_t answer = shmem_ring_write(writer, from, length);
	free(from);
	if (answer == SHMEM_RING_RUBBISH) {
		MUST(tampered);
		return;
	}
	MUST(answer <= length && answer <= RING_SIZE);
	*written += answer;
}

static void do_read(struct shmem_ring *reader, uint64_t written, uint64_t *read)
{
	size_t length = take_byte() % LONGEST;
	unsigned char *to = malloc(length + 1);
	size_t answer = shmem_ring_read(reader, to, length);

	if (answer == SHMEM_RING_RUBBISH) {
		MUST(tampered);
		free(to);
		return;
	}
	MUST(answer <= length && answer <= RING_SIZE);
	if (!tampered) {
		size_t there = written - *read;

		MUST(answer == (there < length ? there : length));
		for (size_t i = 0; i < answer; i++)
			MUST(to[i] == expected(*read + i));
	}
	*read += answer;
	free(to);
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size)
{
	uint64_t written = 0, read = 0;

	supply = input;
	supplied = size;
	counts = aligned_alloc(_Alignof(struct shmem_ring_counts), sizeof(*counts));
	bytes = malloc(RING_SIZE);
	take(counts, sizeof(*counts));
	take(bytes, take_byte() % RING_SIZE);
	hostile = tampered = false;
	struct shmem_ring writer = shmem_ring_writer(counts, bytes, RING_SIZE, SHMEM_ORDER_X86,
						      NULL);
	struct shmem_ring reader = shmem_ring_reader(counts, bytes, RING_SIZE, SHMEM_ORDER_X86,
						      NULL);

	hostile = take_byte() % 2;
	while (supplied > 0) {
		uint8_t what = take_byte() % 8;

		if (what < 4)
			do_write(&writer, &written);
		else if (what < 7)
			do_read(&reader, written, &read);
		else
			MUST(shmem_ring_unread(&writer) <= RING_SIZE || tampered);
	}
	free(counts);
	free(bytes);
	return 0;
}
