/* peers.c - has the lab's server write the table of peers into the region. */
#include "hold.h"
#include "internal.h"
#include "peers.h"

#include <string.h>

/* 2 s, counted in looks: a VM that is paused meanwhile does not miss the answer. */
enum { LOOKS = 2 * SHMEM_SECOND / HOLD_LOOK };

static struct shmem_layout_server *line_of(const struct shmem *region)
{
	return (struct shmem_layout_server *)(region->base + SHMEM_LAYOUT_SERVER);
}

void shmem_table_want(const struct shmem *region)
{
	atomic_store_explicit(&line_of(region)->table, SHMEM_LAYOUT_TABLE_WANTED,
			      memory_order_relaxed);
	shmem_fence(); /* out of the write-combining buffer */
}

/* The acquire pairs with the release in the server's publish_wanted. */
uint64_t shmem_table_answer(const struct shmem *region)
{
	uint64_t seen = atomic_load_explicit(&line_of(region)->table, memory_order_acquire);

	return (seen & SHMEM_LAYOUT_TABLE_ANSWER_MASK) == SHMEM_LAYOUT_TABLE_ANSWER ? seen : 0;
}

void shmem_table_want_no_more(const struct shmem *region)
{
	uint64_t wanted = SHMEM_LAYOUT_TABLE_WANTED;

	atomic_compare_exchange_strong(&line_of(region)->table, &wanted, 0);
}

uint64_t shmem_table_get(const struct shmem *region)
{
	shmem_table_want(region);
	for (int i = 0; i < LOOKS; i++) {
		uint64_t answer = shmem_table_answer(region);

		if (answer)
			return answer;
		shmem_hold_wait_a_look();
	}
	shmem_table_want_no_more(region);
	return shmem_table_answer(region);
}

bool shmem_table_unchanged(const struct shmem *region, uint64_t answer)
{
	shmem_fence(); /* after the loads from the table; pairs with the one in publish_wanted */
	return shmem_table_answer(region) == answer;
}

static void read_name(char name[static SHMEM_LAYOUT_PEER_NAME + 1],
		      const struct shmem_layout_peer *from)
{
	memcpy(name, from->name, SHMEM_LAYOUT_PEER_NAME);
	name[SHMEM_LAYOUT_PEER_NAME] = '\0';
	for (char *c = name; *c; c++)
		if (*c < '!' || *c > '~')
			*c = '?';
}

bool shmem_table_read(const struct shmem *region, unsigned int slot, struct shmem_table_peer *peer)
{
	const struct shmem_layout_peer *from =
		(const struct shmem_layout_peer *)(region->base + SHMEM_LAYOUT_PEERS) + slot;
	uint32_t connected = atomic_load_explicit(&from->connected, memory_order_relaxed);

	assert(slot < SHMEM_LAYOUT_PEERS_MAX);
	if (connected == 0 || connected > SHMEM_PEER_IDS ||
	    (connected - 1) % SHMEM_LAYOUT_PEERS_MAX != slot)
		return false;
	peer->id = connected - 1;
	read_name(peer->name, from);
	return true;
}

unsigned int shmem_table_vectors(const struct shmem *region)
{
	uint64_t vectors = atomic_load_explicit(&line_of(region)->vectors, memory_order_relaxed);

	return vectors <= SHMEM_VECTORS_MAX ? (unsigned int)vectors : 0;
}
