/* example.c - __example: a program of your own, to start from. */
#include "shmem.h"

/* In the region, in the part that is free for your programs (see layout.h). */
struct visits {
	_Atomic uint64_t count;  /* of all VMs together */
	_Atomic uint64_t latest; /* the number that the latest visitor left */
};

int main(int argc, char **argv)
{
	static const struct shmem_program program = {
		.about = "Counts its runs in all VMs.\n",
		.example = "  root@vm2:~# __example\n  visit 2; the visitor before left 17\n",
	};
	struct shmem_options options = { 0 };

	shmem_getopt(&program, &options, argc, argv);
	struct shmem region = shmem_open(&options);
	struct visits *visits = (struct visits *)(region.base + LAYOUT_FREE);

	uint64_t before = atomic_exchange(&visits->latest, shmem_random() % 100);
	uint64_t count = atomic_fetch_add(&visits->count, 1) + 1;
	if (options.json) {
		shmem_record_begin(&region, &options, "visit");
		shmem_record_integer("count", count);
		shmem_record_end();
	} else if (count == 1) {
		shmem_print("visit 1; nobody was here before\n");
	} else {
		shmem_print("visit %lu; the visitor before left %lu\n", count, before);
	}
}
