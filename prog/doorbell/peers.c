/*
 * peers.c - the connected peers, from the table that the server keeps in the region. Every
 * VM can write to the table, so each word is read once, and checked.
 */
#include "doorbell.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static struct layout_peer *entry(const struct doorbell *d, unsigned int slot)
{
	return (struct layout_peer *)(d->region.base + LAYOUT_PEERS) + slot;
}

static void read_name(struct doorbell_peer *peer, const struct layout_peer *from)
{
	/* Pairs with the release in set_name: the name belongs to the peer in named. */
	if (atomic_load_explicit(&from->named, memory_order_acquire) != peer->id + 1) {
		peer->name[0] = '\0';
		return;
	}
	memcpy(peer->name, from->name, LAYOUT_PEER_NAME);
	peer->name[LAYOUT_PEER_NAME] = '\0';
	for (char *c = peer->name; *c; c++)
		if (*c < '!' || *c > '~')
			*c = '?';
}

/* False if no peer is connected in that slot. */
static bool read_peer(const struct doorbell *d, unsigned int slot, struct doorbell_peer *peer)
{
	const struct layout_peer *from = entry(d, slot);
	uint32_t connected = atomic_load_explicit(&from->connected, memory_order_acquire);

	if (connected == 0 || connected > SHMEM_PEER_IDS ||
	    (connected - 1) % LAYOUT_PEERS_MAX != slot)
		return false;
	peer->id = connected - 1;
	read_name(peer, from);
	return true;
}

/* Sorted by id. Returns their number. */
static size_t read_peers(const struct doorbell *d, struct doorbell_peer peers[static LAYOUT_PEERS_MAX])
{
	size_t count = 0;

	for (unsigned int slot = 0; slot < LAYOUT_PEERS_MAX; slot++) {
		struct doorbell_peer peer;
		size_t at = count;

		if (!read_peer(d, slot, &peer))
			continue;
		for (; at > 0 && peers[at - 1].id > peer.id; at--)
			peers[at] = peers[at - 1];
		peers[at] = peer;
		count++;
	}
	return count;
}

/* If we are not in the table, no running server keeps it. */
static bool table_is_kept(const struct doorbell *d)
{
	unsigned int id = shmem_doorbell_id(d->bell);
	struct doorbell_peer peer;

	return read_peer(d, id % LAYOUT_PEERS_MAX, &peer) && peer.id == id;
}

static void check_table(const struct doorbell *d)
{
	if (!table_is_kept(d))
		shmem_warn("this peer is not in the table of peers: the server on the host has "
			   "ended, or keeps no table");
}

/* --- Names ----------------------------------------------------------------- */

void set_name(const struct doorbell *d, const char *name)
{
	unsigned int id = shmem_doorbell_id(d->bell);
	struct layout_peer *own = entry(d, id % LAYOUT_PEERS_MAX);
	char host[256] = "";

	if (!name && gethostname(host, sizeof(host) - 1) == 0) {
		host[LAYOUT_PEER_NAME] = '\0';
		name = host;
	}
	if (!name || !name[0] || strlen(name) > LAYOUT_PEER_NAME)
		shmem_usage_error("a name has 1 to %d characters", LAYOUT_PEER_NAME);
	atomic_store_explicit(&own->named, 0, memory_order_relaxed);
	shmem_fence(); /* a reader of half the name takes it for no name */
	memset(own->name, 0, LAYOUT_PEER_NAME);
	memcpy(own->name, name, strlen(name));
	shmem_fence();
	atomic_store_explicit(&own->named, id + 1, memory_order_release);
	shmem_fence(); /* out of the write-combining buffer */
}

unsigned int find_peer(const struct doorbell *d, const char *text)
{
	static struct doorbell_peer peers[LAYOUT_PEERS_MAX];
	size_t count = read_peers(d, peers);
	const struct doorbell_peer *found = NULL;
	uint64_t id;
	bool is_number = shmem_number(text, SHMEM_PEER_IDS - 1, &id);

	for (size_t i = 0; i < count; i++) {
		if (is_number ? peers[i].id != id : strcmp(peers[i].name, text) != 0)
			continue;
		if (found)
			shmem_die("peers %u and %u are both named %s; give the number",
				  found->id, peers[i].id, text);
		found = &peers[i];
	}
	if (found)
		return found->id;
	if (!is_number || table_is_kept(d))
		shmem_die("no peer %s is connected; to list the peers: %s list", text,
			  program_invocation_short_name);
	check_table(d); /* warns: the id cannot be checked */
	return (unsigned int)id;
}

/* --- The list -------------------------------------------------------------- */

static void record_list(const struct doorbell *d, const struct doorbell_peer *peers, size_t count)
{
	unsigned int own = shmem_doorbell_id(d->bell);

	for (size_t i = 0; i < count; i++) {
		shmem_record_begin(&d->region, &d->options, "peer");
		shmem_record_integer("id", peers[i].id);
		shmem_record_text("name", peers[i].name[0] ? peers[i].name : NULL);
		shmem_record_flag("this_one", peers[i].id == own);
		shmem_record_integer("vectors", shmem_doorbell_vectors(d->bell));
		shmem_record_end();
	}
}

void list_peers(const struct doorbell *d)
{
	static struct doorbell_peer peers[LAYOUT_PEERS_MAX];
	unsigned int own = shmem_doorbell_id(d->bell);
	size_t count = read_peers(d, peers);

	check_table(d);
	if (d->options.json) {
		record_list(d, peers, count);
		return;
	}
	shmem_print("this is peer %u, each has %u vectors\n\n   id  name\n", own,
		    shmem_doorbell_vectors(d->bell));
	for (size_t i = 0; i < count; i++)
		shmem_print("%5u  %-*s%s\n", peers[i].id, peers[i].id == own ? 24 : 0,
			    peers[i].name[0] ? peers[i].name : "-",
			    peers[i].id == own ? "  this one" : "");
}
