/* example.c - __example: a program of your own, to start from. */
#include "shmem.h"
#include "units.h"

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
	struct visits *visits = (struct visits *)(region.base + SHMEM_LAYOUT_FREE);

	/* One visitor at a time, so that both words are of the same visit. */
	struct shmem_claim claim = shmem_claim_take(&region, SHMEM_CLAIM_EXAMPLE, "the visits",
						    10 * SHMEM_SECOND);
	uint64_t count = visits->count + 1, before = visits->latest; /* read once: all VMs write */
	visits->latest = shmem_random() % 100;
	visits->count = count;
	shmem_claim_drop(&claim);

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
