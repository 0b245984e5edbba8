/*
 * uio_example.c - two virtual machines exchange messages through ivshmem_uio.
 *
 *	vm2# uio_example uio0                    prints every message that is for it
 *	vm1# uio_example uio0 PEER TEXT          sends one to the peer with that id
 */
#include <err.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* 32-bit registers in BAR 0 (QEMU: docs/specs/ivshmem-spec, "PCI device registers"). */
enum { IV_POSITION = 8 / 4, DOORBELL = 12 / 4 };

/* Where the message is in the memory. In the lab, this part is free (prog/layout.h). */
enum { MESSAGE = 0x3000, MESSAGE_SIZE = 256 };

/* A number from the sysfs folder of the UIO device, such as maps/map0/size. */
static size_t attribute(const char *uio, const char *name)
{
	char path[256];
	size_t value;

	snprintf(path, sizeof(path), "/sys/class/uio/%s/%s", uio, name);
	FILE *file = fopen(path, "r");
	if (!file || fscanf(file, "%zi", (ssize_t *)&value) != 1)
		errx(1, "cannot read %s: is %s a device of ivshmem_uio?", path, uio);
	fclose(file);
	return value;
}

/* UIO selects the map by the offset: map n is n pages from the start of the file. */
static volatile char *map_uio(int fd, int number, size_t size)
{
	void *start = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, number * getpagesize());

	if (start == MAP_FAILED)
		err(1, "cannot map map %d", number);
	return start;
}

int main(int argc, char **argv)
{
	if (argc != 2 && argc != 4)
		errx(2, "usage: uio_example UIO [PEER TEXT]");
	char path[64];
	snprintf(path, sizeof(path), "/dev/%s", argv[1]);
	int fd = open(path, O_RDWR);
	if (fd < 0)
		err(1, "%s", path);
	volatile uint32_t *registers = (volatile uint32_t *)
		(map_uio(fd, 0, attribute(argv[1], "maps/map0/size")) + attribute(argv[1], "maps/map0/offset"));
	char *message = (char *)map_uio(fd, 1, attribute(argv[1], "maps/map1/size")) + MESSAGE;

	if (argc == 4) {
		snprintf(message, MESSAGE_SIZE, "%s", argv[3]);
		__atomic_thread_fence(__ATOMIC_SEQ_CST); /* the message before the ring */
		registers[DOORBELL] = (uint32_t)atoi(argv[2]) << 16; /* | vector, here 0 */
		return 0;
	}
	printf("peer %u\n", registers[IV_POSITION]);
	fflush(stdout);
	for (uint32_t count; read(fd, &count, sizeof(count)) == sizeof(count); fflush(stdout))
		printf("interrupt %u: %.*s\n", count, MESSAGE_SIZE, message);
	err(1, "no more interrupts from %s", path);
}
