/* program.c - what makes the programs alike: command line, output, measuring. */
#include "shmem.h"

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

/* --- Output --------------------------------------------------------------- */

static void complain(const char *format, va_list values, const char *tail)
{
	fprintf(stderr, "%s: ", program_invocation_short_name);
	vfprintf(stderr, format, values);
	fprintf(stderr, "%s\n", tail);
}

void shmem_print(const char *format, ...)
{
	va_list values;

	va_start(values, format);
	int written = vprintf(format, values);
	va_end(values);
	if (written < 0 || fflush(stdout) != 0)
		shmem_die("cannot write to stdout: %s", strerror(errno));
}

void shmem_warn(const char *format, ...)
{
	va_list values;

	va_start(values, format);
	complain(format, values, "");
	va_end(values);
}

void shmem_die(const char *format, ...)
{
	va_list values;

	va_start(values, format);
	complain(format, values, "");
	va_end(values);
	exit(1);
}

void shmem_usage_error(const char *format, ...)
{
	va_list values;

	va_start(values, format);
	complain(format, values, "; -h shows the usage");
	va_end(values);
	exit(2);
}

/* --- Command line --------------------------------------------------------- */

static const char *or_nothing(const char *text)
{
	return text ? text : "";
}

static _Noreturn void help(const struct shmem_program *program)
{
	shmem_print("Usage: %s [-d ADDRESS] [-m uc|wc|wb]%s%s\n"
		    "       %s -f FILE%s%s\n"
		    "\n"
		    "%s"
		    "\n"
		    "%s"
		    "  -d ADDRESS  the ivshmem device at this PCI address, e.g. 0000:00:04.0\n"
		    "              (default: %s; see lspci -D -d 1af4:1110)\n"
		    "  -m KIND     map it uc, uncached (default); wc, write-combining; or wb,\n"
		    "              write-back, which needs the BAR above 4 GiB\n"
		    "  -f FILE     use an ordinary file instead of a device\n"
		    "  -h          show this help\n"
		    "\n"
		    "Example:\n"
		    "%s",
		    program_invocation_short_name, program->synopsis ? " " : "",
		    or_nothing(program->synopsis), program_invocation_short_name,
		    program->synopsis ? " " : "", or_nothing(program->synopsis),
		    program->about, or_nothing(program->details),
		    SHMEM_BAR_ADDRESS[0] ? SHMEM_BAR_ADDRESS : "the only one there is",
		    program->example);
	exit(0);
}

static enum shmem_kind parse_kind(const char *text)
{
	static const char *const names[] = {
		[SHMEM_UC] = "uc", [SHMEM_WC] = "wc", [SHMEM_WB] = "wb"
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		if (strcmp(text, names[i]) == 0)
			return (enum shmem_kind)i;
	shmem_usage_error("-m %s: the kinds of mapping are uc, wc and wb", text);
}

static _Noreturn void reject(int answer)
{
	if (answer == ':')
		shmem_usage_error("option -%c needs a value", optopt);
	shmem_usage_error("unknown option -%c", optopt);
}

static void check_rest(const struct shmem_program *program,
		       const struct shmem_options *options, bool on_device, int argc,
		       char **argv)
{
	if (options->file && on_device)
		shmem_usage_error("-f is a file, -d and -m are about a device: give one or the "
				  "other");
	if (argc - optind > program->operands)
		shmem_usage_error("unexpected argument '%s'", argv[optind + program->operands]);
}

int shmem_getopt(const struct shmem_program *program, struct shmem_options *options,
		 int argc, char **argv)
{
	static bool on_device;
	char letters[64];
	int answer;

	snprintf(letters, sizeof(letters), ":d:f:m:h%s", or_nothing(program->letters));
	while ((answer = getopt(argc, argv, letters)) != -1) {
		switch (answer) {
		case 'd':
			options->address = optarg;
			on_device = true;
			break;
		case 'm':
			options->kind = parse_kind(optarg);
			on_device = true;
			break;
		case 'f':
			options->file = optarg;
			break;
		case 'h':
			help(program);
		case ':':
		case '?':
			reject(answer);
		default:
			return answer;
		}
	}
	check_rest(program, options, on_device, argc, argv);
	return -1;
}

bool shmem_number(const char *text, uint64_t max, uint64_t *value)
{
	int base = strncmp(text, "0x", 2) == 0 ? 16 : 10;
	char *end;

	/* strtoull would take spaces and a sign before the digits. */
	if (!isdigit((unsigned char)text[0]))
		return false;
	errno = 0;
	unsigned long long number = strtoull(text, &end, base);
	if (errno || *end || number > max)
		return false;
	*value = number;
	return true;
}

/* --- Measuring ------------------------------------------------------------ */

uint64_t shmem_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000U + (uint64_t)now.tv_nsec;
}

static int compare(const void *left, const void *right)
{
	double a = *(const double *)left, b = *(const double *)right;

	return (a > b) - (a < b);
}

double shmem_median(double *samples, size_t count)
{
	qsort(samples, count, sizeof(*samples), compare);
	return count % 2 ? samples[count / 2] :
			   (samples[count / 2 - 1] + samples[count / 2]) / 2;
}

uint64_t shmem_random(void)
{
	uint64_t bits;

	if (getrandom(&bits, sizeof(bits), 0) != sizeof(bits))
		shmem_die("no random numbers: getrandom: %s", strerror(errno));
	return bits;
}
