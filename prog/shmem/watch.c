/* watch.c - __shmem watch: which programs use the region, and why one hangs. Never writes there. */
#include "watch.h"

enum { LOOKS_A_TURN = SHMEM_SECOND / WATCH_LOOK };

/* Looks for a second, or until the end. False if the user has ended it before. */
static bool look_for_a_turn(struct region_watch *watch, uint64_t end)
{
	watch_begin_turn(watch);
	for (int i = 0; i < LOOKS_A_TURN && shmem_now() < end; i++) {
		if (terminal_wait(WATCH_LOOK))
			return false;
		watch_look(watch);
	}
	watch_judge(watch);
	return true;
}

void watch_region(const struct shmem_options *options, uint64_t duration)
{
	static struct region_watch watch;

	watch_open(&watch, options);
	if (!options->json)
		terminal_begin();
	uint64_t end = duration ? watch.began + duration : UINT64_MAX;
	while (shmem_now() < end && look_for_a_turn(&watch, end)) {
		if (options->json)
			watch_record(&watch);
		else
			watch_print(&watch);
	}
}
