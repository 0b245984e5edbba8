/* publish.c - the list of peers: in the region for guests, in a file for scripts. */
#include "server.h"
#include "shmem.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* --- The table in the region ------------------------------------------------ */

/*
 * Maps from the region's start, since a mapping of huge pages must begin at one; the kernel
 * rounds the length up.
 */
void publish_map(struct server *server, int memory)
{
	char *base = mmap(NULL, LAYOUT_FREE, PROT_READ | PROT_WRITE, MAP_SHARED, memory, 0);

	if (base == MAP_FAILED)
		shmem_die("cannot map %s: %s", server->memory_path, strerror(errno));
	server->table = (struct layout_peer *)(base + LAYOUT_PEERS);
	server->vectors_told = (_Atomic uint64_t *)(base + LAYOUT_VECTORS);
}

/*
 * Writes all of it each time, so that the next change repairs what a guest overwrote.
 * Relaxed, since readers need no other word together with this one.
 */
static void write_table(const struct server *server)
{
	for (unsigned int slot = 0; slot < PEERS_MAX; slot++) {
		const struct peer *peer = &server->peers[slot];
		uint32_t connected = peer->socket >= 0 ? peer_id(peer) + 1 : 0;

		atomic_store_explicit(&server->table[slot].connected, connected,
				      memory_order_relaxed);
	}
}

/* --- The listing ------------------------------------------------------------ */

static bool write_peers(const struct server *server, const char *path)
{
	FILE *file = fopen(path, "we");

	if (!file)
		return false;
	for (unsigned int slot = 0; slot < PEERS_MAX; slot++) {
		const struct peer *peer = &server->peers[slot];

		if (peer->socket >= 0)
			fprintf(file, "%u %d\n", peer_id(peer), (int)peer->pid);
	}
	bool written = !ferror(file);
	return fclose(file) == 0 && written;
}

/* Writes a file beside it and renames that, so that readers never see half of it. */
static bool write_listing(const struct server *server)
{
	char beside[PATH_MAX];
	int length;

	if (!server->listing_path)
		return true;
	length = snprintf(beside, sizeof(beside), "%s.new", server->listing_path);
	if (length >= (int)sizeof(beside)) {
		errno = ENAMETOOLONG;
		return false;
	}
	if (write_peers(server, beside) && rename(beside, server->listing_path) == 0)
		return true;
	int reason = errno;
	unlink(beside);
	errno = reason;
	return false;
}

/* --- Table and listing ------------------------------------------------------- */

bool publish_open(struct server *server)
{
	memset(server->table, 0, LAYOUT_FREE - LAYOUT_PEERS);
	atomic_store(server->vectors_told, server->vectors);
	if (write_listing(server))
		return true;
	shmem_warn("cannot write %s: %s", server->listing_path, strerror(errno));
	return false;
}

void publish(struct server *server)
{
	write_table(server);
	if (!write_listing(server))
		shmem_warn("cannot write %s: %s; it is out of date", server->listing_path,
			   strerror(errno));
	server->changed = false;
}

void publish_close(struct server *server)
{
	write_table(server);
	atomic_store(server->vectors_told, 0);
	if (server->listing_path)
		unlink(server->listing_path);
}
