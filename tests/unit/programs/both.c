/*
 * both.c - for install.bats: compiled as C and as C++, so that the two programs meet.
 *
 * Prints how large the structures of the region are, meets the other, sends its language by a
 * ring and by a word, and prints the language of the other.
 */
#include <stdio.h>
#include <string.h>

#include "barrier.h"
#include "bytes.h"
#include "copy.h"
#include "interrupt.h"
#include "latest.h"
#include "peers.h"
#include "ring.h"
#include "shmem.h"
#include "sleep.h"
#include "statistics.h"
#include "turn.h"
#include "units.h"

#ifdef __cplusplus
static const char language[] = "C++";
#else
static const char language[] = "C";
#endif

enum { RING_SIZE = 64 };

/* One for each direction, by the seat of the writer. */
struct way {
	struct shmem_ring_counts counts;
	shmem_atomic(uint64_t) word;
	shmem_atomic(uint64_t) ready; /* the session, when both ends of that side are made */
	unsigned char bytes[RING_SIZE];
};

static struct shmem_program program;
static struct shmem_options options;
static struct shmem_meeting meeting;

static void print_sizes(void)
{
	shmem_print("%zu %zu %zu %zu %zu %zu %zu %d\n", sizeof(struct shmem_ring_counts),
		    offsetof(struct shmem_ring_counts, read), sizeof(struct shmem_layout_peer),
		    sizeof(struct shmem_layout_server), sizeof(struct shmem_meeting), sizeof(struct way),
		    sizeof(struct shmem_barrier_step), SHMEM_LATEST_SIZE(121));
}

static void wait_for(const shmem_atomic(uint64_t) *word, uint64_t value)
{
	unsigned int turns = 0;

	while (atomic_load_explicit(word, memory_order_acquire) != value)
		if (shmem_wait_turn(&turns))
			shmem_meet_beat(&meeting);
	shmem_fence();
}

int main(int argc, char **argv)
{
	char received[8] = "";
	size_t length = 0;

	program.about = program.example = "";
	shmem_getopt(&program, &options, argc, argv);
	print_sizes();
	struct shmem region = shmem_open(&options);
	struct way *ways = (struct way *)(region.base + SHMEM_LAYOUT_FREE + 4096);
	if (shmem_meet(&meeting, &region, SHMEM_LAYOUT_FREE, 2, SHMEM_ANY_SEAT, "the languages",
		       60 * SHMEM_SECOND) != SHMEM_MET)
		shmem_fail(SHMEM_STATUS_NOBODY, "nobody came");

	struct way *out = &ways[meeting.seat], *in = &ways[1 - meeting.seat];
	struct shmem_ring writer = shmem_ring_writer(&out->counts, out->bytes, RING_SIZE,
						   region.order, &meeting);
	struct shmem_ring reader = shmem_ring_reader(&in->counts, in->bytes, RING_SIZE,
						   region.order, &meeting);
	atomic_store_explicit(&out->ready, meeting.session, memory_order_release);
	wait_for(&in->ready, meeting.session);

	shmem_ring_write(&writer, language, sizeof(language));
	atomic_store_explicit(&out->word, shmem_mix(meeting.session, 1), memory_order_release);
	wait_for(&in->word, shmem_mix(meeting.session, 1));
	length = shmem_ring_read(&reader, received, sizeof(received) - 1);
	shmem_print("%s met %s\n", language, length == SHMEM_RING_RUBBISH ? "rubbish" : received);
	return 0;
}
