/*
 * ivshmem-server.c - connects VMs for QEMU's device ivshmem-doorbell.
 *
 * It speaks the protocol of QEMU's docs/specs/ivshmem-spec: each client gets the shared
 * memory, and eventfds to ring the vectors of each other peer. Rings do not pass through
 * the server. If it ends, the connected VMs go on; only arrivals and departures then go
 * unnoticed.
 *
 * It has one thread and one poll(2). No peer can block it, whatever it does at its socket, or
 * does not do.
 */
#include "server.h"
#include "shmem.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <unistd.h>

/* The smallest region that layout.h knows. */
enum { REGION_MIN = 1 << 20 };

enum { VECTORS_DEFAULT = 8 };

/* Descriptors that are not the peers': the standard ones, our own, one to publish. */
enum { OTHER_DESCRIPTORS = 16 };

/* Milliseconds until a retry after a lack of descriptors or memory. */
enum { RETRY = 50 };

/* Milliseconds between two looks whether a program wants the table. */
enum { LOOK = 100 };

/* --- Command line ------------------------------------------------------------- */

enum { SERVER_SOCKET = SHMEM_LONG, SERVER_MEMORY, SERVER_VECTORS, SERVER_LISTING, SERVER_HELP };

static const struct option longs[] = {
	{ .name = "socket", .val = SERVER_SOCKET, .has_arg = required_argument },
	{ .name = "memory", .val = SERVER_MEMORY, .has_arg = required_argument },
	{ .name = "vectors", .val = SERVER_VECTORS, .has_arg = required_argument },
	{ .name = "peers-file", .val = SERVER_LISTING, .has_arg = required_argument },
	{ .name = "help", .val = SERVER_HELP },
	{ 0 },
};

static _Noreturn void help_server(void)
{
	shmem_print("Usage: ivshmem-server --socket PATH --memory FILE [--vectors N]\n"
		    "                      [--peers-file PATH]\n"
		    "\n"
		    "Connects VMs that have QEMU's device ivshmem-doorbell: they share FILE, and\n"
		    "can interrupt each other. Stays in the foreground; prints 'ready' when VMs\n"
		    "may connect, and arrivals and departures to stderr. SIGTERM or SIGINT ends\n"
		    "it; connected VMs then keep their memory, and go on ringing each other.\n"
		    "\n"
		    "  --socket PATH      listen here; only this user, and root, may connect\n"
		    "  --memory FILE      the region, an existing file of 1 MiB or more\n"
		    "  --vectors N        interrupt vectors of each peer, 1 to %d (default: %d)\n"
		    "  --peers-file PATH  keep a list of the peers here, one per line: ID PID\n"
		    "  -h                 show this help, as --help does\n"
		    "\n"
		    "Example:\n"
		    "  ivshmem-server --socket lab.socket --memory /dev/shm/lab &\n"
		    "  qemu-system-x86_64 -chardev socket,path=lab.socket,id=doorbell \\\n"
		    "    -device ivshmem-doorbell,chardev=doorbell,vectors=8 ...\n",
		    VECTORS_MAX, VECTORS_DEFAULT);
	exit(0);
}

static void parse_server(struct server *server, int argc, char **argv)
{
	int answer;

	while ((answer = getopt_long(argc, argv, ":h", longs, NULL)) != -1) {
		switch (answer) {
		case SERVER_SOCKET:
			server->socket_path = optarg;
			break;
		case SERVER_MEMORY:
			server->memory_path = optarg;
			break;
		case SERVER_VECTORS:
			server->vectors = (unsigned int)shmem_option_number("--vectors", optarg, 1,
									    VECTORS_MAX);
			break;
		case SERVER_LISTING:
			server->listing_path = optarg;
			break;
		case 'h':
		case SERVER_HELP:
			help_server();
		default:
			shmem_reject_option(answer, argv);
		}
	}
	if (optind < argc)
		shmem_usage_error("unexpected argument '%s'", argv[optind]);
	if (!server->socket_path || !*server->socket_path)
		shmem_usage_error("--socket PATH is needed");
	if (!server->memory_path)
		shmem_usage_error("--memory FILE is needed");
}

/* --- Memory, descriptors, signals ---------------------------------------------- */

static int open_memory_file(const char *path)
{
	struct stat status;
	int descriptor = open(path, O_RDWR | O_CLOEXEC | O_NONBLOCK);

	if (descriptor < 0 || fstat(descriptor, &status) < 0)
		shmem_die("cannot open %s: %s", path, strerror(errno));
	if (!S_ISREG(status.st_mode))
		shmem_die("%s is not an ordinary file; --memory needs one", path);
	if (status.st_size < REGION_MIN)
		shmem_die("%s has %lld bytes; a region has 1 MiB at least", path,
			  (long long)status.st_size);
	return descriptor;
}

/*
 * Opens the file twice. A lock belongs to an open file description (flock(2)), so a lock on
 * the descriptor that the peers get would outlive the server.
 */
static void open_memory(struct server *server)
{
	int own = open_memory_file(server->memory_path);

	if (flock(own, LOCK_EX | LOCK_NB) < 0)
		shmem_die("cannot lock %s: %s", server->memory_path,
			  errno == EWOULDBLOCK ? "another server has it" : strerror(errno));
	server->memory = open_memory_file(server->memory_path);
	server->region = own;
	publish_map(server);
}

/* A peer takes a socket and an eventfd for each vector. */
static void make_room(struct server *server)
{
	struct rlimit limit;
	rlim_t room;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		shmem_die("getrlimit: %s", strerror(errno));
	limit.rlim_cur = limit.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &limit) < 0)
		shmem_die("cannot have %llu files open: %s", (unsigned long long)limit.rlim_cur,
			  strerror(errno));
	room = limit.rlim_cur > OTHER_DESCRIPTORS ?
		       (limit.rlim_cur - OTHER_DESCRIPTORS) / (server->vectors + 1) : 0;
	server->room = room < PEERS_MAX ? (unsigned int)room : PEERS_MAX;
	if (server->room == 0)
		shmem_die("no room for a peer: the hard limit of open files is %llu (ulimit -Hn)",
			  (unsigned long long)limit.rlim_max);
	if (server->room < PEERS_MAX)
		shmem_warn("room for %u peers of %u vectors, not for %d: the hard limit of open "
			   "files is %llu (ulimit -Hn)", server->room, server->vectors, PEERS_MAX,
			   (unsigned long long)limit.rlim_max);
}

/* From here on the signals wait until the loop reads them. */
static void catch_signals(struct server *server)
{
	sigset_t ending;

	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&ending);
	sigaddset(&ending, SIGTERM);
	sigaddset(&ending, SIGINT);
	sigprocmask(SIG_BLOCK, &ending, NULL);
	server->signals = signalfd(-1, &ending, SFD_NONBLOCK | SFD_CLOEXEC);
	if (server->signals < 0)
		shmem_die("signalfd: %s", strerror(errno));
}

/* --- The loop ----------------------------------------------------------------- */

enum { WATCH_SIGNALS, WATCH_LISTENER, WATCH_PEERS };

struct watched {
	struct pollfd entries[WATCH_PEERS + PEERS_MAX];
	struct peer *peers[PEERS_MAX]; /* their entries begin at WATCH_PEERS */
	unsigned int count;            /* of peers */
};

/* Only connected peers: poll(2) takes no more entries than files may be open. */
static void fill_watched(struct server *server, struct watched *watched)
{
	watched->entries[WATCH_SIGNALS] = (struct pollfd){ .fd = server->signals,
							   .events = POLLIN };
	watched->entries[WATCH_LISTENER] = (struct pollfd){
		.fd = server->deaf ? -1 : server->listener,
		.events = POLLIN,
	};
	watched->count = 0;
	for (unsigned int i = 0; i < PEERS_MAX; i++) {
		struct peer *peer = &server->peers[i];

		if (peer->socket < 0)
			continue;
		watched->entries[WATCH_PEERS + watched->count] = (struct pollfd){
			.fd = peer->socket,
			.events = (short)(peer->full ? POLLIN | POLLOUT : POLLIN),
		};
		watched->peers[watched->count++] = peer;
	}
}

/* Departures make room, so they come before arrivals. */
static void attend(struct server *server, const struct watched *watched)
{
	for (unsigned int i = 0; i < watched->count; i++) {
		short events = watched->entries[WATCH_PEERS + i].revents;

		if (events & POLLOUT)
			watched->peers[i]->full = false;
		if (events & ~POLLOUT)
			peer_hear(server, watched->peers[i]);
	}
	if (server->deaf || watched->entries[WATCH_LISTENER].revents)
		socket_accept(server);
	do {
		if (server->changed)
			publish(server);
		peers_tell(server);
	} while (server->changed);
	publish_wanted(server);
}

/*
 * For poll(2). A program cannot tell the server that it wants the table: the connection is
 * one-way. So the server looks, as long as there is a peer that may want it.
 */
static int poll_timeout(const struct server *server)
{
	if (server->deaf || server->stalled)
		return RETRY;
	return server->count > 0 ? LOOK : -1;
}

/* Runs until a signal ends it. Returns the program's exit status. */
static int serve(struct server *server)
{
	struct watched watched;

	if (puts("ready") < 0 || fflush(stdout) != 0) {
		shmem_warn("cannot write to stdout: %s", strerror(errno));
		return 1;
	}
	for (;;) {
		fill_watched(server, &watched);
		if (poll(watched.entries, WATCH_PEERS + watched.count, poll_timeout(server)) < 0) {
			if (errno == EINTR)
				continue;
			shmem_warn("poll: %s", strerror(errno));
			return 1;
		}
		if (watched.entries[WATCH_SIGNALS].revents)
			return 0;
		attend(server, &watched);
	}
}

int main(int argc, char **argv)
{
	static struct server server = { .vectors = VECTORS_DEFAULT };

	parse_server(&server, argc, argv);
	umask(0177);
	catch_signals(&server);
	make_room(&server);
	peers_clear(&server);
	open_memory(&server);
	socket_open(&server);
	int status = publish_open(&server) ? serve(&server) : 1;

	/* The socket last, since a successor may start as soon as it is removed. */
	peers_close(&server);
	publish_close(&server);
	socket_remove(&server);
	return status;
}
