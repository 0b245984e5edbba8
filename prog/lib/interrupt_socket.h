/*
 * interrupt_socket.h - a peer on the host: shared by the two files that implement it.
 *
 *	interrupt_socket.c    the connection: opening, waiting, ringing
 *	interrupt_protocol.c  the messages of the server
 */
#ifndef INTERRUPT_SOCKET_H
#define INTERRUPT_SOCKET_H

#include "internal.h"

/*
 * The message that the server sends next. HANDSHAKE_DONE: peers come and go. HANDSHAKE_GONE: it
 * has ended, or sent something wrong.
 */
enum handshake { HANDSHAKE_VERSION, HANDSHAKE_ID, HANDSHAKE_MEMORY, HANDSHAKE_DONE, HANDSHAKE_GONE };

/* The eventfds to ring a peer with; our own are those that we wait on. */
struct shmem_server_peer {
	unsigned int vectors;
	int events[SHMEM_VECTORS_MAX];
};

struct shmem_server {
	const char *path;
	int socket;
	enum handshake stage;
	struct shmem_error error;  /* why its messages are not read any more; status 0: none */
	unsigned int id;           /* ours */
	struct shmem region;       /* where the lab's server tells the number of our vectors */
	unsigned int told;         /* that number; 0: not told */
	int memory;
	unsigned char bytes[8];    /* of an incomplete message */
	size_t have;               /* its bytes so far */
	int descriptor;            /* that came with it, or -1 */
	struct shmem_server_peer *peers[SHMEM_PEER_IDS]; /* by id; NULL: not connected */
};

/* At most SHMEM_VECTORS_MAX; 0 for a peer that is not connected. */
static inline unsigned int vectors_of(const struct shmem_server_peer *peer)
{
	if (!peer)
		return 0;
	return peer->vectors < SHMEM_VECTORS_MAX ? peer->vectors : SHMEM_VECTORS_MAX;
}

/* --- interrupt_protocol.c --------------------------------------------------- */

/*
 * Handles one message, or keeps the first part of one. False if nothing has come. Sets the
 * server's error if a message is wrong, or if the server ends before it has sent us the memory
 * and a vector.
 */
bool shmem_server_attend_once(struct shmem_server *server);

/* Forgets a peer that has left, and closes its eventfds. */
void shmem_server_forget(struct shmem_server *server, unsigned int id);

#endif
