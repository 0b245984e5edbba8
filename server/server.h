/*
 * server.h - what the files of ivshmem-server share; nobody else includes it.
 *
 *	ivshmem-server.c    the command line, the memory, and the loop
 *	socket.c            the socket: whose it is, who may connect
 *	peer.c              arrivals and departures
 *	tell.c              what each peer is told of the others
 *	publish.c           who is connected, in the region and in a file
 */
#ifndef SERVER_H
#define SERVER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "peers.h"

enum { PEERS_MAX = LAYOUT_PEERS_MAX, VECTORS_MAX = 64 };

/* The Doorbell register has 16 bits for an id (ivshmem-spec). */
enum { IDS = 65536 };

static_assert(IDS % PEERS_MAX == 0, "the slot of a serial is the slot of its id");

/* What comes next for a peer, in the order of ivshmem-spec. */
enum stage {
	STAGE_VERSION,
	STAGE_ID,
	STAGE_MEMORY,
	STAGE_OTHERS, /* the eventfds of those who were there */
	STAGE_OWN,    /* its own */
	STAGE_LIVE,   /* from then on: who comes, who goes */
};

/* What a peer has been told about one slot. */
struct told {
	uint64_t serial;      /* of whom, if vectors is not 0 */
	unsigned int vectors; /* how many eventfds */
};

/* One connection; it lives in slot serial % PEERS_MAX. */
struct peer {
	int socket;                /* -1: the slot is free */
	int eventfds[VECTORS_MAX]; /* -1 from the server's number of vectors on */
	pid_t pid;
	uint64_t serial;           /* counts all connections; the id is serial % IDS */
	enum stage stage;
	unsigned int slot;         /* the one that it is being told about */
	struct told told[PEERS_MAX];
	bool full;                 /* its socket takes no more for now */
};

struct server {
	const char *socket_path;
	const char *memory_path;
	const char *listing_path; /* of --peers-file, or NULL */
	unsigned int vectors;

	int memory;    /* the descriptor that the peers get */
	int listener;
	int signals;   /* signalfd(2) of those that end the server */
	dev_t socket_device; /* device and inode tell our socket from a successor's */
	ino_t socket_inode;
	struct layout_peer *table; /* in the region; written, never read */
	_Atomic uint64_t *vectors_told; /* likewise */

	struct peer peers[PEERS_MAX];
	unsigned int room;    /* how many of them the limit of open files allows */
	unsigned int count;   /* how many there are */
	uint64_t next_serial;
	bool changed; /* somebody came or went, which is not published yet */
	bool deaf;    /* accept(2) lacks something: it is tried again a little later */
	bool stalled; /* sendmsg(2) lacks something: likewise */
};

/* --- socket.c --------------------------------------------------------------- */

/* Makes the socket and listens; ends the program if that cannot be. */
void socket_open(struct server *server);

/* Removes the socket's name, unless somebody else's socket has it by now. */
void socket_remove(const struct server *server);

/*
 * Lets in, or refuses, the first of those who wait at the socket. Only one, so
 * that who has left meanwhile makes room for the next.
 */
void socket_accept(struct server *server);

/* --- peer.c ----------------------------------------------------------------- */

/* Marks all slots as free. */
void peers_clear(struct server *server);

/* Closes all connections; nobody is told: they can go on ringing each other. */
void peers_close(struct server *server);

/*
 * A new peer on a connected, non-blocking socket, which is the peer's from then
 * on. On failure, which is logged, it is closed.
 */
void peer_arrive(struct server *server, int socket, pid_t pid);

/*
 * The connection is at its end, by an errno or in good order (0): closes all
 * that is the peer's. The others will be told.
 */
void peer_lost(struct server *server, struct peer *peer, int reason);

/* To be called when there is something to read, or the end, on a peer's socket. */
void peer_hear(struct server *server, struct peer *peer);

unsigned int peer_id(const struct peer *peer);

/* --- tell.c ----------------------------------------------------------------- */

/*
 * Tells each peer what is news to it, as far as its socket takes it. Who cannot
 * be told any more departs, which is news again.
 */
void peers_tell(struct server *server);

/* --- publish.c -------------------------------------------------------------- */

/* Maps both, from a descriptor of the region; ends the program if it cannot. */
void publish_map(struct server *server, int memory);

/* An empty table and listing, and the number of vectors. False, and a line in the log, if they cannot be. */
bool publish_open(struct server *server);

/* Brings both up to date. */
void publish(struct server *server);

/* After peers_close: clears the table, removes the listing. */
void publish_close(struct server *server);

#endif
