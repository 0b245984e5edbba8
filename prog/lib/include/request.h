/*
 * request.h - requests and replies between two programs: two channels (channel.h), NAME.request
 * and NAME.reply.
 *
 *	static struct shmem_request request;            // the client
 *	struct shmem_request_options to = { .name = "sums", .role = SHMEM_CLIENT,
 *					    .timeout = 60 * SHMEM_SECOND };
 *
 *	shmem_request_must(&request, shmem_request_open(&request, &region, &to));
 *	shmem_request_must(&request, shmem_request_call(&request, "1+2", 3, answer, sizeof(answer),
 *							&length, SHMEM_NEVER));
 *
 *	shmem_request_take(&request, question, sizeof(question), &length, SHMEM_NEVER); // the server
 *	shmem_request_reply(&request, "3", 1, SHMEM_NEVER);
 */
#ifndef SHMEM_REQUEST_H
#define SHMEM_REQUEST_H

#include "channel.h"

SHMEM_C_BEGIN

enum shmem_request_role { SHMEM_CLIENT, SHMEM_SERVER };

struct shmem_request_options {
	const char *name; /* 31 bytes at most */
	enum shmem_request_role role;
	size_t ring_size; /* of each channel, as in shmem_channel_options; 0: 64 KiB */
	uint64_t timeout; /* how long to wait for the other side to come, nanoseconds or SHMEM_NEVER */
	enum shmem_channel_wait wait;
	struct shmem_doorbell *bell; /* as in shmem_channel_options */
	unsigned int vector;
};

/* Private. */
struct shmem_request {
	struct shmem_request_options options;
	struct shmem_channel out, in;
	struct shmem_channel *failed; /* the one whose status was the last other than OK */
	uint64_t number;              /* of the last request that was sent or taken */
};

/*
 * Opens both channels when the other side does so too, as shmem_channel_open does; if the status is
 * not OK, neither is open. Until it is closed, request must stay where it is, and the region mapped.
 */
enum shmem_channel_status
shmem_request_open(struct shmem_request *request, const struct shmem *region,
		   const struct shmem_request_options *options);

/*
 * The client: sends a request and receives its reply, of up to room bytes, and stores its length,
 * or 0 if there is none. Deadlines and statuses are those of channel.h. FAILED with a length above
 * room: the reply is lost. LATE: the request may have been sent, and its reply is dropped
 * when it comes.
 */
enum shmem_channel_status shmem_request_call(struct shmem_request *request, const void *bytes,
					     size_t length, void *reply, size_t room,
					     size_t *reply_length, uint64_t deadline);

/*
 * The server: receives a request, and sends the reply to it. FAILED with a length above room: the
 * request can be taken with more. A request without a reply leaves its client waiting.
 */
enum shmem_channel_status
shmem_request_take(struct shmem_request *request, void *bytes, size_t room, size_t *length,
		   uint64_t deadline);
enum shmem_channel_status shmem_request_reply(struct shmem_request *request, const void *bytes,
					      size_t length, uint64_t deadline);

/* The longest request or reply in bytes: nearly half of the ring. */
size_t shmem_request_longest(const struct shmem_request *request);

/* As shmem_channel_tend, for both. */
enum shmem_channel_status shmem_request_tend(struct shmem_request *request);

/* Gives both up. First waits, timeout nanoseconds at most, as shmem_channel_close. */
enum shmem_channel_status shmem_request_close(struct shmem_request *request, uint64_t timeout);

/* As shmem_channel_text and shmem_channel_must. */
const char *shmem_request_text(const struct shmem_request *request);
void shmem_request_must(const struct shmem_request *request, enum shmem_channel_status status);

SHMEM_C_END

#endif
