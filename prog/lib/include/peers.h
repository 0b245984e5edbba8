/*
 * peers.h - the peers that are connected to the lab's ivshmem server: a table in the region.
 *
 * A guest cannot ask its device which peers there are (QEMU docs/specs/
 * ivshmem-spec: "The device is not capable to tell guest software what peers are
 * connected"), so the server (server/ivshmem-server.c) keeps this table at
 * LAYOUT_PEERS. The peer with an id has the entry id % LAYOUT_PEERS_MAX; the
 * server connects no two peers that would share one.
 *
 * The server only writes the member connected, and reads nothing back. Any VM can write
 * to all of it. So an entry is only a hint whom to ring; check its bounds.
 *
 * The number of vectors of each peer is a 64-bit word at LAYOUT_VECTORS, 0 without a
 * server, because the protocol does not tell which vector is a peer's last.
 *
 * An entry appears before the other VMs' devices know the peer. They ignore a ring for an
 * unknown peer, so the first ring for a newcomer may get lost: repeat it until it is
 * answered.
 */
#ifndef PEERS_H
#define PEERS_H

#include <assert.h>
#include <stdatomic.h>
#include <stdint.h>

#include "layout.h"

enum { LAYOUT_PEERS_MAX = 128, LAYOUT_PEER_NAME = 24 };

struct layout_peer {
	_Atomic uint32_t connected;  /* id + 1; 0: no peer. Written by the server. */
	_Atomic uint32_t named;      /* id + 1 of the peer that wrote name. Written by it. */
	char name[LAYOUT_PEER_NAME]; /* need not end with '\0'. Written by that peer. */
};

static_assert(sizeof(struct layout_peer) * LAYOUT_PEERS_MAX == LAYOUT_FREE - LAYOUT_PEERS,
	      "the table fills its page");

#endif
