/*
 * interrupt_socket.c - a peer on the host: the ivshmem server's client.
 *
 * No thread listens to the server. Its messages are read while we wait, and before an
 * unknown peer is rung.
 */
#include "hold.h"
#include "interrupt_socket.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "peers.h"
#include "units.h"

enum {
	PATIENCE_S = 5, /* for the server to introduce itself */
	LOOK_MS = 50,
	QUIET_MS = 300, /* of silence: it has sent all vectors, if it did not tell their number */
	MESSAGES_AT_A_TIME = 4096,
};

/* --- Connecting ------------------------------------------------------------ */

bool shmem_server_is_meant(const struct shmem_options *options)
{
	struct stat status;

	return options->file && stat(options->file, &status) == 0 && S_ISSOCK(status.st_mode);
}

/* Returns the socket, or -1. */
static int connect_to(const char *path, struct shmem_error *error)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	struct timeval patience = { .tv_sec = PATIENCE_S };

	if (strlen(path) >= sizeof(address.sun_path)) {
		shmem_error_set(error, SHMEM_STATUS_FAILED,
				"the path of a socket must have less than %zu characters: "
				"%s; go to its folder first", sizeof(address.sun_path), path);
		return -1;
	}
	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0) {
		shmem_error_set(error, SHMEM_STATUS_FAILED, "no socket: %s", strerror(errno));
		return -1;
	}
	/* This limits connect, which blocks if the server does not accept. */
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
	if (connect(fd, (const struct sockaddr *)&address, sizeof(address)) == 0)
		return fd;
	shmem_error_set(error, SHMEM_STATUS_FAILED,
			"cannot connect to %s: %s; is the ivshmem server running, and does it belong to you?", path,
			strerror(errno));
	close(fd);
	return -1;
}

/* Each vector of each peer takes a descriptor: 64 peers with 16 vectors need 1024. */
static void allow_many_descriptors(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
		limit.rlim_cur = limit.rlim_max;
		setrlimit(RLIMIT_NOFILE, &limit);
	}
}

/* Whether a message came within timeout milliseconds. */
static bool wait_for_message(const struct shmem_server *server, int timeout)
{
	struct pollfd socket = { .fd = server->socket, .events = POLLIN };

	return poll(&socket, 1, timeout) > 0;
}

/* Whether to wait longer. Renews everything that we hold. */
static bool is_patient(uint64_t begin)
{
	shmem_hold_renew_all();
	return shmem_now() - begin <= PATIENCE_S * SHMEM_SECOND;
}

static bool check_patience(const struct shmem_server *server, uint64_t begin, const char *what,
			   struct shmem_error *error)
{
	return is_patient(begin) ||
	       shmem_error_set(error, SHMEM_STATUS_FAILED,
			       "the server at %s did not give us %s within %d s; is it an ivshmem "
			       "server?", server->path, what, PATIENCE_S);
}

/* Until we have the memory. */
static bool shake_hands(struct shmem_server *server, struct shmem_error *error)
{
	uint64_t begin = shmem_now();

	while (server->stage < HANDSHAKE_DONE) {
		wait_for_message(server, LOOK_MS);
		shmem_server_attend_once(server);
		if (!shmem_server_is_well(server, error) ||
		    !check_patience(server, begin, "the memory", error))
			return false;
	}
	return true;
}

struct shmem_server *shmem_server_connect(const char *path, struct shmem_error *error)
{
	struct shmem_server *server = calloc(1, sizeof(*server));

	if (!server) {
		shmem_error_set(error, SHMEM_STATUS_FAILED, "no memory to remember peers in");
		return NULL;
	}
	allow_many_descriptors();
	server->path = path;
	server->memory = server->descriptor = -1;
	server->socket = connect_to(path, error);
	if (server->socket >= 0 && shake_hands(server, error))
		return server;
	shmem_server_close(server);
	return NULL;
}

bool shmem_server_is_well(const struct shmem_server *server, struct shmem_error *error)
{
	if (server->error.status)
		*error = server->error;
	return !server->error.status;
}

int shmem_server_memory(const struct shmem_server *server)
{
	return server->memory;
}

/* --- Our own vectors -------------------------------------------------------- */

unsigned int shmem_server_id(const struct shmem_server *server)
{
	return server->id;
}

unsigned int shmem_server_vectors(const struct shmem_server *server)
{
	return vectors_of(server->peers[server->id]);
}

int shmem_server_event(const struct shmem_server *server, unsigned int vector)
{
	assert(vector < shmem_server_vectors(server));
	return server->peers[server->id]->events[vector];
}

/* The number of our vectors; 0 as long as the server has not told it. */
static unsigned int vectors_told(struct shmem_server *server)
{
	if (!server->told && shmem_table_answer(&server->region))
		server->told = shmem_table_vectors(&server->region);
	return server->told;
}

/* Whether all have come: as many as told, or, after that long a silence, any. */
static bool has_its_vectors(struct shmem_server *server, int silence)
{
	unsigned int vectors = shmem_server_vectors(server);

	return vectors > 0 && (vectors_told(server) ? vectors >= vectors_told(server) : silence >= QUIET_MS);
}

/* The server sends our own vectors last; the protocol does not tell their number. */
bool shmem_server_wait_for_vectors(struct shmem_server *server, const struct shmem *region,
				   struct shmem_error *error)
{
	uint64_t begin = shmem_now();
	int silence = 0;

	server->region = *region;
	shmem_table_want(region);
	while (!has_its_vectors(server, silence) && server->stage != HANDSHAKE_GONE) {
		silence = wait_for_message(server, LOOK_MS) ? 0 : silence + LOOK_MS;
		shmem_server_attend(server);
		if (shmem_server_vectors(server) > 0 && !is_patient(begin))
			break; /* fewer than told */
		if (!check_patience(server, begin, "our vectors", error))
			return false;
	}
	return shmem_server_is_well(server, error);
}

bool shmem_server_has_vector(struct shmem_server *server, unsigned int vector)
{
	uint64_t begin = shmem_now();

	shmem_server_attend(server);
	while (shmem_server_vectors(server) <= vector && shmem_server_vectors(server) != vectors_told(server) &&
	       server->stage != HANDSHAKE_GONE && is_patient(begin)) {
		wait_for_message(server, LOOK_MS);
		shmem_server_attend(server);
	}
	return shmem_server_vectors(server) > vector;
}

/* --- After connecting ------------------------------------------------------- */

void shmem_server_attend(struct shmem_server *server)
{
	for (int i = 0; i < MESSAGES_AT_A_TIME && shmem_server_attend_once(server); i++)
		;
}

int shmem_server_socket(const struct shmem_server *server)
{
	return server->stage == HANDSHAKE_GONE ? -1 : server->socket;
}

/* EAGAIN: the counter is full, so the peer is woken in any case. */
static bool signal_event(int fd)
{
	uint64_t one = 1;

	return write(fd, &one, sizeof(one)) == sizeof(one) || errno == EAGAIN;
}

bool shmem_server_ring(struct shmem_server *server, unsigned int peer, unsigned int vector)
{
	if (vector >= vectors_of(server->peers[peer]))
		shmem_server_attend(server);
	if (vector >= vectors_of(server->peers[peer]))
		return false;
	return signal_event(server->peers[peer]->events[vector]);
}

void shmem_server_close(struct shmem_server *server)
{
	for (unsigned int id = 0; id < SHMEM_PEER_IDS; id++)
		shmem_server_forget(server, id);
	if (server->region.base && !vectors_told(server))
		shmem_table_want_no_more(&server->region);
	close_if_open(server->descriptor);
	close_if_open(server->memory);
	close_if_open(server->socket);
	free(server);
}
