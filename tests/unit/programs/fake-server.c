/*
 * fake-server.c - for doorbell.bats: an ivshmem server that sends any messages.
 *
 *	fake-server SOCKET MESSAGE...
 *
 * It listens, prints that, sends the messages to the first client, and waits until
 * that client has gone. A message is
 *
 *	NUMBER          eight bytes
 *	NUMBER=event    with an eventfd; NUMBER=FILE with that file
 *	NUMBER=two      with two eventfds
 *	half            four bytes
 *	wait=FILE       nothing, until that file is there
 *	end             closes the connection
 *	COUNT*MESSAGE   the message, that many times
 */
#include <endian.h>
#include <err.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static void send_bytes(int to, const void *bytes, size_t size, const int *fds, size_t count)
{
	_Alignas(struct cmsghdr) char control[CMSG_SPACE(2 * sizeof(int))] = { 0 };
	struct iovec vector = { (void *)bytes, size };
	struct msghdr header = { .msg_iov = &vector, .msg_iovlen = 1 };

	if (count > 0) {
		header.msg_control = control;
		header.msg_controllen = CMSG_SPACE(count * sizeof(int));
		struct cmsghdr *first = CMSG_FIRSTHDR(&header);
		*first = (struct cmsghdr){ .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS,
					   .cmsg_len = CMSG_LEN(count * sizeof(int)) };
		memcpy(CMSG_DATA(first), fds, count * sizeof(int));
	}
	/* A client that has seen enough has gone. */
	if (sendmsg(to, &header, MSG_NOSIGNAL) != (ssize_t)size)
		exit(0);
}

static int new_event(void)
{
	int fd = eventfd(0, EFD_NONBLOCK);

	if (fd < 0)
		err(1, "eventfd");
	return fd;
}

static void wait_for(const char *path)
{
	while (access(path, F_OK) < 0)
		usleep(1000);
}

static void send_number(int to, const char *number, const char *with)
{
	uint64_t bytes = htole64((uint64_t)strtoll(number, NULL, 10));
	int fds[2] = { -1, -1 };
	size_t count = with ? 1 : 0;

	if (with && strcmp(with, "two") == 0)
		count = 2;
	for (size_t i = 0; i < count; i++)
		fds[i] = count == 2 || strcmp(with, "event") == 0 ? new_event() :
								    open(with, O_RDWR);
	if (with && fds[0] < 0)
		err(1, "%s", with);
	send_bytes(to, &bytes, sizeof(bytes), fds, count);
	for (size_t i = 0; i < count; i++)
		close(fds[i]);
}

static void say(int to, char *message)
{
	char *with = strchr(message, '=');

	if (strcmp(message, "end") == 0)
		exit(0);
	if (strcmp(message, "half") == 0) {
		send_bytes(to, "\0\0\0", 4, NULL, 0);
		return;
	}
	if (with)
		*with++ = '\0';
	if (strcmp(message, "wait") == 0)
		wait_for(with);
	else
		send_number(to, message, with);
	if (with)
		with[-1] = '=';
}

int main(int argc, char **argv)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int listener = socket(AF_UNIX, SOCK_STREAM, 0);
	char rest;

	snprintf(address.sun_path, sizeof(address.sun_path), "%s", argv[1]);
	unlink(argv[1]);
	if (bind(listener, (struct sockaddr *)&address, sizeof(address)) < 0 ||
	    listen(listener, 1) < 0)
		err(1, "%s", argv[1]);
	puts("listening");
	fflush(stdout);
	int to = accept(listener, NULL, NULL);
	if (to < 0)
		err(1, "accept");
	for (int i = 2; i < argc; i++) {
		char *star = strchr(argv[i], '*');
		long count = star ? strtol(argv[i], NULL, 10) : 1;

		while (count-- > 0)
			say(to, star ? star + 1 : argv[i]);
	}
	return read(to, &rest, 1) == 1;
}
