/*
 * latest.h - a value that one program publishes, and that any number of programs read without
 * a lock.
 *
 * The value stands behind a number, the sequence, which is odd while the value is being
 * written. A reader copies the value, and takes the copy if the sequence was even before and
 * is the same afterwards. So readers never wait for each other, the writer never waits for
 * them, and a reader may have mapped the region for reading only. Works in mappings of all types.
 *
 * One writer at a time is up to you: hold a claim or a seat while you publish, and renew it
 * before. A writer that was paused for so long that it lost its claim may spoil the value of the
 * next one.
 *
 *	struct shmem_area area = shmem_area_open(&region, "pose",
 *						 SHMEM_LATEST_SIZE(sizeof(pose)));
 *	struct shmem_latest latest = shmem_latest_at(area.base, sizeof(pose), region.order);
 *
 *	shmem_latest_publish(&latest, &pose);
 *
 *	if (shmem_latest_read(&latest, &pose, &number) == SHMEM_LATEST_READ && number != last)
 *		... a new pose
 */
#ifndef SHMEM_LATEST_H
#define SHMEM_LATEST_H

#include <stddef.h>
#include <stdint.h>

#include "order.h"

SHMEM_C_BEGIN

/*
 * Bytes in the region for a value of size bytes: the sequence, and the value in whole words. A
 * multiple of 128, so that two such values side by side do not slow each other down.
 */
#define SHMEM_LATEST_SIZE(size) (((size) + 8 + 127) / 128 * 128)

/* Private. */
struct shmem_latest {
	shmem_atomic(uint64_t) *words; /* in the region: the sequence, then the value */
	size_t size;                   /* bytes of the value */
	enum shmem_order order;
};

enum shmem_latest_status {
	SHMEM_LATEST_READ,
	SHMEM_LATEST_NONE,       /* no value was ever published */
	SHMEM_LATEST_UNFINISHED, /* a value was being written at each try */
};

/*
 * The value at place, SHMEM_LATEST_SIZE(size) bytes in the region, a multiple of 8. Zeros
 * there are a value that was never published. All programs must agree on size, the bytes of
 * the value; order is that of the region.
 */
struct shmem_latest shmem_latest_at(void *place, size_t size, enum shmem_order order);

/*
 * Publishes the value. Returns its number: one more than the last, or two more if the last
 * writer died in the middle, so that no reader takes the two for one.
 */
uint64_t shmem_latest_publish(const struct shmem_latest *latest, const void *value);

/*
 * Copies the latest value, and sets *number to its number. Never waits, and ends after 1000
 * tries.
 *
 * SHMEM_LATEST_UNFINISHED sets *number to that of the value that is being written; what is then
 * in value has no meaning. Wait a turn (turn.h) and ask again. If the number stays the same, the
 * writer has died in the middle or is paused; the next one to publish repairs it.
 *
 * Another VM may write anything: check what the value means before you use it.
 */
enum shmem_latest_status shmem_latest_read(const struct shmem_latest *latest, void *value,
					   uint64_t *number);

SHMEM_C_END

#endif
