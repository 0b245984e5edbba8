/* errors.c - errors that a function returns, and programs that end with one. */
#include "errors.h"

#include <stdarg.h>
#include <stdio.h>

#include "shmem.h"

bool shmem_error_set(struct shmem_error *error, int status, const char *format, ...)
{
	va_list values;

	error->status = status;
	va_start(values, format);
	vsnprintf(error->text, sizeof(error->text), format, values);
	va_end(values);
	return false;
}

void shmem_error_end(const struct shmem_error *error)
{
	if (error->status == SHMEM_STATUS_USAGE)
		shmem_usage_error("%s", error->text);
	shmem_fail(error->status, "%s", error->text);
}
