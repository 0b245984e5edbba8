/*
 * server.h - shared by the files of ivshmem-server; no other file includes it.
 *
 *	ivshmem-server.c    the command line, the memory, and the loop
 *	socket.c            the socket: its owner, and access to it
 *	peer.c              arrivals and departures
 *	name.c              the name of a peer that is a QEMU
 *	tell.c              the messages to each peer
 *	publish.c           the list of peers: in a file, and on request in the region
 */
#ifndef SERVER_H
#define SERVER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "peers.h"

enum { PEERS_MAX = SHMEM_LAYOUT_PEERS_MAX, VECTORS_MAX = 64 };

/* The Doorbell register has 16 bits for an id (ivshmem-spec). */
enum { IDS = 65536 };

static_assert(IDS % PEERS_MAX == 0, "the slot of a serial is the slot of its id");

/* The next message to a peer, in the order of ivshmem-spec. */
enum stage {
	STAGE_VERSION,
	STAGE_ID,
	STAGE_MEMORY,
	STAGE_OTHERS, /* the eventfds of the earlier peers */
	STAGE_OWN,    /* its own eventfds */
	STAGE_LIVE,   /* from then on: arrivals and departures */
};

/* Our messages to a peer about one slot, so far. */
struct told {
	uint64_t serial;      /* of the peer in it, if vectors is not 0 */
	unsigned int vectors; /* number of its eventfds */
};

/* One connection; it lives in slot serial % PEERS_MAX. */
struct peer {
	int socket;                /* -1: the slot is free */
	int eventfds[VECTORS_MAX]; /* -1 from the server's number of vectors on */
	pid_t pid;
	char name[SHMEM_LAYOUT_PEER_NAME]; /* as in the table */
	uint64_t serial;           /* counts all connections; the id is serial % IDS */
	enum stage stage;
	unsigned int slot;         /* the slot that we are telling it about */
	struct told told[PEERS_MAX];
	bool full;                 /* its socket takes no more for now */
};

struct server {
	const char *socket_path;
	const char *memory_path;
	const char *listing_path; /* of --peers-file, or NULL */
	unsigned int vectors;

	int memory;    /* the descriptor that the peers get */
	int region;    /* our own one, which has the lock */
	int listener;
	int signals;   /* signalfd(2) of the signals that end the server */
	dev_t socket_device; /* device and inode tell our socket from a successor's */
	ino_t socket_inode;
	struct shmem_layout_server *line; /* in the region, as the table; written when wanted */
	struct shmem_layout_peer *table;
	uint16_t answers; /* tables written so far */

	struct peer peers[PEERS_MAX];
	unsigned int room;    /* most peers that the limit of open files allows */
	unsigned int count;   /* connected peers */
	uint64_t next_serial;
	bool changed; /* an arrival or departure is not in the listing yet */
	bool deaf;    /* accept(2) lacked descriptors or memory; retried a little later */
	bool stalled; /* sendmsg(2) lacked them; likewise */
};

/* --- socket.c --------------------------------------------------------------- */

/* Creates the socket and listens. Ends the program on failure. */
void socket_open(struct server *server);

/* Removes the socket's name, unless another server's socket has it by now. */
void socket_remove(const struct server *server);

/*
 * Accepts or refuses the first client that waits at the socket. Only one at a time, so that
 * a peer that has left in between makes room for the next.
 */
void socket_accept(struct server *server);

/* --- peer.c ----------------------------------------------------------------- */

/* Marks all slots as free. */
void peers_clear(struct server *server);

/* Closes all connections. The peers are not told, and can go on ringing each other. */
void peers_close(struct server *server);

/*
 * Adds a peer on a connected, non-blocking socket, and owns the socket from then on. On
 * failure it writes to the log and closes the socket.
 */
void peer_arrive(struct server *server, int socket, pid_t pid);

/*
 * The connection has ended; reason is an errno, or 0 if the peer closed it. Closes
 * everything of the peer. The others will be told.
 */
void peer_lost(struct server *server, struct peer *peer, int reason);

/* To be called when a peer's socket is readable or at its end. */
void peer_hear(struct server *server, struct peer *peer);

unsigned int peer_id(const struct peer *peer);

/* --- tell.c ----------------------------------------------------------------- */

/*
 * Sends each peer its news, until its socket is full. A peer whose connection fails
 * departs, which is news again.
 */
void peers_tell(struct server *server);

/* --- name.c ----------------------------------------------------------------- */

/*
 * Finds the name of the virtual machine that the process runs, by QEMU's option -name. All
 * zeros if it has none, or one that does not fit or is not printable.
 */
void name_find(pid_t pid, char name[static SHMEM_LAYOUT_PEER_NAME]);

/* --- publish.c -------------------------------------------------------------- */

/* Maps the server's line and the table. Ends the program on failure. */
void publish_map(struct server *server);

/* Writes an empty listing. On failure logs a line, and returns false. */
bool publish_open(const struct server *server);

/* Updates the listing. */
void publish(struct server *server);

/* Writes the table if a program of the kit wants it now. Otherwise the region stays as it is. */
void publish_wanted(struct server *server);

/* Removes the listing. */
void publish_close(const struct server *server);

#endif
