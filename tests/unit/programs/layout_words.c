/* layout_words.c - prints the numbers that docs/other-languages.md gives, in its order. */
#include <stddef.h>
#include <stdio.h>

#include "bytes.h"
#include "channel_words.h"
#include "hold.h"
#include "internal.h"
#include "layout.h"
#include "seat.h"

static void show(const char *name, uint64_t value)
{
	printf("%s %lu\n", name, value);
}

#define SHOW(name) show(#name, name)
#define SHOW_WORD(name) show(#name, offsetof(struct shmem_channel_words, name))

/* What a program writes into a fresh region. */
static void show_header(void)
{
	static _Alignas(64) unsigned char memory[SHMEM_LAYOUT_STREAM];
	struct shmem region = { .base = memory, .size = 16 << 20 };
	struct shmem_error error;

	if (shmem_header_check(&region, &error))
		show("header for 16 MiB", *(uint64_t *)(memory + SHMEM_LAYOUT_HEADER));
}

static void show_region(void)
{
	SHOW(SHMEM_LAYOUT_VERSION);
	SHOW(SHMEM_LAYOUT_HEADER);
	show_header();
	SHOW(SHMEM_LAYOUT_STREAM);
	SHOW(CHANNEL_SIZE);
	SHOW(SHMEM_CHANNELS);
	SHOW(SHMEM_LAYOUT_STREAM_DATA);
	show("ring in 4 MiB", channel_ring_size(4 << 20));
	show("ring in 8 MiB", channel_ring_size(8 << 20));
	show("ring in 16 MiB", channel_ring_size(16 << 20));
	SHOW(SHMEM_COPY_TURNS);
}

static void show_page(void)
{
	const char *words[] = { "seats[0].word", "seats[0].agreed", "seats[1].word", "seats[1].agreed" };

	for (size_t i = 0; i < 4; i++)
		show(words[i], offsetof(struct shmem_channel_words, seats) + i / 2 * SHMEM_SEAT_SIZE +
			       (i % 2 ? offsetof(struct shmem_seat, agreed) :
					offsetof(struct shmem_seat, word)));
	SHOW_WORD(counts.written);
	SHOW_WORD(counts.read);
	SHOW_WORD(sender_ready);
	SHOW_WORD(sender_turn);
	SHOW_WORD(receiver_ready);
	SHOW_WORD(accepted);
	SHOW_WORD(receiver_turn);
	show("sleeps[0]", offsetof(struct shmem_channel_words, sleeps));
	show("sleeps[1]", offsetof(struct shmem_channel_words, sleeps) + sizeof(struct sleep_words));
}

static void show_frame(void)
{
	show("frame.size", offsetof(struct channel_frame, size));
	show("frame.number", offsetof(struct channel_frame, number));
	show("frame", sizeof(struct channel_frame));
	SHOW(FRAME_SKIP);
}

int main(void)
{
	show_region();
	show_page();
	show_frame();
	SHOW(BEAT_MASK);
	show("HOLD_STALE in seconds", HOLD_STALE / SHMEM_SECOND);
	show("mix(2, 0x111111110000)", shmem_mix(2, 0x111111110000));
	show("mix(mix(2, 0x111111110000), 0x222222220000)",
	     shmem_mix(shmem_mix(2, 0x111111110000), 0x222222220000));
}
