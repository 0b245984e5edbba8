/* publish.c - the list of peers: in a file for scripts, and on request in the region for guests. */
#include "server.h"
#include "shmem.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* --- The table in the region ------------------------------------------------ */

/*
 * Maps from the region's start, since a mapping of huge pages must begin at one; the kernel
 * rounds the length up.
 */
void publish_map(struct server *server)
{
	char *base = mmap(NULL, SHMEM_LAYOUT_FREE, PROT_READ | PROT_WRITE, MAP_SHARED,
			  server->region, 0);

	if (base == MAP_FAILED)
		shmem_die("cannot map %s: %s", server->memory_path, strerror(errno));
	server->line = (struct shmem_layout_server *)(base + SHMEM_LAYOUT_SERVER);
	server->table = (struct shmem_layout_peer *)(base + SHMEM_LAYOUT_PEERS);
}

/*
 * Reads the file, and not the mapping: where a program has cut the file short, a load would
 * end the server by SIGBUS.
 */
static bool table_is_wanted(const struct server *server)
{
	off_t offset = SHMEM_LAYOUT_SERVER + offsetof(struct shmem_layout_server, table);
	uint64_t word;

	return pread(server->region, &word, sizeof(word), offset) == sizeof(word) &&
	       word == SHMEM_LAYOUT_TABLE_WANTED;
}

static bool table_has_room(const struct server *server)
{
	struct stat status;

	return fstat(server->region, &status) == 0 && status.st_size >= SHMEM_LAYOUT_FREE;
}

static void write_table(const struct server *server)
{
	for (unsigned int slot = 0; slot < PEERS_MAX; slot++) {
		const struct peer *peer = &server->peers[slot];
		uint32_t connected = peer->socket >= 0 ? peer_id(peer) + 1 : 0;

		memcpy(server->table[slot].name, peer->name, SHMEM_LAYOUT_PEER_NAME);
		atomic_store_explicit(&server->table[slot].connected, connected,
				      memory_order_relaxed);
	}
	atomic_store_explicit(&server->line->vectors, server->vectors, memory_order_relaxed);
}

/* A word that is not the request any more belongs to somebody else, and stays as it is. */
void publish_wanted(struct server *server)
{
	uint64_t wanted = SHMEM_LAYOUT_TABLE_WANTED;

	if (!table_is_wanted(server) || !table_has_room(server))
		return;
	/* Pairs with the fence in shmem_table_unchanged: a program that sees a part
	 * of this table also sees that one was wanted. */
	atomic_thread_fence(memory_order_seq_cst);
	write_table(server);
	/* The release pairs with the acquire in shmem_table_answer. */
	atomic_compare_exchange_strong(&server->line->table, &wanted,
				       SHMEM_LAYOUT_TABLE_ANSWER | ++server->answers);
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

/* --- At the start, at each change, at the end --------------------------------- */

bool publish_open(const struct server *server)
{
	if (write_listing(server))
		return true;
	shmem_warn("cannot write %s: %s", server->listing_path, strerror(errno));
	return false;
}

void publish(struct server *server)
{
	if (!write_listing(server))
		shmem_warn("cannot write %s: %s; it is out of date", server->listing_path,
			   strerror(errno));
	server->changed = false;
}

void publish_close(const struct server *server)
{
	if (server->listing_path)
		unlink(server->listing_path);
}
