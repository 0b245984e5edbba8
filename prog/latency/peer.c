/* peer.c - the peers of __latency: their names, and whether they live. */
#include "latency.h"

#include <sched.h>
#include <stdio.h>
#include <string.h>

void name_of(const struct latency_run *run, int seat, char name[static NAME_SIZE])
{
	memcpy(name, run->places[seat].name, NAME_SIZE);
	name[NAME_SIZE - 1] = '\0';
	for (char *c = name; *c; c++)
		if (*c < '!' || *c > '~')
			*c = '?';
	if (!name[0])
		snprintf(name, NAME_SIZE, "?");
}

void show_cpu(struct latency_run *run)
{
	int cpu = sched_getcpu();

	/* For the record of the other side; nothing depends on it. */
	atomic_store_explicit(&run->mine->cpu, cpu < 0 ? 0 : (uint64_t)cpu + 1,
			      memory_order_relaxed);
}

int cpu_of(const struct latency_run *run, int seat)
{
	uint64_t cpu = atomic_load_explicit(&run->places[seat].cpu, memory_order_relaxed);

	return cpu == 0 || cpu > CPU_SETSIZE ? -1 : (int)cpu - 1;
}

void lose_peer(const struct latency_run *run, int seat, const char *how)
{
	char name[NAME_SIZE];

	shmem_meet_check(&run->meeting); /* perhaps we lost our own seat */
	name_of(run, seat, name);
	shmem_die("%s (seat %d) %s", name, seat, how);
}

enum shmem_peer look(struct latency_run *run, int seat)
{
	uint64_t now = ticks();
	uint64_t passed = (uint64_t)((double)ticks_between(run->looked, now) * run->clock.tick);

	/* Go on if the counter has stepped back, so that we still show that we live. */
	if (passed < SHMEM_SECOND / 200 && now >= run->looked)
		return SHMEM_PEER_LIVES;
	run->looked = now;
	/* Our own pause must not count as the peer's. */
	run->waited += passed < SHMEM_SECOND / 10 ? passed : SHMEM_SECOND / 10;
	show_cpu(run);
	shmem_meet_beat(&run->meeting);
	return shmem_meet_peer(&run->meeting, seat);
}

void give_up(const struct latency_run *run, int seat, enum shmem_peer peer)
{
	if (peer != SHMEM_PEER_LIVES)
		lose_peer(run, seat, shmem_peer_fate(peer));
	lose_peer(run, seat, "lives, but did not answer in time (-w)");
}
