/*
 * interrupt_vfio.c - the doorbell of a VM's device, without a driver of its own.
 *
 * Ringing only needs the registers in BAR 0. To be rung needs MSI-X, which vfio-pci turns
 * into eventfds (kernel: Documentation/driver-api/vfio.rst). These VMs have no IOMMU, so
 * vfio runs in its noiommu mode, which the guest's kernel must allow before vfio-pci binds
 * the device. If the lab's driver has the device instead, interrupt_uio.c takes its
 * interrupts.
 *
 * vfio gives a device to one program at a time. The registers are mapped through sysfs
 * instead, so that any number of programs can ring.
 */
#include "internal.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <linux/pci_regs.h>
#include <linux/vfio.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

/* The unit tests build the programs with a folder of their own. */
#ifndef DEV_VFIO
#define DEV_VFIO "/dev/vfio"
#endif

#define REGISTERS_PAGE 4096UL

/* --- Vectors and registers of the device ------------------------------------ */

/* Reads the device's configuration space at offset. Only root can read all of it. */
static bool read_config(const char *address, void *bytes, size_t size, off_t offset,
			struct shmem_error *error)
{
	char path[PATH_MAX];

	shmem_sysfs_path(path, address, "config");
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t got = fd < 0 ? -1 : pread(fd, bytes, size, offset);
	if (got != (ssize_t)size)
		shmem_error_set(error, SHMEM_STATUS_FAILED, "cannot read %s: %s; run as root", path,
				got < 0 ? strerror(errno) : "it is cut short");
	if (fd >= 0)
		close(fd);
	return got == (ssize_t)size;
}

/* Entries of the MSI-X table; 0 if the device has no such capability. */
static bool msix_vectors(const char *address, unsigned int *vectors, struct shmem_error *error)
{
	uint8_t next;

	*vectors = 0;
	if (!read_config(address, &next, 1, PCI_CAPABILITY_LIST, error))
		return false;
	/* There is room for 48 capabilities at most; a list in a circle ends here. */
	for (int i = 0; next >= PCI_STD_HEADER_SIZEOF && i < 48; i++) {
		uint8_t capability[2];
		uint16_t flags;

		if (!read_config(address, capability, sizeof(capability), next & ~3, error))
			return false;
		if (capability[0] == PCI_CAP_ID_MSIX) {
			if (!read_config(address, &flags, sizeof(flags), (next & ~3) + PCI_MSIX_FLAGS,
					 error))
				return false;
			*vectors = (flags & PCI_MSIX_FLAGS_QSIZE) + 1u;
			return true;
		}
		next = capability[1];
	}
	return true;
}

/*
 * Only whole pages can be mapped; a BAR of 256 bytes may begin anywhere in one (kernel:
 * Documentation/PCI/sysfs-pci.rst, "Accessing PCI device resources through sysfs").
 */
static size_t offset_in_page(uint64_t address)
{
	return address & (REGISTERS_PAGE - 1);
}

static bool map_registers(struct shmem_doorbell *bell, const char *address,
			  struct shmem_error *error)
{
	char path[PATH_MAX];
	struct bar bar;

	if (!shmem_device_bar(address, 0, &bar, error))
		return false;
	if (bar.start == 0)
		return shmem_error_set(error, SHMEM_STATUS_FAILED,
				       "BAR 0 of %s has no address; the kernel log says why: "
				       "dmesg | grep %s", address, address);
	shmem_sysfs_path(path, address, "resource0");
	int fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return shmem_error_set(error, SHMEM_STATUS_FAILED, "cannot open %s: %s; run as root",
				       path, strerror(errno));
	unsigned char *page = mmap(NULL, REGISTERS_PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (page == MAP_FAILED)
		shmem_error_set(error, SHMEM_STATUS_FAILED,
				"cannot map %s: %s; the guest's kernel must not have "
				"CONFIG_IO_STRICT_DEVMEM", path, strerror(errno));
	else
		bell->registers = (volatile uint32_t *)(page + offset_in_page(bar.start));
	close(fd);
	return bell->registers != NULL;
}

static void unmap_registers(volatile uint32_t *registers)
{
	uintptr_t address = (uintptr_t)registers;

	munmap((void *)(address - offset_in_page(address)), REGISTERS_PAGE);
}

/* --- vfio ------------------------------------------------------------------ */

/* The last part of the target of a link of the device; "" if there is no such link. */
static const char *link_name(const char *address, const char *name)
{
	static char target[PATH_MAX];
	char path[PATH_MAX];

	shmem_sysfs_path(path, address, name);
	ssize_t length = readlink(path, target, sizeof(target) - 1);
	target[length > 0 ? length : 0] = '\0';
	return length > 0 ? basename(target) : "";
}

static bool has_driver(const char *address, const char *driver)
{
	return strcmp(link_name(address, "driver"), driver) == 0;
}

static bool check_driver(const char *address, struct shmem_error *error)
{
	if (has_driver(address, "vfio-pci"))
		return true;

	const char *driver = link_name(address, "driver");

	return shmem_error_set(error, SHMEM_STATUS_FAILED,
			       "the device at %s is bound to %s, and waiting needs vfio-pci or "
			       UIO_DRIVER "; as root: lab-driver vfio, or: "
			       "echo vfio-pci >%s/%s/driver_override; echo %s >/sys/bus/pci/drivers_probe",
			       address, driver[0] ? driver : "no driver", PCI_DEVICES, address, address);
}

static bool open_container(struct shmem_doorbell *bell, struct shmem_error *error)
{
	bell->container = open(DEV_VFIO "/vfio", O_RDWR | O_CLOEXEC);
	if (bell->container < 0)
		return shmem_error_set(error, SHMEM_STATUS_FAILED,
				       "cannot open " DEV_VFIO "/vfio: %s; run as root, on a kernel with "
				       "CONFIG_VFIO", strerror(errno));
	if (ioctl(bell->container, VFIO_GET_API_VERSION) != VFIO_API_VERSION ||
	    ioctl(bell->container, VFIO_CHECK_EXTENSION, VFIO_NOIOMMU_IOMMU) <= 0)
		return shmem_error_set(error, SHMEM_STATUS_FAILED,
				       "vfio of this kernel works without an IOMMU only if that is "
				       "allowed: "
				       "echo Y >/sys/module/vfio/parameters/enable_unsafe_noiommu_mode "
				       "(CONFIG_VFIO_NOIOMMU)");
	return true;
}

static bool open_group(struct shmem_doorbell *bell, const char *address, struct shmem_error *error)
{
	char path[PATH_MAX];
	const char *number = link_name(address, "iommu_group");

	if (!number[0])
		return shmem_error_set(error, SHMEM_STATUS_FAILED,
				       "the device at %s is in no vfio group: vfio-pci bound it before "
				       "enable_unsafe_noiommu_mode was set; unbind it and bind it again",
				       address);
	snprintf(path, sizeof(path), "%s/noiommu-%s", DEV_VFIO, number);
	bell->group = open(path, O_RDWR | O_CLOEXEC);
	if (bell->group >= 0)
		return true;
	if (errno == EBUSY)
		return shmem_error_set(error, SHMEM_STATUS_FAILED,
				       "another program of this VM waits for interrupts already, and the "
				       "device can have only one; see: fuser -v %s", path);
	return shmem_error_set(error, SHMEM_STATUS_FAILED, "cannot open %s: %s; run as root", path,
			       strerror(errno));
}

static bool open_device(struct shmem_doorbell *bell, const char *address, struct shmem_error *error)
{
	if (ioctl(bell->group, VFIO_GROUP_SET_CONTAINER, &bell->container) < 0 ||
	    ioctl(bell->container, VFIO_SET_IOMMU, VFIO_NOIOMMU_IOMMU) < 0)
		return shmem_error_set(error, SHMEM_STATUS_FAILED, "vfio refuses the group of %s: %s",
				       address, strerror(errno));
	bell->device = ioctl(bell->group, VFIO_GROUP_GET_DEVICE_FD, address);
	return bell->device >= 0 ||
	       shmem_error_set(error, SHMEM_STATUS_FAILED, "vfio refuses the device at %s: %s", address,
			       strerror(errno));
}

/*
 * An MSI is a write by the device, and only a bus master may write (PCI Local Bus 3.0,
 * 6.8). vfio-pci disables bus mastering whenever the device is opened (kernel:
 * drivers/vfio/pci/vfio_pci_core.c, vfio_pci_core_enable).
 */
static bool make_bus_master(const struct shmem_doorbell *bell, struct shmem_error *error)
{
	struct vfio_region_info config = {
		.argsz = sizeof(config), .index = VFIO_PCI_CONFIG_REGION_INDEX
	};
	uint16_t command;

	if (ioctl(bell->device, VFIO_DEVICE_GET_REGION_INFO, &config) < 0)
		return shmem_error_set(error, SHMEM_STATUS_FAILED,
				       "vfio does not show the device's configuration: %s",
				       strerror(errno));
	off_t offset = (off_t)config.offset + PCI_COMMAND;
	if (pread(bell->device, &command, sizeof(command), offset) != sizeof(command))
		return shmem_error_set(error, SHMEM_STATUS_FAILED,
				       "cannot read the device's command register: %s", strerror(errno));
	command |= PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER;
	return pwrite(bell->device, &command, sizeof(command), offset) == sizeof(command) ||
	       shmem_error_set(error, SHMEM_STATUS_FAILED,
			       "cannot write the device's command register: %s", strerror(errno));
}

static bool make_events(struct shmem_doorbell *bell, struct shmem_error *error)
{
	for (unsigned int i = 0; i < bell->vectors; i++) {
		bell->events[i] = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
		if (bell->events[i] < 0)
			return shmem_error_set(error, SHMEM_STATUS_FAILED,
					       "no eventfd for vector %u: %s", i, strerror(errno));
	}
	return true;
}

/* All vectors at once: kernels before 6.5 cannot add some later. */
static bool connect_events(struct shmem_doorbell *bell, struct shmem_error *error)
{
	_Alignas(struct vfio_irq_set)
	char bytes[sizeof(struct vfio_irq_set) + sizeof(bell->events)];
	struct vfio_irq_set *set = (struct vfio_irq_set *)bytes;
	size_t size = bell->vectors * sizeof(int);

	*set = (struct vfio_irq_set){
		.argsz = (uint32_t)(sizeof(*set) + size),
		.flags = VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER,
		.index = VFIO_PCI_MSIX_IRQ_INDEX,
		.count = bell->vectors,
	};
	memcpy(set->data, bell->events, size);
	return ioctl(bell->device, VFIO_DEVICE_SET_IRQS, set) >= 0 ||
	       shmem_error_set(error, SHMEM_STATUS_FAILED, "vfio cannot set up %u interrupts: %s",
			       bell->vectors, strerror(errno));
}

/* Container, group and device must be open as long as there are interrupts. */
static bool open_vfio(struct shmem_doorbell *bell, const char *address, struct shmem_error *error)
{
	return check_driver(address, error) && open_container(bell, error) &&
	       open_group(bell, address, error) && open_device(bell, address, error) &&
	       make_bus_master(bell, error) && make_events(bell, error) &&
	       connect_events(bell, error);
}

/* --- Opening and closing ----------------------------------------------------- */

static bool open_events(struct shmem_doorbell *bell, const char *address, struct shmem_error *error)
{
	return has_driver(address, UIO_DRIVER) ? shmem_uio_open_events(bell, address, error) :
						 open_vfio(bell, address, error);
}

bool shmem_device_open_doorbell(struct shmem_doorbell *bell, const struct shmem_options *options,
				struct shmem_error *error)
{
	struct shmem_device device;
	unsigned int vectors;

	if (!shmem_try_device_find(options, &device, error) ||
	    !msix_vectors(device.address, &vectors, error))
		return false;
	if (vectors == 0)
		return shmem_error_set(error, SHMEM_STATUS_FAILED,
				       "this VM was started with SHMEM_MODE=plain: its device at %s has "
				       "no interrupts; on the host, stop the VMs and start them with "
				       "SHMEM_MODE=doorbell", device.address);
	bell->vectors = vectors < SHMEM_VECTORS_MAX ? vectors : SHMEM_VECTORS_MAX;
	if (!map_registers(bell, device.address, error) ||
	    (bell->waits && !open_events(bell, device.address, error)))
		return false;
	bell->id = bell->registers[DEVICE_POSITION] & (SHMEM_PEER_IDS - 1);
	return true;
}

void shmem_device_close_doorbell(struct shmem_doorbell *bell)
{
	if (bell->registers)
		unmap_registers(bell->registers);
	close_if_open(bell->device); /* disables the interrupts */
	close_if_open(bell->group);
	close_if_open(bell->container);
	for (unsigned int i = 0; i < SHMEM_VECTORS_MAX; i++)
		close_if_open(bell->events[i]);
}
