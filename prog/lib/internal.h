/*
 * internal.h - shared by the library's files; no program includes it.
 *
 *	program.c             the command line and the output
 *	progress.c            a line on the terminal while a program works (progress.h)
 *	end.c                 what is done when the program ends
 *	errors.c              errors that a function returns
 *	machine.c             this VM: its CPU, hypervisor and memory types
 *	device.c              the ivshmem device, as sysfs shows it
 *	region.c              maps the region of a device, a file or a server
 *	header.c              the region's header: its layout and size
 *	meet.c                programs in several VMs find each other
 *	peers.c               has the lab's server write the table of peers
 *	interrupt.c           the doorbell, in a VM or on the host
 *	interrupt_vfio.c      interrupts of the device, in a VM, through vfio-pci
 *	interrupt_uio.c       the same through the lab's driver, ivshmem_uio
 *	interrupt_socket.c    interrupts through the ivshmem server, on the host
 *	interrupt_protocol.c  the messages of that server
 */
#ifndef INTERNAL_H
#define INTERNAL_H

#include <limits.h>
#include <poll.h>
#include <sched.h>
#include <unistd.h>

#include "interrupt.h"
#include "prog.h"
#include "shmem.h"

static inline void close_if_open(int fd)
{
	if (fd >= 0)
		close(fd);
}

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

/* Reads line number, counted from 0, without its newline. False if there is none. */
bool shmem_sysfs_line(const char *address, const char *name, int number, char *line, int size);

/* The same for a file that has only a number. */
bool shmem_sysfs_number(const char *address, const char *name, uint64_t *value);

/* The BAR with that number. Fails if sysfs does not show it. */
bool shmem_device_bar(const char *address, int number, struct bar *bar, struct shmem_error *error);

/* Makes the device answer at its BARs, if it does not yet. */
bool shmem_device_enable(const char *address, struct shmem_error *error);

/* --- program.c ------------------------------------------------------------- */

/* The function is called before anything is printed. */
void shmem_before_output(void (*function)(void));

/* The function is called every 200 ms while shmem_print waits for a reader that has paused. */
void shmem_while_blocked(void (*function)(void));

/* --- end.c ----------------------------------------------------------------- */

/*
 * The task is done when the program ends: at its exit, or by SIGINT, SIGTERM, SIGHUP, SIGQUIT or
 * SIGPIPE. Signal handlers do it, so it may call only what signal-safety(7) lists. The same task
 * counts once.
 */
void shmem_at_end(void (*task)(void));

/* --- machine.c ------------------------------------------------------------- */

/*
 * Sorts the allowed CPUs: first one hardware thread of each core, then a second one of
 * each, and so on. Returns their number.
 */
size_t shmem_cpus_apart(const cpu_set_t *allowed, unsigned int cpus[static CPU_SETSIZE]);

/* --- region.c -------------------------------------------------------------- */

/* Maps all of the server's memory, from its descriptor. path is the server's socket. */
bool shmem_region_of_server(int memory, const char *path, bool read_only, struct shmem *region,
			    struct shmem_error *error);

/* --- header.c -------------------------------------------------------------- */

/*
 * To be called before a program takes a claim or a seat. Writes the region's header if there
 * is none. Fails if programs of another layout or size use the region.
 */
bool shmem_header_check(const struct shmem *region, struct shmem_error *error);

/* --- meet.c ---------------------------------------------------------------- */

/* Waits between two steps of a meeting. After a while says once that we wait. */
void shmem_meet_pause(struct shmem_meeting *meeting);

/* --- interrupt_vfio.c ------------------------------------------------------ */

/* The registers in BAR 0, each of 32 bits (ivshmem-spec, "PCI device registers"). */
enum { DEVICE_POSITION = 8 / 4, DEVICE_DOORBELL = 12 / 4 };

/*
 * Fills bell->registers, id and vectors, and if it waits, the events. After a failure it must be
 * closed, too.
 */
bool shmem_device_open_doorbell(struct shmem_doorbell *bell, const struct shmem_options *options,
				struct shmem_error *error);
void shmem_device_close_doorbell(struct shmem_doorbell *bell);

/* --- interrupt_uio.c ------------------------------------------------------- */

/* The driver's name (driver/ivshmem_uio.c). */
#define UIO_DRIVER "ivshmem_uio"

/* Opens the UIO device of each vector, and fills bell->events and counts with them. */
bool shmem_uio_open_events(struct shmem_doorbell *bell, const char *address,
			   struct shmem_error *error);

/* The number of interrupts since the last call. Fails if no more can come. */
bool shmem_uio_take(struct shmem_doorbell *bell, unsigned int vector, uint64_t *interrupts,
		    struct shmem_error *error);

/* --- interrupt_socket.c ---------------------------------------------------- */

struct shmem_server;

/* Whether -f names a server's socket. */
bool shmem_server_is_meant(const struct shmem_options *options);

/*
 * Connects, and returns after the server has sent an id and the memory. path must stay
 * valid. NULL if nothing like an ivshmem server answers.
 */
struct shmem_server *shmem_server_connect(const char *path, struct shmem_error *error);

/* The descriptor of the memory. shmem_server_close closes it. */
int shmem_server_memory(const struct shmem_server *server);

/*
 * Waits until the server has sent our own vectors: as many as the lab's server tells in the
 * region. If it is another server, until that has been silent for a while. More may come
 * later if it only paused. The region must stay mapped until shmem_server_close.
 */
bool shmem_server_wait_for_vectors(struct shmem_server *server, const struct shmem *region,
				   struct shmem_error *error);

/* Our id, our vectors so far, and the eventfd of one of these. */
unsigned int shmem_server_id(const struct shmem_server *server);
unsigned int shmem_server_vectors(const struct shmem_server *server);
int shmem_server_event(const struct shmem_server *server, unsigned int vector);

/* Whether we have that vector. Gives the server some time to send it. */
bool shmem_server_has_vector(struct shmem_server *server, unsigned int vector);

/* Reads the messages that the server has sent since the last call. Does not wait. */
void shmem_server_attend(struct shmem_server *server);

/* Whether all of its messages so far were right. If one was wrong, no later one is read. */
bool shmem_server_is_well(const struct shmem_server *server, struct shmem_error *error);

/* The descriptor that is readable when the server has sent something; -1: nothing more is read. */
int shmem_server_socket(const struct shmem_server *server);

/* False if no such peer is connected, or if it has no such vector. */
bool shmem_server_ring(struct shmem_server *server, unsigned int peer, unsigned int vector);

void shmem_server_close(struct shmem_server *server);

/* --- interrupt.c ----------------------------------------------------------- */

struct shmem_doorbell {
	bool waits;                    /* opened for waiting and ringing */

	/* In a VM. */
	unsigned int id, vectors;
	int events[SHMEM_VECTORS_MAX]; /* eventfds, or UIO devices; -1: none */
	volatile uint32_t *registers;  /* BAR 0 */
	int container, group, device;  /* of vfio; -1 if not open */
	bool uio;                      /* the events are UIO devices */
	uint32_t counts[SHMEM_VECTORS_MAX]; /* of interrupts that we have taken, by UIO */

	/* On the host. */
	struct shmem_server *server;         /* NULL in a VM */
};

#endif
