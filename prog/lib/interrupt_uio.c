/*
 * interrupt_uio.c - interrupts of a VM's device through ivshmem_uio, the lab's driver.
 *
 * The driver has a UIO device for each vector. Its name in sysfs ends in the number of the
 * vector. read() waits, and returns how many interrupts there have been since the device
 * was bound to the driver (kernel: Documentation/driver-api/uio-howto.rst). Any number of
 * programs can have it open, and each gets all interrupts.
 */
#include "internal.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The unit tests build the programs with a folder of their own. */
#ifndef DEV_UIO
#define DEV_UIO "/dev"
#endif

/* The vector that a UIO device belongs to: UIO_DRIVER ".N" is its name. -1 if it is another. */
static int vector_of(const char *address, const char *uio)
{
	char path[PATH_MAX], name[64];
	uint64_t vector;
	size_t prefix = strlen(UIO_DRIVER ".");

	snprintf(path, sizeof(path), "uio/%s/name", uio);
	if (!shmem_sysfs_line(address, path, 0, name, sizeof(name)) ||
	    strncmp(name, UIO_DRIVER ".", prefix) != 0 ||
	    !shmem_number(name + prefix, SHMEM_VECTORS_MAX - 1, &vector))
		return -1;
	return (int)vector;
}

/*
 * The interrupts so far must be known before the device is open: an interrupt in between
 * is then counted, and not lost.
 */
static bool open_event(struct shmem_doorbell *bell, const char *address, const char *uio,
		       int vector, struct shmem_error *error)
{
	char path[PATH_MAX];
	uint64_t count;

	snprintf(path, sizeof(path), "uio/%s/event", uio);
	if (!shmem_sysfs_number(address, path, &count))
		return shmem_error_set(error, SHMEM_STATUS_FAILED,
				       "cannot read the count of interrupts from " PCI_DEVICES "/%s/%s",
				       address, path);
	bell->counts[vector] = (uint32_t)count;
	snprintf(path, sizeof(path), DEV_UIO "/%s", uio);
	bell->events[vector] = open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC);
	return bell->events[vector] >= 0 ||
	       shmem_error_set(error, SHMEM_STATUS_FAILED, "cannot open %s: %s; run as root", path,
			       strerror(errno));
}

/* Opens those of the folder that belong to a vector of ours. */
static bool open_folder(struct shmem_doorbell *bell, const char *address, DIR *folder,
			struct shmem_error *error)
{
	struct dirent *entry;

	while ((entry = readdir(folder)) != NULL) {
		int vector = vector_of(address, entry->d_name);

		if (vector >= 0 && (unsigned int)vector < bell->vectors && bell->events[vector] < 0 &&
		    !open_event(bell, address, entry->d_name, vector, error))
			return false;
	}
	return true;
}

bool shmem_uio_open_events(struct shmem_doorbell *bell, const char *address,
			   struct shmem_error *error)
{
	char path[PATH_MAX];

	shmem_sysfs_path(path, address, "uio");
	DIR *folder = opendir(path);
	if (!folder)
		return shmem_error_set(error, SHMEM_STATUS_FAILED, "cannot list %s: %s", path,
				       strerror(errno));
	bell->uio = true;
	bool opened = open_folder(bell, address, folder, error);
	closedir(folder);
	for (unsigned int i = 0; opened && i < bell->vectors; i++)
		if (bell->events[i] < 0)
			return shmem_error_set(error, SHMEM_STATUS_FAILED,
					       "vector %u of the device at %s has no UIO device; the "
					       "kernel log says why: dmesg | grep " UIO_DRIVER, i, address);
	return opened;
}

bool shmem_uio_take(struct shmem_doorbell *bell, unsigned int vector, uint64_t *interrupts,
		    struct shmem_error *error)
{
	uint32_t count, before = bell->counts[vector];
	ssize_t got = read(bell->events[vector], &count, sizeof(count));

	*interrupts = 0;
	if (got < 0 && (errno == EAGAIN || errno == EINTR))
		return true;
	if (got != sizeof(count))
		return shmem_error_set(error, SHMEM_STATUS_FAILED,
				       "vector %u gets no more interrupts: %s; was the device taken from "
				       UIO_DRIVER "?", vector,
				       got < 0 ? strerror(errno) : "its UIO device has ended");
	bell->counts[vector] = count;
	*interrupts = (uint32_t)(count - before); /* the count may wrap */
	return true;
}
