/*
 * gather.h - messages from several senders to one receiver.
 *
 * Each sender has a lane of its own, which is a channel (channel.h), so no sender waits for
 * another. The receiver takes the lanes in turn, so none starves. Senders come and go. A lane is
 * the area NAME.0, NAME.1 and so on.
 *
 *	static struct shmem_gather gather;            // the receiver
 *	struct shmem_gather_options lanes = { .name = "events", .lanes = 4 };
 *
 *	shmem_gather_must(&gather, shmem_gather_open(&gather, &region, &lanes));
 *	while (shmem_gather_recv(&gather, event, sizeof(event), &length, &lane, SHMEM_NEVER)
 *	       == SHMEM_CHANNEL_OK)
 *
 *	static struct shmem_channel channel;          // a sender
 *	shmem_channel_must(&channel,
 *			   shmem_gather_join(&channel, &region, &lanes, 60 * SHMEM_SECOND));
 *	shmem_channel_must(&channel, shmem_channel_send(&channel, "hello", 5, SHMEM_NEVER));
 */
#ifndef SHMEM_GATHER_H
#define SHMEM_GATHER_H

#include "channel.h"

SHMEM_C_BEGIN

enum { SHMEM_LANES_MAX = 16 };

/* The same for the receiver and all senders. */
struct shmem_gather_options {
	const char *name;   /* 36 bytes at most */
	unsigned int lanes; /* senders at the same time, 1 to SHMEM_LANES_MAX */
	size_t ring_size;   /* of each lane, as in shmem_channel_options; 0: 64 KiB */
};

enum shmem_lane_stage {
	SHMEM_LANE_IS_CLOSED, /* also after a failure */
	SHMEM_LANE_MEETS,
	SHMEM_LANE_OPENS,
	SHMEM_LANE_IS_OPEN,
};

/* Private. */
struct shmem_lane {
	enum shmem_lane_stage stage;
	struct shmem_channel channel;
};

struct shmem_gather {
	struct shmem region;
	struct shmem_gather_options options;
	struct shmem_error error, late; /* late: what LATE means */
	struct shmem_lane lanes[SHMEM_LANES_MAX];
	unsigned int next;    /* the lane that is looked at first */
	uint64_t looked;      /* when all lanes were tended, by shmem_now, */
	uint64_t tended;      /* and by the time-stamp counter */
};

/*
 * Opens the receiver's end, and waits for nobody. Until it is closed, options->name and gather must
 * stay where they are, and the region mapped. If the status is not OK, nothing is open. FAILED: the
 * lanes have no room in the region. Another receiver is found later, by shmem_gather_recv.
 */
enum shmem_channel_status shmem_gather_open(struct shmem_gather *gather, const struct shmem *region,
					    const struct shmem_gather_options *options);

/*
 * Receives the next message of any lane, as shmem_channel_recv does, and stores whose lane it
 * was, unless the status is LATE. Waits by turns (turn.h), not on a doorbell. FAILED with a length
 * above room: the message is still there. Any other status but OK and LATE is the end of that
 * lane's sender (LEFT, DIED, ...) or, FAILED, a failure here; all that it had sent has been
 * received. The lane is then free for another one: go on. A lane that cannot be freed stays closed,
 * and FAILED with a length of 0 when all are closed is final.
 */
enum shmem_channel_status shmem_gather_recv(struct shmem_gather *gather, void *bytes, size_t room,
					    size_t *length, unsigned int *lane, uint64_t deadline);

/*
 * For a receiver that does something else meanwhile: lets senders come, and shows that we live.
 * Call it every 100 ms.
 */
void shmem_gather_tend(struct shmem_gather *gather);

/* Gives up all lanes. */
void shmem_gather_close(struct shmem_gather *gather);

/* As shmem_channel_text and shmem_channel_must. */
const char *shmem_gather_text(const struct shmem_gather *gather);
void shmem_gather_must(const struct shmem_gather *gather, enum shmem_channel_status status);

/*
 * A sender takes a free lane, or that of a dead sender, and waits for the receiver: timeout
 * nanoseconds at most, or SHMEM_NEVER. LATE: there was no lane, or no receiver. If it is OK, send
 * and close it as any channel. channel and region: as for shmem_channel_open.
 */
enum shmem_channel_status
shmem_gather_join(struct shmem_channel *channel, const struct shmem *region,
		  const struct shmem_gather_options *options, uint64_t timeout);

SHMEM_C_END

#endif
