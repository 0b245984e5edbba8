/*
 * meetings.c - for errors.bats: a program that meets again and again, and in several meetings at once.
 *
 *	meetings steps    plays both sides of a meeting, step by step
 *	meetings lost     loses its seat before it has met
 *	meetings many     leaves many meetings, then sits in three others until a signal ends it
 *	meetings most     prints in how many meetings it can sit, and why in no more
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "shmem.h"
#include "units.h"

static struct shmem region; /* of the file of that name */

static void begin(struct shmem_meeting *meeting, size_t offset, int seats, int seat)
{
	struct shmem_error error;

	if (!shmem_try_meet_begin(meeting, &region, offset, seats, seat, "the test", &error))
		shmem_error_end(&error);
}

static void nap(void)
{
	usleep(1000);
}

static void steps(void)
{
	struct shmem_meeting one = { 0 }, other = { 0 };
	bool one_met = false, other_met = false;

	begin(&one, SHMEM_LAYOUT_FREE, 2, 1);
	begin(&other, SHMEM_LAYOUT_FREE, 2, SHMEM_ANY_SEAT);
	shmem_print("%d %d\n", one.seat, other.seat);
	for (; !one_met || !other_met; nap()) {
		one_met = one_met || shmem_meet_step(&one);
		other_met = other_met || shmem_meet_step(&other);
	}
	shmem_print("%d %d\n", one.seat, other.seat);
	shmem_print(one.session == other.session ? "one session\n" : "two sessions\n");
	shmem_meet_leave(&one);
	shmem_meet_leave(&other);
}

static void lost(void)
{
	struct shmem_meeting meeting = { 0 };

	begin(&meeting, SHMEM_LAYOUT_FREE, 2, 1);
	for (int i = 0; i < 3; i++) {
		bool met = shmem_meet_step(&meeting);

		shmem_print("%s %d\n", met ? "met" : "alone", meeting.seat);
		if (i == 0)
			memset(region.base + SHMEM_LAYOUT_FREE + SHMEM_SEAT_SIZE, 0, SHMEM_SEAT_SIZE);
	}
	shmem_meet_leave(&meeting);
}

/* Sits alone in a meeting of one seat. */
static struct shmem_meeting *sit(size_t offset)
{
	struct shmem_meeting *meeting = calloc(1, sizeof(*meeting));

	shmem_meet_leave_at_end(meeting);
	begin(meeting, offset, 1, 0);
	while (!shmem_meet_step(meeting))
		nap();
	return meeting;
}

static void many(void)
{
	struct shmem_meeting *meeting;

	for (int i = 0; i < 2 * SHMEM_MEETINGS_MAX; i++) {
		meeting = sit(SHMEM_LAYOUT_FREE);
		shmem_meet_leave(meeting);
		free(meeting);
	}
	for (size_t i = 0; i < 3; i++)
		sit(SHMEM_LAYOUT_FREE + i * SHMEM_SEAT_SIZE);
	shmem_print("sits\n");
	for (;;)
		pause();
}

static void most(void)
{
	static struct shmem_meeting meetings[SHMEM_MEETINGS_MAX + 1];
	struct shmem_error error;
	int kept = 0;

	while (shmem_try_meet_leave_at_end(&meetings[kept], &error))
		kept++;
	shmem_print("%d: %d %s\n", kept, error.status, error.text);
	shmem_meet_leave(&meetings[0]);
	shmem_meet_leave_at_end(&meetings[kept]);
}

int main(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "";

	region = shmem_open(&(struct shmem_options){ .file = "region" });
	if (strcmp(what, "steps") == 0)
		steps();
	if (strcmp(what, "lost") == 0)
		lost();
	if (strcmp(what, "many") == 0)
		many();
	if (strcmp(what, "most") == 0)
		most();
	return 0;
}
