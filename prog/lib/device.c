/* device.c - the ivshmem device, as sysfs shows it. */
#include "internal.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/pci_regs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* QEMU docs/specs/ivshmem-spec: "PCI vendor ID 0x1af4, device ID 0x1110" */
#define IVSHMEM_VENDOR 0x1af4
#define IVSHMEM_DEVICE 0x1110
#define IVSHMEM_ID "1af4:1110"

#define ADDRESS_SHAPE "xxxx:xx:xx.x"

/* The unit tests build the programs with a file of their own. */
#ifndef KERNEL_COMMAND_LINE
#define KERNEL_COMMAND_LINE "/proc/cmdline"
#endif

static_assert(sizeof(ADDRESS_SHAPE) == sizeof(((struct shmem_device *)0)->address),
	      "an address has the length of its shape");

/* --- sysfs: /sys/bus/pci/devices/ADDRESS/NAME ----------------------------- */

void shmem_sysfs_path(char path[static PATH_MAX], const char *address, const char *name)
{
	snprintf(path, PATH_MAX, PCI_DEVICES "/%s/%s", address, name);
}

bool shmem_sysfs_line(const char *address, const char *name, int number, char *line, int size)
{
	char path[PATH_MAX];
	bool found = true;

	shmem_sysfs_path(path, address, name);
	FILE *file = fopen(path, "re");
	if (!file)
		return false;
	for (int i = 0; found && i <= number; i++)
		found = fgets(line, size, file) != NULL;
	fclose(file);
	if (found)
		line[strcspn(line, "\n")] = '\0';
	return found;
}

bool shmem_sysfs_number(const char *address, const char *name, uint64_t *value)
{
	char line[32];

	return shmem_sysfs_line(address, name, 0, line, sizeof(line)) &&
	       shmem_number(line, UINT64_MAX, value);
}

static bool is_ivshmem(const char *address)
{
	uint64_t vendor, device;

	return shmem_sysfs_number(address, "vendor", &vendor) &&
	       shmem_sysfs_number(address, "device", &device) &&
	       vendor == IVSHMEM_VENDOR && device == IVSHMEM_DEVICE;
}

/* --- Which device --------------------------------------------------------- */

/*
 * Brings an address into the form of sysfs: in lower case, and with the domain, which
 * lspci omits if there is only one.
 */
static bool normalise_address(const char *text,
			      char address[static sizeof(ADDRESS_SHAPE)])
{
	const char *domain = strlen(text) == strlen("xx:xx.x") ? "0000:" : "";
	int length = snprintf(address, sizeof(ADDRESS_SHAPE), "%s%s", domain, text);

	if (length != (int)strlen(ADDRESS_SHAPE))
		return false;
	for (int i = 0; i < length; i++) {
		bool fits = ADDRESS_SHAPE[i] == 'x' ?
				    isxdigit((unsigned char)address[i]) :
				    address[i] == ADDRESS_SHAPE[i];
		if (!fits)
			return false;
		address[i] = (char)tolower((unsigned char)address[i]);
	}
	return true;
}

static bool check_device(const char *text, char address[static sizeof(ADDRESS_SHAPE)],
			 struct shmem_error *error)
{
	if (!normalise_address(text, address))
		return shmem_error_set(error, SHMEM_STATUS_USAGE,
				       "'%s' is not a PCI address like 0000:00:04.0", text);
	if (!is_ivshmem(address))
		return shmem_error_set(error, SHMEM_STATUS_FAILED,
				       "there is no ivshmem device (PCI " IVSHMEM_ID ") at %s; see: "
				       "lspci -D -d " IVSHMEM_ID, address);
	return true;
}

static int filter_ivshmem(const struct dirent *entry)
{
	return is_ivshmem(entry->d_name);
}

/*
 * A lab's VM may have more ivshmem devices, which are the user's. So the host says on the
 * kernel's command line which is the lab's own: lab.region=ADDRESS (lib/qemu.sh).
 */
static bool told_device(char address[static sizeof(ADDRESS_SHAPE)])
{
	static const char key[] = "lab.region=";
	char line[4096]; /* kernel: COMMAND_LINE_SIZE is 2048 on x86 */
	char *rest = line, *word;
	bool told = false;

	FILE *file = fopen(KERNEL_COMMAND_LINE, "re");
	if (!file)
		return false;
	if (!fgets(line, sizeof(line), file))
		line[0] = '\0';
	fclose(file);
	while ((word = strsep(&rest, " \n")))
		if (strncmp(word, key, strlen(key)) == 0)
			told = normalise_address(word + strlen(key), address);
	return told;
}

/* There must be exactly one; otherwise the user has to choose. */
static bool choose_device(struct dirent **found, int count,
			  char address[static sizeof(ADDRESS_SHAPE)], struct shmem_error *error)
{
	if (count == 0)
		return shmem_error_set(error, SHMEM_STATUS_FAILED,
				       "this machine has no ivshmem device (PCI " IVSHMEM_ID "); run "
				       "this in a VM that start.sh has started, or on a file with -f FILE");
	if (count > 1)
		return shmem_error_set(error, SHMEM_STATUS_FAILED,
				       "%d ivshmem devices, the first two at %s and %s; choose with -d "
				       "ADDRESS, see: lspci -D -d " IVSHMEM_ID,
				       count, found[0]->d_name, found[1]->d_name);
	return check_device(found[0]->d_name, address, error);
}

static bool find_device(char address[static sizeof(ADDRESS_SHAPE)], struct shmem_error *error)
{
	struct dirent **found;
	int count = scandir(PCI_DEVICES, &found, filter_ivshmem, alphasort);

	if (count < 0)
		return shmem_error_set(error, SHMEM_STATUS_FAILED,
				       "cannot list " PCI_DEVICES ": %s; is this a VM with a PCI bus and "
				       "sysfs mounted? -f FILE needs neither", strerror(errno));
	bool chosen = choose_device(found, count, address, error);
	for (int i = 0; i < count; i++)
		free(found[i]);
	free(found);
	return chosen;
}

/* --- Its BARs ------------------------------------------------------------- */

/*
 * Line n of the file "resource" is "START END FLAGS" of BAR n (kernel:
 * drivers/pci/pci-sysfs.c, resource_show); all are 0 if the device has no BAR n.
 */
bool shmem_device_bar(const char *address, int number, struct bar *bar, struct shmem_error *error)
{
	char line[128];
	char *rest = line;
	uint64_t start, end;

	if (!shmem_sysfs_line(address, "resource", number, line, sizeof(line)) ||
	    !shmem_number(strsep(&rest, " "), UINT64_MAX, &start) || !rest ||
	    !shmem_number(strsep(&rest, " "), UINT64_MAX, &end))
		return shmem_error_set(error, SHMEM_STATUS_FAILED,
				       "cannot read BAR %d from " PCI_DEVICES "/%s/resource", number,
				       address);
	*bar = (struct bar){ 0 };
	/* A BAR without an address must not be mapped: the memory at address 0 is something else. */
	if (start != 0 && end >= start)
		*bar = (struct bar){ .start = start, .size = end - start + 1 };
	return true;
}

static bool decodes_memory(const char *address)
{
	char path[PATH_MAX];
	uint16_t command = 0;

	shmem_sysfs_path(path, address, "config");
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	ssize_t got = pread(fd, &command, sizeof(command), PCI_COMMAND);
	close(fd);
	return got == sizeof(command) && (command & PCI_COMMAND_MEMORY);
}

/*
 * A BAR that is not decoded reads as ones and ignores writes. mmap does not enable
 * decoding (kernel: drivers/pci/pci-sysfs.c, pci_mmap_resource). SeaBIOS does, but not
 * every VM has that firmware.
 */
bool shmem_device_enable(const char *address, struct shmem_error *error)
{
	char path[PATH_MAX];

	if (decodes_memory(address))
		return true;
	shmem_sysfs_path(path, address, "enable");
	FILE *file = fopen(path, "we");
	if (!file)
		return shmem_error_set(error, SHMEM_STATUS_FAILED,
				       "cannot switch the memory of %s on: %s: %s; run as root", address,
				       path, strerror(errno));
	fputs("1", file);
	fclose(file);
	if (decodes_memory(address))
		return true;
	return shmem_error_set(error, SHMEM_STATUS_FAILED,
			       "the memory of %s is switched off and cannot be switched on; see: "
			       "lspci -vs %s", address, address);
}

static bool find_address(const struct shmem_options *options,
			 char address[static sizeof(ADDRESS_SHAPE)], struct shmem_error *error)
{
	char told[sizeof(ADDRESS_SHAPE)];

	if (options->address)
		return check_device(options->address, address, error);
	if (SHMEM_BAR_ADDRESS[0])
		return check_device(SHMEM_BAR_ADDRESS, address, error);
	if (told_device(told))
		return check_device(told, address, error);
	return find_device(address, error);
}

bool shmem_try_device_find(const struct shmem_options *options, struct shmem_device *device,
			   struct shmem_error *error)
{
	struct bar memory;

	if (!find_address(options, device->address, error) ||
	    !shmem_device_bar(device->address, 2, &memory, error))
		return false;
	if (memory.start == 0)
		return shmem_error_set(error, SHMEM_STATUS_FAILED,
				       "BAR 2 of %s has no memory; the kernel log says why: "
				       "dmesg | grep %s", device->address, device->address);
	device->start = memory.start;
	device->size = memory.size;
	return true;
}

struct shmem_device shmem_device_find(const struct shmem_options *options)
{
	struct shmem_error error;
	struct shmem_device device;

	if (!shmem_try_device_find(options, &device, &error))
		shmem_error_end(&error);
	return device;
}
