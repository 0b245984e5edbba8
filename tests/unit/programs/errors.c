/*
 * errors.c - for errors.bats: a program that goes on after errors.
 *
 *	errors [ACTION ARGUMENT]...
 *
 * Does each action twice, and prints how it ended each time: "fine", or the status and the text of
 * the error. Last, it prints how many files and mappings it has more than at its beginning.
 */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "area.h"
#include "copy.h"
#include "gather.h"
#include "interrupt.h"
#include "request.h"
#include "shmem.h"
#include "sleep.h"
#include "units.h"

enum { SEATS = SHMEM_LAYOUT_FREE, SHORT = 50 * SHMEM_MS };

/* --- The region, and what another VM does in it ---------------------------------- */

static struct shmem region; /* of the file of that name */

static bool open_region(struct shmem_error *error)
{
	return shmem_try_open(&(struct shmem_options){ .file = "region" }, &region, error);
}

/* Another program has taken the word at that offset. */
static void take_over(size_t offset)
{
	atomic_store((_Atomic uint64_t *)(region.base + offset), 0x123456780001);
}

static void set_free(size_t offset)
{
	atomic_store((_Atomic uint64_t *)(region.base + offset), 0);
}

/* --- Actions ----------------------------------------------------------------------- */

static bool try_open(const char *file, struct shmem_error *error)
{
	struct shmem_options options = { .file = file };
	struct shmem opened;

	if (!shmem_try_open(&options, &opened, error))
		return false;
	shmem_close(&opened);
	return true;
}

/* The address may have "wb:" before it. */
static bool try_device(const char *address, struct shmem_error *error)
{
	bool write_back = strncmp(address, "wb:", 3) == 0;
	struct shmem_options options = { .kind = write_back ? SHMEM_WB : SHMEM_UC };
	struct shmem opened;

	options.address = write_back ? address + 3 : address;
	options.address = *options.address ? options.address : NULL;
	if (!shmem_try_open(&options, &opened, error))
		return false;
	shmem_close(&opened);
	return true;
}

/* No file: on the device. */
static bool try_doorbell(const char *file, struct shmem_error *error)
{
	struct shmem_options options = { .file = *file ? file : NULL };
	struct shmem opened;
	struct shmem_doorbell *bell = shmem_try_doorbell_open(&options, &opened, true, error);

	if (!bell)
		return false;
	shmem_doorbell_close(bell);
	shmem_close(&opened);
	return true;
}

/* Also creates the file "open", when the doorbell is. */
static bool try_wait(const char *file, struct shmem_error *error)
{
	struct shmem_options options = { .file = *file ? file : NULL };
	uint64_t interrupts;
	struct shmem opened;
	struct shmem_doorbell *bell = shmem_try_doorbell_open(&options, &opened, true, error);

	if (!bell)
		return false;
	fclose(fopen("open", "w"));
	bool waited = shmem_try_doorbell_wait(bell, 0, shmem_now() + 20 * SHMEM_SECOND, &interrupts,
					      error);
	shmem_doorbell_close(bell);
	shmem_close(&opened);
	return waited;
}

/* The argument is SIZE=NAME. */
static bool try_area(const char *argument, struct shmem_error *error)
{
	struct shmem_area area;
	char *name;
	size_t size = strtoull(argument, &name, 0);

	return shmem_try_area_open(&region, name + 1, size, &area, error);
}

static bool try_claim(const char *what, struct shmem_error *error)
{
	struct shmem_claim claim;

	return shmem_try_claim_take(&claim, &region, SHMEM_CLAIM_FREE, what, SHORT, error) &&
	       shmem_try_claim_drop(&claim, error);
}

/* The claim is lost while we hold it: at that function we learn of it. */
static bool lose_claim(const char *what, struct shmem_error *error,
		       bool (*learn)(struct shmem_claim *claim, struct shmem_error *error))
{
	struct shmem_claim claim;

	if (!shmem_try_claim_take(&claim, &region, SHMEM_CLAIM_FREE, what, SHORT, error))
		return false;
	take_over(SHMEM_CLAIM_FREE * SHMEM_LAYOUT_CLAIM_LINE);
	bool held = learn(&claim, error);
	set_free(SHMEM_CLAIM_FREE * SHMEM_LAYOUT_CLAIM_LINE);
	return held;
}

static bool try_renew(const char *what, struct shmem_error *error)
{
	return lose_claim(what, error, shmem_try_claim_renew);
}

static bool try_drop(const char *what, struct shmem_error *error)
{
	return lose_claim(what, error, shmem_try_claim_drop);
}

static bool try_meet(const char *what, struct shmem_error *error)
{
	struct shmem_meeting meeting = { 0 };
	enum shmem_meet result = shmem_try_meet(&meeting, &region, SEATS, 1, 0, what, SHORT, error);

	if (result == SHMEM_MEET_FAILED)
		return false;
	shmem_meet_leave(&meeting);
	return result == SHMEM_MET || shmem_error_set(error, SHMEM_STATUS_NOBODY, "%s: not met", what);
}

static bool check(struct shmem_meeting *meeting, struct shmem_error *error)
{
	return shmem_try_meet_check(meeting, error);
}

/* The seat is lost while we have it. */
static bool lose_seat(const char *what, struct shmem_error *error,
		      bool (*learn)(struct shmem_meeting *meeting, struct shmem_error *error))
{
	struct shmem_meeting meeting = { 0 };

	if (shmem_try_meet(&meeting, &region, SEATS, 1, 0, what, SHORT, error) != SHMEM_MET)
		return false;
	take_over(SEATS);
	bool there = learn(&meeting, error);
	shmem_meet_leave(&meeting);
	set_free(SEATS);
	return there;
}

static bool try_beat(const char *what, struct shmem_error *error)
{
	return lose_seat(what, error, shmem_try_meet_beat);
}

static bool try_check(const char *what, struct shmem_error *error)
{
	return lose_seat(what, error, check);
}

/* The seat is lost while we wait for a ring. */
static bool try_late(const char *file, struct shmem_error *error)
{
	struct shmem_options options = { .file = file };
	struct shmem_meeting meeting = { 0 };
	shmem_atomic(uint64_t) notice;
	struct shmem opened;
	bool came;
	struct shmem_doorbell *bell = shmem_try_doorbell_open(&options, &opened, true, error);

	if (!bell)
		return false;
	struct shmem_sleeper sleeper = shmem_sleeper_for(bell, &notice, 0, 0);
	bool waited = shmem_try_meet(&meeting, &region, SEATS, 1, 0, "the test", SHORT, error) ==
		      SHMEM_MET;
	if (waited) {
		take_over(SEATS);
		waited = shmem_try_sleep_late(&sleeper, &meeting, 0, &came, error);
	}
	shmem_meet_leave(&meeting);
	set_free(SEATS);
	shmem_doorbell_close(bell);
	shmem_close(&opened);
	return waited;
}

static bool try_pin(const char *cpu, struct shmem_error *error)
{
	return shmem_try_pin((unsigned int)atoi(cpu), error);
}

static bool try_copy(const char *kernel, struct shmem_error *error)
{
	struct shmem_copy_trial trial;

	setenv("SHMEM_COPY", kernel, 1);
	return shmem_try_copy_trial_begin(&trial, true, region.order, error);
}

/* --- Channels, which are closed however their opening ended --------------------------- */

static bool note_status(enum shmem_channel_status status, const char *text, struct shmem_error *error)
{
	return status == SHMEM_CHANNEL_OK || shmem_error_set(error, (int)status, "%s", text);
}

/* None of them crashes, and each says what is wrong. */
static void call_unopened(struct shmem_channel *channel)
{
	char byte = 0;
	void *place;

	if (shmem_channel_send(channel, &byte, 1, SHMEM_NEVER) != SHMEM_CHANNEL_FAILED ||
	    shmem_channel_reserve(channel, &place, 1, SHMEM_NEVER) != SHMEM_CHANNEL_FAILED ||
	    shmem_channel_flush(channel, SHMEM_NEVER) != SHMEM_CHANNEL_FAILED ||
	    shmem_channel_tend(channel) != SHMEM_CHANNEL_FAILED || !shmem_channel_ready(channel) ||
	    shmem_channel_fd(channel) != -1 || shmem_channel_needs_bell(channel) ||
	    !strstr(shmem_channel_text(channel), "is not open"))
		shmem_die("a channel that is not open takes calls");
}

static bool try_channel(const char *name, struct shmem_error *error)
{
	static struct shmem_channel channel;
	struct shmem_channel_options to = { .name = name, .role = SHMEM_SENDER, .timeout = SHORT };
	enum shmem_channel_status status = shmem_channel_open(&channel, &region, &to);
	bool opened = note_status(status, shmem_channel_text(&channel), error);

	if (!opened)
		call_unopened(&channel);
	shmem_channel_must(&channel, shmem_channel_close(&channel, SHMEM_NEVER));
	return opened;
}

static bool try_request(const char *name, struct shmem_error *error)
{
	static struct shmem_request request;
	struct shmem_request_options to = { .name = name, .role = SHMEM_CLIENT, .timeout = SHORT };
	enum shmem_channel_status status = shmem_request_open(&request, &region, &to);
	bool opened = note_status(status, shmem_request_text(&request), error);

	shmem_request_must(&request, shmem_request_close(&request, SHMEM_NEVER));
	return opened;
}

static bool try_join(const char *name, struct shmem_error *error)
{
	static struct shmem_channel channel;
	struct shmem_gather_options lanes = { .name = name, .lanes = 3 };
	enum shmem_channel_status status = shmem_gather_join(&channel, &region, &lanes, SHORT);
	bool joined = note_status(status, shmem_channel_text(&channel), error);

	shmem_channel_must(&channel, shmem_channel_close(&channel, SHMEM_NEVER));
	return joined;
}

/* The argument is SIZE=NAME. With a size, that of a ring, the region has no room for all lanes. */
static bool try_gather(const char *argument, struct shmem_error *error)
{
	static struct shmem_gather gather;
	char *name;
	struct shmem_gather_options lanes = { .ring_size = strtoull(argument, &name, 0), .lanes = 3 };

	lanes.name = name + 1;
	enum shmem_channel_status status = shmem_gather_open(&gather, &region, &lanes);
	bool opened = note_status(status, shmem_gather_text(&gather), error);

	shmem_gather_close(&gather);
	return opened;
}

static const struct action {
	const char *name;
	bool (*try)(const char *argument, struct shmem_error *error);
} actions[] = {
	{ "open", try_open },   { "device", try_device }, { "doorbell", try_doorbell },
	{ "wait", try_wait },   { "area", try_area },     { "claim", try_claim },
	{ "renew", try_renew }, { "drop", try_drop },     { "meet", try_meet },
	{ "beat", try_beat },   { "check", try_check },   { "pin", try_pin },
	{ "copy", try_copy },   { "late", try_late },     { "channel", try_channel },
	{ "join", try_join },   { "gather", try_gather }, { "request", try_request },
};

static const struct action *action_named(const char *name)
{
	const struct action *action = actions;

	while (strcmp(action->name, name) != 0)
		action++;
	return action;
}

/* --- What is left --------------------------------------------------------------------- */

static int open_files(void)
{
	DIR *folder = opendir("/proc/self/fd");
	int count = 0;

	while (readdir(folder))
		count++;
	closedir(folder);
	return count;
}

/* Of files in the current folder. */
static int mappings(void)
{
	char line[8192], folder[4096];
	FILE *file = fopen("/proc/self/maps", "r");
	int count = 0;

	if (!getcwd(folder, sizeof(folder)))
		shmem_die("no current folder");
	while (fgets(line, sizeof(line), file))
		count += strstr(line, folder) != NULL;
	fclose(file);
	return count;
}

int main(int argc, char **argv)
{
	struct shmem_error error;

	if (!open_region(&error))
		shmem_error_end(&error);
	int files = open_files(), mapped = mappings();

	for (int i = 1; i + 1 < argc; i += 2)
		for (int turn = 0; turn < 2; turn++)
			if (action_named(argv[i])->try(argv[i + 1], &error))
				shmem_print("fine\n");
			else
				shmem_print("%d %s\n", error.status, error.text);
	shmem_print("%d files and %d mappings more\n", open_files() - files, mappings() - mapped);
	return 0;
}
