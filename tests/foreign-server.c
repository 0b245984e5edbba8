/*
 * foreign-server.c - a small ivshmem server that is not the lab's: as somebody may write it
 * who has read QEMU's ivshmem-spec, and nothing more. It never touches the memory.
 *
 *	foreign-server SOCKET MEMORY VECTORS
 *
 * It prints 'ready' when clients may connect, and ends by a signal.
 */
#include <endian.h>
#include <err.h>
#include <fcntl.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { CLIENTS_MAX = 16, VECTORS_MAX = 64 };

struct client {
	int socket; /* 0: none yet; -1: it has left */
	int events[VECTORS_MAX];
};

/* By id, which is never used again. */
static struct client clients[CLIENTS_MAX];
static int vectors;

static void send_number(int to, int64_t number, int descriptor)
{
	uint64_t bytes = htole64((uint64_t)number);
	_Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(int))] = { 0 };
	struct iovec vector = { &bytes, sizeof(bytes) };
	struct msghdr header = { .msg_iov = &vector, .msg_iovlen = 1 };

	if (descriptor >= 0) {
		header.msg_control = control;
		header.msg_controllen = sizeof(control);
		struct cmsghdr *first = CMSG_FIRSTHDR(&header);
		*first = (struct cmsghdr){ .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS,
					   .cmsg_len = CMSG_LEN(sizeof(int)) };
		memcpy(CMSG_DATA(first), &descriptor, sizeof(int));
	}
	/* A client that has just left is noticed by poll. */
	if (sendmsg(to, &header, MSG_NOSIGNAL) < 0)
		warn("send");
}

static void send_events(int to, int id)
{
	for (int i = 0; i < vectors; i++)
		send_number(to, id, clients[id].events[i]);
}

static void arrive(int listener, int memory)
{
	int id = 0, socket = accept(listener, NULL, NULL);

	while (id < CLIENTS_MAX && clients[id].socket)
		id++;
	if (socket < 0 || id == CLIENTS_MAX)
		errx(1, "too many clients");
	clients[id].socket = socket;
	for (int i = 0; i < vectors; i++)
		clients[id].events[i] = eventfd(0, EFD_NONBLOCK);
	send_number(socket, 0, -1);
	send_number(socket, id, -1);
	send_number(socket, -1, memory);
	for (int other = 0; other < id; other++) {
		if (clients[other].socket < 0)
			continue;
		send_events(clients[other].socket, id);
		send_events(socket, other);
	}
	send_events(socket, id);
}

static void leave(int id)
{
	close(clients[id].socket);
	clients[id].socket = -1;
	for (int other = 0; other < CLIENTS_MAX; other++)
		if (clients[other].socket > 0)
			send_number(clients[other].socket, id, -1);
}

int main(int argc, char **argv)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int listener = socket(AF_UNIX, SOCK_STREAM, 0);

	if (argc != 4 || strlen(argv[1]) >= sizeof(address.sun_path))
		errx(2, "usage: foreign-server SOCKET MEMORY VECTORS");
	int memory = open(argv[2], O_RDWR);
	vectors = atoi(argv[3]);
	strcpy(address.sun_path, argv[1]);
	unlink(argv[1]);
	if (memory < 0 || vectors < 1 || vectors > VECTORS_MAX ||
	    bind(listener, (struct sockaddr *)&address, sizeof(address)) < 0 ||
	    listen(listener, CLIENTS_MAX) < 0)
		err(1, "%s %s %s", argv[1], argv[2], argv[3]);
	puts("ready");
	fflush(stdout);
	for (;;) {
		struct pollfd files[1 + CLIENTS_MAX] = { { .fd = listener, .events = POLLIN } };

		for (int id = 0; id < CLIENTS_MAX; id++)
			files[1 + id] = (struct pollfd){
				.fd = clients[id].socket > 0 ? clients[id].socket : -1,
				.events = POLLIN,
			};
		if (poll(files, 1 + CLIENTS_MAX, -1) < 0)
			err(1, "poll");
		for (int id = 0; id < CLIENTS_MAX; id++)
			if (files[1 + id].revents)
				leave(id);
		if (files[0].revents)
			arrive(listener, memory);
	}
}
