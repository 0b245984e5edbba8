/* copy_trial.c - which copy kernel is the fastest for one direction of one mapping. */
#include "copy.h"

#include <stdlib.h>

#include "shmem.h"

/* memcpy wins unless another takes at most this much of its time: it is good at all sizes. */
#define CLEARLY_FASTER 0.9

/* The kernel that SHMEM_COPY names; NULL if it is not set. */
static bool pinned_kernel(const struct shmem_copy_kernel **kernel, struct shmem_error *error)
{
	const char *name = getenv("SHMEM_COPY");

	*kernel = NULL;
	if (!name || !*name)
		return true;
	*kernel = shmem_copy_named(name);
	if (!*kernel)
		return shmem_error_set(error, SHMEM_STATUS_USAGE,
				       "SHMEM_COPY=%s: there is no such copy kernel; __bandwidth -k list "
				       "shows them", name);
	if (!shmem_copy_available(*kernel))
		return shmem_error_set(error, SHMEM_STATUS_USAGE,
				       "SHMEM_COPY=%s: this CPU does not have that copy kernel", name);
	return true;
}

bool shmem_try_copy_trial_begin(struct shmem_copy_trial *trial, bool to, enum shmem_order order,
				struct shmem_error *error)
{
	*trial = (struct shmem_copy_trial){ .to = to, .order = order };
	return pinned_kernel(&trial->pinned, error);
}

struct shmem_copy_trial shmem_copy_trial_begin(bool to, enum shmem_order order)
{
	struct shmem_error error;
	struct shmem_copy_trial trial;

	if (!shmem_try_copy_trial_begin(&trial, to, order, &error))
		shmem_error_end(&error);
	return trial;
}

static bool is_candidate(const struct shmem_copy_trial *trial,
			 const struct shmem_copy_kernel *kernel)
{
	bool combining = trial->order == SHMEM_ORDER_NONE;

	if (!shmem_copy_available(kernel))
		return false;
	if (kernel->use == SHMEM_COPY_ANY)
		return true;
	return combining && trial->to == (kernel->use == SHMEM_COPY_TO_COMBINING);
}

void shmem_copy_try(struct shmem_copy_trial *trial, unsigned int turn, void *shared, void *mine,
		    size_t size)
{
	unsigned int number = turn % SHMEM_COPY_KERNELS_MAX;
	const struct shmem_copy_kernel *kernel = shmem_copy_kernels;

	for (unsigned int i = 0; i < number && kernel->name; i++)
		kernel++;
	if (!kernel->name || trial->pinned || !is_candidate(trial, kernel))
		return;

	uint64_t start = shmem_now();
	if (trial->to)
		shmem_copy_to(kernel, shared, mine, size);
	else
		shmem_copy_from(kernel, mine, shared, size);
	shmem_fence(); /* out of the write-combining buffer */
	uint64_t took = shmem_since(start);

	if (!trial->times[number] || took < trial->times[number])
		trial->times[number] = took;
}

const struct shmem_copy_kernel *shmem_copy_best(const struct shmem_copy_trial *trial)
{
	double limit = CLEARLY_FASTER * (double)trial->times[0];
	size_t best = 0;

	if (trial->pinned)
		return trial->pinned;
	for (size_t i = 1; i < SHMEM_COPY_KERNELS_MAX; i++)
		if (trial->times[i] && (double)trial->times[i] <= limit) {
			limit = (double)trial->times[i];
			best = i;
		}
	return &shmem_copy_kernels[best];
}
