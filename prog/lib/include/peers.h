/*
 * peers.h - the peers that are connected to the lab's ivshmem server: a table in the region,
 * written when a program wants it.
 *
 * A guest cannot ask its device which peers there are (QEMU docs/specs/ivshmem-spec: "The
 * device is not capable to tell guest software what peers are connected"). The server
 * (server/ivshmem-server.c) can tell, but the region is the users': the server writes
 * nothing to it unless a program puts SHMEM_LAYOUT_TABLE_WANTED into the server's line, and then
 * once. It writes the table at SHMEM_LAYOUT_PEERS and the number of vectors, and replaces that
 * word by an answer. A server of another kind does nothing.
 *
 * The peer with an id has the entry id % SHMEM_LAYOUT_PEERS_MAX; the server connects no two peers
 * that would share one. Any VM can write to all of this. So an entry is only a hint whom to
 * ring; check its bounds.
 *
 * The table may have a peer that the other VMs' devices do not know yet. They ignore a ring
 * for an unknown peer, so the first ring for a newcomer may get lost: repeat it until it is
 * answered.
 */
#ifndef SHMEM_PEERS_H
#define SHMEM_PEERS_H

#include <stdbool.h>
#include <stdint.h>

#include "language.h"
#include "layout.h"

SHMEM_C_BEGIN

struct shmem;

/* --- In the region ----------------------------------------------------------- */

enum { SHMEM_LAYOUT_PEERS_MAX = 128, SHMEM_LAYOUT_PEER_NAME = 28 };

struct shmem_layout_peer {
	shmem_atomic(uint32_t) connected;  /* id + 1; 0: no peer */
	char name[SHMEM_LAYOUT_PEER_NAME]; /* of a VM, by QEMU's -name; need not end with '\0' */
};

static_assert(SHMEM_LAYOUT_PEERS + sizeof(struct shmem_layout_peer) * SHMEM_LAYOUT_PEERS_MAX ==
		      SHMEM_LAYOUT_FREE,
	      "the table fills its page");

/* At SHMEM_LAYOUT_SERVER. */
struct shmem_layout_server {
	shmem_atomic(uint64_t) table;   /* SHMEM_LAYOUT_TABLE_WANTED, then the server's answer */
	shmem_atomic(uint64_t) vectors; /* of each peer; the protocol does not tell which is the last */
};

/* Random, so that no other program's data is taken for it. */
#define SHMEM_LAYOUT_TABLE_WANTED UINT64_C(0xd16b3c95fa27e084)

/* The answer; the last 16 bits tell it from earlier ones. */
#define SHMEM_LAYOUT_TABLE_ANSWER UINT64_C(0x7ac5930f1d8e0000)
#define SHMEM_LAYOUT_TABLE_ANSWER_MASK UINT64_C(0xffffffffffff0000)

/* --- For programs ------------------------------------------------------------- */

/*
 * Has the server write the table, and waits for that. Returns the answer; 0: none came within
 * 2 s, so the server is not the lab's, or has ended.
 */
uint64_t shmem_table_get(const struct shmem *region);

/*
 * To be called after reading the table: false if it may have changed while it was read,
 * since another program wanted it.
 */
bool shmem_table_unchanged(const struct shmem *region, uint64_t answer);

/* The parts of shmem_table_get, for programs that do something else meanwhile. */
void shmem_table_want(const struct shmem *region);
uint64_t shmem_table_answer(const struct shmem *region); /* 0: none yet */

/* Takes the wish back, if there is no answer: a server that begins later must not fulfil it. */
void shmem_table_want_no_more(const struct shmem *region);

/* A checked entry of the table; its name is printable. */
struct shmem_table_peer {
	unsigned int id;
	char name[SHMEM_LAYOUT_PEER_NAME + 1]; /* "" if it has none */
};

/* Reads entry number slot, below SHMEM_LAYOUT_PEERS_MAX. False if no peer is connected there. */
bool shmem_table_read(const struct shmem *region, unsigned int slot, struct shmem_table_peer *peer);

/* The number of vectors that came with the answer; 0 if it cannot be. */
unsigned int shmem_table_vectors(const struct shmem *region);

SHMEM_C_END

#endif
