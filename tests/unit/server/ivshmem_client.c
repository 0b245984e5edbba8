/*
 * ivshmem_client.c - for server.bats: any number of peers of the ivshmem server.
 *
 *	ivshmem_client SOCKET VECTORS [WORD...] <COMMANDS
 *
 * The server looks for QEMU's -name among the WORDs. Each command is a line: it is carried
 * out, and its result printed, before the next one. PEER is a letter, a connection each.
 *
 *	connect PEER        connects, and reads nothing
 *	read PEER N         reads N messages, and prints each
 *	handshake PEER      reads up to its own last eventfd
 *	until PEER ID...    reads until exactly these others are connected
 *	id PEER             prints its id
 *	word PEER OFFSET    prints 32 bits of its memory
 *	ring PEER ID N      rings vector N of the other peer
 *	rung PEER N         waits for its own vector N, and prints how often it was rung
 *	send PEER           sends a byte, which the protocol forbids
 *	half PEER           closes its sending half
 *	ended PEER          waits for the end of the connection
 *	close PEER          disconnects
 *	churn N             N times: connects, reads a little more each time, closes
 *	crowd N             N peers at once, and no others: all ring each other on all vectors
 *
 * A message that the protocol does not allow at that point ends the program.
 */
#include <endian.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { IDS = 65536, VECTORS_MAX = 64, OTHERS_MAX = 128, CROWD_MAX = 128, PATIENCE = 60000 };

/* Descriptors are stored + 1, so that 0 means none. */
struct other {
	unsigned int id;
	unsigned int vectors; /* 0: this entry is free */
	int eventfds[VECTORS_MAX];
};

struct client {
	int socket; /* + 1 */
	int memory; /* + 1 */
	int stage;  /* the next message: 0 version, 1 id, 2 memory, 3 others */
	unsigned int id;
	bool forgets; /* rings each eventfd once, and closes it */
	struct other *others; /* OTHERS_MAX of them, this one included */
	unsigned int announced; /* eventfds of others so far, also of those that left */
};

static const char *path;
static unsigned int vectors; /* of each peer */
static struct client letters[26];
static struct client crowd[CROWD_MAX];

/* --- Connecting, and closing ---------------------------------------------- */

static void forget(struct other *other)
{
	for (unsigned int i = 0; i < other->vectors; i++)
		if (other->eventfds[i])
			close(other->eventfds[i] - 1);
	*other = (struct other){ 0 };
}

/* The entry of that id, or a free one. */
static struct other *find(const struct client *client, unsigned int id)
{
	struct other *free_one = NULL;

	for (unsigned int i = 0; i < OTHERS_MAX; i++) {
		struct other *other = &client->others[i];

		if (other->vectors > 0 && other->id == id)
			return other;
		if (other->vectors == 0)
			free_one = other;
	}
	if (!free_one)
		errx(1, "more than %d peers at once", OTHERS_MAX);
	free_one->id = id;
	return free_one;
}

static void open_client(struct client *client)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int connection = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	if (connection < 0 ||
	    connect(connection, (struct sockaddr *)&address, sizeof(address)) < 0)
		err(1, "cannot connect");
	*client = (struct client){ .socket = connection + 1 };
	client->others = calloc(OTHERS_MAX, sizeof(*client->others));
	if (!client->others)
		err(1, "calloc");
}

static void close_client(struct client *client)
{
	for (unsigned int i = 0; i < OTHERS_MAX; i++)
		forget(&client->others[i]);
	free(client->others);
	if (client->memory)
		close(client->memory - 1);
	close(client->socket - 1);
	*client = (struct client){ 0 };
}

/* --- Messages ------------------------------------------------------------- */

static void wait_for(int descriptor, const char *what)
{
	struct pollfd watched = { .fd = descriptor, .events = POLLIN };

	if (poll(&watched, 1, PATIENCE) != 1)
		errx(1, "%s did not come", what);
}

/* Returns false at the end of the connection. *descriptor is -1 if none came. */
static bool receive(struct client *client, int64_t *number, int *descriptor)
{
	struct iovec bytes = { .iov_base = number, .iov_len = sizeof(*number) };
	union {
		struct cmsghdr header;
		char room[CMSG_SPACE(2 * sizeof(int))];
	} control;
	struct msghdr header = { .msg_iov = &bytes, .msg_iovlen = 1, .msg_control = &control,
				 .msg_controllen = sizeof(control) };

	wait_for(client->socket - 1, "a message");
	ssize_t got = recvmsg(client->socket - 1, &header, MSG_CMSG_CLOEXEC);
	if (got == 0 || (got < 0 && errno == ECONNRESET))
		return false;
	if (got != sizeof(*number))
		err(1, "%zd bytes", got);
	*number = (int64_t)le64toh((uint64_t)*number);
	*descriptor = -1;
	struct cmsghdr *first = CMSG_FIRSTHDR(&header);
	if (first) {
		if (first->cmsg_type != SCM_RIGHTS || first->cmsg_len != CMSG_LEN(sizeof(int)))
			errx(1, "not one descriptor");
		memcpy(descriptor, CMSG_DATA(first), sizeof(int));
	}
	return true;
}

static void ring(int eventfd)
{
	uint64_t once = 1;

	if (write(eventfd, &once, sizeof(once)) != sizeof(once))
		err(1, "cannot ring");
}

static void take_eventfd(struct client *client, unsigned int id, int eventfd)
{
	struct other *other = find(client, id);

	if (other->vectors == vectors)
		errx(1, "a vector too many of %u", id);
	if (id != client->id)
		client->announced++;
	if (client->forgets && id != client->id) {
		ring(eventfd);
		close(eventfd);
		other->vectors++;
	} else {
		other->eventfds[other->vectors++] = eventfd + 1;
	}
}

static void take_notice(struct client *client, int64_t number, int descriptor)
{
	if (number < 0 || number >= IDS)
		errx(1, "no id: %lld", (long long)number);
	unsigned int id = (unsigned int)number;
	if (descriptor >= 0)
		take_eventfd(client, id, descriptor);
	else if (find(client, id)->vectors == 0 || id == client->id)
		errx(1, "%u left, of whom nothing was known", id);
	else
		forget(find(client, id));
}

/* Handles the next message. Returns false at the end of the connection. */
static bool take(struct client *client, bool print)
{
	int64_t number;
	int descriptor;

	if (!receive(client, &number, &descriptor))
		return false;
	if (print)
		printf("%lld%s\n", (long long)number, descriptor >= 0 ? " +" : "");
	if ((client->stage < 2) != (descriptor < 0) && client->stage < 3)
		errx(1, "message %d: %lld %d", client->stage, (long long)number, descriptor);
	switch (client->stage) {
	case 0:
		client->stage++;
		if (number != 0)
			errx(1, "version %lld", (long long)number);
		break;
	case 1:
		client->stage++;
		client->id = (unsigned int)number;
		break;
	case 2:
		client->stage++;
		client->memory = descriptor + 1;
		if (number != -1)
			errx(1, "%lld where the memory should be", (long long)number);
		break;
	default:
		take_notice(client, number, descriptor);
	}
	return true;
}

static void must_take(struct client *client, bool print)
{
	if (!take(client, print))
		errx(1, "the connection has ended");
}

static bool complete(const struct client *client)
{
	return client->stage == 3 && find(client, client->id)->vectors == vectors;
}

/* --- Many ----------------------------------------------------------------- */

/* Reads from no message at all to some after the handshake. */
static void churn(unsigned int times)
{
	for (unsigned int i = 0; i < times; i++) {
		struct client client;

		open_client(&client);
		for (unsigned int taken = 0; taken < i % (vectors + 4); taken++)
			must_take(&client, false);
		close_client(&client);
	}
}

static uint64_t rung(struct client *client, unsigned int vector)
{
	int eventfd = find(client, client->id)->eventfds[vector] - 1;
	uint64_t times;

	wait_for(eventfd, "a ring");
	if (read(eventfd, &times, sizeof(times)) != sizeof(times))
		err(1, "cannot read an eventfd");
	return times;
}

/* All read in turns, a message each, as separate processes might. */
static void meet_all(unsigned int size)
{
	for (bool more = true; more;) {
		more = false;
		for (unsigned int i = 0; i < size; i++) {
			struct client *client = &crowd[i];

			if (complete(client) && client->announced == (size - 1) * vectors)
				continue;
			more = true;
			must_take(client, false);
		}
	}
}

static void gather(unsigned int size)
{
	for (unsigned int i = 0; i < size; i++) {
		open_client(&crowd[i]);
		crowd[i].forgets = true;
	}
	meet_all(size);
	for (unsigned int i = 0; i < size; i++)
		for (unsigned int vector = 0; vector < vectors; vector++)
			if (rung(&crowd[i], vector) != size - 1)
				errx(1, "peer %u, vector %u: not rung by all", i, vector);
	printf("%u peers, each rung on each of %u vectors by all others\n", size, vectors);
}

/* --- Commands ------------------------------------------------------------- */

/* Are exactly these others connected, with all their vectors? ids is separated by spaces. */
static bool knows(const struct client *client, const char *ids)
{
	unsigned int expected = 0, known = 0;
	char *end;

	for (unsigned long id = strtoul(ids, &end, 10); end != ids;
	     id = strtoul(ids, &end, 10)) {
		expected++;
		if (find(client, (unsigned int)id)->vectors != vectors)
			return false;
		ids = end;
	}
	for (unsigned int i = 0; i < OTHERS_MAX; i++)
		known += client->others[i].vectors > 0;
	return complete(client) && known == expected + 1;
}

static void print_word(const struct client *client, long offset)
{
	uint32_t word;

	if (pread(client->memory - 1, &word, sizeof(word), offset) != sizeof(word))
		err(1, "cannot read the memory");
	printf("%u\n", word);
}

/* Carries out a command about one peer. Returns false if there is no such command. */
static bool one_peer(const char *command, struct client *client, const char *rest)
{
	unsigned int first = 0, second = 0;

	sscanf(rest, "%u %u", &first, &second);
	if (strcmp(command, "connect") == 0) {
		open_client(client);
	} else if (strcmp(command, "read") == 0) {
		while (first-- > 0)
			must_take(client, true);
	} else if (strcmp(command, "handshake") == 0) {
		while (!complete(client))
			must_take(client, false);
	} else if (strcmp(command, "until") == 0) {
		while (!knows(client, rest))
			must_take(client, false);
	} else if (strcmp(command, "id") == 0) {
		printf("%u\n", client->id);
	} else if (strcmp(command, "word") == 0) {
		print_word(client, first);
	} else if (strcmp(command, "ring") == 0) {
		ring(find(client, first)->eventfds[second % VECTORS_MAX] - 1);
	} else if (strcmp(command, "rung") == 0) {
		printf("%llu\n", (unsigned long long)rung(client, first));
	} else if (strcmp(command, "send") == 0) {
		if (write(client->socket - 1, "x", 1) != 1)
			err(1, "cannot send");
	} else if (strcmp(command, "half") == 0) {
		shutdown(client->socket - 1, SHUT_WR);
	} else if (strcmp(command, "ended") == 0) {
		while (take(client, false))
			;
		puts("ended");
	} else if (strcmp(command, "close") == 0) {
		close_client(client);
	} else {
		return false;
	}
	return true;
}

static void carry_out(const char *line)
{
	char command[16] = "", letter = 'a';
	unsigned int number = 0;
	int taken = 0;

	sscanf(line, "%15s %n", command, &taken);
	const char *rest = line + taken;
	sscanf(rest, "%u", &number);
	if (strcmp(command, "churn") == 0) {
		churn(number);
	} else if (strcmp(command, "crowd") == 0) {
		gather(number < CROWD_MAX ? number : CROWD_MAX);
	} else if (sscanf(rest, "%c", &letter) != 1 || letter < 'a' || letter > 'z' ||
		   !one_peer(command, &letters[letter - 'a'], rest + 1)) {
		errx(1, "what is '%s'?", line);
	}
}

int main(int argc, char **argv)
{
	char line[256];

	if (argc < 3)
		errx(1, "wrong arguments");
	path = argv[1];
	vectors = (unsigned int)strtoul(argv[2], NULL, 10);
	while (fgets(line, sizeof(line), stdin)) {
		line[strcspn(line, "\n")] = '\0';
		carry_out(line);
		fflush(stdout);
	}
	_exit(0); /* the kernel closes everything */
}
