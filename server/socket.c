/* socket.c - the server's socket: its owner, and access to it. */
#include "server.h"
#include "shmem.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

/*
 * Bytes of unread messages in a peer's socket: some twenty messages, since the kernel
 * doubles this and counts 700 to 1000 bytes for each. All peers together then have fewer
 * descriptors in flight than the 4096 that every user may have (unix(7), ETOOMANYREFS),
 * even if no peer reads.
 */
enum { SEND_BUFFER = 8 << 10 };

/* --- Its name ----------------------------------------------------------------- */

static struct sockaddr_un address_of(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	if (strlen(path) >= sizeof(address.sun_path))
		shmem_die("--socket %s: the path of a socket has at most %zu bytes, this one has %zu", path,
			  sizeof(address.sun_path) - 1, strlen(path));
	strcpy(address.sun_path, path);
	return address;
}

/*
 * Probes a socket by connecting, and returns the errno. Connects with a datagram socket: a
 * living stream socket answers EPROTOTYPE, and its server does not notice.
 */
static int probe(const struct sockaddr_un *address)
{
	int prober = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (prober < 0)
		return errno;
	int answer = connect(prober, (const struct sockaddr *)address, sizeof(*address));
	int reason = answer == 0 ? 0 : errno;
	close(prober);
	return reason;
}

/* Removes a socket of that name if nobody listens at it. */
static void remove_leftover(const struct sockaddr_un *address)
{
	const char *path = address->sun_path;
	struct stat status;

	if (lstat(path, &status) < 0)
		return;
	if (!S_ISSOCK(status.st_mode))
		shmem_die("%s exists and is not a socket: remove it, or choose another --socket",
			  path);
	int reason = probe(address);
	if (reason == 0 || reason == EPROTOTYPE)
		shmem_die("a server listens at %s already: end it, or choose another --socket",
			  path);
	if (reason != ECONNREFUSED)
		shmem_die("cannot tell whether a server listens at %s: %s", path,
			  strerror(reason));
	unlink(path);
}

void socket_open(struct server *server)
{
	struct sockaddr_un address = address_of(server->socket_path);
	struct stat status;

	remove_leftover(&address);
	server->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (server->listener < 0 ||
	    bind(server->listener, (struct sockaddr *)&address, sizeof(address)) < 0 ||
	    lstat(server->socket_path, &status) < 0 ||
	    listen(server->listener, PEERS_MAX) < 0)
		shmem_die("cannot listen at %s: %s", server->socket_path, strerror(errno));
	server->socket_device = status.st_dev;
	server->socket_inode = status.st_ino;
}

void socket_remove(const struct server *server)
{
	struct stat status;

	if (lstat(server->socket_path, &status) == 0 &&
	    status.st_dev == server->socket_device && status.st_ino == server->socket_inode)
		unlink(server->socket_path);
}

/* --- Clients ------------------------------------------------------------------- */

/* The socket's mode keeps other users out already, unless somebody changes it. */
static bool is_welcome(int connection, pid_t *pid)
{
	struct ucred who;
	socklen_t size = sizeof(who);

	if (getsockopt(connection, SOL_SOCKET, SO_PEERCRED, &who, &size) < 0) {
		shmem_warn("refused a client: %s", strerror(errno));
		return false;
	}
	*pid = who.pid;
	if (who.uid == geteuid() || who.uid == 0)
		return true;
	shmem_warn("refused process %d: it belongs to user %u", (int)who.pid, (unsigned int)who.uid);
	return false;
}

/*
 * After a lack of descriptors or memory the server stops listening for a moment, since
 * poll(2) would report the waiting client again at once.
 */
static int accept_socket(struct server *server)
{
	int connection = accept4(server->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	bool lacks = connection < 0 && errno != EAGAIN && errno != EINTR &&
		     errno != ECONNABORTED;

	if (lacks && !server->deaf)
		shmem_warn("cannot accept connections for now: %s", strerror(errno));
	server->deaf = lacks;
	return connection;
}

void socket_accept(struct server *server)
{
	int size = SEND_BUFFER;
	int connection = accept_socket(server);
	pid_t pid;

	if (connection < 0)
		return;
	if (!is_welcome(connection, &pid)) {
		close(connection);
		return;
	}
	setsockopt(connection, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	peer_arrive(server, connection, pid);
}
