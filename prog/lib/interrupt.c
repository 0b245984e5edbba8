/* interrupt.c - the doorbell, through the device in a VM or the server on the host. */
#include "internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "units.h"

static struct shmem_doorbell *open_at_server(const char *path, struct shmem *region,
					     struct shmem_doorbell *bell)
{
	struct shmem_server *server = shmem_server_connect(path);

	*region = shmem_region_of_server(shmem_server_memory(server), path);
	shmem_server_wait_for_vectors(server, region);
	bell->server = server;
	return bell;
}

static struct shmem_doorbell *new_doorbell(bool wait)
{
	struct shmem_doorbell *bell = calloc(1, sizeof(*bell));

	if (!bell)
		shmem_die("no memory for a doorbell");
	*bell = (struct shmem_doorbell){ .waits = wait, .container = -1, .group = -1,
					 .device = -1 };
	for (int i = 0; i < SHMEM_VECTORS_MAX; i++)
		bell->events[i] = -1;
	return bell;
}

struct shmem_doorbell *shmem_doorbell_open(const struct shmem_options *options,
					   struct shmem *region, bool wait)
{
	if (shmem_server_is_meant(options))
		return open_at_server(options->file, region, new_doorbell(wait));
	if (options->file && access(options->file, F_OK) < 0)
		shmem_die("cannot open %s: %s; is the ivshmem server running?", options->file,
			  strerror(errno));
	if (options->file)
		shmem_die("%s is an ordinary file and has no interrupts; they need the socket "
			  "of the ivshmem server: -f SOCKET", options->file);
	*region = shmem_open(options);
	struct shmem_doorbell *bell = new_doorbell(wait);
	shmem_device_open_doorbell(bell, options, wait);
	return bell;
}

void shmem_doorbell_close(struct shmem_doorbell *bell)
{
	if (bell->server)
		shmem_server_close(bell->server);
	else
		shmem_device_close_doorbell(bell);
	free(bell);
}

unsigned int shmem_doorbell_id(const struct shmem_doorbell *bell)
{
	return bell->server ? shmem_server_id(bell->server) : bell->id;
}

unsigned int shmem_doorbell_vectors(const struct shmem_doorbell *bell)
{
	if (!bell->server)
		return bell->vectors;
	shmem_server_attend(bell->server);
	return shmem_server_vectors(bell->server);
}

bool shmem_doorbell_has(const struct shmem_doorbell *bell, unsigned int vector)
{
	return bell->server ? shmem_server_has_vector(bell->server, vector) : vector < bell->vectors;
}

bool shmem_doorbell_ring(struct shmem_doorbell *bell, unsigned int peer, unsigned int vector)
{
	assert(peer < SHMEM_PEER_IDS && vector < SHMEM_VECTORS_MAX);
	if (bell->server)
		return shmem_server_ring(bell->server, peer, vector);
	/* "bit 0..15: vector, bit 16..31: peer ID" (ivshmem-spec) */
	bell->registers[DEVICE_DOORBELL] = peer << 16 | vector;
	return true;
}

/* --- Waiting --------------------------------------------------------------- */

int shmem_doorbell_eventfd(const struct shmem_doorbell *bell, unsigned int vector)
{
	assert(bell->waits && vector < SHMEM_VECTORS_MAX);
	if (bell->server)
		return shmem_server_event(bell->server, vector);
	assert(vector < bell->vectors);
	return bell->events[vector];
}

/* The number of interrupts since the last call. */
static uint64_t take_interrupts(struct shmem_doorbell *bell, unsigned int vector, int event)
{
	uint64_t count;

	if (bell->uio)
		return shmem_uio_take(bell, vector);
	return read(event, &count, sizeof(count)) == sizeof(count) ? count : 0;
}

/* Sleeps until one of the files is readable, or until the deadline. */
static void sleep_on(struct pollfd *files, uint64_t deadline)
{
	struct timespec remaining = { 0 };
	uint64_t now;

	if (deadline == SHMEM_NEVER) {
		ppoll(files, 2, NULL, NULL);
		return;
	}
	now = deadline ? shmem_now() : 0; /* reading the clock is slow in some VMs */
	if (now < deadline) {
		remaining.tv_sec = (time_t)((deadline - now) / SECOND);
		remaining.tv_nsec = (long)((deadline - now) % SECOND);
	}
	ppoll(files, 2, &remaining, NULL);
}

uint64_t shmem_doorbell_wait(struct shmem_doorbell *bell, unsigned int vector,
			     uint64_t deadline)
{
	for (;;) {
		struct pollfd files[2] = {
			{ .fd = shmem_doorbell_eventfd(bell, vector), .events = POLLIN },
			{ .fd = bell->server ? shmem_server_socket(bell->server) : -1, .events = POLLIN },
		};

		sleep_on(files, deadline);
		if (files[1].revents)
			shmem_server_attend(bell->server);
		uint64_t count = files[0].revents ? take_interrupts(bell, vector, files[0].fd) : 0;
		if (count)
			return count;
		if (deadline != SHMEM_NEVER && shmem_now() >= deadline)
			return 0;
	}
}
