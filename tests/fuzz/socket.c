/*
 * socket.c - fuzzes the client of the ivshmem server.
 *
 * The input is what a server sends: numbers, whole or in parts, with descriptors of the right
 * or a wrong kind, and silence. Some inputs have only what an ivshmem server would send; then
 * the client must know exactly the peers and vectors that it was told. In any case it goes on
 * after a wrong message, closes each descriptor once, rings only eventfds that it has, and ends
 * each wait in time. No socket and no descriptor is real.
 */
#include "fuzz.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "interrupt.h"

/* Fewer than there are: a client that closes looks at each of them. */
#define SHMEM_PEER_IDS 64

#include "../../prog/lib/hold.h"
#include "../../prog/lib/interrupt_socket.h"

static ssize_t receive_message(struct msghdr *header);
static ssize_t read_link(const char *path, char *target, size_t size);
static int use_event(int fd);
static int close_file(int fd);
static int wait_for_server(int timeout);

enum { SOCKET = 3 };

#define socket(family, type, protocol) SOCKET
#define setsockopt(fd, level, name, value, length) ((void)(value))
#define connect(fd, address, length) 0
#define getrlimit(resource, limit) (-1)
#define recvmsg(fd, header, flags) receive_message(header)
#define readlink(path, target, size) read_link(path, target, size)
#define fcntl(fd, what, flags) use_event(fd)
#define write(fd, bytes, size) (use_event(fd), (ssize_t)(size))
#define close(fd) close_file(fd)
#define close_if_open(fd) ((fd) < 0 ? 0 : close_file(fd))
#define poll(files, count, timeout) ((void)(files), wait_for_server(timeout))
#define shmem_hold_renew_all() ((void)0)
#define take take_message
#include "../../prog/lib/peers.c"
#include "../../prog/lib/interrupt_protocol.c"
#include "../../prog/lib/interrupt_socket.c"
#undef take

enum { KNOWN_IDS = 16, FIRST_FILE = 100, FILES_MAX = 10240, MESSAGES_MAX = FILES_MAX / 2 };

static struct shmem_server *server;
static struct shmem_layout_server *line;
static struct shmem region;
static bool hostile, closes; /* closes: the server does, at the end of the input */
static int silence; /* looks without a message, since the client began to wait */

/* --- Descriptors ----------------------------------------------------------------- */

enum file { CLOSED, EVENT, OTHER };

static enum file files[FILES_MAX];
static int files_made;

static int make_file(enum file kind)
{
	MUST(files_made < FILES_MAX);
	files[files_made] = kind;
	return FIRST_FILE + files_made++;
}

static enum file kind_of(int fd)
{
	MUST(fd >= FIRST_FILE && fd < FIRST_FILE + files_made);
	return files[fd - FIRST_FILE];
}

static ssize_t read_link(const char *path, char *target, size_t size)
{
	enum file kind = kind_of(atoi(path + strlen("/proc/self/fd/")));

	MUST(kind != CLOSED);
	return snprintf(target, size, "%s", kind == EVENT ? "anon_inode:[eventfd]" : "/memfd:x");
}

static int use_event(int fd)
{
	MUST(kind_of(fd) == EVENT);
	return 0;
}

static int close_file(int fd)
{
	if (fd == SOCKET)
		return 0;
	MUST(kind_of(fd) != CLOSED);
	files[fd - FIRST_FILE] = CLOSED;
	return 0;
}

/* --- The server --------------------------------------------------------------- */

static struct {
	uint64_t bytes; /* of the message, little-endian */
	size_t sent;    /* of them */
	int64_t number;
	enum file kind; /* of its descriptor; CLOSED: it has none */
	unsigned int repeats;
} message;

static unsigned int messages, known[KNOWN_IDS]; /* known: the vectors that the client was told */
static unsigned int own_id;
static bool rude; /* has sent what no ivshmem server sends */

/* The next message of an ivshmem server. */
static void choose_message(void)
{
	uint8_t choice = take_byte();

	message.kind = CLOSED;
	message.number = choice % KNOWN_IDS;
	if (messages == 0)
		message.number = 0;
	else if (messages == 1)
		own_id = (unsigned int)message.number;
	else if (messages == 2)
		message.number = -1;
	if (messages == 2)
		message.kind = OTHER;
	else if (messages > 2 && (choice < 192 || message.number == own_id))
		message.kind = EVENT;
	message.repeats = messages > 2 && take_byte() % 16 == 1 ? take_byte() * 16 : 0;
}

static void spoil_message(void)
{
	rude = true;
	switch (take_byte() % 4) {
	case 0:
		message.number = (int64_t)take_word();
		break;
	case 1:
		message.number = (int64_t)SHMEM_PEER_IDS + (int8_t)take_byte();
		break;
	case 2:
		message.kind = take_byte() % 3;
		break;
	case 3:
		message.number = own_id;
		message.kind = CLOSED;
		break;
	}
}

static void next_message(void)
{
	if (message.repeats > 0)
		message.repeats--;
	else
		choose_message();
	if (hostile && take_byte() % 8 == 1)
		spoil_message();
	messages++;
	message.bytes = htole64((uint64_t)message.number);
	message.sent = 0;
}

/* The client has the whole message. */
static void count_message(void)
{
	if (rude || messages <= 3)
		return;
	if (message.kind == EVENT)
		known[message.number]++;
	else
		known[message.number] = 0;
	rude = known[message.number] > MSIX_VECTORS_MAX;
}

static void give_descriptor(struct msghdr *header, int type, int fd)
{
	struct cmsghdr *control = header->msg_control;

	MUST(header->msg_controllen >= CMSG_LEN(sizeof(fd)));
	*control = (struct cmsghdr){ .cmsg_level = SOL_SOCKET, .cmsg_type = type,
				     .cmsg_len = CMSG_LEN(sizeof(fd)) };
	memcpy(CMSG_DATA(control), &fd, sizeof(fd));
	header->msg_controllen = control->cmsg_len;
}

/* The kernel gives a descriptor with the first byte that it was sent with. */
static void give_control(struct msghdr *header)
{
	int type = SCM_RIGHTS;

	header->msg_flags = 0;
	if (hostile && take_byte() % 16 == 1) {
		rude = true;
		message.kind = EVENT;
		type = take_byte() % 2 ? SCM_RIGHTS : SCM_CREDENTIALS;
		header->msg_flags = take_byte() % 2 ? MSG_CTRUNC : 0;
	} else if (message.sent > 0 || message.kind == CLOSED) {
		header->msg_controllen = 0;
		return;
	}
	/* Credentials are three numbers, and none of them is a descriptor. */
	give_descriptor(header, type, type == SCM_RIGHTS ? make_file(message.kind) : -1);
}

static ssize_t receive_message(struct msghdr *header)
{
	struct iovec *to = header->msg_iov;

	if (supplied == 0 || messages == MESSAGES_MAX) {
		errno = EAGAIN;
		return closes ? 0 : -1;
	}
	if (take_byte() % 8 == 1) {
		errno = take_byte() % 2 ? EAGAIN : EINTR;
		return -1;
	}
	if (message.sent == sizeof(message.bytes))
		next_message();
	size_t rest = sizeof(message.bytes) - message.sent;
	uint8_t cut = take_byte();
	size_t length = cut % 4 == 1 ? cut / 4 % rest + 1 : rest;

	MUST(to->iov_len == rest);
	give_control(header);
	memcpy(to->iov_base, (unsigned char *)&message.bytes + message.sent, length);
	message.sent += length;
	if (message.sent == sizeof(message.bytes))
		count_message();
	return (ssize_t)length;
}

static int wait_for_server(int timeout)
{
	if (supplied > 0 ? take_byte() % 4 != 1 : closes)
		return 1;
	MUST(++silence <= PATIENCE_S * 1000 / LOOK_MS + 1);
	fuzz_clock += (uint64_t)timeout * SHMEM_MS;
	return 0;
}

/* The server, or another VM, tells some number of vectors. */
static void adversary(void)
{
	if (take_byte() % 8 != 1)
		return;
	line->table = SHMEM_LAYOUT_TABLE_ANSWER;
	line->vectors = take_byte();
}

/* --- The client ----------------------------------------------------------------- */

static void ring(unsigned int peer, unsigned int vector)
{
	bool rung = shmem_server_ring(server, peer, vector);

	if (!rude && peer < KNOWN_IDS)
		MUST(rung == (vector < known[peer]));
}

static void look_at_own(unsigned int vector)
{
	unsigned int vectors = shmem_server_vectors(server);

	MUST(vectors > 0 && vectors <= SHMEM_VECTORS_MAX);
	MUST(rude || vectors == known[own_id] || vectors == SHMEM_VECTORS_MAX);
	use_event(shmem_server_event(server, vector % vectors));
}

static void do_any_thing(void)
{
	unsigned int vector = take_byte() % SHMEM_VECTORS_MAX;

	silence = 0;
	switch (take_byte() % 4) {
	case 0:
		shmem_server_attend(server);
		break;
	case 1:
		ring(take_byte() % 4 ? take_byte() % KNOWN_IDS : take_word() % SHMEM_PEER_IDS, vector);
		break;
	case 2:
		look_at_own(vector);
		break;
	case 3:
		shmem_server_has_vector(server, vector);
		break;
	}
}

/* False if the client was told that something is wrong, now or by the end. */
static bool be_a_client(void)
{
	struct shmem_error error = { 0 };
	bool well;

	server = shmem_server_connect("a socket", &error);
	if (!server) {
		MUST(error.status == SHMEM_STATUS_FAILED);
		return false;
	}
	MUST(shmem_server_id(server) < SHMEM_PEER_IDS);
	MUST(kind_of(shmem_server_memory(server)) != CLOSED);
	silence = 0;
	well = shmem_server_wait_for_vectors(server, &region, &error);
	while (well && supplied > 0)
		do_any_thing();
	well = well && shmem_server_is_well(server, &error);
	MUST(error.status == (well ? 0 : SHMEM_STATUS_FAILED));
	shmem_server_close(server);
	return well;
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size)
{
	unsigned char *memory = calloc(1, SHMEM_LAYOUT_SERVER + sizeof(*line));

	supply = input;
	supplied = size;
	region = (struct shmem){ .base = memory, .size = SHMEM_LAYOUT_SERVER + sizeof(*line) };
	line = (struct shmem_layout_server *)(memory + SHMEM_LAYOUT_SERVER);
	hostile = take_byte() % 4;
	closes = take_byte() % 2;
	rude = false;
	message.sent = sizeof(message.bytes);
	message.repeats = messages = 0;
	memset(known, 0, sizeof(known));
	files_made = silence = 0;
	fuzz_clock = 0;

	bool well = be_a_client();

	MUST(well || rude || known[own_id] == 0);
	for (int i = 0; i < files_made; i++)
		MUST(files[i] == CLOSED);
	free(memory);
	return 0;
}
