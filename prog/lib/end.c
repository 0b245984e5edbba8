/* end.c - what is still to be done when the program ends, also by a signal. */
#include "internal.h"

#include <signal.h>
#include <stdlib.h>

enum { TASKS_MAX = 2 }; /* giving back what we hold, and erasing the line of progress */

static void (*_Atomic tasks[TASKS_MAX])(void);

static void do_tasks(void)
{
	for (int i = 0; i < TASKS_MAX && tasks[i]; i++)
		tasks[i]();
}

/* Raises the signal again: SA_RESETHAND has restored its default action. */
static void end_by_signal(int number)
{
	do_tasks();
	raise(number);
}

/* A signal that was ignored when the program began stays ignored, as nohup(1) needs it. */
static void catch_signal(int number)
{
	struct sigaction action = { .sa_handler = end_by_signal, .sa_flags = (int)SA_RESETHAND };
	struct sigaction before;

	if (sigaction(number, NULL, &before) == 0 && before.sa_handler == SIG_DFL)
		sigaction(number, &action, NULL);
}

void shmem_at_end(void (*task)(void))
{
	static const int signals[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGPIPE };
	int i = 0;

	while (i < TASKS_MAX && tasks[i] && tasks[i] != task)
		i++;
	assert(i < TASKS_MAX);
	if (tasks[i])
		return;
	tasks[i] = task;
	if (i > 0)
		return;
	for (size_t s = 0; s < sizeof(signals) / sizeof(*signals); s++)
		catch_signal(signals[s]);
	atexit(do_tasks);
}
