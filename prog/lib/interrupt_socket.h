/*
 * interrupt_socket.h - a peer on the host, between the two files that make it one.
 *
 *	interrupt_socket.c    the connection, and what is done with it
 *	interrupt_protocol.c  what the server says
 */
#ifndef INTERRUPT_SOCKET_H
#define INTERRUPT_SOCKET_H

#include "internal.h"

/* What the server sends next. */
enum handshake { HANDSHAKE_VERSION, HANDSHAKE_ID, HANDSHAKE_MEMORY, HANDSHAKE_DONE, HANDSHAKE_GONE };

/* The eventfds by which a peer is rung; for ourselves, those that we wait on. */
struct shmem_server_peer {
	unsigned int vectors;
	int events[SHMEM_VECTORS_MAX];
};

struct shmem_server {
	const char *path;
	int socket;
	enum handshake stage;
	unsigned int id;           /* ours */
	uint64_t told;             /* how many vectors we are to have; 0: not told */
	int memory;
	unsigned char bytes[8];    /* of a message that has come in part */
	size_t have;
	int descriptor;            /* that came with it, or -1 */
	struct shmem_server_peer *peers[SHMEM_PEER_IDS]; /* by id; NULL: not connected */
};

/* At the most SHMEM_VECTORS_MAX; 0 for a peer that is not there. */
static inline unsigned int vectors_of(const struct shmem_server_peer *peer)
{
	if (!peer)
		return 0;
	return peer->vectors < SHMEM_VECTORS_MAX ? peer->vectors : SHMEM_VECTORS_MAX;
}

/* --- interrupt_protocol.c --------------------------------------------------- */

/*
 * Acts upon one message that has come, or takes the first part of one. False if
 * there is nothing. Ends the program if the server sends rubbish, or ends
 * before it gave us the memory and a vector.
 */
bool shmem_server_attend_once(struct shmem_server *server);

/* That peer is not connected any more. */
void shmem_server_forget(struct shmem_server *server, unsigned int id);

#endif
