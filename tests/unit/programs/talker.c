/*
 * talker.c - both sides of a channel, a gather or requests, driven by lines on stdin. Each command
 * prints the status and what there is to say. For channel.bats and gather.bats.
 *
 *	talker -f FILE NAME|NUMBER send|recv|gather|join|client|server|sit [spin|adaptive|sleep]
 *
 * To sit is to meet as the receiver of a numbered channel and then do nothing but live.
 * It waits for the other side for PATIENCE milliseconds, if that is in the environment.
 */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "channel.h"
#include "gather.h"
#include "request.h"
#include "units.h"

enum { ROOM = 1 << 20, LANES = 3, RING = 4096 };

static const char *const names[] = { "ok", "late", "left", "back", "died", "rubbish", "failed" };

static struct shmem_options options;
static struct shmem region;
static struct shmem_channel channel;
static struct shmem_gather gather;
static struct shmem_request request;
static struct shmem_meeting meeting; /* of one that sits */
static unsigned char bytes[ROOM];
static const char *role;
static uint64_t patience = 60 * SHMEM_SECOND;

static bool is(const char *name)
{
	return strcmp(role, name) == 0;
}

static const char *text(void)
{
	if (is("gather"))
		return shmem_gather_text(&gather);
	if (is("client") || is("server"))
		return shmem_request_text(&request);
	return shmem_channel_text(&channel);
}

static void say(enum shmem_channel_status status, const char *what)
{
	if (status == SHMEM_CHANNEL_OK)
		printf("ok%s%s\n", *what ? " " : "", what);
	else
		printf("%s: %s\n", names[status], status == SHMEM_CHANNEL_LATE ? "" : text());
	fflush(stdout);
}

/* --- One side ---------------------------------------------------------------- */

static struct shmem_channel_options channel_options(const char *name, enum shmem_channel_role side,
						    enum shmem_channel_wait wait)
{
	struct shmem_channel_options to = { .role = side, .timeout = patience, .wait = wait };
	char *end;

	to.number = (unsigned int)strtoul(name, &end, 10);
	if (*end) {
		to.name = name;
		to.ring_size = RING;
	}
	return to;
}

static enum shmem_channel_status sit(const char *number)
{
	size_t row = SHMEM_LAYOUT_STREAM + strtoul(number, NULL, 10) * 4096;
	enum shmem_meet result = shmem_meet(&meeting, &region, row, 2, SHMEM_RECEIVER, "the seats", patience);

	return result == SHMEM_MET ? SHMEM_CHANNEL_OK : SHMEM_CHANNEL_LATE;
}

static enum shmem_channel_status open_side(const char *name, enum shmem_channel_wait wait)
{
	struct shmem_gather_options lanes = { .name = name, .lanes = LANES, .ring_size = RING };
	struct shmem_request_options asked = { .name = name, .timeout = patience, .wait = wait,
					       .ring_size = RING };
	struct shmem_doorbell *bell = NULL;

	if (strcmp(options.file, "server") == 0)
		bell = shmem_doorbell_open(&options, &region, true);
	else
		region = shmem_open(&options);
	if (is("sit"))
		return sit(name);
	if (is("gather"))
		return shmem_gather_open(&gather, &region, &lanes);
	if (is("join"))
		return shmem_gather_join(&channel, &region, &lanes, patience);
	if (is("client") || is("server")) {
		asked.role = is("client") ? SHMEM_CLIENT : SHMEM_SERVER;
		asked.bell = bell;
		return shmem_request_open(&request, &region, &asked);
	}
	struct shmem_channel_options to =
		channel_options(name, is("send") ? SHMEM_SENDER : SHMEM_RECEIVER, wait);
	to.bell = bell;
	return shmem_channel_open(&channel, &region, &to);
}

/* --- Commands ------------------------------------------------------------------ */

/* Messages of every length in turn, whose bytes the receiver knows. */
static void fill(uint64_t number, size_t length)
{
	for (size_t i = 0; i < length; i++)
		bytes[i] = (unsigned char)(number * 31 + i);
}

static bool is_filled(uint64_t number, size_t length)
{
	for (size_t i = 0; i < length; i++)
		if (bytes[i] != (unsigned char)(number * 31 + i))
			return false;
	return true;
}

static size_t length_of(uint64_t number)
{
	return (size_t)(number * 37 % (shmem_channel_longest(&channel) + 1));
}

static void flood(uint64_t count)
{
	enum shmem_channel_status status = SHMEM_CHANNEL_OK;

	for (uint64_t i = 0; i < count && status == SHMEM_CHANNEL_OK; i++) {
		fill(i, length_of(i));
		status = shmem_channel_send(&channel, bytes, length_of(i), SHMEM_NEVER);
	}
	say(status == SHMEM_CHANNEL_OK ? shmem_channel_flush(&channel, SHMEM_NEVER) : status, "");
}

static void drain(uint64_t count)
{
	enum shmem_channel_status status = SHMEM_CHANNEL_OK;
	const char *what = "";
	size_t length;

	for (uint64_t i = 0; i < count && status == SHMEM_CHANNEL_OK; i++) {
		status = shmem_channel_recv(&channel, bytes, ROOM, &length, SHMEM_NEVER);
		if (status == SHMEM_CHANNEL_OK && (length != length_of(i) || !is_filled(i, length)))
			what = "WRONG";
	}
	say(status, what);
}

/* By poll(2): each message as it comes. */
static void poll_for(uint64_t count)
{
	struct pollfd file = { .fd = shmem_channel_fd(&channel), .events = POLLIN };
	enum shmem_channel_status status = SHMEM_CHANNEL_OK;
	uint64_t polls = 0;
	size_t length;
	char what[64];

	for (uint64_t i = 0; i < count && status == SHMEM_CHANNEL_OK; i++) {
		while (!shmem_channel_ready(&channel)) {
			poll(&file, 1, 100);
			polls++;
		}
		status = shmem_channel_recv(&channel, bytes, ROOM, &length, 0);
		if (status == SHMEM_CHANNEL_LATE) { /* ready only said that this should be asked */
			status = SHMEM_CHANNEL_OK;
			i--;
		}
	}
	snprintf(what, sizeof(what), "%s", polls ? "polled" : "");
	say(status, what);
}

static void serve(uint64_t count)
{
	enum shmem_channel_status status = SHMEM_CHANNEL_OK;
	size_t length;

	for (uint64_t i = 0; i < count && status == SHMEM_CHANNEL_OK; i++) {
		status = shmem_request_take(&request, bytes, ROOM, &length, SHMEM_NEVER);
		if (status == SHMEM_CHANNEL_OK) {
			bytes[length++] = '!';
			status = shmem_request_reply(&request, bytes, length, SHMEM_NEVER);
		}
	}
	say(status, "");
}

/* Receives count messages from all lanes, and prints how many were each lane's. */
static void collect(uint64_t count)
{
	uint64_t of_lane[LANES] = { 0 };
	unsigned int lane;
	size_t length;
	char what[64];

	for (uint64_t i = 0; i < count; i++) {
		if (shmem_gather_recv(&gather, bytes, ROOM, &length, &lane, SHMEM_NEVER) ==
		    SHMEM_CHANNEL_OK)
			of_lane[lane]++;
	}
	snprintf(what, sizeof(what), "%lu %lu %lu", of_lane[0], of_lane[1], of_lane[2]);
	say(SHMEM_CHANNEL_OK, what);
}

static uint64_t soon(void)
{
	return shmem_now() + 100 * SHMEM_MS;
}

static size_t came; /* the length of what did */

/* How it ended, and with OK what came there. */
static void say_bytes(enum shmem_channel_status status, const void *there)
{
	char what[128] = "";

	if (status == SHMEM_CHANNEL_OK)
		snprintf(what, sizeof(what), "%.*s", (int)came, (const char *)there);
	say(status, what);
}

/* Looks that often without waiting, ten times a second, and shows in no other way that we live. */
static void glance(uint64_t looks)
{
	enum shmem_channel_status status = SHMEM_CHANNEL_LATE;
	size_t length;

	for (uint64_t i = 0; i < looks && status == SHMEM_CHANNEL_LATE; i++) {
		usleep(100000);
		status = shmem_channel_recv(&channel, bytes, ROOM, &length, 0);
	}
	say(status, "");
}

/* Also counts how often the number came, but not the interrupt that was due. */
static void accepted(uint64_t before)
{
	uint64_t value = 0;
	enum shmem_channel_status status =
		shmem_channel_accepted(&channel, before, &value, SHMEM_NEVER);
	char what[64];

	snprintf(what, sizeof(what), "%lu, unrung %lu", value, channel.sleeper.unrung);
	say(status, what);
}

static void make(const char *word)
{
	size_t length = strlen(word);
	void *place = NULL;
	enum shmem_channel_status status =
		shmem_channel_reserve(&channel, &place, length + 100, SHMEM_NEVER);

	if (status == SHMEM_CHANNEL_OK) {
		memcpy(place, word, length);
		status = shmem_channel_commit(&channel, length);
	}
	say(status, (uintptr_t)place % 16 ? "MISALIGNED" : "");
}

static void peek(void)
{
	const void *there;
	enum shmem_channel_status status = shmem_channel_peek(&channel, &there, &came, SHMEM_NEVER);

	say_bytes(status, there);
}

/* Takes a request, and fails to reply. */
static void refuse(void)
{
	size_t length;
	enum shmem_channel_status status =
		shmem_request_take(&request, bytes, ROOM, &length, SHMEM_NEVER);

	if (status == SHMEM_CHANNEL_OK)
		status = shmem_request_reply(&request, bytes, ROOM, SHMEM_NEVER);
	say(status, "");
}

static void end(void)
{
	if (is("gather"))
		shmem_gather_close(&gather);
	say(is("client") || is("server") ? shmem_request_close(&request, SHMEM_SECOND) :
					   shmem_channel_close(&channel, 60 * SHMEM_SECOND), "");
}

/* word: a number of messages, bytes or looks, or the text of a message. */
static void obey(const char *command, const char *word)
{
	uint64_t number = strtoull(word, NULL, 10);
	size_t length = strlen(word), room = number ? number : ROOM;
	unsigned int lane;
	char longest[32];

	snprintf(longest, sizeof(longest), "%zu", channel.ring_size ? shmem_channel_longest(&channel) : 0);
#define COMMAND(name, action) if (strcmp(command, name) == 0) action
	COMMAND("say", say(shmem_channel_send(&channel, word, length, SHMEM_NEVER), ""));
	COMMAND("say-soon", say(shmem_channel_send(&channel, word, length, soon()), ""));
	COMMAND("size", say(shmem_channel_send(&channel, bytes, number, SHMEM_NEVER), ""));
	COMMAND("size-soon", say(shmem_channel_send(&channel, bytes, number, soon()), ""));
	COMMAND("longest", say(SHMEM_CHANNEL_OK, longest));
	COMMAND("hear", say_bytes(shmem_channel_recv(&channel, bytes, room, &came, SHMEM_NEVER), bytes));
	COMMAND("hear-soon", say_bytes(shmem_channel_recv(&channel, bytes, room, &came, soon()), bytes));
	COMMAND("glance", glance(number));
	COMMAND("make", make(word));
	COMMAND("peek", peek());
	COMMAND("release", say(shmem_channel_release(&channel), ""));
	COMMAND("flush", say(shmem_channel_flush(&channel, soon()), ""));
	COMMAND("accept", say(shmem_channel_accept(&channel, number), ""));
	COMMAND("accepted", accepted(number));
	COMMAND("flood", flood(number));
	COMMAND("drain", drain(number));
	COMMAND("poll", poll_for(number));
	COMMAND("collect", collect(number));
	COMMAND("event", say_bytes(shmem_gather_recv(&gather, bytes, ROOM, &came, &lane, SHMEM_NEVER), bytes));
	COMMAND("call", say_bytes(shmem_request_call(&request, word, length, bytes, ROOM, &came,
						     SHMEM_NEVER), bytes));
	COMMAND("call-soon", say_bytes(shmem_request_call(&request, word, length, bytes, ROOM, &came,
							  soon()), bytes));
	COMMAND("serve", serve(number));
	COMMAND("take-soon", say_bytes(shmem_request_take(&request, bytes, ROOM, &came, soon()), bytes));
	COMMAND("refuse", refuse());
	COMMAND("close", end());
#undef COMMAND
}

/* Shows that we live until there is a line on stdin. False at its end. */
static bool next_line(char *line, int size)
{
	struct pollfd input = { .fd = STDIN_FILENO, .events = POLLIN };

	while (poll(&input, 1, 50) == 0) {
		if (is("sit"))
			shmem_meet_beat(&meeting);
		else if (is("gather"))
			shmem_gather_tend(&gather);
		else if (is("client") || is("server"))
			shmem_request_tend(&request);
		else
			shmem_channel_tend(&channel);
	}
	return fgets(line, size, stdin) != NULL;
}

int main(int argc, char **argv)
{
	static const struct shmem_program program = { .operands = 3, .about = "", .example = "" };
	static const char *const waits[] = { "adaptive", "spin", "sleep", NULL };
	char line[256], command[64], word[128];

	setvbuf(stdin, NULL, _IONBF, 0);
	shmem_getopt(&program, &options, argc, argv);
	role = argv[optind + 1];
	if (getenv("PATIENCE"))
		patience = strtoull(getenv("PATIENCE"), NULL, 10) * SHMEM_MS;
	const char *wait = argv[optind + 2];
	enum shmem_channel_status status = open_side(
		argv[optind], (enum shmem_channel_wait)shmem_option_choice("wait", wait ? wait : "adaptive",
									    waits));
	say(status, "open");
	while (status == SHMEM_CHANNEL_OK && next_line(line, sizeof(line))) {
		word[0] = '\0';
		if (sscanf(line, "%63s %127[^\n]", command, word) > 0)
			obey(command, word);
	}
	return 0;
}
