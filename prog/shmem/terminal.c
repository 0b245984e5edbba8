/* terminal.c - a screen that is redrawn, and the key that ends it. */
#include "watch.h"

#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <termios.h>
#include <unistd.h>

#define CLEAR "\033[H\033[J" /* ECMA-48: cursor home, then erase from there to the end */

static bool is_screen, has_keys;
static struct termios before;

/* Also called by signal handlers. The last line of a screen has no newline, see terminal_finish. */
static void leave_screen(void)
{
	ssize_t written = write(STDOUT_FILENO, "\n", 1);

	(void)written; /* the terminal may be gone */
	if (has_keys)
		tcsetattr(STDIN_FILENO, TCSANOW, &before);
}

/* SA_RESETHAND has restored the signal's own action. */
static void leave_on_signal(int number)
{
	leave_screen();
	raise(number);
}

static void read_keys(void)
{
	struct termios keys;

	if (!isatty(STDIN_FILENO) || tcgetattr(STDIN_FILENO, &before) != 0)
		return;
	keys = before;
	keys.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
	has_keys = tcsetattr(STDIN_FILENO, TCSANOW, &keys) == 0;
}

void terminal_begin(void)
{
	static const int signals[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT };
	struct sigaction action = { .sa_handler = leave_on_signal, .sa_flags = (int)SA_RESETHAND };

	is_screen = isatty(STDOUT_FILENO);
	if (!is_screen)
		return;
	read_keys();
	for (size_t i = 0; i < sizeof(signals) / sizeof(*signals); i++)
		sigaction(signals[i], &action, NULL);
	atexit(leave_screen);
}

void terminal_home(void)
{
	if (is_screen)
		shmem_print(CLEAR);
}

/* A newline after the last of 24 lines would scroll the first away. */
void terminal_finish(void)
{
	shmem_print(is_screen ? "" : "\n\n");
}

bool terminal_wait(uint64_t duration)
{
	struct pollfd keys = { .fd = has_keys ? STDIN_FILENO : -1, .events = POLLIN };
	uint64_t now = shmem_now(), end = now + duration;
	char key;

	for (; now < end; now = shmem_now())
		if (poll(&keys, 1, (int)((end - now + SHMEM_MS - 1) / SHMEM_MS)) > 0 &&
		    (read(STDIN_FILENO, &key, 1) != 1 || key == 'q'))
			return true;
	return false;
}
