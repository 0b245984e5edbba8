/* interrupt.c - the doorbell, through the device in a VM or the server on the host. */
#include "internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "units.h"

static bool open_at_server(struct shmem_doorbell *bell, const char *path, struct shmem *region,
			   struct shmem_error *error)
{
	bell->server = shmem_server_connect(path, error);
	return bell->server &&
	       shmem_region_of_server(shmem_server_memory(bell->server), path, false, region, error) &&
	       shmem_server_wait_for_vectors(bell->server, region, error);
}

static bool refuse_file(const char *file, struct shmem_error *error)
{
	if (access(file, F_OK) < 0)
		return shmem_error_set(error, SHMEM_STATUS_FAILED,
				       "cannot open %s: %s; is the ivshmem server running?", file,
				       strerror(errno));
	return shmem_error_set(error, SHMEM_STATUS_FAILED,
			       "%s is an ordinary file and has no interrupts; they need the socket of "
			       "the ivshmem server: -f SOCKET", file);
}

/* After a failure, the doorbell and the region may be half open. */
static bool open_doorbell(struct shmem_doorbell *bell, const struct shmem_options *options,
			  struct shmem *region, struct shmem_error *error)
{
	if (shmem_server_is_meant(options))
		return open_at_server(bell, options->file, region, error);
	if (options->file)
		return refuse_file(options->file, error);
	return shmem_try_open(options, region, error) &&
	       shmem_device_open_doorbell(bell, options, error);
}

static struct shmem_doorbell *new_doorbell(bool wait, struct shmem_error *error)
{
	struct shmem_doorbell *bell = calloc(1, sizeof(*bell));

	if (!bell) {
		shmem_error_set(error, SHMEM_STATUS_FAILED, "no memory for a doorbell");
		return NULL;
	}
	*bell = (struct shmem_doorbell){ .waits = wait, .container = -1, .group = -1,
					 .device = -1 };
	for (int i = 0; i < SHMEM_VECTORS_MAX; i++)
		bell->events[i] = -1;
	return bell;
}

struct shmem_doorbell *shmem_try_doorbell_open(const struct shmem_options *options,
					       struct shmem *region, bool wait,
					       struct shmem_error *error)
{
	struct shmem_doorbell *bell = new_doorbell(wait, error);
	struct shmem mapped = { 0 };

	if (!bell)
		return NULL;
	if (open_doorbell(bell, options, &mapped, error)) {
		*region = mapped;
		return bell;
	}
	shmem_doorbell_close(bell);
	if (mapped.base)
		shmem_close(&mapped);
	return NULL;
}

struct shmem_doorbell *shmem_doorbell_open(const struct shmem_options *options,
					   struct shmem *region, bool wait)
{
	struct shmem_error error;
	struct shmem_doorbell *bell = shmem_try_doorbell_open(options, region, wait, &error);

	if (!bell)
		shmem_error_end(&error);
	return bell;
}

void shmem_doorbell_close(struct shmem_doorbell *bell)
{
	if (bell->server)
		shmem_server_close(bell->server);
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
static bool take_interrupts(struct shmem_doorbell *bell, unsigned int vector, int event,
			    uint64_t *interrupts, struct shmem_error *error)
{
	if (bell->uio)
		return shmem_uio_take(bell, vector, interrupts, error);
	if (read(event, interrupts, sizeof(*interrupts)) != sizeof(*interrupts))
		*interrupts = 0;
	return true;
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
		remaining.tv_sec = (time_t)((deadline - now) / SHMEM_SECOND);
		remaining.tv_nsec = (long)((deadline - now) % SHMEM_SECOND);
	}
	ppoll(files, 2, &remaining, NULL);
}

/* One wait until something happens or the deadline is over. */
static bool wait_once(struct shmem_doorbell *bell, unsigned int vector, uint64_t deadline,
		      uint64_t *interrupts, struct shmem_error *error)
{
	struct pollfd files[2] = {
		{ .fd = shmem_doorbell_eventfd(bell, vector), .events = POLLIN },
		{ .fd = bell->server ? shmem_server_socket(bell->server) : -1, .events = POLLIN },
	};

	*interrupts = 0;
	sleep_on(files, deadline);
	if (files[1].revents)
		shmem_server_attend(bell->server);
	if (bell->server && !shmem_server_is_well(bell->server, error))
		return false;
	return !files[0].revents ||
	       take_interrupts(bell, vector, files[0].fd, interrupts, error);
}

bool shmem_try_doorbell_wait(struct shmem_doorbell *bell, unsigned int vector, uint64_t deadline,
			     uint64_t *interrupts, struct shmem_error *error)
{
	do {
		if (!wait_once(bell, vector, deadline, interrupts, error))
			return false;
	} while (!*interrupts && (deadline == SHMEM_NEVER || shmem_now() < deadline));
	return true;
}

uint64_t shmem_doorbell_wait(struct shmem_doorbell *bell, unsigned int vector,
			     uint64_t deadline)
{
	struct shmem_error error;
	uint64_t interrupts;

	if (!shmem_try_doorbell_wait(bell, vector, deadline, &interrupts, &error))
		shmem_error_end(&error);
	return interrupts;
}
