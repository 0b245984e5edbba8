/*
 * stream.c - __stream: a stream of bytes from one VM to another.
 *
 * Two programs meet on a channel (channel.h); one sends and one receives. The bytes go through
 * it as frames: a header of 64 bytes and a payload. The user's data has a checksum; generated
 * data is known to both sides beforehand.
 *
 * This file has the command line and the ends; stream.h lists the other files.
 */
#include "stream.h"

#include <poll.h>
#include <signal.h>
#include <string.h>

#include "lib/progress.h"

#define STREAM_PATIENCE (60 * SHMEM_SECOND)
#define STREAM_DURATION (2 * SHMEM_SECOND)

/* --- Ending --------------------------------------------------------------- */

const char *other_side(const struct stream *s)
{
	return s->plan.send ? "receiver" : "sender";
}

void stream_check(const struct stream *s, enum shmem_channel_status status)
{
	const struct shmem_error *error = &s->channel.error;

	if (status == SHMEM_CHANNEL_OK)
		return;
	if (status == SHMEM_CHANNEL_LATE || status == SHMEM_CHANNEL_FAILED)
		shmem_error_end(error);
	shmem_fail(error->status, "%s (after %llu bytes)", error->text,
		   (unsigned long long)s->total);
}

/* First checks whether the other side, or we ourselves, have lost the channel. */
void stream_rubbish(struct stream *s, const char *what)
{
	if (!shmem_try_meet_check(&s->channel.meeting, &s->channel.error))
		shmem_error_end(&s->channel.error);
	shmem_fail(SHMEM_STATUS_RUBBISH,
		   "the %s, or a program that overwrote its bytes, sent rubbish: %s (after %llu bytes)",
		   other_side(s), what, (unsigned long long)s->total);
}

void tend(struct stream *s)
{
	stream_check(s, shmem_channel_tend(&s->channel));
}

void wait_for_file(struct stream *s, int fd, short events)
{
	struct pollfd file = { .fd = fd, .events = events };

	while (poll(&file, 1, 50) <= 0)
		tend(s);
}

/* --- Command line --------------------------------------------------------- */

static const struct shmem_fault faults[] = {
	{ "none", "" },
	[FAULT_COUNT] = { "count", "claim to have written, or read, an impossible count" },
	[FAULT_HEADER] = { "header", "send headers of another session" },
	[FAULT_BYTES] = { "bytes", "send a wrong byte" },
	[FAULT_TOTAL] = { "total", "count one byte too many at the end" },
	[FAULT_CLOCK] = { "clock", "take a nanosecond for the time of each round; with --parts, let the\n"
			   "                clock step back" },
	[FAULT_DIE] = { "die", "end by SIGKILL in the middle" },
	[FAULT_LEAVE] = { "leave", "give up in the middle" },
	[FAULT_SKIP] = { "skip", "do not ring the other side when it sleeps" },
	{ 0 },
};

enum { OPTION_SWEEP = SHMEM_LONG, OPTION_SLEEP, OPTION_PARTS };

static const struct option longs[] = {
	{ .name = "sweep", .val = OPTION_SWEEP },
	{ .name = "sleep", .val = OPTION_SLEEP },
	{ .name = "parts", .val = OPTION_PARTS },
	{ 0 },
};

static const struct shmem_program program = {
	.synopsis = "[OPTION...] send|recv",
	.letters = "c:n:s:t:w:",
	.longs = longs,
	.faults = faults,
	.operands = 1,
	.about = "Sends a stream of bytes to another VM, which receives it with recv. Either side may\n"
		 "start first.\n"
		 "\n"
		 "If stdin of send is a pipe or a file, send sends its bytes, and recv writes them to\n"
		 "its stdout. If it is a terminal or /dev/null, or with -n, -s, -t, --sweep or --parts,\n"
		 "send generates data, recv verifies it, and both print the throughput, in MB/s of 10^6\n"
		 "bytes. (Through run.sh stdin is a pipe: give -t.) Both also print their CPU usage,\n"
		 "user and system time; with the user's data recv prints it on stderr.\n"
		 "\n"
		 "Each side copies with the kernel that is fastest between it and the other one, found\n"
		 "in a few milliseconds; SHMEM_COPY=NAME in the environment names another one of those\n"
		 "that __bandwidth -k list shows.\n"
		 "\n"
		 "Exit status: 0 all was sent, received and verified; 1 a failure here; 2 a wrong\n"
		 "command line; 3 nobody came; 4 the other side died; 5 it sent rubbish, or another\n"
		 "program overwrote its bytes; 6 it gave up.\n",
	.details = "  -c CHANNEL  0 to 7: streams on different channels do not mix (default: 0)\n"
		   "  -w SECONDS  wait up to this long for the other side to come (default: 60)\n"
		   "  -s SIZE     size of a generated message, 64 to 1M (default: 64K)\n"
		   "  --sweep     all sizes from 64 to 1M in turn\n"
		   "  -t SECONDS  generate data for this long, with each size (default: 2)\n"
		   "  -n BYTES    generate this many bytes, with each size\n"
		   "  --parts     both sides print where the time of a message goes instead: waiting,\n"
		   "              copying, and so on. Each message has a checksum, as the user's data has.\n"
		   "  --sleep     sleep until the other side rings, instead of spinning; needs\n"
		   "              SHMEM_MODE=doorbell, and on the host -f SOCKET. Either side may sleep,\n"
		   "              or both. A side that spins needs the same, to ring the other one. Only\n"
		   "              one program of a VM at a time can sleep; its other channels must spin.\n",
	.example = "  root@vm1:~# tar c /etc | __stream send\n"
		   "  root@vm2:~# __stream recv | tar x\n"
		   "\n"
		   "  root@vm1:~# __stream send\n"
		   "  sent to receiver, messages of 65536 bytes: median 123.69 MB/s (min 95.38, max\n"
		   "  147.83, 13 rounds, 218103808 bytes verified), 0.39 of avx2's 318.86, 66.2 % of\n"
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
		plan->channel = shmem_option_number("-c", optarg, 0, SHMEM_CHANNELS - 1);
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
	case OPTION_PARTS:
		plan->parts = true;
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
		shmem_usage_error("give send or recv");
	plan->send = strcmp(operand, "send") == 0;
	if (!plan->send && strcmp(operand, "recv") != 0)
		shmem_usage_error("'%s' is neither send nor recv", operand);
	if (plan->bytes && plan->duration)
		shmem_usage_error("-n is an amount, -t a time: give one or the other");
	if (!plan->send && plan->generate)
		shmem_usage_error("-n, -s, -t, --sweep and --parts are for send");
	if (!plan->duration)
		plan->duration = STREAM_DURATION;
}

/* --- The stream ----------------------------------------------------------- */

/* Maps the region; with --sleep, opens the doorbell too. */
static void open_stream_region(struct stream *s)
{
	if (s->plan.sleep)
		s->bell = shmem_doorbell_open(&s->options, &s->region, true);
	else
		s->region = shmem_open(&s->options);
}

/* Each channel has its own vector if there are enough. */
static void open_channel(struct stream *s)
{
	struct shmem again; /* the same region, mapped a second time */
	struct shmem_channel_options to = {
		.role = s->plan.send ? SHMEM_SENDER : SHMEM_RECEIVER,
		.number = (unsigned int)s->plan.channel,
		.timeout = s->plan.patience,
		.bell = s->bell,
	};

	if (s->bell)
		to.vector = to.number % shmem_doorbell_vectors(s->bell);
	stream_check(s, shmem_channel_open(&s->channel, &s->region, &to));
	if (shmem_channel_needs_bell(&s->channel)) {
		s->bell = shmem_doorbell_open(&s->options, &again, false);
		shmem_channel_give_bell(&s->channel, s->bell);
	}
	inject_at_begin(s);
}

static void run_stream(struct stream *s)
{
	bool user = s->plan.send && !s->plan.generate && stdin_has_data();
	struct usage start;

	open_channel(s);
	shmem_progress_begin();
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
	signal(SIGPIPE, SIG_IGN); /* the failed write is reported instead */
	run_stream(&stream);
	return 0;
}
