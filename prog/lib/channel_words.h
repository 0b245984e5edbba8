/*
 * channel_words.h - the words of a channel in the region: for channel*.c, for __stream and
 * __chaos, which damage them on purpose, and for __shmem watch, which only looks.
 */
#ifndef CHANNEL_WORDS_H
#define CHANNEL_WORDS_H

#include "channel.h"

enum { CHANNEL_SIZE = 0x1000 };

/* A role is also a seat in the channel's meeting. */
enum { SENDER_SEAT = SHMEM_SENDER, RECEIVER_SEAT = SHMEM_RECEIVER };

/*
 * The words that one side writes about its sleep. The other side reads them after each
 * message, so they have cache lines of their own, which nobody writes to while nobody sleeps.
 */
struct sleep_words {
	_Alignas(128) _Atomic uint64_t notice; /* see sleep.h */
	_Atomic uint64_t wanted; /* the count of moved bytes at which to wake us */
	_Atomic uint64_t sleeps; /* the session, if this side may sleep in it */
	_Atomic uint64_t rings;  /* the session, if this side has a doorbell to ring with */
};

/* A page. Every cache line has one writer. */
struct shmem_channel_words {
	unsigned char seats[2 * SHMEM_SEAT_SIZE];
	struct shmem_ring_counts counts;
	/* ready: the session, when that end has emptied the ring for it. turn: see channel_open.c. */
	_Alignas(64) _Atomic uint64_t sender_ready;
	_Atomic uint64_t sender_turn;
	_Alignas(64) _Atomic uint64_t receiver_ready;
	_Atomic uint64_t accepted; /* the receiver's number for the sender */
	_Atomic uint64_t receiver_turn;
	struct sleep_words sleeps[2]; /* by seat */
};

static_assert(sizeof(struct shmem_channel_words) <= CHANNEL_SIZE, "a channel has a page");
static_assert(SHMEM_CHANNELS * CHANNEL_SIZE <= SHMEM_LAYOUT_STRESS - SHMEM_LAYOUT_STREAM,
	      "all fit");

/*
 * In the ring, before each message. A message begins at a multiple of its size and lies in one
 * piece. Where it would not fit before the end of the ring's memory, there is a frame with
 * FRAME_SKIP instead, and the message begins at the start of the ring.
 */
struct channel_frame {
	_Atomic uint64_t size;   /* of the message in bytes, below the session's tag << 32 */
	_Atomic uint64_t number; /* of the message in this session, from 1 on */
};

#define FRAME_SKIP UINT32_MAX

#define CHANNEL_LEAST_REGION (4UL << 20)
#define CHANNEL_LARGEST_RING (512UL << 10)

/* The offset of a numbered channel's page in the region. */
static inline size_t channel_offset(size_t channel)
{
	return SHMEM_LAYOUT_STREAM + channel * CHANNEL_SIZE;
}

/* Bytes of each numbered channel's ring; 0 if the region is smaller than CHANNEL_LEAST_REGION. */
static inline size_t channel_ring_size(size_t region_size)
{
	size_t share = shmem_layout_stream_data_size(region_size) / SHMEM_CHANNELS;
	size_t size = CHANNEL_LARGEST_RING;

	if (region_size < CHANNEL_LEAST_REGION)
		return 0;
	while (size > share)
		size /= 2;
	return size;
}

#endif
