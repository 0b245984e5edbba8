/*
 * internal.h - what the library's files share; no program includes it.
 *
 *	machine.c           what this VM is
 *	device.c            the ivshmem device, as sysfs shows it
 *	region.c            maps the region: a device's, a file's, a server's
 *	interrupt.c         the doorbell of either kind
 *	interrupt_vfio.c    interrupts of the device, in a VM
 *	interrupt_socket.c  those of the ivshmem server, on the host, which speaks
 *	                    to us as interrupt_protocol.c has it
 */
#ifndef LIBRARY_H
#define LIBRARY_H

#include <limits.h>
#include <poll.h>
#include <sched.h>

#include "interrupt.h"
#include "shmem.h"

/* --- device.c: /sys/bus/pci/devices/ADDRESS/NAME --------------------------- */

/* The unit tests build the programs with a tree of their own. */
#ifndef PCI_DEVICES
#define PCI_DEVICES "/sys/bus/pci/devices"
#endif

struct bar {
	uint64_t start; /* on this VM's bus; 0 if there is no such BAR */
	uint64_t size;  /* bytes */
};

void shmem_sysfs_path(char path[static PATH_MAX], const char *address, const char *name);

/* BAR number of the device. Ends the program if sysfs does not tell. */
struct bar shmem_device_bar(const char *address, int number);

/*
 * Makes the device answer at its BARs, unless it does so already. Ends the
 * program if that cannot be done.
 */
void shmem_device_enable(const char *address);

/* --- machine.c ------------------------------------------------------------- */

/*
 * The allowed CPUs in the order in which to use them: one hardware thread of each
 * core, then a second one, and so on. Returns how many there are.
 */
size_t shmem_cpus_apart(const cpu_set_t *allowed, unsigned int cpus[static CPU_SETSIZE]);

/* --- region.c -------------------------------------------------------------- */

/* Maps all of the memory that the server gave. path is the server's. */
struct shmem shmem_region_of_server(int memory, const char *path);

/* --- interrupt_vfio.c ------------------------------------------------------ */

/* The registers in BAR 0, each of 32 bits (ivshmem-spec, "PCI device registers"). */
enum { DEVICE_POSITION = 8 / 4, DEVICE_DOORBELL = 12 / 4 };

/* Fills bell->registers, id and vectors, and with wait set the events. */
void shmem_device_open_doorbell(struct shmem_doorbell *bell, const struct shmem_options *options,
			  bool wait);
void shmem_device_close_doorbell(struct shmem_doorbell *bell);

/* --- interrupt_socket.c ---------------------------------------------------- */

struct shmem_server;

/* Whether -f names a server's socket. */
bool shmem_server_is_meant(const struct shmem_options *options);

/*
 * Connects, and returns when the server has given an id and the memory. path
 * is the caller's, and stays. Ends the program if it is no such server.
 */
struct shmem_server *shmem_server_connect(const char *path);

/* The memory's descriptor; the server's to close. */
int shmem_server_memory(const struct shmem_server *server);

/*
 * Waits until the server has set up our own vectors, which is when there are as
 * many as told, or for 0 when it has said nothing for a while. It may have paused,
 * so that there are more later.
 */
void shmem_server_wait_for_vectors(struct shmem_server *server, uint64_t told);

/* Our id, our vectors so far, and the eventfd of one of these. */
unsigned int shmem_server_id(const struct shmem_server *server);
unsigned int shmem_server_vectors(const struct shmem_server *server);
int shmem_server_event(const struct shmem_server *server, unsigned int vector);

/* Whether we have that vector, once the server has had the time to say so. */
bool shmem_server_has_vector(struct shmem_server *server, unsigned int vector);

/* Reads what the server has sent meanwhile, without waiting. */
void shmem_server_attend(struct shmem_server *server);

/* What becomes readable when it has sent something; -1 if it has gone. */
int shmem_server_socket(const struct shmem_server *server);

/* False if no such peer, or no such vector of it, is connected. */
bool shmem_server_ring(struct shmem_server *server, unsigned int peer, unsigned int vector);

void shmem_server_close(struct shmem_server *server);

/* --- interrupt.c ----------------------------------------------------------- */

struct shmem_doorbell {
	bool waits;                    /* opened for waiting too */

	/* In a VM. */
	unsigned int id, vectors;
	int events[SHMEM_VECTORS_MAX]; /* eventfds; -1 where there is none */
	volatile uint32_t *registers;  /* BAR 0 */
	int container, group, device;  /* of vfio; -1 if not open */

	/* On the host. */
	struct shmem_server *server;         /* NULL in a VM */
};

#endif
