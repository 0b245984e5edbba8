/*
 * tell.c - the messages to each peer about the others.
 *
 * There are no queues. The server notes for each peer what it has told it about each slot,
 * and the next message reduces the difference to the present state. So a peer that reads
 * slowly, or never, costs no memory, and keeps no eventfd of a departed peer open. The
 * messages always are a possible history: a peer that came and went in between is left out.
 */
#include "server.h"
#include "shmem.h"

#include <endian.h>
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

enum { PROTOCOL_VERSION = 0, MEMORY = -1 };

/* A message, and the change of the peer's notes when it is sent. */
struct notification {
	int64_t number;
	int descriptor;    /* goes with it, unless -1 */
	struct told *told; /* becomes after; NULL: the next stage begins */
	struct told after;
};

static unsigned int own_slot(const struct peer *peer)
{
	return (unsigned int)(peer->serial % PEERS_MAX);
}

/* --- The next message ----------------------------------------------------- */

/* The next eventfd of the peer in the slot, if some are not sent yet. */
static bool announce(const struct server *server, struct peer *peer, unsigned int slot,
		     struct notification *message)
{
	const struct peer *other = &server->peers[slot];
	struct told *told = &peer->told[slot];

	if (other->socket < 0 || told->vectors == server->vectors ||
	    (told->vectors > 0 && told->serial != other->serial))
		return false;
	*message = (struct notification){
		.number = peer_id(other),
		.descriptor = other->eventfds[told->vectors],
		.told = told,
		.after = { .serial = other->serial, .vectors = told->vectors + 1 },
	};
	return true;
}

/* The departure of a peer that was announced, perhaps in part. */
static bool retract(const struct server *server, struct peer *peer, unsigned int slot,
		    struct notification *message)
{
	const struct peer *other = &server->peers[slot];
	struct told *told = &peer->told[slot];

	if (told->vectors == 0 || (other->socket >= 0 && told->serial == other->serial))
		return false;
	*message = (struct notification){
		.number = (int64_t)(told->serial % IDS),
		.descriptor = -1,
		.told = told,
	};
	return true;
}

/* The peers that were connected when this one came, slot by slot, each once. */
static bool others(const struct server *server, struct peer *peer, struct notification *message)
{
	for (; peer->slot < PEERS_MAX; peer->slot++)
		if (peer->slot != own_slot(peer) &&
		    announce(server, peer, peer->slot, message))
			return true;
	peer->slot = own_slot(peer);
	return false;
}

/* First finishes an announcement that has begun; then departures, then arrivals. */
static bool news(const struct server *server, struct peer *peer, struct notification *message)
{
	if (peer->told[peer->slot].vectors > 0 && announce(server, peer, peer->slot, message))
		return true;
	for (unsigned int slot = 0; slot < PEERS_MAX; slot++)
		if (retract(server, peer, slot, message))
			return true;
	for (peer->slot = 0; peer->slot < PEERS_MAX; peer->slot++)
		if (announce(server, peer, peer->slot, message))
			return true;
	peer->slot = own_slot(peer);
	return false;
}

/* False: there is no message. */
static bool next_message(const struct server *server, struct peer *peer,
			 struct notification *message)
{
	*message = (struct notification){ .descriptor = -1 };
	switch (peer->stage) {
	case STAGE_VERSION:
		message->number = PROTOCOL_VERSION;
		return true;
	case STAGE_ID:
		message->number = peer_id(peer);
		return true;
	case STAGE_MEMORY:
		message->number = MEMORY;
		message->descriptor = server->memory;
		return true;
	case STAGE_OTHERS:
		if (others(server, peer, message))
			return true;
		peer->stage = STAGE_OWN;
		/* fall through */
	case STAGE_OWN:
		if (announce(server, peer, own_slot(peer), message))
			return true;
		peer->stage = STAGE_LIVE;
		/* fall through */
	case STAGE_LIVE:
		return news(server, peer, message);
	}
	return false;
}

/* --- Sending it ----------------------------------------------------------- */

/*
 * Returns true, or false with errno. The message is sent as a whole or not at all: the
 * kernel sends a message that fits one buffer in one piece (net/unix/af_unix.c,
 * unix_stream_sendmsg).
 */
static bool send_message(int socket, const struct notification *message)
{
	int64_t number = (int64_t)htole64((uint64_t)message->number);
	struct iovec bytes = { .iov_base = &number, .iov_len = sizeof(number) };
	union {
		struct cmsghdr header;
		char room[CMSG_SPACE(sizeof(int))];
	} control = { 0 };
	struct msghdr header = { .msg_iov = &bytes, .msg_iovlen = 1 };

	if (message->descriptor >= 0) {
		control.header.cmsg_level = SOL_SOCKET;
		control.header.cmsg_type = SCM_RIGHTS;
		control.header.cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(&control.header), &message->descriptor, sizeof(int));
		header.msg_control = &control;
		header.msg_controllen = sizeof(control.room);
	}
	return sendmsg(socket, &header, MSG_DONTWAIT | MSG_NOSIGNAL) == sizeof(number);
}

static void note_sent(struct peer *peer, const struct notification *message)
{
	if (message->told)
		*message->told = message->after;
	else
		peer->stage++;
}

/*
 * ETOOMANYREFS: the descriptors in flight, in unread messages, are as many as the user may
 * have open (unix(7)). That passes, like a lack of memory.
 */
static void cope(struct server *server, struct peer *peer)
{
	switch (errno) {
	case EAGAIN:
		peer->full = true;
		break;
	case EINTR:
	case ETOOMANYREFS:
	case ENOBUFS:
	case ENOMEM:
		server->stalled = true;
		break;
	default:
		peer_lost(server, peer, errno);
	}
}

static void tell(struct server *server, struct peer *peer)
{
	struct notification message;

	while (next_message(server, peer, &message)) {
		if (!send_message(peer->socket, &message)) {
			cope(server, peer);
			return;
		}
		note_sent(peer, &message);
	}
}

void peers_tell(struct server *server)
{
	bool stalled_before = server->stalled;

	server->stalled = false;
	for (unsigned int slot = 0; slot < PEERS_MAX; slot++) {
		struct peer *peer = &server->peers[slot];

		if (peer->socket >= 0 && !peer->full)
			tell(server, peer);
	}
	if (server->stalled && !stalled_before)
		shmem_warn("some messages must wait until peers read theirs; if that lasts, raise "
			   "the limit of open files (ulimit -Hn)");
}
