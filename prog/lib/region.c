/* region.c - finds the region and maps it. */
#include "internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* The unit tests build the programs with a file of their own. */
#ifndef DEV_MEM
#define DEV_MEM "/dev/mem"
#endif

#define MINIMUM_SIZE (1UL << 20)

/* The arguments of open and mmap, and hints for when they fail. */
struct place {
	char path[PATH_MAX];
	uint64_t offset; /* bytes into path */
	uint64_t size;   /* bytes */
	uint64_t physical;
	const char *open_hint;
	const char *map_hint;
};

/* --- Place, then map ------------------------------------------------------ */

/*
 * /dev/mem without O_SYNC asks for write-back (kernel: arch/x86/mm/pat/memtype.c,
 * phys_mem_access_prot_allowed), but the MTRRs can overrule it (pat_x_mtrr_type):
 * firmware leaves them uncached below 4 GiB, where the devices are.
 */
static void place_write_back(struct place *place, const struct shmem_device *device)
{
	if (device->start < SHMEM_FOUR_GIB)
		shmem_die("-m wb: BAR 2 of %s is at 0x%llx, and below 4 GiB a write-back mapping "
			  "comes out uncached; start the VMs with BAR_ABOVE_4G other than 'no', "
			  "or use -m uc or wc", device->address,
			  (unsigned long long)device->start);
	snprintf(place->path, sizeof(place->path), "%s", DEV_MEM);
	place->offset = device->start;
	place->open_hint = "run as root, on a kernel with CONFIG_DEVMEM";
}

static struct place place_on_device(const struct shmem_options *options)
{
	struct shmem_device device = shmem_device(options);
	struct place place = {
		.map_hint = "is it mapped in this VM with another -m?",
		.physical = device.start,
		.size = device.size,
	};

	if (options->kind == SHMEM_WB) {
		place_write_back(&place, &device);
	} else if (options->kind == SHMEM_WC) {
		shmem_sysfs_path(place.path, device.address, "resource2_wc");
		place.open_hint = "run as root, on a kernel with PAT, or use -m uc";
	} else {
		shmem_sysfs_path(place.path, device.address, "resource2");
		place.open_hint = "run as root";
	}
	shmem_device_enable(device.address);
	return place;
}

static struct place place_in_file(const char *file)
{
	struct stat status;
	struct place place = {
		.open_hint = "it must be readable and writable",
		.map_hint = "give a file that can be mapped",
	};

	if (stat(file, &status) < 0)
		shmem_die("cannot open %s: %s; to create one: truncate -s 128M FILE",
			  file, strerror(errno));
	if (!S_ISREG(status.st_mode))
		shmem_die("%s is not an ordinary file, nor a server's socket; -f needs one", file);
	snprintf(place.path, sizeof(place.path), "%s", file);
	place.size = (uint64_t)status.st_size;
	return place;
}

/* The size of the region in that place, in bytes. */
static size_t region_size(const struct place *place)
{
	uint64_t size = SHMEM_SIZE ? SHMEM_SIZE : place->size;

	if (size > place->size)
		shmem_die("%s has %llu bytes, SHMEM_SIZE in prog.h says %llu; amend it and "
			  "rebuild", place->path, (unsigned long long)place->size,
			  (unsigned long long)size);
	if (size < MINIMUM_SIZE || size % (uint64_t)sysconf(_SC_PAGESIZE))
		shmem_die("%s has %llu bytes; a region is whole pages of memory, 1 MiB at least",
			  place->path, (unsigned long long)size);
	return size;
}

static struct shmem map(const struct place *place, int fd)
{
	size_t size = region_size(place);
	void *base = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd,
			  (off_t)place->offset);

	if (base == MAP_FAILED)
		shmem_die("cannot map %s: %s; %s", place->path, strerror(errno), place->map_hint);
	return (struct shmem){ .base = base, .size = size, .physical = place->physical };
}

static struct shmem open_and_map(const struct place *place)
{
	int fd = open(place->path, O_RDWR | O_CLOEXEC);

	if (fd < 0)
		shmem_die("cannot open %s: %s; %s", place->path, strerror(errno), place->open_hint);
	struct shmem region = map(place, fd);
	close(fd);
	return region;
}

struct shmem shmem_region_of_server(int memory, const char *path)
{
	struct stat status;
	struct place place = { .map_hint = "the server's memory cannot be shared" };

	/* Only an ordinary file has a size; those of memfd_create and shm_open count as such. */
	if (fstat(memory, &status) < 0 || !S_ISREG(status.st_mode))
		shmem_die("the server at %s gave something that is not memory", path);
	snprintf(place.path, sizeof(place.path), "the memory of the server at %s", path);
	place.size = (uint64_t)status.st_size;
	return map(&place, memory);
}

/* The memory only. A program without interrupts need not stay a peer. */
static struct shmem open_at_server(const char *path)
{
	struct shmem_server *server = shmem_server_connect(path);
	struct shmem region = shmem_region_of_server(shmem_server_memory(server), path);

	shmem_server_close(server);
	return region;
}

struct shmem shmem_open(const struct shmem_options *options)
{
	if (shmem_server_is_meant(options))
		return open_at_server(options->file);

	struct place place = options->file ? place_in_file(options->file) :
					     place_on_device(options);
	return open_and_map(&place);
}
