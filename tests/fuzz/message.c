/*
 * message.c - fuzzes __read_write's reader of messages.
 *
 * The input is the page of the message and what an adversary changes in it
 * while it is read. A text that is accepted must be valid: its length fits, its
 * checksum agrees, and it can be printed.
 */
#include "fuzz.h"

#include "../../prog/lib/latest.c"
#define main read_write_main
#include "../../prog/read_write.c"
#undef main

/* In the page. */
struct message {
	_Atomic uint64_t sequence;
	struct text text;
};

static struct message *message;
static struct shmem_latest latest;
static bool hostile;

static void adversary(void)
{
	unsigned char *bytes = (unsigned char *)message;

	if (!hostile || take_byte() % 4 != 0)
		return;
	switch (take_byte() % 4) {
	case 0:
		message->sequence += take_byte();
		break;
	case 1:
		message->text.length = take_word();
		break;
	case 2:
		message->text.length = sizeof(message->text.bytes) + (uint64_t)(int8_t)take_byte();
		break;
	case 3:
		bytes[take_word() % sizeof(*message)] ^= 1;
		break;
	}
}

/* Reads while the adversary acts. */
static void read_hostile(void)
{
	struct text text;

	hostile = take_byte() % 2;
	text = read_message(&latest);
	hostile = false;
	MUST(text.length <= sizeof(text.bytes));
	if (text.length > 0)
		print_quoted("Read from shmem: ", &text, "");
}

/* A message that is written over anything is read unchanged. */
static void write_then_read(void)
{
	struct text ours = { 0 }, theirs;

	ours.length = take_word() % (sizeof(ours.bytes) + 1);
	take(ours.bytes, ours.length);
	write_message(&latest, &ours);
	theirs = read_message(&latest);
	MUST(theirs.length == ours.length);
	MUST(memcmp(theirs.bytes, ours.bytes, ours.length) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size)
{
	supply = input;
	supplied = size;
	message = aligned_alloc(64, sizeof(*message));
	memset(message, 0, sizeof(*message));
	latest = shmem_latest_at(message, sizeof(message->text),
				 take_byte() % 2 ? SHMEM_ORDER_NONE : SHMEM_ORDER_X86);

	bool valid = take_byte() % 2;
	if (valid)
		write_then_read();
	else
		take(message, take_word() % (sizeof(*message) + 1));
	read_hostile();
	write_then_read();
	free(message);
	return 0;
}
