/*
 * peers.h - who is connected to the lab's ivshmem server: a table in the region.
 *
 * A guest cannot ask its device which peers there are (QEMU docs/specs/
 * ivshmem-spec: "The device is not capable to tell guest software what peers are
 * connected"), so the server (server/ivshmem-server.c) keeps this table at
 * LAYOUT_PEERS. The peer with an id has the entry id % LAYOUT_PEERS_MAX; the
 * server connects no two peers that would share one.
 *
 * The server writes connected and nothing else, and reads nothing back. Any VM
 * can write to any of it: what is read here is a hint about whom to ring, to be
 * checked against its bounds.
 *
 * How many vectors each peer has is beside it, a 64-bit word at LAYOUT_VECTORS, 0
 * without a server: the protocol does not say which vector is a peer's last.
 *
 * An entry is there before the other VMs' devices have heard of the peer, and
 * those ignore a ring for a peer that they do not know yet. So the first ring
 * for a newcomer may get lost: repeat it until it is answered.
 */
#ifndef PEERS_H
#define PEERS_H

#include <assert.h>
#include <stdatomic.h>
#include <stdint.h>

#include "layout.h"

enum { LAYOUT_PEERS_MAX = 128, LAYOUT_PEER_NAME = 24 };

struct layout_peer {
	_Atomic uint32_t connected;  /* id + 1; 0: nobody. The server's. */
	_Atomic uint32_t named;      /* id + 1 of whose name it is. That peer's. */
	char name[LAYOUT_PEER_NAME]; /* need not end with '\0'. That peer's. */
};

static_assert(sizeof(struct layout_peer) * LAYOUT_PEERS_MAX == LAYOUT_FREE - LAYOUT_PEERS,
	      "the table fills its page");

#endif
