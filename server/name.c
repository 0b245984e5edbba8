/* name.c - the name of a peer that is a QEMU, as its command line has it. */
#include "server.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TOO_LONG = SHMEM_LAYOUT_PEER_NAME + 1 };

/*
 * Copies a value up to the comma that ends it; ",," is a comma in it. Of a value that is
 * too long, the first TOO_LONG bytes. Returns the place after it.
 */
static const char *take_value(const char *text, char value[static TOO_LONG + 1])
{
	size_t length = 0;

	for (; *text; text++) {
		if (*text == ',' && *++text != ',')
			break;
		if (length < TOO_LONG)
			value[length++] = *text;
	}
	value[length] = '\0';
	return text;
}

/*
 * Reads "[guest=]NAME[,KEY=VALUE...]": a first word without a key is the name (QEMU:
 * system/vl.c, qemu_name_opts; util/qemu-option.c, opts_do_parse).
 */
static void read_options(const char *text, char name[static TOO_LONG + 1])
{
	char other[TOO_LONG + 1];

	for (bool first = true; *text; first = false) {
		size_t key = strcspn(text, "=,");
		bool has_key = text[key] == '=';
		bool is_name = has_key ? strncmp(text, "guest=", key + 1) == 0 : first;

		text = take_value(has_key ? text + key + 1 : text, is_name ? name : other);
	}
}

/* QEMU takes an option with one dash or two; of several names, the last. */
static void read_command_line(FILE *file, char name[static TOO_LONG + 1])
{
	char *word = NULL;
	size_t size = 0;
	bool is_value = false;

	while (getdelim(&word, &size, '\0', file) > 0) {
		if (is_value)
			read_options(word, name);
		is_value = !is_value &&
			   (strcmp(word, "-name") == 0 || strcmp(word, "--name") == 0);
	}
	free(word);
}

static bool is_printable(const char *name)
{
	for (; *name; name++)
		if (*name < '!' || *name > '~')
			return false;
	return true;
}

/*
 * The kernel reads the command line from the process's own memory. Only the user who runs
 * the server, and root, have processes here (socket.c).
 */
void name_find(pid_t pid, char name[static SHMEM_LAYOUT_PEER_NAME])
{
	char path[32], found[TOO_LONG + 1] = "";

	memset(name, 0, SHMEM_LAYOUT_PEER_NAME);
	snprintf(path, sizeof(path), "/proc/%d/cmdline", (int)pid);
	FILE *file = fopen(path, "re");
	if (!file)
		return;
	read_command_line(file, found);
	fclose(file);
	if (strlen(found) < TOO_LONG && is_printable(found))
		memcpy(name, found, strlen(found));
}
