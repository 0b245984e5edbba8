/*
 * mapping.c - how __shmem looks at one mapping.
 *
 * Each mapping is made in a child process. The kernel gives all mappings of an
 * address the type of the first one, so that one must be gone before the next. And a
 * mapping that is not available ends the child, not this program.
 */
#include "mapping.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "units.h"

/* To wait for other VMs that run this or __bandwidth. */
#define MAPPING_PATIENCE (60 * SHMEM_SECOND)

static const char *const verdict_names[] = {
	[UNKNOWN] = "not measured",
	[NO_MODEL] = "no cache model under TCG",
	[WRITE_BACK] = "write-back",
	[WRITE_COMBINING] = "write-combining",
	[UNCACHED] = "uncached",
};

/* --- In the child --------------------------------------------------------- */

static void print_mapping(const struct shmem_options *options, const struct finding *finding)
{
	shmem_print("%-8s %-16s %9.1f %12.0f   %s\n", shmem_mapping_name(options),
		    finding->known ? finding->type : "-", finding->speed.load_ns,
		    finding->speed.store_mb_s, verdict_names[finding->verdict]);
}

static void record_mapping(const struct shmem *region, const struct shmem_options *options,
		       const struct finding *finding, const struct speed *ordinary)
{
	shmem_record_begin(region, options, "mapping");
	shmem_record_flag("available", true);
	shmem_record_integer("physical_address", region->physical);
	shmem_record_number("load_ns", finding->speed.load_ns);
	shmem_record_number("store_mb_s", finding->speed.store_mb_s);
	shmem_record_number("ordinary_load_ns", ordinary->load_ns);
	shmem_record_number("ordinary_store_mb_s", ordinary->store_mb_s);
	shmem_record_text("verdict", verdict_names[finding->verdict]);
	shmem_record_end();
}

static void send_finding(int result, const struct finding *finding)
{
	if (write(result, finding, sizeof(*finding)) != sizeof(*finding))
		_exit(1);
}

static void look_at(const struct shmem_options *options, int result)
{
	struct shmem region = shmem_open(options);
	struct finding finding = { 0 };

	send_finding(result, &finding);
	struct speed ordinary = measure_ordinary();
	struct shmem_claim claim = shmem_claim_take(&region, SHMEM_CLAIM_BANDWIDTH,
						    "the area of __bandwidth", MAPPING_PATIENCE);
	const char *type = shmem_memory_type(&region);
	if (type) {
		finding.known = true;
		snprintf(finding.type, sizeof(finding.type), "%s", type);
	}
	finding.speed = measure_speed(region.base + shmem_layout_bandwidth(region.size),
				(enum mapping_fault)options->fault, &claim);
	finding.verdict = judge_speed(&finding.speed, &ordinary);
	shmem_claim_drop(&claim);
	if (options->json)
		record_mapping(&region, options, &finding, &ordinary);
	else
		print_mapping(options, &finding);
	send_finding(result, &finding);
}

static _Noreturn void child(const struct shmem_options *options, int result, int errors)
{
	if (dup2(errors, STDERR_FILENO) < 0)
		_exit(1);
	look_at(options, result);
	_exit(0);
}

/* --- In the parent -------------------------------------------------------- */

/* Reads until the other side closes, or until the buffer is full; then closes fd. */
static size_t read_all(int fd, void *buffer, size_t size)
{
	size_t total = 0;
	ssize_t got;

	while (total < size && (got = read(fd, (char *)buffer + total, size - total)) != 0) {
		if (got > 0)
			total += (size_t)got;
		else if (errno != EINTR)
			break;
	}
	close(fd);
	return total;
}

/* The message of a program that failed is one line, with its name in front. */
static const char *without_name(char *line)
{
	char *colon = strstr(line, ": ");

	line[strcspn(line, "\n")] = '\0';
	if (!line[0])
		return "the child process that tried it was killed";
	return colon ? colon + 2 : line;
}

const char *look_from_afar(const struct shmem_options *options, struct finding *finding)
{
	static char said[1024];
	struct finding told[2];
	int result[2], errors[2];

	if (pipe(result) != 0 || pipe(errors) != 0)
		shmem_die("no pipe to another process: %s", strerror(errno));
	pid_t process = fork();
	if (process < 0)
		shmem_die("no process for a mapping: %s", strerror(errno));
	if (process == 0)
		child(options, result[1], errors[1]);
	close(result[1]);
	close(errors[1]);
	said[read_all(errors[0], said, sizeof(said) - 1)] = '\0';
	size_t length = read_all(result[0], told, sizeof(told));
	waitpid(process, NULL, 0);
	if (length < sizeof(told[0]))
		return without_name(said);
	fputs(said, stderr); /* notices and errors */
	if (length < sizeof(told))
		exit(1);
	*finding = told[1];
	return NULL;
}
