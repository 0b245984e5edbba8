/*
 * stream.c - __stream: a stream of bytes from one VM to another.
 *
 * Two programs meet on a channel, one sends and one receives; the bytes go
 * through a ring (ring.h). What travels in it are frames, a header of 64 bytes
 * and a payload. The headers bear the session number of the meeting, the user's
 * data a checksum; generated data is known beforehand to both.
 *
 * Here are the command line and the ends; stream.h says where the rest is.
 */
#include "stream.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>

#define STREAM_PATIENCE (60 * SECOND)
#define STREAM_DURATION (2 * SECOND)

/* --- Ending --------------------------------------------------------------- */

const char *other_side(const struct stream *s)
{
	return s->plan.send ? "receiver" : "sender";
}

/* Unless it is we who do not belong here any more. */
void stream_rubbish(const struct stream *s, const char *what)
{
	shmem_meet_check(&s->meeting);
	shmem_fail(SHMEM_STATUS_RUBBISH,
		   "the %s, or who overwrote it, sent rubbish: %s (after %llu bytes)",
		   other_side(s), what, (unsigned long long)s->total);
}

/* --- Command line --------------------------------------------------------- */

static const struct shmem_fault faults[] = {
	{ "none", "" },
	[FAULT_COUNT] = { "count", "claim to have written, or read, an impossible count" },
	[FAULT_HEADER] = { "header", "send headers of another session" },
	[FAULT_BYTES] = { "bytes", "send a byte that is wrong" },
	[FAULT_TOTAL] = { "total", "count one byte too many at the end" },
	[FAULT_CLOCK] = { "clock", "take the time that a round takes to be a nanosecond" },
	[FAULT_DIE] = { "die", "end under way by SIGKILL" },
	[FAULT_LEAVE] = { "leave", "give up under way" },
	[FAULT_SKIP] = { "skip", "do not ring the other side, when it sleeps" },
	{ 0 },
};

enum { OPTION_SWEEP = SHMEM_LONG, OPTION_SLEEP };

static const struct option longs[] = {
	{ .name = "sweep", .val = OPTION_SWEEP },
	{ .name = "sleep", .val = OPTION_SLEEP },
	{ 0 },
};

static const struct shmem_program program = {
	.synopsis = "[OPTION...] send|recv",
	.letters = "c:n:s:t:w:",
	.longs = longs,
	.faults = faults,
	.operands = 1,
	.about = "Sends a stream of bytes to another VM, which receives it with recv. Which of the\n"
		 "two starts first does not matter.\n"
		 "\n"
		 "If stdin of send is a pipe or a file, that is what is sent, and recv writes it to\n"
		 "its stdout. If it is a terminal or /dev/null, or with -n, -s, -t or --sweep, send\n"
		 "generates data, recv verifies it, and both print the throughput, in MB/s of 10^6\n"
		 "bytes. (Through run.sh stdin is a pipe: give -t.) Both also say how much of a CPU\n"
		 "they took, user and system time; with user's data recv does so on stderr.\n"
		 "\n"
		 "Exit status: 0 all was sent, received and found right; 1 a failure here; 2 a wrong\n"
		 "command line; 3 nobody came; 4 the other side died; 5 it, or who overwrote its\n"
		 "bytes, wrote rubbish; 6 it gave up.\n",
	.details = "  -c CHANNEL  0 to 7: streams on different channels do not mix (default: 0)\n"
		   "  -w SECONDS  wait that long for the other side to come (default: 60)\n"
		   "  -s SIZE     of a generated message, 64 to 1M (default: 64K)\n"
		   "  --sweep     all sizes from 64 to 1M in turn\n"
		   "  -t SECONDS  generate data for so long, with each size (default: 2)\n"
		   "  -n BYTES    generate that much, with each size\n"
		   "  --sleep     wait for the other side asleep, until it rings, instead of spinning;\n"
		   "              needs SHMEM_MODE=doorbell, and on the host -f SOCKET. Either side may,\n"
		   "              or both; one that spins must be able to ring the other, so it needs\n"
		   "              the same. In a VM one program at a time can sleep so: if it has several\n"
		   "              channels at work, the others spin.\n",
	.example = "  root@vm1:~# tar c /etc | __stream send\n"
		   "  root@vm2:~# __stream recv | tar x\n"
		   "\n"
		   "  root@vm1:~# __stream send\n"
		   "  sent to receiver, messages of 65536 bytes: median 123.69 MB/s (min 95.38, max\n"
		   "  147.83, 13 rounds, 218103808 bytes verified), 0.39 of memcpy's 318.86, 66.2 % of\n"
		   "  a CPU\n"
		   "\n"
		   "  root@vm1:~# for i in 1 2 3 4 5; do echo $i; sleep 1; done | __stream send --sleep\n"
		   "  sent 10 bytes from stdin in 5.577 s: 0.00 MB/s, 1.1 % of a CPU, slept 2 times,\n"
		   "  woken by 2 interrupts\n"
		   "  root@vm2:~# __stream recv --sleep\n"
		   "  ...\n"
		   "  __stream: received 10 bytes in 5.564 s: 0.6 % of a CPU, slept 59 times, woken by\n"
		   "  7 interrupts (without --sleep: 23.5 % of a CPU)\n",
};

static void choose_all_sizes(struct plan *plan)
{
	plan->sizes = 0;
	for (size_t size = LEAST_MESSAGE; size < LARGEST_MESSAGE; size *= 4)
		plan->messages[plan->sizes++] = size;
	plan->messages[plan->sizes++] = LARGEST_MESSAGE;
}

static void parse_stream(struct plan *plan, int option)
{
	switch (option) {
	case 'c':
		plan->channel = shmem_option_number("-c", optarg, 0, CHANNELS - 1);
		return;
	case 'w':
		plan->patience = shmem_option_seconds("-w", optarg);
		return;
	case OPTION_SLEEP:
		plan->sleep = true;
		return;
	case 's':
		plan->messages[0] = shmem_option_size("-s", optarg, LEAST_MESSAGE,
						      LARGEST_MESSAGE);
		plan->sizes = 1;
		break;
	case 't':
		plan->duration = shmem_option_seconds("-t", optarg);
		break;
	case 'n':
		plan->bytes = shmem_option_size("-n", optarg, 1, UINT64_C(1) << 50);
		break;
	case OPTION_SWEEP:
		choose_all_sizes(plan);
		break;
	}
	plan->generate = true;
}

static void parse_operand(struct plan *plan, const char *operand)
{
	if (!operand)
		shmem_usage_error("say whether to send or recv");
	plan->send = strcmp(operand, "send") == 0;
	if (!plan->send && strcmp(operand, "recv") != 0)
		shmem_usage_error("'%s' is neither send nor recv", operand);
	if (plan->bytes && plan->duration)
		shmem_usage_error("-n is an amount, -t a time: give one or the other");
	if (!plan->send && plan->generate)
		shmem_usage_error("-n, -s, -t and --sweep are for send");
	if (!plan->duration)
		plan->duration = STREAM_DURATION;
}

/* --- All of it ------------------------------------------------------------ */

static void run_stream(struct stream *s)
{
	bool user = s->plan.send && !s->plan.generate && stdin_has_data();
	struct usage start;

	open_channel(s);
	start = usage_now();
	if (!s->plan.send) {
		receive_all(s);
	} else if (user) {
		send_stdin(s);
		send_end(s);
		report_stdin(s, start);
	} else {
		send_generated(s);
		send_end(s);
	}
}

int main(int argc, char **argv)
{
	static struct stream stream;
	struct plan *plan = &stream.plan;
	int option;

	*plan = (struct plan){
		.patience = STREAM_PATIENCE,
		.messages = { 64 << 10 },
		.sizes = 1,
	};
	while ((option = shmem_getopt(&program, &stream.options, argc, argv)) != -1)
		parse_stream(plan, option);
	parse_operand(plan, argv[optind]);

	open_stream_region(&stream);
	ring_size(&stream.region);
	signal(SIGPIPE, SIG_IGN); /* a write that fails says so */
	/* Who leaves without FRAME_END, or without having accepted it, has given up. */
	shmem_meet_leave_at_end(&stream.meeting);
	run_stream(&stream);
	return 0;
}
