/*
 * progress.h - a line on the terminal while a program works and prints nothing. For the kit's own
 * programs.
 *
 * The line goes to stderr, if that is a terminal and the program runs in its foreground. It
 * appears two seconds after shmem_progress_begin. Whatever is printed by the library's functions
 * erases it before, and so does the end of the program, also by a signal; but in the background
 * nothing is erased. It never waits: a terminal that takes nothing, as after Ctrl-S, gets no line.
 *
 * A write to a terminal wakes up other programs: the one that shows it, and often sshd. So
 * nothing is drawn while a sample is taken.
 */
#ifndef PROGRESS_H
#define PROGRESS_H

#include "shmem.h"

/* Begins the two seconds. */
void shmem_progress_begin(void);

/*
 * To be called often, where the work may pause: draws the line four times a second at most. The
 * seconds since the begin are added to the text.
 */
SHMEM_PRINTF void shmem_progress(const char *format, ...);

/*
 * For work that must not pause: draws the line before it, if it takes so long, in nanoseconds,
 * that it ends after the two seconds. Returns whether the line was drawn.
 */
__attribute__((format(printf, 2, 3)))
bool shmem_progress_before(uint64_t duration, const char *format, ...);

/* Erases the line, before anything is printed in another way. */
void shmem_progress_end(void);

#endif
