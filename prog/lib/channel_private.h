/*
 * channel_private.h - shared by the files of the channel:
 *
 *	channel.c       messages
 *	channel_open.c  opening and closing
 *	channel_life.c  errors, signs of life, and what became of the other side
 *	channel_wait.c  waiting for the other side, and waking it
 */
#ifndef CHANNEL_PRIVATE_H
#define CHANNEL_PRIVATE_H

#include "channel_words.h"

/* What a gather and a request take for each of their channels, unless they are told another size. */
#define CHANNEL_SMALL_RING (64UL << 10)

static inline bool channel_sends(const struct shmem_channel *channel)
{
	return channel->options.role == SHMEM_SENDER;
}

static inline int channel_other_seat(const struct shmem_channel *channel)
{
	return channel_sends(channel) ? RECEIVER_SEAT : SENDER_SEAT;
}

/* False before shmem_channel_begin, and when it is closed or was never opened. */
static inline bool channel_is_begun(const struct shmem_channel *channel)
{
	return channel->meeting.row != NULL;
}

/* From the end of opening until it is closed. */
static inline bool channel_is_open(const struct shmem_channel *channel)
{
	return channel->ring.counts != NULL;
}

/* The time, by shmem_now, when timeout nanoseconds are over; SHMEM_NEVER stays that. */
static inline uint64_t channel_deadline(uint64_t timeout)
{
	uint64_t now = shmem_now();

	return timeout < SHMEM_NEVER - now ? now + timeout : SHMEM_NEVER;
}

/*
 * Whether it is time for a sign of life: 2^27 cycles of the time-stamp counter since then, at 1 to
 * 5 GHz less than a second. The counter is read for each message, and costs little even where the
 * clock is an emulated device.
 */
static inline bool channel_is_time(uint64_t since)
{
	return __builtin_ia32_rdtsc() - since >= UINT64_C(1) << 27;
}

/* --- channel.c -------------------------------------------------------------- */

/* FAILED: a message of length bytes came, and there is room for fewer. */
enum shmem_channel_status shmem_channel_too_long(struct shmem_channel *channel, size_t length,
						 size_t room);

/* --- channel_open.c --------------------------------------------------------- */

/*
 * Finds the channel's memory and begins its meeting; waits for nobody. Then either
 * shmem_channel_complete, or, for a program that does other work meanwhile, shmem_meet_step until
 * both have met, shmem_channel_make_ring, and shmem_channel_step until it is open.
 */
enum shmem_channel_status shmem_channel_begin(struct shmem_channel *channel,
					      const struct shmem *region,
					      const struct shmem_channel_options *options);

/* The same for a channel that was closed: in the memory that was found before. */
enum shmem_channel_status shmem_channel_begin_again(struct shmem_channel *channel,
						    const struct shmem *region);

/* Gives up the seat and the file, and waits for nobody. Keeps the channel's place in memory. */
void shmem_channel_give_up(struct shmem_channel *channel);

/*
 * Waits for the other side and opens the channel. Gives it up if the status is not OK. beside is
 * NULL, or an open channel with the same other side: when that has ended, so has this one.
 */
enum shmem_channel_status shmem_channel_complete(struct shmem_channel *channel,
						 struct shmem_channel *beside, uint64_t deadline);

/* After the meeting: this side's end of the ring is empty, and the other side may see that. */
void shmem_channel_make_ring(struct shmem_channel *channel);

/*
 * Goes as far as it can without waiting for the other side. True when the channel is open. Takes
 * a few milliseconds in all, in which the copy kernels are tried.
 */
bool shmem_channel_step(struct shmem_channel *channel);

/* --- channel_life.c --------------------------------------------------------- */

/* Sets the channel's error, and returns the status. */
__attribute__((format(printf, 3, 4)))
enum shmem_channel_status shmem_channel_fail(struct shmem_channel *channel,
					     enum shmem_channel_status status,
					     const char *format, ...);

/* The other side, or an intruder, wrote something impossible. */
enum shmem_channel_status shmem_channel_rubbish(struct shmem_channel *channel, const char *what);

/* FAILED, and says that the channel is not open. */
enum shmem_channel_status shmem_channel_not_open(struct shmem_channel *channel);

/* FAILED if our seat was lost. One load: for before each store that the other side believes. */
enum shmem_channel_status shmem_channel_check_seat(struct shmem_channel *channel);

/* RUBBISH if another program overwrote the words that we wrote for the other side. */
enum shmem_channel_status shmem_channel_check_words(struct shmem_channel *channel);

/* Shows that we live, in all that this program holds. */
enum shmem_channel_status shmem_channel_beat(struct shmem_channel *channel);

/* What the last look at the other side means. */
enum shmem_channel_status shmem_channel_peer_status(struct shmem_channel *channel);

/* "receiver" or "sender". */
const char *shmem_channel_other(const struct shmem_channel *channel);

/* --- channel_wait.c --------------------------------------------------------- */

/*
 * To be called when our count or another word that the other side waits for has changed. Rings
 * if it sleeps and wants to know, and now and then shows that we live.
 */
enum shmem_channel_status shmem_channel_moved(struct shmem_channel *channel);

/* Before sleeping: the count of the other side at which it should wake us. */
void shmem_channel_want(struct shmem_channel *channel, uint64_t count);

/*
 * For a side that does not wait: LATE, unless the other side has ended or this one has failed.
 * Now and then shows that we live.
 */
enum shmem_channel_status shmem_channel_look(struct shmem_channel *channel);

/* Waits until done(channel) is true. */
enum shmem_channel_status shmem_channel_wait_until(struct shmem_channel *channel,
						   bool (*done)(void *channel),
						   uint64_t deadline);

/* False if done(channel) is true or the other side has ended. Otherwise the file will tell. */
bool shmem_channel_will_ring(struct shmem_channel *channel, bool (*done)(void *channel));

/* Whether we sleep on a doorbell. */
bool shmem_channel_sleeps(const struct shmem_channel *channel);

/* Before the other side may look at our words, and when it is ready. */
void shmem_channel_show_sleep(struct shmem_channel *channel);
void shmem_channel_prepare_to_wake(struct shmem_channel *channel);

#endif
