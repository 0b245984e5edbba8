/* request.c - requests and replies over two channels. */
#include "request.h"

#include <stdio.h>
#include <string.h>

#include "area.h"
#include "channel_private.h"

static enum shmem_channel_status note(struct shmem_request *request, struct shmem_channel *channel,
				      enum shmem_channel_status status)
{
	if (status != SHMEM_CHANNEL_OK)
		request->failed = channel;
	return status;
}

/* Requests go to the server, replies to the client. */
static struct shmem_channel *channel_from(struct shmem_request *request, enum shmem_request_role sender)
{
	return request->options.role == sender ? &request->out : &request->in;
}

static enum shmem_channel_status open_one(struct shmem_request *request, const struct shmem *region,
					  const char *kind, enum shmem_request_role sender,
					  struct shmem_channel *beside, uint64_t deadline)
{
	const struct shmem_request_options *options = &request->options;
	struct shmem_channel *channel = channel_from(request, sender);
	char name[SHMEM_AREA_NAME_MAX + sizeof(".request")];
	struct shmem_channel_options to = {
		.role = options->role == sender ? SHMEM_SENDER : SHMEM_RECEIVER,
		.name = name,
		.ring_size = options->ring_size ? options->ring_size : CHANNEL_SMALL_RING,
		.timeout = options->timeout,
		.wait = options->wait,
		.bell = options->bell,
		.vector = options->vector,
	};

	snprintf(name, sizeof(name), "%s.%s", options->name, kind);
	enum shmem_channel_status status = shmem_channel_begin(channel, region, &to);

	if (status == SHMEM_CHANNEL_OK)
		status = shmem_channel_complete(channel, beside, deadline);
	return note(request, channel, status);
}

enum shmem_channel_status
shmem_request_open(struct shmem_request *request, const struct shmem *region,
		   const struct shmem_request_options *options)
{
	uint64_t deadline = channel_deadline(options->timeout);

	*request = (struct shmem_request){ .options = *options, .failed = &request->out };
	struct shmem_channel *first = channel_from(request, SHMEM_CLIENT);
	enum shmem_channel_status status =
		open_one(request, region, "request", SHMEM_CLIENT, NULL, deadline);

	if (status != SHMEM_CHANNEL_OK)
		return status;
	status = open_one(request, region, "reply", SHMEM_SERVER, first, deadline);
	if (status != SHMEM_CHANNEL_OK)
		shmem_channel_give_up(first);
	return status;
}

/* A message begins with the number of its request; it is 8 bytes, in the byte order of x86. */
enum { NUMBER_SIZE = sizeof(uint64_t) };

static enum shmem_channel_status send_numbered(struct shmem_channel *channel, uint64_t number,
					       const void *bytes, size_t length, uint64_t deadline)
{
	void *place;

	if (length > SIZE_MAX - NUMBER_SIZE)
		length = SIZE_MAX - NUMBER_SIZE; /* too long in any case */
	enum shmem_channel_status status =
		shmem_channel_reserve(channel, &place, NUMBER_SIZE + length, deadline);

	if (status != SHMEM_CHANNEL_OK)
		return status;
	memcpy(place, &number, NUMBER_SIZE);
	if (length > 0)
		shmem_copy_to(channel->copy, (unsigned char *)place + NUMBER_SIZE, bytes, length);
	return shmem_channel_commit(channel, NUMBER_SIZE + length);
}

/* Shows the next message with its number; length is that of the rest. */
static enum shmem_channel_status peek_numbered(struct shmem_channel *channel, uint64_t *number,
					       const unsigned char **bytes, size_t *length,
					       uint64_t deadline)
{
	const void *place;
	enum shmem_channel_status status = shmem_channel_peek(channel, &place, length, deadline);

	if (status != SHMEM_CHANNEL_OK)
		return status;
	if (*length < NUMBER_SIZE) {
		*length = 0;
		return shmem_channel_rubbish(channel, "a message without a number");
	}
	memcpy(number, place, NUMBER_SIZE);
	*bytes = (const unsigned char *)place + NUMBER_SIZE;
	*length -= NUMBER_SIZE;
	return SHMEM_CHANNEL_OK;
}

/* --- The client ----------------------------------------------------------------- */

/* Replies to calls that were late come before the one to this call, and are dropped. */
static enum shmem_channel_status
receive_reply(struct shmem_request *request, void *reply, size_t room, size_t *length,
	      uint64_t deadline)
{
	struct shmem_channel *in = &request->in;
	enum shmem_channel_status status;
	const unsigned char *bytes = NULL; /* gcc does not know that OK sets them */
	uint64_t number = 0;

	while ((status = peek_numbered(in, &number, &bytes, length, deadline)) == SHMEM_CHANNEL_OK) {
		if (number > request->number)
			return shmem_channel_rubbish(in, "a reply to a request that was not sent");
		if (number == request->number && *length <= room && *length > 0)
			shmem_copy_from(in->copy, reply, bytes, *length);
		status = shmem_channel_release(in);
		if (status != SHMEM_CHANNEL_OK || number == request->number)
			break;
	}
	if (status == SHMEM_CHANNEL_OK && *length > room)
		return shmem_channel_too_long(in, *length, room);
	return status;
}

enum shmem_channel_status shmem_request_call(struct shmem_request *request, const void *bytes,
					     size_t length, void *reply, size_t room,
					     size_t *reply_length, uint64_t deadline)
{
	*reply_length = 0;
	enum shmem_channel_status status =
		send_numbered(&request->out, request->number + 1, bytes, length, deadline);

	if (status != SHMEM_CHANNEL_OK)
		return note(request, &request->out, status);
	request->number++;
	return note(request, &request->in,
		    receive_reply(request, reply, room, reply_length, deadline));
}

/* --- The server ----------------------------------------------------------------- */

enum shmem_channel_status
shmem_request_take(struct shmem_request *request, void *bytes, size_t room, size_t *length,
		   uint64_t deadline)
{
	struct shmem_channel *in = &request->in;
	const unsigned char *place = NULL; /* as above */
	enum shmem_channel_status status =
		peek_numbered(in, &request->number, &place, length, deadline);

	if (status == SHMEM_CHANNEL_OK && *length > room)
		status = shmem_channel_too_long(in, *length, room);
	if (status != SHMEM_CHANNEL_OK)
		return note(request, in, status);
	if (*length > 0)
		shmem_copy_from(in->copy, bytes, place, *length);
	return note(request, in, shmem_channel_release(in));
}

enum shmem_channel_status shmem_request_reply(struct shmem_request *request, const void *bytes,
					      size_t length, uint64_t deadline)
{
	return note(request, &request->out,
		    send_numbered(&request->out, request->number, bytes, length, deadline));
}

/* --- Both ------------------------------------------------------------------------ */

size_t shmem_request_longest(const struct shmem_request *request)
{
	return shmem_channel_longest(&request->out) - NUMBER_SIZE;
}

enum shmem_channel_status shmem_request_tend(struct shmem_request *request)
{
	enum shmem_channel_status status = note(request, &request->out,
						shmem_channel_tend(&request->out));

	return status == SHMEM_CHANNEL_OK ?
		       note(request, &request->in, shmem_channel_tend(&request->in)) : status;
}

enum shmem_channel_status shmem_request_close(struct shmem_request *request, uint64_t timeout)
{
	enum shmem_channel_status status = shmem_channel_close(&request->out, timeout);

	shmem_channel_close(&request->in, 0);
	return note(request, &request->out, status);
}

const char *shmem_request_text(const struct shmem_request *request)
{
	return shmem_channel_text(request->failed);
}

void shmem_request_must(const struct shmem_request *request, enum shmem_channel_status status)
{
	if (status != SHMEM_CHANNEL_OK)
		shmem_channel_must(request->failed, status);
}
