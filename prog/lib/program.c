/* program.c - command line and output, alike in all programs. */
#include "internal.h"
#include "units.h"

#include <ctype.h>
#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* --- Output --------------------------------------------------------------- */

enum { BLOCKED_MS = 200 };

/* Called before anything is printed; NULL: nothing is to be done. */
static void (*before_output)(void);

void shmem_before_output(void (*function)(void))
{
	before_output = function;
}

/* The line of progress gives way to what is printed. */
static void make_way(void)
{
	if (before_output)
		before_output();
}

static void complain(const char *format, va_list values, const char *tail)
{
	make_way();
	fprintf(stderr, "%s: ", program_invocation_short_name);
	vfprintf(stderr, format, values);
	fprintf(stderr, "%s\n", tail);
}

/* Called while our output waits for its reader; NULL: nothing is to be done. */
static void (*while_blocked)(void);

void shmem_while_blocked(void (*function)(void))
{
	while_blocked = function;
}

/*
 * The reader of our output may pause. We show that we live meanwhile, so that the other
 * VMs do not take us for dead. A pipe that poll finds writable takes a line at once (pipe(7)).
 */
static void wait_until_writable(int fd)
{
	struct pollfd file = { .fd = fd, .events = POLLOUT };

	while (poll(&file, 1, BLOCKED_MS) == 0)
		if (while_blocked)
			while_blocked();
}

void shmem_print(const char *format, ...)
{
	va_list values;

	wait_until_writable(STDOUT_FILENO);
	make_way();
	va_start(values, format);
	int written = vprintf(format, values);
	va_end(values);
	if (written < 0 || fflush(stdout) != 0)
		shmem_die("cannot write to stdout: %s", strerror(errno));
}

void shmem_warn(const char *format, ...)
{
	va_list values;

	wait_until_writable(STDERR_FILENO);
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
	exit(SHMEM_STATUS_FAILED);
}

void shmem_fail(int status, const char *format, ...)
{
	va_list values;

	va_start(values, format);
	complain(format, values, "");
	va_end(values);
	exit(status);
}

void shmem_usage_error(const char *format, ...)
{
	va_list values;

	va_start(values, format);
	complain(format, values, "; -h shows the usage");
	va_end(values);
	exit(SHMEM_STATUS_USAGE);
}

/* --- Command line --------------------------------------------------------- */

enum { LETTERS_MAX = 64, LONGS_MAX = 32 };

/* Values of long options: no letters, and below SHMEM_LONG, where a program's own begin. */
enum { LONGS_FROM = 0x100, LONG_HELP = LONGS_FROM, LONG_JSON, LONG_INJECT };

static const char *or_nothing(const char *text)
{
	return text ? text : "";
}

static void help_faults(const struct shmem_program *program)
{
	if (!program->faults)
		return;
	shmem_print("  --inject F  cause a fault on purpose, to test that it is noticed; F is one of\n");
	for (const struct shmem_fault *fault = program->faults + 1; fault->name; fault++)
		shmem_print("                %-12s %s\n", fault->name, fault->about);
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
		    "  --json      print results as JSON, one object a line\n",
		    program_invocation_short_name, program->synopsis ? " " : "",
		    or_nothing(program->synopsis), program_invocation_short_name,
		    program->synopsis ? " " : "", or_nothing(program->synopsis),
		    program->about, or_nothing(program->details),
		    SHMEM_BAR_ADDRESS[0] ? SHMEM_BAR_ADDRESS :
					   "the lab's own, or the only one");
	help_faults(program);
	shmem_print("  -h          show this help, as --help does\n"
		    "\n"
		    "Example:\n"
		    "%s",
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

static size_t parse_fault(const struct shmem_program *program, const char *text)
{
	for (size_t i = 0; program->faults[i].name; i++)
		if (strcmp(text, program->faults[i].name) == 0)
			return i;
	shmem_usage_error("--inject %s: there is no such fault", text);
}

/* getopt_long sets optopt to 0 for an unknown long option. */
void shmem_reject_option(int answer, char **argv)
{
	const char *what = argv[optind - 1];
	int length = (int)strcspn(what, "=");

	if (optopt > 0 && optopt < LONGS_FROM)
		shmem_usage_error(answer == ':' ? "option -%c needs a value" :
						  "unknown option -%c", optopt);
	if (answer == ':')
		shmem_usage_error("option %.*s needs a value", length, what);
	if (optopt)
		shmem_usage_error("option %.*s takes no value", length, what);
	shmem_usage_error("unknown option %.*s", length, what);
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

/* The long options of all programs, --inject if the program has faults, and its own. */
static void all_longs(const struct shmem_program *program, struct option *longs)
{
	size_t count = 0;

	longs[count++] = (struct option){ .name = "help", .val = LONG_HELP };
	longs[count++] = (struct option){ .name = "json", .val = LONG_JSON };
	if (program->faults)
		longs[count++] = (struct option){ .name = "inject", .val = LONG_INJECT,
						  .has_arg = required_argument };
	for (const struct option *own = program->longs; own && own->name; own++) {
		assert(count < LONGS_MAX - 1);
		longs[count++] = *own;
	}
	longs[count] = (struct option){ 0 };
}

int shmem_getopt(const struct shmem_program *program, struct shmem_options *options,
		 int argc, char **argv)
{
	static bool on_device;
	struct option longs[LONGS_MAX];
	char letters[LETTERS_MAX];
	int answer;

	all_longs(program, longs);
	snprintf(letters, sizeof(letters), ":d:f:m:h%s", or_nothing(program->letters));
	while ((answer = getopt_long(argc, argv, letters, longs, NULL)) != -1) {
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
		case LONG_JSON:
			options->json = true;
			break;
		case LONG_INJECT:
			options->fault = parse_fault(program, optarg);
			break;
		case 'h':
		case LONG_HELP:
			help(program);
		case ':':
		case '?':
			shmem_reject_option(answer, argv);
		default:
			return answer;
		}
	}
	check_rest(program, options, on_device, argc, argv);
	return -1;
}

/* --- Values of options ---------------------------------------------------- */

enum { WEEK = 7 * 86400 }; /* seconds */

/* Reads the digits at the start of text; *rest is the text after them. */
static bool leading_number(const char *text, int base, uint64_t *value, const char **rest)
{
	char *end;

	/* strtoull would take spaces and a sign before the digits. */
	if (!isdigit((unsigned char)text[0]))
		return false;
	errno = 0;
	unsigned long long number = strtoull(text, &end, base);
	if (errno)
		return false;
	*value = number;
	*rest = end;
	return true;
}

bool shmem_number(const char *text, uint64_t max, uint64_t *value)
{
	int base = strncmp(text, "0x", 2) == 0 ? 16 : 10;
	const char *rest;
	uint64_t number;

	if (!leading_number(text, base, &number, &rest) || *rest || number > max)
		return false;
	*value = number;
	return true;
}

uint64_t shmem_option_number(const char *option, const char *text, uint64_t min,
			     uint64_t max)
{
	uint64_t value;

	if (!shmem_number(text, max, &value) || value < min)
		shmem_usage_error("%s %s: a whole number from %llu to %llu is needed", option,
				  text, (unsigned long long)min, (unsigned long long)max);
	return value;
}

static bool parse_size(const char *text, uint64_t *value)
{
	static const char units[] = "KMG";
	const char *rest;
	uint64_t number;
	unsigned int shift = 0;

	if (!leading_number(text, 10, &number, &rest))
		return false;
	if (*rest) {
		const char *unit = strchr(units, *rest);

		if (!unit || rest[1])
			return false;
		shift = 10 * (unsigned int)(unit - units + 1);
	}
	if (number > UINT64_MAX >> shift)
		return false;
	*value = number << shift;
	return true;
}

uint64_t shmem_option_size(const char *option, const char *text, uint64_t min,
			   uint64_t max)
{
	uint64_t value;

	if (!parse_size(text, &value) || value < min || value > max)
		shmem_usage_error("%s %s: bytes from %llu to %llu are needed; K, M and G may "
				  "follow the number", option, text, (unsigned long long)min,
				  (unsigned long long)max);
	return value;
}

/* Nanoseconds from decimal seconds, with at most nine digits after the point. */
static bool parse_seconds(const char *text, uint64_t *value)
{
	const char *rest;
	uint64_t seconds;
	uint64_t unit = SHMEM_SECOND;

	if (!leading_number(text, 10, &seconds, &rest) || seconds > WEEK)
		return false;
	*value = seconds * unit;
	if (*rest == '.') {
		rest++;
		if (!*rest)
			return false;
		for (; isdigit((unsigned char)*rest) && unit > 1; rest++) {
			unit /= 10;
			*value += (uint64_t)(*rest - '0') * unit;
		}
	}
	return !*rest;
}

uint64_t shmem_option_seconds(const char *option, const char *text)
{
	uint64_t value;

	if (!parse_seconds(text, &value) || value == 0 || value > WEEK * SHMEM_SECOND)
		shmem_usage_error("%s %s: seconds are needed, such as 10 or 0.5, a week at most",
				  option, text);
	return value;
}

size_t shmem_option_choice(const char *option, const char *text, const char *const *names)
{
	char list[256] = "";
	size_t length = 0;

	for (size_t i = 0; names[i]; i++) {
		if (strcmp(text, names[i]) == 0)
			return i;
		length += (size_t)snprintf(list + length, sizeof(list) - length, "%s%s",
					   i ? ", " : "", names[i]);
		assert(length < sizeof(list));
	}
	shmem_usage_error("%s %s: one of %s is needed", option, text, list);
}
