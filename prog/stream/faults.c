/* faults.c - faults of __stream caused on purpose, to test that they are noticed. */
#include "stream.h"

#include <signal.h>
#include <stdlib.h>
#include <time.h>

#include "lib/channel_words.h"
#include "units.h"

static void claim_impossible_count(struct stream *s)
{
	struct shmem_ring *ring = &s->channel.ring;

	ring->mine = UINT64_C(1) << 40;
	shmem_publish(s->plan.send ? &ring->counts->written : &ring->counts->read, ring->mine,
		      s->region.order);
	for (;;) { /* until the other side gives up */
		nanosleep(&(struct timespec){ .tv_nsec = SHMEM_MS }, NULL);
		tend(s);
	}
}

void inject_at_begin(struct stream *s)
{
	if (injected(s, FAULT_SKIP))
		s->channel.waker.bell = NULL;
	if (s->plan.send && injected(s, FAULT_HEADER))
		s->channel.tag ^= 1;
}

void inject_under_way(struct stream *s)
{
	if (injected(s, FAULT_COUNT))
		claim_impossible_count(s);
	if (injected(s, FAULT_DIE))
		raise(SIGKILL);
	if (injected(s, FAULT_LEAVE))
		exit(SHMEM_STATUS_FAILED);
}
