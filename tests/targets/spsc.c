/*
 * spsc.c - what a message costs through libshmem's ring or channel, over what it costs through a
 * queue of slots as textbooks have it, on this host.
 *
 *	spsc ring | channel | channel-64k
 *
 * Two processes on two CPUs, one sends and one receives, 256 MiB a round. Rounds of both ways
 * alternate, so that both see the same machine. The queue is the well-known one (Lamport's, with
 * a cached copy of the other side's index, as rigtorp's SPSCQueue has it): it trusts the other
 * side, and its slots have one size. It and the ring copy each message in and out by memcpy; a
 * channel by the kernel that it has found to be the fastest here. All of them hold 512 KiB.
 * Prints nanoseconds a message for either way, the medians of 9 rounds, and their ratio.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "channel.h"
#include "ring.h"
#include "shmem.h"
#include "units.h"

enum { BYTES = 512 << 10, LARGEST = 64 << 10, TRAFFIC = 256 << 20, ROUNDS = 9 };
enum { REGION = 16 << 20 }; /* of the channel: its ring has BYTES then */

struct queue {
	_Alignas(128) _Atomic size_t written; /* messages */
	_Alignas(128) _Atomic size_t read;    /* messages */
	_Alignas(128) unsigned char slots[BYTES];
};

static struct shared {
	struct shmem_ring_counts counts;
	_Alignas(128) unsigned char bytes[BYTES];
	struct queue queue;
	_Alignas(128) _Atomic int ready; /* the round that the receiver is ready for */
	_Atomic int done;                /* the round that the sender has ended */
	_Alignas(4096) unsigned char region[REGION];
} *shared;

static struct shmem_channel channel;
static unsigned char message[LARGEST];

/* Any difference in what is received is a fault of the harness. */
static void check(uint64_t number)
{
	uint64_t seen;

	memcpy(&seen, message, sizeof(seen));
	if (seen == number)
		return;
	fprintf(stderr, "spsc: message %llu came as %llu\n", (unsigned long long)number,
		(unsigned long long)seen);
	exit(1);
}

/* --- The ways ---------------------------------------------------------------------- */

/* Only for messages that a ring takes whole: its writes are cut at 32 KiB. */
static void send_by_ring(size_t size)
{
	struct shmem_ring ring = shmem_ring_writer(&shared->counts, shared->bytes, BYTES,
						   SHMEM_ORDER_X86, NULL);

	for (uint64_t i = 0; i < TRAFFIC / size; i++) {
		memcpy(message, &i, sizeof(i));
		while (shmem_ring_write(&ring, message, size) == 0)
			__builtin_ia32_pause();
	}
	while (shmem_ring_unread(&ring) > 0)
		__builtin_ia32_pause();
}

static void receive_by_ring(size_t size)
{
	struct shmem_ring ring = shmem_ring_reader(&shared->counts, shared->bytes, BYTES,
						   SHMEM_ORDER_X86, NULL);

	for (uint64_t i = 0; i < TRAFFIC / size; i++) {
		while (shmem_ring_read(&ring, message, size) == 0)
			__builtin_ia32_pause();
		check(i);
	}
}

static void send_by_channel(size_t size)
{
	for (uint64_t i = 0; i < TRAFFIC / size; i++) {
		memcpy(message, &i, sizeof(i));
		shmem_channel_must(&channel,
				   shmem_channel_send(&channel, message, size, SHMEM_NEVER));
	}
	shmem_channel_must(&channel, shmem_channel_flush(&channel, SHMEM_NEVER));
}

static void receive_by_channel(size_t size)
{
	size_t length;

	for (uint64_t i = 0; i < TRAFFIC / size; i++) {
		shmem_channel_must(&channel, shmem_channel_recv(&channel, message, size, &length,
								SHMEM_NEVER));
		check(i);
	}
}

/* size is a power of two, and unknown to the compiler, so that this calls memcpy, too. */
static void send_by_queue(size_t size)
{
	struct queue *queue = &shared->queue;
	size_t written = 0, read = 0, slots = BYTES / size;

	for (uint64_t i = 0; i < TRAFFIC / size; i++) {
		memcpy(message, &i, sizeof(i));
		while (written - read == slots) /* the acquire pairs with the receiver's release */
			read = atomic_load_explicit(&queue->read, memory_order_acquire);
		memcpy(queue->slots + (written & (slots - 1)) * size, message, size);
		atomic_store_explicit(&queue->written, ++written, memory_order_release);
	}
	while (atomic_load_explicit(&queue->read, memory_order_acquire) != written)
		__builtin_ia32_pause();
}

static void receive_by_queue(size_t size)
{
	struct queue *queue = &shared->queue;
	size_t written = 0, read = 0, slots = BYTES / size;

	for (uint64_t i = 0; i < TRAFFIC / size; i++) {
		while (written == read) /* the acquire pairs with the sender's release */
			written = atomic_load_explicit(&queue->written, memory_order_acquire);
		memcpy(message, queue->slots + (read & (slots - 1)) * size, size);
		atomic_store_explicit(&queue->read, ++read, memory_order_release);
		check(i);
	}
}

static const struct way {
	const char *name;
	size_t size; /* of a message */
	void (*send)(size_t size);
	void (*receive)(size_t size);
} ways[] = {
	{ "ring", 64, send_by_ring, receive_by_ring },
	{ "channel", 64, send_by_channel, receive_by_channel },
	{ "channel-64k", LARGEST, send_by_channel, receive_by_channel },
	{ 0 },
};

/* --- Rounds ------------------------------------------------------------------------ */

static void open_channel(bool sends)
{
	struct shmem region = { .base = shared->region, .size = REGION, .order = SHMEM_ORDER_X86 };
	struct shmem_channel_options options = {
		.role = sends ? SHMEM_SENDER : SHMEM_RECEIVER,
		.timeout = 60 * SHMEM_SECOND,
		.wait = SHMEM_WAIT_SPIN,
	};

	shmem_channel_must(&channel, shmem_channel_open(&channel, &region, &options));
}

/* The receiver empties ring and queue when the sender has ended the round before. */
static void start_round(int round, bool sends)
{
	if (sends) {
		while (atomic_load(&shared->ready) != round)
			__builtin_ia32_pause();
	} else {
		while (atomic_load(&shared->done) != round - 1)
			__builtin_ia32_pause();
		memset(&shared->counts, 0, sizeof(shared->counts));
		atomic_store(&shared->queue.written, 0);
		atomic_store(&shared->queue.read, 0);
		atomic_store(&shared->ready, round);
	}
}

/* Nanoseconds a message. */
static double one_round(int round, bool sends, size_t size, void (*exchange)(size_t))
{
	start_round(round, sends);
	uint64_t start = shmem_now();

	exchange(size);
	uint64_t took = shmem_since(start);
	if (sends)
		atomic_store(&shared->done, round);
	return (double)took * (double)size / TRAFFIC;
}

static void compare(const struct way *way, bool sends)
{
	double ours[ROUNDS], queue[ROUNDS];

	shmem_pin_apart(sends);
	open_channel(sends);
	for (int i = 0; i < ROUNDS; i++) {
		ours[i] = one_round(2 * i + 1, sends, way->size, sends ? way->send : way->receive);
		queue[i] = one_round(2 * i + 2, sends, way->size,
				     sends ? send_by_queue : receive_by_queue);
	}
	if (!sends)
		return;
	double by_us = shmem_summarise(ours, ROUNDS).median;
	double by_queue = shmem_summarise(queue, ROUNDS).median;

	printf("%.1f %.1f %.3f\n", by_us, by_queue, by_us / by_queue);
}

int main(int argc, char **argv)
{
	const struct way *way = ways;
	int status = 0;

	while (way->name && (argc != 2 || strcmp(argv[1], way->name) != 0))
		way++;
	if (!way->name) {
		fprintf(stderr, "Usage: spsc ring | channel | channel-64k\n");
		return 2;
	}
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
		      -1, 0);
	if (shared == MAP_FAILED) {
		perror("spsc: mmap");
		return 1;
	}
	pid_t child = fork();
	if (child < 0) {
		perror("spsc: fork");
		return 1;
	}
	compare(way, child != 0);
	if (child != 0)
		waitpid(child, &status, 0);
	return status != 0;
}
