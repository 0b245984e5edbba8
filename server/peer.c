/* peer.c - arrivals and departures. */
#include "server.h"
#include "shmem.h"

#include <errno.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

unsigned int peer_id(const struct peer *peer)
{
	return (unsigned int)(peer->serial % IDS);
}

static void free_slot(struct peer *peer)
{
	*peer = (struct peer){ .socket = -1 };
	for (unsigned int i = 0; i < VECTORS_MAX; i++)
		peer->eventfds[i] = -1;
}

static void close_peer(struct peer *peer)
{
	for (unsigned int i = 0; i < VECTORS_MAX && peer->eventfds[i] >= 0; i++)
		close(peer->eventfds[i]);
	close(peer->socket);
	free_slot(peer);
}

void peers_clear(struct server *server)
{
	for (unsigned int i = 0; i < PEERS_MAX; i++)
		free_slot(&server->peers[i]);
}

void peers_close(struct server *server)
{
	for (unsigned int i = 0; i < PEERS_MAX; i++)
		if (server->peers[i].socket >= 0)
			close_peer(&server->peers[i]);
}

/*
 * QEMU's end of an eventfd must not block either. QEMU reads its own eventfds until they
 * are empty, and a ring must not wait for a peer that does not read.
 */
static bool make_eventfds(struct peer *peer, unsigned int vectors)
{
	for (unsigned int i = 0; i < vectors; i++) {
		peer->eventfds[i] = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
		if (peer->eventfds[i] < 0)
			return false;
	}
	return true;
}

/* Ids count up, so that a killed VM comes back with a new id. */
static uint64_t take_serial(struct server *server)
{
	while (server->peers[server->next_serial % PEERS_MAX].socket >= 0)
		server->next_serial++;
	return server->next_serial++;
}

void peer_arrive(struct server *server, int socket, pid_t pid)
{
	if (server->count >= server->room) {
		shmem_warn("refused process %d: there are %u peers already", (int)pid,
			   server->count);
		close(socket);
		return;
	}

	uint64_t serial = take_serial(server);
	struct peer *peer = &server->peers[serial % PEERS_MAX];

	peer->socket = socket;
	peer->pid = pid;
	peer->serial = serial;
	name_find(pid, peer->name);
	if (!make_eventfds(peer, server->vectors)) {
		shmem_warn("refused process %d: no eventfd: %s", (int)pid, strerror(errno));
		close_peer(peer);
		return;
	}
	server->count++;
	server->changed = true;
	shmem_warn("peer %u arrived, process %d", peer_id(peer), (int)pid);
}

static void peer_depart(struct server *server, struct peer *peer, const char *why)
{
	shmem_warn("peer %u left, process %d: %s", peer_id(peer), (int)peer->pid, why);
	close_peer(peer);
	server->count--;
	server->changed = true;
}

void peer_lost(struct server *server, struct peer *peer, int reason)
{
	bool closed = reason == 0 || reason == EPIPE || reason == ECONNRESET;

	peer_depart(server, peer, closed ? "it closed the connection" : strerror(reason));
}

/* Clients never send (ivshmem-spec: "The connection is one-way"). */
void peer_hear(struct server *server, struct peer *peer)
{
	char bytes[64];
	ssize_t got = recv(peer->socket, bytes, sizeof(bytes), MSG_DONTWAIT);

	if (got > 0)
		peer_depart(server, peer, "it sent data, which the protocol forbids");
	else if (got == 0)
		peer_lost(server, peer, 0);
	else if (errno != EAGAIN && errno != EINTR)
		peer_lost(server, peer, errno);
}
