/* record.c - --json: self-describing results, one object on each line. */
#include "shmem.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <time.h>

/* The current record, put together in memory; one at a time. */
static struct {
	FILE *stream;
	char *text;
	size_t size;
	bool first; /* the next member needs no comma */
} record;

/* JSON (RFC 8259) wants UTF-8; bytes that are not ASCII become U+0080 to U+00FF. */
static void put_bytes(const unsigned char *bytes, size_t length)
{
	putc('"', record.stream);
	for (const unsigned char *byte = bytes; byte < bytes + length; byte++) {
		if (*byte == '"' || *byte == '\\')
			fprintf(record.stream, "\\%c", *byte);
		else if (*byte >= ' ' && *byte <= '~')
			putc(*byte, record.stream);
		else
			fprintf(record.stream, "\\u%04x", *byte);
	}
	putc('"', record.stream);
}

static void put_text(const char *text)
{
	put_bytes((const unsigned char *)text, strlen(text));
}

static void put_name(const char *name)
{
	if (!record.first)
		putc(',', record.stream);
	record.first = false;
	if (!name)
		return;
	put_text(name);
	putc(':', record.stream);
}

void shmem_record_integer(const char *name, uint64_t value)
{
	put_name(name);
	fprintf(record.stream, "%llu", (unsigned long long)value);
}

void shmem_record_number(const char *name, double value)
{
	put_name(name);
	if (isfinite(value))
		fprintf(record.stream, "%.9g", value);
	else
		fputs("null", record.stream);
}

void shmem_record_text(const char *name, const char *value)
{
	put_name(name);
	if (value)
		put_text(value);
	else
		fputs("null", record.stream);
}

void shmem_record_bytes(const char *name, const void *bytes, size_t length)
{
	put_name(name);
	if (bytes)
		put_bytes(bytes, length);
	else
		fputs("null", record.stream);
}

void shmem_record_flag(const char *name, bool value)
{
	put_name(name);
	fputs(value ? "true" : "false", record.stream);
}

static void open_group(const char *name, char bracket)
{
	put_name(name);
	putc(bracket, record.stream);
	record.first = true;
}

static void close_group(char bracket)
{
	putc(bracket, record.stream);
	record.first = false;
}

void shmem_record_array(const char *name)
{
	open_group(name, '[');
}

void shmem_record_array_end(void)
{
	close_group(']');
}

void shmem_record_object(const char *name)
{
	open_group(name, '{');
}

void shmem_record_object_end(void)
{
	close_group('}');
}

static void put_time(void)
{
	struct timespec now;
	struct tm utc;
	char text[sizeof("2024-01-01T00:00:00")];

	clock_gettime(CLOCK_REALTIME, &now);
	gmtime_r(&now.tv_sec, &utc);
	strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &utc);
	put_name("time");
	fprintf(record.stream, "\"%s.%03ldZ\"", text, now.tv_nsec / 1000000);
}

void shmem_record_begin(const struct shmem *region, const struct shmem_options *options,
			const char *kind)
{
	struct utsname names;

	record.stream = open_memstream(&record.text, &record.size);
	if (!record.stream)
		shmem_die("no memory for a record: %s", strerror(errno));
	putc('{', record.stream);
	record.first = true;

	uname(&names);
	shmem_record_text("record", kind);
	shmem_record_text("program", program_invocation_short_name);
	shmem_record_text("version", SHMEM_VERSION);
	put_time();
	shmem_record_text("host", names.nodename);
	shmem_record_text("mapping", shmem_mapping_name(options));
	shmem_record_text("memory_type", shmem_memory_type(region));
	shmem_record_integer("region_bytes", region->size);
	shmem_record_text("accelerator", shmem_accelerator());
	shmem_record_text("kernel", names.release);
	shmem_record_text("cpu", shmem_cpu_model());
}

void shmem_record_end(void)
{
	fputs("}", record.stream);
	if (fclose(record.stream) != 0)
		shmem_die("no memory for a record: %s", strerror(errno));
	shmem_print("%s\n", record.text);
	free(record.text);
	record.text = NULL;
	record.stream = NULL;
}
