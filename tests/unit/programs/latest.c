/*
 * latest.c - for latest.bats: publishes values and reads them.
 *
 * A value is one word over and over, so that a part of another value in it is noticed.
 */
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>

#include "latest.h"
#include "shmem.h"

enum { SIZE_MAX_HERE = 4000, READERS = 2, PAGE = 4096 };

static struct shmem_latest latest;
static uint64_t wanted; /* values that a reader reads */

static uint64_t publish(unsigned char *value, uint64_t word)
{
	for (size_t at = 0; at < latest.size; at++)
		value[at] = (unsigned char)(word >> at % 8 * 8);
	return shmem_latest_publish(&latest, value);
}

/* The word of a value. Ends the program if a part of the value is of another one. */
static uint64_t word_of(const unsigned char *value, uint64_t number)
{
	uint64_t word;

	memcpy(&word, value, sizeof(word));
	if (memcmp(value, value + sizeof(word), latest.size - sizeof(word)) != 0)
		shmem_die("value %lu is torn", number);
	return word;
}

/* Publishes 1, 2, 3 and so on for ever. Between two values, others sometimes have time to read. */
static void *write_on(void *unused)
{
	unsigned char value[SIZE_MAX_HERE];

	for (uint64_t word = 1;; word++) {
		if (publish(value, word) != word)
			shmem_die("value %lu has another number", word);
		for (uint64_t pauses = word % 64; pauses > 0; pauses--)
			__builtin_ia32_pause();
	}
	return unused;
}

/* Reads until it has seen as many values as are wanted. */
static void *read_on(void *unused)
{
	unsigned char value[SIZE_MAX_HERE];
	uint64_t last = 0, number;

	for (uint64_t seen = 0; seen < wanted;) {
		if (shmem_latest_read(&latest, value, &number) != SHMEM_LATEST_READ ||
		    number == last)
			continue;
		if (number < last)
			shmem_die("value %lu comes after value %lu", number, last);
		if (word_of(value, number) != number)
			shmem_die("value %lu has another number", word_of(value, number));
		last = number;
		seen++;
	}
	return unused;
}

static void read_once(void)
{
	unsigned char value[SIZE_MAX_HERE];
	uint64_t number;

	switch (shmem_latest_read(&latest, value, &number)) {
	case SHMEM_LATEST_READ:
		shmem_print("read %lu: %lu\n", number, word_of(value, number));
		break;
	case SHMEM_LATEST_NONE:
		shmem_print("none %lu\n", number);
		break;
	case SHMEM_LATEST_UNFINISHED:
		shmem_print("unfinished %lu\n", number);
		break;
	}
}

static void die(int number)
{
	(void)number;
	raise(SIGKILL);
}

/* Dies in the middle: the second half of the value cannot be read. */
static void die_in_the_middle(uint64_t word)
{
	unsigned char *pages = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE,
				    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	unsigned char *value = pages + PAGE - latest.size / 16 * 8;

	signal(SIGSEGV, die);
	memset(value, (int)word, latest.size);
	if (mprotect(pages + PAGE, PAGE, PROT_NONE) == 0)
		shmem_latest_publish(&latest, value);
}

static void run_threads(void)
{
	pthread_t writer, readers[READERS];

	pthread_create(&writer, NULL, write_on, NULL);
	for (int i = 0; i < READERS; i++)
		pthread_create(&readers[i], NULL, read_on, NULL);
	for (int i = 0; i < READERS; i++)
		pthread_join(readers[i], NULL);
}

int main(int argc, char **argv)
{
	static const struct shmem_program program = {
		.letters = "s:n", .operands = 2, .about = "", .example = "",
	};
	static const char *const commands[] = {
		"write", "read", "once", "publish", "die", "threads", NULL
	};
	struct shmem_options options = { 0 };
	unsigned char value[SIZE_MAX_HERE];
	size_t size = 40;
	bool no_order = false;
	int option;

	while ((option = shmem_getopt(&program, &options, argc, argv)) != -1) {
		if (option == 's')
			size = shmem_option_number("-s", optarg, 9, SIZE_MAX_HERE);
		else
			no_order = true;
	}
	struct shmem region = shmem_open(&options);
	latest = shmem_latest_at(region.base + SHMEM_LAYOUT_FREE, size,
				 no_order ? SHMEM_ORDER_NONE : region.order);
	if (argv[optind + 1])
		wanted = shmem_option_number("the operand", argv[optind + 1], 0, UINT64_MAX);

	switch (shmem_option_choice("the command", argv[optind], commands)) {
	case 0:
		write_on(NULL);
		break;
	case 1:
		read_on(NULL);
		shmem_print("%lu values\n", wanted);
		break;
	case 2:
		read_once();
		break;
	case 3:
		shmem_print("%lu\n", publish(value, wanted));
		break;
	case 4:
		die_in_the_middle(wanted);
		break;
	case 5:
		run_threads();
		shmem_print("%lu values each\n", wanted);
		break;
	}
	return 0;
}
