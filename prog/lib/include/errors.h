/*
 * errors.h - how the library's functions fail.
 *
 * A function that can fail has two forms. The short form is for small tools: it prints one line
 * to stderr and ends the program. The other one is for programs that live on after an error. Its
 * name begins with shmem_try_, and its last argument is a struct shmem_error, never NULL. If it
 * fails, it returns false, NULL or a value that its comment names. The error is then set, other
 * results are undefined, and all that the call has opened, mapped or allocated is given back.
 *
 *	struct shmem_error error;
 *	struct shmem region;
 *
 *	if (!shmem_try_open(&options, &region, &error))
 *		syslog(LOG_ERR, "no region yet: %s", error.text);
 *
 * Functions of your own may fail in the same way, by shmem_error_set.
 */
#ifndef SHMEM_ERRORS_H
#define SHMEM_ERRORS_H

#include <stdbool.h>

#include "language.h"

SHMEM_C_BEGIN

/* How programs end, each as its -h says, and why a function failed. */
enum shmem_status {
	SHMEM_STATUS_FAILED = 1,  /* for any other reason */
	SHMEM_STATUS_USAGE = 2,   /* a wrong command line, or a wrong variable of the environment */
	SHMEM_STATUS_NOBODY = 3,  /* nobody came, or nobody rang */
	SHMEM_STATUS_DIED = 4,    /* a peer died */
	SHMEM_STATUS_RUBBISH = 5, /* a peer, or an intruder, wrote something impossible */
	SHMEM_STATUS_LEFT = 6,    /* a peer gave up */
};

/* A longer text is cut: that takes a path of several hundred bytes. */
enum { SHMEM_ERROR_TEXT = 1024 };

struct shmem_error {
	int status; /* an enum shmem_status: with it the short form ends the program */
	char text[SHMEM_ERROR_TEXT]; /* what failed, why, what to do: a line without its newline */
};

/* Sets both. Always returns false, for the caller to return. */
__attribute__((format(printf, 3, 4)))
bool shmem_error_set(struct shmem_error *error, int status, const char *format, ...);

/* Ends the program as the short forms do: prints the text to stderr, exits with the status. */
SHMEM_NORETURN void shmem_error_end(const struct shmem_error *error);

SHMEM_C_END

#endif
