/* progress.c - a line on the terminal while a program works and prints nothing. */
#include "progress.h"

#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>

#include "internal.h"
#include "units.h"

#define ERASE "\r\033[K" /* ECMA-48: from the line's start to its end */

#define SILENT_AT_MOST (2 * SHMEM_SECOND)
#define REDRAW_AFTER (SHMEM_SECOND / 4)

enum { USUAL_COLUMNS = 80, COLUMNS_MAX = 256 };

static uint64_t begun, tried; /* by shmem_now */
static volatile sig_atomic_t is_drawn;

/* False if the terminal takes nothing now. Signal handlers call it, too. */
static bool put(const char *text)
{
	struct pollfd terminal = { .fd = STDERR_FILENO, .events = POLLOUT };

	return poll(&terminal, 1, 0) == 1 &&
	       write(STDERR_FILENO, text, strlen(text)) == (ssize_t)strlen(text);
}

/* In the background, the user types into another program. Where there is no terminal, tcgetpgrp fails. */
static bool is_in_foreground(void)
{
	return tcgetpgrp(STDERR_FILENO) == getpgrp();
}

void shmem_progress_end(void)
{
	if (!is_drawn)
		return;
	is_drawn = 0;
	if (is_in_foreground()) /* not after Ctrl-Z and bg */
		put(ERASE);
}

/* A longer line would wrap, and only its last row could be erased. */
static size_t columns(void)
{
	struct winsize size;

	if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0)
		return USUAL_COLUMNS;
	return size.ws_col < COLUMNS_MAX ? size.ws_col : COLUMNS_MAX;
}

static bool draw_line(const char *text)
{
	char line[sizeof(ERASE) + COLUMNS_MAX];

	tried = shmem_now();
	if (!is_in_foreground())
		return false;
	snprintf(line, sizeof(line), ERASE "%.*s", (int)columns() - 1, text);
	is_drawn = 1; /* before it is: a signal may come in between */
	return put(line);
}

void shmem_progress_begin(void)
{
	begun = shmem_now();
	shmem_before_output(shmem_progress_end);
	shmem_at_end(shmem_progress_end);
}

void shmem_progress(const char *format, ...)
{
	uint64_t now = shmem_now();
	char text[COLUMNS_MAX];
	va_list values;

	if (now - begun < SILENT_AT_MOST || now - tried < REDRAW_AFTER)
		return;
	va_start(values, format);
	vsnprintf(text, sizeof(text), format, values);
	va_end(values);

	size_t length = strlen(text);
	snprintf(text + length, sizeof(text) - length, ": %llu s",
		 (unsigned long long)((now - begun) / SHMEM_SECOND));
	draw_line(text);
}

bool shmem_progress_before(uint64_t duration, const char *format, ...)
{
	char text[COLUMNS_MAX];
	va_list values;

	if (shmem_since(begun) + duration < SILENT_AT_MOST)
		return false;
	va_start(values, format);
	vsnprintf(text, sizeof(text), format, values);
	va_end(values);
	return draw_line(text);
}
