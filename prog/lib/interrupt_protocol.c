/*
 * interrupt_protocol.c - the messages of the ivshmem server to a peer on the host.
 *
 * They are 8-byte little-endian numbers, some with a descriptor; the peer sends nothing
 * (QEMU docs/specs/ivshmem-spec, "The ivshmem Client-Server Protocol"). Each message is
 * checked. A wrong one is the last one that we read.
 */
#include "interrupt_socket.h"

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/pci_regs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define PROTOCOL_VERSION 0
#define THE_MEMORY (-1) /* the number that its descriptor comes with */

/* The entries that an MSI-X table can have, of any PCI device. */
#define MSIX_VECTORS_MAX (PCI_MSIX_FLAGS_QSIZE + 1)

/* Always returns false. */
static bool not_the_protocol(struct shmem_server *server, const char *what)
{
	server->stage = HANDSHAKE_GONE;
	return shmem_error_set(&server->error, SHMEM_STATUS_FAILED,
			       "the server at %s sent %s; is it an ivshmem server?", server->path, what);
}

/* --- Peers ----------------------------------------------------------------- */

void shmem_server_forget(struct shmem_server *server, unsigned int id)
{
	struct shmem_server_peer *peer = server->peers[id];

	if (!peer)
		return;
	for (unsigned int i = 0; i < peer->vectors && i < SHMEM_VECTORS_MAX; i++)
		close(peer->events[i]);
	free(peer);
	server->peers[id] = NULL;
}

static bool is_eventfd(int fd)
{
	char link[64], target[64];

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	ssize_t length = readlink(link, target, sizeof(target) - 1);
	if (length < 0)
		return false;
	target[length] = '\0';
	return strcmp(target, "anon_inode:[eventfd]") == 0;
}

/*
 * Adds a vector to that peer. Reading and writing its eventfd must never block: a peer
 * that fills its own counter must not stop another peer that rings it.
 */
static bool add_vector(struct shmem_server *server, unsigned int id, int fd)
{
	struct shmem_server_peer *peer = server->peers[id];

	if (!is_eventfd(fd) || fcntl(fd, F_SETFL, O_NONBLOCK) < 0)
		return not_the_protocol(server, "a descriptor for a vector that is not an eventfd");
	if (peer && peer->vectors == MSIX_VECTORS_MAX)
		return not_the_protocol(server, "more vectors than a device can have");
	if (!peer)
		peer = server->peers[id] = calloc(1, sizeof(*peer));
	if (!peer) {
		server->stage = HANDSHAKE_GONE;
		return shmem_error_set(&server->error, SHMEM_STATUS_FAILED,
				       "no memory for another peer");
	}
	if (peer->vectors < SHMEM_VECTORS_MAX)
		peer->events[peer->vectors] = fd;
	else
		close(fd); /* as the protocol says for clients that want fewer vectors */
	peer->vectors++;
	return true;
}

/* --- Messages -------------------------------------------------------------- */

static bool take_notification(struct shmem_server *server, int64_t number, int fd)
{
	if (number < 0 || number >= SHMEM_PEER_IDS)
		return not_the_protocol(server, "an id that no peer can have");
	if (fd >= 0)
		return add_vector(server, (unsigned int)number, fd);
	if (number == server->id)
		return not_the_protocol(server, "the departure of our own id");
	shmem_server_forget(server, (unsigned int)number);
	return true;
}

/* Keeps the descriptor, unless the message is wrong: then it returns false. */
static bool take(struct shmem_server *server, int64_t number, int fd)
{
	switch (server->stage) {
	case HANDSHAKE_VERSION:
		if (number != PROTOCOL_VERSION || fd >= 0)
			return not_the_protocol(server, "another version of the protocol than 0");
		break;
	case HANDSHAKE_ID:
		if (number < 0 || number >= SHMEM_PEER_IDS || fd >= 0)
			return not_the_protocol(server, "an id for us that no peer can have");
		server->id = (unsigned int)number;
		break;
	case HANDSHAKE_MEMORY:
		if (number != THE_MEMORY || fd < 0)
			return not_the_protocol(server,
						"something other than the memory after the id");
		server->memory = fd;
		break;
	case HANDSHAKE_DONE:
	case HANDSHAKE_GONE:
		return take_notification(server, number, fd);
	}
	server->stage++;
	return true;
}

/* The descriptor that came with a part of a message; -1 if none did. */
static int descriptor_in(struct cmsghdr *control)
{
	int fd = -1;

	if (control && control->cmsg_level == SOL_SOCKET && control->cmsg_type == SCM_RIGHTS &&
	    control->cmsg_len == CMSG_LEN(sizeof(fd)))
		memcpy(&fd, CMSG_DATA(control), sizeof(fd));
	return fd;
}

static bool keep_descriptor(struct shmem_server *server, struct msghdr *header)
{
	struct cmsghdr *control = CMSG_FIRSTHDR(header);
	const char *wrong = NULL;
	int fd = descriptor_in(control);

	if (header->msg_flags & MSG_CTRUNC)
		wrong = "more descriptors than there was room for (see ulimit -n)";
	else if (control && fd < 0)
		wrong = "ancillary data other than a descriptor";
	else if (fd >= 0 && server->descriptor >= 0)
		wrong = "two descriptors with one number";
	if (wrong) {
		close_if_open(fd);
		return not_the_protocol(server, wrong);
	}
	if (fd >= 0)
		server->descriptor = fd;
	return true;
}

static void lose(struct shmem_server *server)
{
	server->stage = HANDSHAKE_GONE;
	if (!server->peers[server->id])
		shmem_error_set(&server->error, SHMEM_STATUS_FAILED,
				"the server at %s closed the connection before all was set up; its log "
				"says why", server->path);
	else
		shmem_warn("the server at %s has ended: connected peers can still ring each other, "
			   "but arrivals and departures go unnoticed", server->path);
}

/* Receives one message or a part of it. False if nothing has come, or something wrong. */
static bool receive(struct shmem_server *server)
{
	_Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(int))];
	struct iovec bytes = { server->bytes + server->have,
			       sizeof(server->bytes) - server->have };
	struct msghdr header = {
		.msg_iov = &bytes, .msg_iovlen = 1, .msg_control = control,
		.msg_controllen = CMSG_LEN(sizeof(int)), /* CMSG_SPACE would have room for two */
	};
	ssize_t got = recvmsg(server->socket, &header, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);

	if (got < 0 && (errno == EAGAIN || errno == EINTR))
		return false;
	if (got <= 0) {
		lose(server);
		return false;
	}
	server->have += (size_t)got;
	return keep_descriptor(server, &header);
}

bool shmem_server_attend_once(struct shmem_server *server)
{
	uint64_t number;

	if (server->stage == HANDSHAKE_GONE || !receive(server))
		return false;
	if (server->have < sizeof(server->bytes))
		return true;
	memcpy(&number, server->bytes, sizeof(number));
	int fd = server->descriptor;
	server->have = 0;
	server->descriptor = -1;
	if (!take(server, (int64_t)le64toh(number), fd))
		close_if_open(fd);
	return true;
}
