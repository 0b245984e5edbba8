/*
 * peers.c - the connected peers, from the table that the lab's server writes into the region
 * when we want it. Every VM can write to it too, so it is only a hint.
 */
#include "doorbell.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* Readings of a table that other programs want at the same time. */
enum { TABLE_READINGS = 10 };

/* Sorted by id. */
struct peers {
	size_t count;
	struct shmem_table_peer of[SHMEM_LAYOUT_PEERS_MAX];
};

/* --- The table --------------------------------------------------------------- */

static void read_peers(const struct doorbell *d, struct peers *peers)
{
	peers->count = 0;
	for (unsigned int slot = 0; slot < SHMEM_LAYOUT_PEERS_MAX; slot++) {
		struct shmem_table_peer peer;
		size_t at = peers->count;

		if (!shmem_table_read(&d->region, slot, &peer))
			continue;
		for (; at > 0 && peers->of[at - 1].id > peer.id; at--)
			peers->of[at] = peers->of[at - 1];
		peers->of[at] = peer;
		peers->count++;
	}
}

/* False, and no peers, if there is no table. */
static bool get_peers(const struct doorbell *d, struct peers *peers)
{
	for (int i = 0; i < TABLE_READINGS; i++) {
		uint64_t answer = shmem_table_get(&d->region);

		if (!answer)
			break;
		read_peers(d, peers);
		if (shmem_table_unchanged(&d->region, answer))
			return true;
	}
	peers->count = 0;
	return false;
}

/* --- A peer ------------------------------------------------------------------ */

#define NO_TABLE "this server keeps no table of peers, or it has ended"

/* NULL if there is none. Ends the program if there are two. */
static const struct shmem_table_peer *search(const struct peers *peers, const char *text,
					  const uint64_t *id)
{
	const struct shmem_table_peer *found = NULL;

	for (size_t i = 0; i < peers->count; i++) {
		const struct shmem_table_peer *peer = &peers->of[i];

		if (id ? peer->id != *id : strcmp(peer->name, text) != 0)
			continue;
		if (found)
			shmem_die("peers %u and %u are both named %s; give the number", found->id,
				  peer->id, text);
		found = peer;
	}
	return found;
}

unsigned int find_peer(const struct doorbell *d, const char *text)
{
	static struct peers peers;
	uint64_t id;
	bool is_number = shmem_number(text, SHMEM_PEER_IDS - 1, &id);
	bool has_table = get_peers(d, &peers);
	const struct shmem_table_peer *found = search(&peers, text, is_number ? &id : NULL);

	if (found)
		return found->id;
	if (has_table)
		shmem_die("no peer %s is connected; to list the peers: %s list", text,
			  program_invocation_short_name);
	if (!is_number)
		shmem_die("cannot look up the name %s: " NO_TABLE "; use an id", text);
	shmem_warn("cannot look whether peer %s is connected: " NO_TABLE, text);
	return (unsigned int)id;
}

/* --- The list -------------------------------------------------------------- */

static void record_list(const struct doorbell *d, const struct peers *peers)
{
	unsigned int own = shmem_doorbell_id(d->bell);

	for (size_t i = 0; i < peers->count; i++) {
		shmem_record_begin(&d->region, &d->options, "peer");
		shmem_record_integer("id", peers->of[i].id);
		shmem_record_text("name", peers->of[i].name[0] ? peers->of[i].name : NULL);
		shmem_record_flag("this_one", peers->of[i].id == own);
		shmem_record_integer("vectors", shmem_doorbell_vectors(d->bell));
		shmem_record_end();
	}
}

void list_peers(const struct doorbell *d)
{
	static struct peers peers;
	unsigned int own = shmem_doorbell_id(d->bell);

	if (!get_peers(d, &peers))
		shmem_warn(NO_TABLE "; use ids");
	if (d->options.json) {
		record_list(d, &peers);
		return;
	}
	shmem_print("this is peer %u, each has %u vectors\n\n   id  name\n", own,
		    shmem_doorbell_vectors(d->bell));
	for (size_t i = 0; i < peers.count; i++)
		shmem_print("%5u  %-*s%s\n", peers.of[i].id, peers.of[i].id == own ? 24 : 0,
			    peers.of[i].name[0] ? peers.of[i].name : "-",
			    peers.of[i].id == own ? "  this one" : "");
}
