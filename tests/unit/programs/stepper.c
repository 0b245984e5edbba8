/*
 * stepper.c - for library.bats: a signal after every instruction of taking and dropping.
 *
 * A process takes a seat and a claim, renews them, and gives both back. It runs in
 * single steps (the trap flag: Intel SDM volume 3, "Single-Step Exception"). The
 * first process gets SIGTERM after one instruction, the next one after two, and so
 * on. After each, nothing in the region may be held.
 */
#include <err.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "shmem.h"

enum { ALL_DONE = 7 };

static volatile long left; /* instructions until the signal */

static void step(int number)
{
	(void)number;
	if (--left == 0)
		raise(SIGTERM);
}

static void single_steps(bool on)
{
	if (on)
		__asm__ volatile("pushfq; orq $0x100, (%%rsp); popfq" ::: "cc", "memory");
	else
		__asm__ volatile("pushfq; andq $~0x100, (%%rsp); popfq" ::: "cc", "memory");
}

static _Noreturn void hold_and_give_back(const struct shmem *region)
{
	static struct shmem_meeting meeting;

	signal(SIGTRAP, step);
	shmem_meet_leave_at_end(&meeting);
	single_steps(true);
	if (shmem_meet(&meeting, region, SHMEM_LAYOUT_FREE, 1, 0, "the test", UINT64_MAX) != SHMEM_MET)
		_exit(1);
	shmem_meet_beat(&meeting);
	struct shmem_claim claim = shmem_claim_take(region, SHMEM_CLAIM_MESSAGE, "the message",
						    UINT64_MAX);
	shmem_claim_renew(&claim);
	shmem_claim_drop(&claim);
	shmem_meet_leave(&meeting);
	single_steps(false);
	_exit(ALL_DONE);
}

/* Returns the status of waitpid. */
static int with_signal_after(long instructions, const struct shmem *region)
{
	int status;

	left = instructions;
	pid_t process = fork();
	if (process < 0)
		err(1, "fork");
	if (process == 0)
		hold_and_give_back(region);
	if (waitpid(process, &status, 0) != process)
		err(1, "waitpid");
	return status;
}

static uint64_t word(const struct shmem *region, size_t offset)
{
	uint64_t value;

	memcpy(&value, region->base + offset, sizeof(value));
	return value;
}

int main(int argc, char **argv)
{
	static const struct shmem_program program = { .about = "", .example = "" };
	struct shmem_options options = { 0 };
	int status = 0;
	long n = 0;

	shmem_getopt(&program, &options, argc, argv);
	struct shmem region = shmem_open(&options);

	while (!(WIFEXITED(status) && WEXITSTATUS(status) == ALL_DONE)) {
		status = with_signal_after(++n, &region);
		if (WIFEXITED(status) ? WEXITSTATUS(status) != ALL_DONE : WTERMSIG(status) != SIGTERM)
			errx(1, "instruction %ld: it ended with wait status %#x", n, status);
		if (word(&region, SHMEM_LAYOUT_FREE))
			errx(1, "instruction %ld: the seat is still taken", n);
		if (word(&region, SHMEM_LAYOUT_CLAIMS + SHMEM_LAYOUT_CLAIM_LINE * SHMEM_CLAIM_MESSAGE))
			errx(1, "instruction %ld: the claim is still held", n);
	}
	shmem_print("free after each of %ld instructions\n", n - 1);
	return 0;
}
