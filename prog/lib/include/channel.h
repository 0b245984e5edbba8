/*
 * channel.h - messages from one VM to another: copied, or made and used in place.
 *
 * A channel has one sender and one receiver. Either may start first. Each message arrives once,
 * whole and in order, or the call says what went wrong. A channel is one of the region's
 * SHMEM_CHANNELS numbered ones, which __stream uses too, or has a name and then is an area.
 *
 *	static struct shmem_channel channel;
 *	struct shmem_channel_options to = { .role = SHMEM_SENDER, .name = "news",
 *					    .timeout = 60 * SHMEM_SECOND };
 *
 *	shmem_channel_must(&channel, shmem_channel_open(&channel, &region, &to));
 *	shmem_channel_must(&channel, shmem_channel_send(&channel, "hello", 5, SHMEM_NEVER));
 *	shmem_channel_must(&channel, shmem_channel_close(&channel, 10 * SHMEM_SECOND));
 *
 * No function here ends the program, but for shmem_channel_must, and for assert(3) at a call that
 * is wrong in itself, such as sending at the receiver's end. A program that neither sends nor
 * receives for a while must call shmem_channel_tend, since the other side takes it for dead
 * after three seconds.
 *
 * The other side may write anything at any time. What it counts is checked, and so is the frame
 * of each message: its length, its number, and that it belongs to this session. Its meaning is
 * for you to check, and in place you must copy what you check before you use it.
 */
#ifndef SHMEM_CHANNEL_H
#define SHMEM_CHANNEL_H

#include "errors.h"
#include "ring.h"
#include "shmem.h"
#include "sleep.h"

SHMEM_C_BEGIN

enum { SHMEM_CHANNELS = 8 };

enum shmem_channel_role { SHMEM_SENDER, SHMEM_RECEIVER };

enum shmem_channel_status {
	SHMEM_CHANNEL_OK,
	SHMEM_CHANNEL_LATE,    /* the deadline came first; nothing has happened */
	SHMEM_CHANNEL_LEFT,    /* the other side closed the channel, or its program ended */
	SHMEM_CHANNEL_BACK,    /* the same, and a program is there again: open the channel again */
	SHMEM_CHANNEL_DIED,    /* the other side gave no sign of life for 3 s */
	SHMEM_CHANNEL_RUBBISH, /* the other side, or an intruder, wrote something impossible, or an
				* intruder overwrote what we wrote */
	SHMEM_CHANNEL_FAILED,  /* this side failed */
};

/* How to wait. To sleep is to wait for the doorbell or, without one, to nap for up to 1 ms. */
enum shmem_channel_wait {
	SHMEM_WAIT_ADAPTIVE, /* looks again and again for a while, then sleeps */
	SHMEM_WAIT_SPIN,     /* looks again and again: the fastest, and it takes a whole CPU */
	SHMEM_WAIT_SLEEP,    /* sleeps at once */
};

struct shmem_channel_options {
	enum shmem_channel_role role;
	const char *name;    /* of the area; or NULL, and number says which channel */
	unsigned int number; /* below SHMEM_CHANNELS */
	size_t ring_size;    /* with a name: bytes, a power of two from 4096 to 2^32, the same on both
			      * sides; 0: 512 KiB */
	uint64_t timeout;    /* how long to wait for the other side to come, nanoseconds or SHMEM_NEVER */
	enum shmem_channel_wait wait;
	struct shmem_doorbell *bell; /* opened for waiting, if we are to sleep on it; or NULL. It stays
				      * yours: close it after the channel */
	unsigned int vector;         /* of it, that nothing else of this program waits for */
};

/* Private, but for the counts of sleeper and waker (sleep.h), and copy, the kernel in use. */
struct shmem_channel {
	struct shmem_channel_options options;
	char what[64];               /* the channel's name in messages */
	struct shmem_error error;
	enum shmem_order order;
	struct shmem_channel_words *words; /* in the region */
	unsigned char *bytes;        /* in the region, of the ring */
	size_t ring_size;
	struct shmem_meeting meeting;
	struct shmem_ring ring;
	struct shmem_sleeper sleeper;
	struct shmem_waker waker;
	const struct shmem_copy_kernel *copy;
	struct shmem_copy_trial trial;
	unsigned int turn;           /* of the trial */
	bool turn_shown;
	uint32_t tag;                /* of this session's messages */
	uint64_t messages;           /* sent or released so far */
	size_t pending;              /* bytes of the ring that the message in place takes; 0: none */
	size_t skipped;              /* bytes before it, up to the end of the ring's memory */
	size_t length;               /* of the message in place, for the receiver */
	uint64_t goal;               /* what we wait for: room, or another number than this */
	uint64_t accepted;           /* the receiver's number: shown by it, last seen by the sender */
	uint64_t beaten, tended;     /* when, by the time-stamp counter */
	enum shmem_peer peer;        /* as last seen */
	uint64_t interrupts_seen, unrung_seen; /* of the sleeper's counts */
	bool bell_failed;            /* when shmem_channel_ready was to sleep on it */
	int timer;                   /* for shmem_channel_fd without a doorbell; -1: none */
};

/*
 * Opens the channel when the other side does so too: both then agree on a session, and each has
 * found the copy kernel that is the fastest here (a few milliseconds). Until it is closed, the
 * channel must stay where it is, and the region mapped; options and the name may go. LATE: nobody
 * came in time, or the other side came and was not ready ten seconds later, or the program in our
 * place may have died less than three seconds ago: try again. FAILED: a living program is in our
 * place, or the channel has no room in the region. If it is not OK, nothing is open. At the end of
 * the program the channel is given up, as claims are.
 */
enum shmem_channel_status
shmem_channel_open(struct shmem_channel *channel, const struct shmem *region,
		   const struct shmem_channel_options *options);

/*
 * Gives the channel up. The sender first waits until all is received, for timeout nanoseconds at
 * most, and returns what came of that. It is closed in any case, and may be opened again. OK if
 * it was not open.
 */
enum shmem_channel_status shmem_channel_close(struct shmem_channel *channel, uint64_t timeout);

/* --- Messages ----------------------------------------------------------------- */

/*
 * A deadline is a time by shmem_now, SHMEM_NEVER, or 0: do not wait. A status that is neither
 * OK nor LATE is final, but for a message that is too long: close the channel. Then, and before it
 * is open, all calls are FAILED.
 */

/* The longest message in bytes: just below half of the ring. Only of a channel that was opened. */
size_t shmem_channel_longest(const struct shmem_channel *channel);

/* Sends a copy of length bytes, at most shmem_channel_longest of them. */
enum shmem_channel_status shmem_channel_send(struct shmem_channel *channel, const void *bytes,
					     size_t length, uint64_t deadline);

/*
 * Receives a message into room bytes, and stores its length, or 0 if there is none. FAILED with a
 * length above room: it can then be received with more.
 */
enum shmem_channel_status
shmem_channel_recv(struct shmem_channel *channel, void *bytes, size_t room, size_t *length,
		   uint64_t deadline);

/*
 * Without a copy: reserves a place in the region for a message of up to length bytes, aligned to
 * 16, and commits length bytes of it. One at a time: the place is ours until commit or the next
 * reserve. What is not committed is not sent.
 */
enum shmem_channel_status shmem_channel_reserve(struct shmem_channel *channel, void **bytes,
						size_t length, uint64_t deadline);
enum shmem_channel_status shmem_channel_commit(struct shmem_channel *channel, size_t length);

/*
 * Without a copy: shows where the next message is in the region, aligned to 16, and releases it,
 * which makes room for others. The place is ours until then. The sender can still change the
 * bytes. Peeking again shows the same message. Release only what was shown.
 */
enum shmem_channel_status shmem_channel_peek(struct shmem_channel *channel, const void **bytes,
					     size_t *length, uint64_t deadline);
enum shmem_channel_status shmem_channel_release(struct shmem_channel *channel);

/* The sender: waits until the receiver has released all messages. */
enum shmem_channel_status shmem_channel_flush(struct shmem_channel *channel, uint64_t deadline);

/*
 * The receiver shows the sender a number of its own choice, such as how many messages it has
 * dealt with. It is 0 at first.
 */
enum shmem_channel_status shmem_channel_accept(struct shmem_channel *channel, uint64_t number);

/*
 * The sender: waits until that number is another one than before, and stores it. *number is
 * unchanged unless the status is OK.
 */
enum shmem_channel_status shmem_channel_accepted(struct shmem_channel *channel, uint64_t before,
						 uint64_t *number, uint64_t deadline);

/* --- Waiting for several things ------------------------------------------------ */

/*
 * Shows that we live, and looks at the other side: OK while it lives, and our own words are as we
 * wrote them. Call it at least every second, and for a timely answer every 100 ms.
 */
enum shmem_channel_status shmem_channel_tend(struct shmem_channel *channel);

/*
 * A file for poll(2): readable when shmem_channel_ready may have a new answer. It is the
 * doorbell's if the channel has one, otherwise a timer of a millisecond. Do not close it, nor
 * read it. -1: no timer can be had.
 */
int shmem_channel_fd(struct shmem_channel *channel);

/*
 * True if there is a message (for the receiver), or room for a longest one (for the sender), or
 * an error that the next call will return. If false, it has made sure that the file becomes
 * readable in time. So call it before each poll, and poll for 100 ms at most, because it also
 * tends the channel.
 */
bool shmem_channel_ready(struct shmem_channel *channel);

/*
 * True if the other side may sleep on a doorbell and we have none to ring it: each message may
 * then take 100 ms. Open one and give it. It stays yours: close it after the channel.
 */
bool shmem_channel_needs_bell(const struct shmem_channel *channel);
void shmem_channel_give_bell(struct shmem_channel *channel, struct shmem_doorbell *bell);

/* --- Errors -------------------------------------------------------------------- */

/* What the last status other than OK means here: one line, such as "the sender died: ...". */
const char *shmem_channel_text(const struct shmem_channel *channel);

/* For small tools: ends the program with that line, and its exit status, unless status is OK. */
void shmem_channel_must(const struct shmem_channel *channel, enum shmem_channel_status status);

SHMEM_C_END

#endif
