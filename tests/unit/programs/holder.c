/*
 * holder.c - for read_write.bats: holds the message's claim while its stdin is open.
 *
 * Each byte read renews the claim once; stdout says when that is done.
 */
#include <stdio.h>

#include "shmem.h"

int main(int argc, char **argv)
{
	static const struct shmem_program program = { .about = "", .example = "" };
	struct shmem_options options = { 0 };

	shmem_getopt(&program, &options, argc, argv);
	struct shmem region = shmem_open(&options);
	struct shmem_claim claim = shmem_claim_take(&region, SHMEM_CLAIM_MESSAGE, "the message",
						    UINT64_C(60000000000));

	shmem_print("held\n");
	while (getchar() != EOF) {
		shmem_claim_renew(&claim);
		shmem_print("renewed\n");
	}
	shmem_claim_drop(&claim);
	return 0;
}
