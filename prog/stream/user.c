/* user.c - __stream with the user's data, from stdin here to stdout there. */
#include "stream.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "units.h"

#define DATA_SIZE (64UL << 10) /* payload of a frame at most */

/* --- Sending -------------------------------------------------------------- */

bool stdin_has_data(void)
{
	struct stat status;

	if (fstat(STDIN_FILENO, &status) < 0)
		return false;
	return !S_ISCHR(status.st_mode) ||
	       (!isatty(STDIN_FILENO) && status.st_rdev != makedev(1, 3)); /* /dev/null */
}

/* Returns the number of bytes, at most size; 0 at the end of the file. */
static size_t read_stdin(struct stream *s, unsigned char *buffer, size_t size)
{
	ssize_t length;

	do {
		wait_for_file(s, STDIN_FILENO, POLLIN);
		length = read(STDIN_FILENO, buffer, size);
	} while (length < 0 && (errno == EINTR || errno == EAGAIN));
	if (length < 0)
		shmem_die("cannot read stdin: %s", strerror(errno));
	return (size_t)length;
}

void send_stdin(struct stream *s)
{
	static unsigned char buffer[DATA_SIZE];
	struct frame frame = { .kind = FRAME_DATA };

	while ((frame.length = read_stdin(s, buffer, sizeof(buffer))) > 0)
		send_checked(s, &frame, buffer);
}

void report_stdin(const struct stream *s, struct usage start)
{
	double percent = cpu_percent_since(start);
	double seconds = (double)shmem_since(start.time) / SHMEM_SECOND;
	double megabytes = (double)s->total / 1e6;

	if (!s->options.json) {
		shmem_print("sent %llu bytes from stdin in %.3f s: %.2f MB/s, %s\n",
			    (unsigned long long)s->total, seconds, megabytes / seconds,
			    describe_cpu(s, percent));
		return;
	}
	shmem_record_begin(&s->region, &s->options, "copy");
	shmem_record_text("role", "send");
	shmem_record_integer("channel", s->plan.channel);
	shmem_record_integer("bytes", s->total);
	shmem_record_number("seconds", seconds);
	shmem_record_number("mb_per_s", megabytes / seconds);
	record_cpu(s, percent);
	shmem_record_end();
}

/* --- Receiving ------------------------------------------------------------ */

static void write_stdout(struct stream *s, const unsigned char *bytes, size_t length)
{
	struct stat status;
	/* A pipe that poll finds writable takes this much at once (pipe(7)). */
	size_t piece = fstat(STDOUT_FILENO, &status) == 0 && S_ISREG(status.st_mode) ?
			       length : 4096;

	while (length > 0) {
		wait_for_file(s, STDOUT_FILENO, POLLOUT);
		ssize_t written = write(STDOUT_FILENO, bytes, length < piece ? length : piece);

		if (written < 0 && (errno == EINTR || errno == EAGAIN))
			continue;
		if (written < 0)
			shmem_die("cannot write to stdout: %s", strerror(errno));
		bytes += written;
		length -= (size_t)written;
	}
}

/* Writes only data that has been checked. */
void receive_data(struct stream *s, const struct frame *frame)
{
	static unsigned char buffer[DATA_SIZE];

	if (frame->length == 0 || frame->length > sizeof(buffer))
		stream_rubbish(s, "a header with an impossible length");
	receive_checked(s, frame, buffer);
	write_stdout(s, buffer, frame->length);
}

void report_stdout(const struct stream *s, struct usage start)
{
	double percent = cpu_percent_since(start);

	shmem_warn("received %llu bytes in %.3f s: %s", (unsigned long long)s->total,
		   (double)shmem_since(start.time) / SHMEM_SECOND, describe_cpu(s, percent));
}
