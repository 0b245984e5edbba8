/*
 * read_write.c - __read_write: a message from one VM to another.
 *
 * Reads the message in the region; when there is none, writes one.
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "bytes.h"
#include "latest.h"
#include "shmem.h"
#include "units.h"

#define GREETING "Other VM says hello world!"

/* To wait while other VMs write their messages; each takes a moment. */
#define MESSAGE_PATIENCE (30 * SHMEM_SECOND)

/*
 * A message: our copy of it, which no other VM can change, and what is in its page behind the
 * sequence of latest.h. The page may contain anything: zeros at first, then data of other VMs'
 * programs, some of them killed half-way. It holds a message only if the length is in range and the
 * checksum agrees.
 *
 * Writers hold the claim. The checksum catches the case that the sequence cannot show: a writer
 * that was paused, lost its claim, and went on.
 */
struct text {
	uint64_t length; /* bytes; 0: no message */
	uint64_t checksum;
	unsigned char bytes[SHMEM_LAYOUT_PEERS - SHMEM_LAYOUT_MESSAGE - 24];
};

static_assert(SHMEM_LATEST_SIZE(sizeof(struct text)) == SHMEM_LAYOUT_PEERS - SHMEM_LAYOUT_MESSAGE,
	      "a message fills its area");

static struct text read_message(const struct shmem_latest *latest)
{
	static const struct text none = { .length = 0 };
	struct text text;
	uint64_t number;

	if (shmem_latest_read(latest, &text, &number) != SHMEM_LATEST_READ ||
	    text.length > sizeof(text.bytes) ||
	    text.checksum != shmem_checksum(text.bytes, text.length))
		return none;
	return text;
}

static void write_message(const struct shmem_latest *latest, struct text *text)
{
	text->checksum = shmem_checksum(text->bytes, text->length);
	shmem_latest_publish(latest, text);
}

/*
 * Prints "BEFORE'TEXT'AFTER\n" on one line for any text: bytes that are not printable
 * ASCII as \xNN, and a backslash as \\.
 */
static void print_quoted(const char *before, const struct text *text, const char *after)
{
	char quoted[4 * sizeof(text->bytes) + 1] = "";
	char *end = quoted;

	for (size_t i = 0; i < text->length; i++) {
		unsigned char byte = text->bytes[i];

		if (byte == '\\')
			end += sprintf(end, "\\\\");
		else if (byte >= ' ' && byte <= '~')
			end += sprintf(end, "%c", byte);
		else
			end += sprintf(end, "\\x%02x", byte);
	}
	shmem_print("%s'%s'%s\n", before, quoted, after);
}

/* The text is quoted as JSON: byte for byte, as U+0000 to U+00FF. */
static void record_message(const struct shmem *region, const struct shmem_options *options,
			   const char *action, const struct text *text)
{
	shmem_record_begin(region, options, "message");
	shmem_record_text("action", action);
	shmem_record_bytes("text", text->length ? text->bytes : NULL, text->length);
	shmem_record_end();
}

static void print(const char *action, const struct text *text)
{
	if (strcmp(action, "cleared") == 0)
		shmem_print("Cleared shmem: there is no message now\n");
	else if (strcmp(action, "read") == 0)
		print_quoted("Read from shmem: ", text, "");
	else
		print_quoted("Written to shmem: ", text,
			     "; run this program again on another VM");
}

static struct text text_from(const char *argument)
{
	struct text text = { .length = strlen(argument) };

	if (text.length == 0)
		shmem_usage_error("TEXT is empty; -c clears the message");
	if (text.length > sizeof(text.bytes))
		shmem_usage_error("TEXT has %zu bytes, a message at most %zu", text.length,
				  sizeof(text.bytes));
	memcpy(text.bytes, argument, text.length);
	return text;
}

/*
 * Returns the message in the region. If there is none, or with overwrite, writes ours.
 * Looks again under the claim: a write may have been under way, or another VM may have
 * been first.
 */
static struct text read_or_write(const struct shmem *region, struct text *ours, bool overwrite)
{
	struct shmem_latest message = shmem_latest_at(region->base + SHMEM_LAYOUT_MESSAGE,
						      sizeof(*ours), region->order);
	struct text theirs = { 0 };

	if (!overwrite)
		theirs = read_message(&message);
	if (theirs.length != 0)
		return theirs;

	struct shmem_claim claim = shmem_claim_take(region, SHMEM_CLAIM_MESSAGE, "the message",
						    MESSAGE_PATIENCE);
	if (!overwrite)
		theirs = read_message(&message);
	if (theirs.length == 0)
		write_message(&message, ours);
	shmem_claim_drop(&claim);
	return theirs;
}

static const struct shmem_program program = {
	.synopsis = "[-c | TEXT]",
	.letters = "c",
	.operands = 1,
	.about = "Reads the message in the shared memory. If there is none, writes\n"
		 "'" GREETING "', for the next VM to read.\n"
		 "With TEXT, writes that text, and overwrites any message.\n",
	.details = "  -c          clear the message\n",
	.example = "  root@vm1:~# __read_write 'hello from vm1'\n"
		   "  --- mmap successful\n"
		   "  Written to shmem: 'hello from vm1'; run this program again on another VM\n"
		   "\n"
		   "  root@vm2:~# __read_write\n"
		   "  --- mmap successful\n"
		   "  Read from shmem: 'hello from vm1'\n",
};

int main(int argc, char **argv)
{
	struct shmem_options options = { 0 };
	struct text ours = { 0 }; /* writing no text clears the message */
	bool clear = false;

	while (shmem_getopt(&program, &options, argc, argv) == 'c')
		clear = true;
	const char *argument = argv[optind];
	if (clear && argument)
		shmem_usage_error("-c clears the message, TEXT writes one: give one or the other");
	if (!clear)
		ours = text_from(argument ? argument : GREETING);

	struct shmem region = shmem_open(&options);
	if (!options.json)
		shmem_print("--- mmap successful\n");
	struct text theirs = read_or_write(&region, &ours, clear || argument);
	const char *action = clear ? "cleared" : theirs.length ? "read" : "written";
	const struct text *text = theirs.length ? &theirs : &ours;

	if (options.json)
		record_message(&region, &options, action, text);
	else
		print(action, text);
	return 0;
}
