/*
 * doorbell.c - __doorbell: ring other VMs, wait until one rings, list the connected ones.
 *
 * doorbell.h lists the other files.
 */
#include "doorbell.h"

#include <stdio.h>
#include <string.h>

#define RINGS_MAX UINT64_C(1000000000)

/* --- Ring and wait --------------------------------------------------------- */

/* The vector is optional; the default is 0. */
static unsigned int parse_vector(const struct doorbell *d, const char *text)
{
	uint64_t vector = 0;

	if (text && !shmem_number(text, SHMEM_VECTORS_MAX - 1, &vector))
		shmem_usage_error("'%s' is not the number of a vector", text);
	if (!shmem_doorbell_has(d->bell, (unsigned int)vector)) {
		unsigned int vectors = shmem_doorbell_vectors(d->bell);

		shmem_die("there is no vector %s: the device has %u, from 0 to %u", text, vectors,
			  vectors - 1);
	}
	return (unsigned int)vector;
}

static void run_ring(struct doorbell *d, char **operands)
{
	unsigned int peer = find_peer(d, operands[0]);
	unsigned int vector = parse_vector(d, operands[1]);
	uint64_t count = d->count ? d->count : 1;

	for (uint64_t i = 0; i < count; i++)
		if (!shmem_doorbell_ring(d->bell, peer, vector))
			shmem_die("peer %u is not connected any more, or has no vector %u", peer,
				  vector);
	if (!d->options.json)
		return;
	shmem_record_begin(&d->region, &d->options, "rung");
	shmem_record_integer("peer", peer);
	shmem_record_integer("vector", vector);
	shmem_record_integer("count", count);
	shmem_record_end();
}

static void report_interrupts(const struct doorbell *d, unsigned int vector, uint64_t count)
{
	if (!d->options.json) {
		shmem_print(count == 1 ? "vector %u: an interrupt\n" :
					 "vector %u: %llu interrupts\n",
			    vector, (unsigned long long)count);
		return;
	}
	shmem_record_begin(&d->region, &d->options, "interrupt");
	shmem_record_integer("vector", vector);
	shmem_record_integer("count", count);
	shmem_record_end();
}

static void run_wait(struct doorbell *d, char **operands)
{
	unsigned int vector = parse_vector(d, operands[0]);
	uint64_t wanted = d->count ? d->count : 1, total = 0;
	uint64_t deadline = d->timeout ? shmem_now() + d->timeout : SHMEM_NEVER;

	shmem_warn("waiting for vector %u; this is peer %u", vector, shmem_doorbell_id(d->bell));
	while (total < wanted) {
		uint64_t count = shmem_doorbell_wait(d->bell, vector, deadline);

		if (count == 0)
			shmem_fail(SHMEM_STATUS_NOBODY, "%llu of %llu interrupts came within %.9g s",
				   (unsigned long long)total, (unsigned long long)wanted,
				   (double)d->timeout / SHMEM_SECOND);
		report_interrupts(d, vector, count);
		total += count;
	}
}

/* --- Command line ---------------------------------------------------------- */

static void run_list(struct doorbell *d, char **operands)
{
	(void)operands;
	list_peers(d);
}

static void run_test(struct doorbell *d, char **operands)
{
	(void)operands;
	test_wake_ups(d);
}

static const struct command {
	const char *name;
	void (*run)(struct doorbell *d, char **operands); /* which end with NULL */
	int least, most; /* operands */
	bool waits;
	const char *options; /* the letters of -n and -t that it accepts */
} commands[] = {
	{ "list", run_list, 0, 0, false, "" },
	{ "ring", run_ring, 1, 2, false, "n" },
	{ "wait", run_wait, 0, 1, true, "nt" },
	{ "test", run_test, 0, 0, true, "nt" },
	{ 0 },
};

static const struct shmem_fault faults[] = {
	{ "none", "" },
	[FAULT_SKIP] = { "skip", "test: write without waking the other side" },
	[FAULT_ORDER] = { "order", "test: look for a sleeper before writing, not after" },
	[FAULT_DIE] = { "die", "test: end by SIGKILL in the middle" },
	[FAULT_STOP] = { "stop", "test: write, then stop by SIGSTOP before looking for a sleeper" },
	{ 0 },
};

static const struct shmem_program program = {
	.synopsis = "[-n COUNT] [-t SECONDS] [COMMAND]",
	.letters = "n:t:",
	.faults = faults,
	.operands = 3,
	.about = "Interrupts between VMs that were started with SHMEM_MODE=doorbell. COMMAND is:\n"
		 "  list                 shows who is connected (the default)\n"
		 "  ring PEER [VECTOR]   interrupts a peer, by its id or name (default vector: 0)\n"
		 "  wait [VECTOR]        sleeps until this VM is interrupted\n"
		 "  test                 looks for lost wake-ups; run it in two VMs\n"
		 "On the host, -f takes the socket of the ivshmem server. Rings that come close\n"
		 "together may arrive as one interrupt.\n"
		 "\n"
		 "Exit status: 0 done; 1 a failure, or a wake-up was lost; 2 a wrong command line;\n"
		 "3 wait: too few interrupts in time, test: nobody came; 4 test: the other side died;\n"
		 "6 test: the other side gave up.\n",
	.details = "  -n COUNT    ring: number of rings; wait: number of interrupts (default: 1);\n"
		   "              test: interrupts on each side (default: 100000)\n"
		   "  -t SECONDS  wait: time limit (default: none); test: time limit for the other\n"
		   "              side to come (default: 60)\n",
	.example = "  root@vm1:~# __doorbell wait -t 60\n"
		   "  __doorbell: waiting for vector 0; this is peer 0\n"
		   "                                          root@vm2:~# __doorbell\n"
		   "                                          this is peer 1, each has 8 vectors\n"
		   "\n"
		   "                                             id  name\n"
		   "                                              0  vm1\n"
		   "                                              1  vm2                       this one\n"
		   "                                          root@vm2:~# __doorbell ring vm1\n"
		   "  vector 0: an interrupt\n",
};

static const struct command *find_command(const char *text)
{
	const struct command *command = commands;

	while (command->name && strcmp(command->name, text) != 0)
		command++;
	if (!command->name)
		shmem_usage_error("'%s' is not a command; the commands are list, ring, wait and "
				  "test", text);
	return command;
}

static void check_usage(const struct doorbell *d, const struct command *command, int operands,
			char **argv)
{
	if (operands < command->least)
		shmem_usage_error("%s: which peer? Give an id or a name", command->name);
	if (operands > command->most)
		shmem_usage_error("unexpected argument '%s'", argv[command->most]);
	if (d->count && !strchr(command->options, 'n'))
		shmem_usage_error("%s takes no -n", command->name);
	if (d->timeout && !strchr(command->options, 't'))
		shmem_usage_error("%s takes no -t", command->name);
	if (d->options.fault && command->run != run_test)
		shmem_usage_error("%s takes no --inject", command->name);
}

int main(int argc, char **argv)
{
	struct doorbell d = { 0 };
	int option;

	while ((option = shmem_getopt(&program, &d.options, argc, argv)) != -1) {
		switch (option) {
		case 'n':
			d.count = shmem_option_number("-n", optarg, 1, RINGS_MAX);
			break;
		case 't':
			d.timeout = shmem_option_seconds("-t", optarg);
			break;
		}
	}
	bool given = optind < argc;
	char **operands = argv + optind + given;
	const struct command *command = find_command(given ? argv[optind] : "list");

	check_usage(&d, command, argc - optind - given, operands);
	d.bell = shmem_doorbell_open(&d.options, &d.region, command->waits);
	command->run(&d, operands);
	shmem_doorbell_close(d.bell);
	return 0;
}
