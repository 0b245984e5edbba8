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
	enum shmem_order order;
	bool read_only;
	const char *open_hint;
	const char *map_hint;
};

/* --- Place, then map ------------------------------------------------------ */

/*
 * /dev/mem without O_SYNC asks for write-back (kernel: arch/x86/mm/pat/memtype.c,
 * phys_mem_access_prot_allowed), but the MTRRs can overrule it (pat_x_mtrr_type):
 * firmware leaves them uncached below 4 GiB, where the devices are.
 */
static bool place_write_back(struct place *place, const struct shmem_device *device,
			     struct shmem_error *error)
{
	if (device->start < SHMEM_FOUR_GIB)
		return shmem_error_set(error, SHMEM_STATUS_FAILED,
				       "-m wb: BAR 2 of %s is at 0x%llx, and below 4 GiB a write-back "
				       "mapping comes out uncached; start the VMs with BAR_ABOVE_4G other "
				       "than 'no', or use -m uc or wc", device->address,
				       (unsigned long long)device->start);
	snprintf(place->path, sizeof(place->path), "%s", DEV_MEM);
	place->offset = device->start;
	place->open_hint = "run as root, on a kernel with CONFIG_DEVMEM";
	return true;
}

static bool place_on_device(struct place *place, const struct shmem_options *options,
			    struct shmem_error *error)
{
	struct shmem_device device;

	if (!shmem_try_device_find(options, &device, error))
		return false;
	place->map_hint = "is it mapped in this VM with another -m?";
	place->physical = device.start;
	place->size = device.size;
	if (options->kind == SHMEM_WB) {
		if (!place_write_back(place, &device, error))
			return false;
	} else if (options->kind == SHMEM_WC) {
		shmem_sysfs_path(place->path, device.address, "resource2_wc");
		place->open_hint = "run as root, on a kernel with PAT, or use -m uc";
		place->order = SHMEM_ORDER_NONE;
	} else {
		shmem_sysfs_path(place->path, device.address, "resource2");
		place->open_hint = "run as root";
	}
	return shmem_device_enable(device.address, error);
}

static bool place_in_file(struct place *place, const char *file, struct shmem_error *error)
{
	struct stat status;

	if (stat(file, &status) < 0)
		return shmem_error_set(error, SHMEM_STATUS_FAILED,
				       "cannot open %s: %s; to create one: truncate -s 128M FILE",
				       file, strerror(errno));
	if (!S_ISREG(status.st_mode))
		return shmem_error_set(error, SHMEM_STATUS_FAILED,
				       "%s is not an ordinary file, nor a server's socket; -f needs one",
				       file);
	place->open_hint = "it must be readable and writable";
	place->map_hint = "give a file that can be mapped";
	snprintf(place->path, sizeof(place->path), "%s", file);
	place->size = (uint64_t)status.st_size;
	return true;
}

/* Whether a region may have that size, in bytes. */
static bool check_size(const struct place *place, uint64_t size, struct shmem_error *error)
{
	if (size > place->size)
		return shmem_error_set(error, SHMEM_STATUS_FAILED,
				       "%s has %llu bytes, SHMEM_SIZE in prog.h says %llu; amend it and "
				       "rebuild", place->path, (unsigned long long)place->size,
				       (unsigned long long)size);
	if (size < MINIMUM_SIZE || size % (uint64_t)sysconf(_SC_PAGESIZE))
		return shmem_error_set(error, SHMEM_STATUS_FAILED,
				       "%s has %llu bytes; a region is whole pages of memory, 1 MiB at "
				       "least", place->path, (unsigned long long)size);
	return true;
}

static bool map(const struct place *place, int fd, struct shmem *region, struct shmem_error *error)
{
	int access = place->read_only ? PROT_READ : PROT_READ | PROT_WRITE;
	size_t size = SHMEM_SIZE ? SHMEM_SIZE : place->size;

	if (!check_size(place, size, error))
		return false;
	void *base = mmap(NULL, size, access, MAP_SHARED, fd, (off_t)place->offset);
	if (base == MAP_FAILED)
		return shmem_error_set(error, SHMEM_STATUS_FAILED, "cannot map %s: %s; %s",
				       place->path, strerror(errno), place->map_hint);
	*region = (struct shmem){ .base = base, .size = size, .physical = place->physical,
				  .order = place->order };
	return true;
}

static bool open_and_map(const struct place *place, struct shmem *region, struct shmem_error *error)
{
	int fd = open(place->path, (place->read_only ? O_RDONLY : O_RDWR) | O_CLOEXEC);

	if (fd < 0)
		return shmem_error_set(error, SHMEM_STATUS_FAILED, "cannot open %s: %s; %s",
				       place->path, strerror(errno), place->open_hint);
	bool mapped = map(place, fd, region, error);
	close(fd);
	return mapped;
}

bool shmem_region_of_server(int memory, const char *path, bool read_only, struct shmem *region,
			    struct shmem_error *error)
{
	struct stat status;
	struct place place = { .map_hint = "the server's memory cannot be shared",
			       .read_only = read_only };

	/* Only an ordinary file has a size; those of memfd_create and shm_open count as such. */
	if (fstat(memory, &status) < 0 || !S_ISREG(status.st_mode))
		return shmem_error_set(error, SHMEM_STATUS_FAILED,
				       "the server at %s gave something that is not memory", path);
	snprintf(place.path, sizeof(place.path), "the memory of the server at %s", path);
	place.size = (uint64_t)status.st_size;
	return map(&place, memory, region, error);
}

/* The memory only. A program without interrupts need not stay a peer. */
static bool open_at_server(const char *path, bool read_only, struct shmem *region,
			   struct shmem_error *error)
{
	struct shmem_server *server = shmem_server_connect(path, error);

	if (!server)
		return false;
	bool mapped = shmem_region_of_server(shmem_server_memory(server), path, read_only, region,
					     error);
	shmem_server_close(server);
	return mapped;
}

bool shmem_try_open(const struct shmem_options *options, struct shmem *region,
		    struct shmem_error *error)
{
	struct place place = { .read_only = options->read_only };

	if (shmem_server_is_meant(options))
		return open_at_server(options->file, options->read_only, region, error);
	if (options->file ? !place_in_file(&place, options->file, error) :
			    !place_on_device(&place, options, error))
		return false;
	return open_and_map(&place, region, error);
}

struct shmem shmem_open(const struct shmem_options *options)
{
	struct shmem_error error;
	struct shmem region;

	if (!shmem_try_open(options, &region, &error))
		shmem_error_end(&error);
	return region;
}

void shmem_close(struct shmem *region)
{
	munmap(region->base, region->size);
	*region = (struct shmem){ 0 };
}
