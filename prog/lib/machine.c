/* machine.c - the properties of this VM that results depend on. */
#include "internal.h"

#include <cpuid.h>
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The unit tests build the programs with a file of their own. */
#ifndef PAT_LIST
#define PAT_LIST "/sys/kernel/debug/x86/pat_memtype_list"
#endif
#ifndef CPU_DEVICES
#define CPU_DEVICES "/sys/devices/system/cpu"
#endif

const char *shmem_mapping_name(const struct shmem_options *options)
{
	static const char *const names[] = {
		[SHMEM_UC] = "uc", [SHMEM_WC] = "wc", [SHMEM_WB] = "wb"
	};

	return options->file ? "file" : names[options->kind];
}

/*
 * Hypervisors set bit 31 of ECX in leaf 1; leaf 0x40000000 then has a signature of 12
 * bytes (kernel:
 * Documentation/virt/kvm/x86/cpuid.rst; QEMU: target/i386/cpu.c).
 */
const char *shmem_accelerator(void)
{
	static char signature[13];
	unsigned int a, b, c, d;

	if (!__get_cpuid(1, &a, &b, &c, &d) || !(c & 1U << 31))
		return "none";
	__cpuid(0x40000000, a, b, c, d);
	memcpy(signature, &b, 4);
	memcpy(signature + 4, &c, 4);
	memcpy(signature + 8, &d, 4);
	if (strcmp(signature, "TCGTCGTCGTCG") == 0)
		return "tcg";
	if (strcmp(signature, "KVMKVMKVM") == 0)
		return "kvm";
	return signature;
}

const char *shmem_cpu_model(void)
{
	static union {
		unsigned int words[12];
		char text[49];
	} model;
	const unsigned int first = 0x80000002;

	for (unsigned int i = 0; i < 3; i++) {
		unsigned int *words = model.words + 4 * i;

		if (!__get_cpuid(first + i, words, words + 1, words + 2, words + 3))
			return "";
	}
	return model.text + strspn(model.text, " ");
}

/*
 * A line is "PAT: [mem 0xSTART-0xEND] TYPE" (kernel: arch/x86/mm/pat/memtype.c,
 * memtype_seq_show); in older kernels, and in the kernel's document pat.rst, it is
 * "TYPE @ 0xSTART-0xEND". END is the first byte after the range.
 */
static bool parse_memory_type(const char *line, uint64_t *start, uint64_t *end,
			      char type[static 32])
{
	unsigned long long from, to;

	if (sscanf(line, "PAT: [mem 0x%llx-0x%llx] %31s", &from, &to, type) != 3 &&
	    sscanf(line, "%31s @ 0x%llx-0x%llx", type, &from, &to) != 3)
		return false;
	*start = from;
	*end = to;
	return true;
}

const char *shmem_memory_type(const struct shmem *region)
{
	static char type[32];
	uint64_t start, end;
	char line[128];
	bool found = false;

	if (region->physical == 0)
		return NULL;
	FILE *file = fopen(PAT_LIST, "re");
	if (!file)
		return NULL;
	while (!found && fgets(line, sizeof(line), file))
		found = parse_memory_type(line, &start, &end, type) &&
			start <= region->physical &&
			region->physical + region->size <= end;
	fclose(file);
	return found ? type : NULL;
}

/* --- Choosing a CPU ------------------------------------------------------- */

static bool move_to(unsigned int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	if (cpu < CPU_SETSIZE)
		CPU_SET(cpu, &set);
	return sched_setaffinity(0, sizeof(set), &set) == 0;
}

bool shmem_try_pin(unsigned int cpu, struct shmem_error *error)
{
	return move_to(cpu) || shmem_error_set(error, SHMEM_STATUS_FAILED,
					       "cannot run on CPU %u: %s", cpu, strerror(errno));
}

void shmem_pin(unsigned int cpu)
{
	struct shmem_error error;

	if (!shmem_try_pin(cpu, &error))
		shmem_error_end(&error);
}

/* Counts the CPUs of a list like "0-1,4,6-7" that are below cpu and in the set. */
static unsigned int count_below(const char *list, unsigned int cpu, const cpu_set_t *set)
{
	unsigned int count = 0;

	for (char *end; ; list = end + 1) {
		unsigned long first = strtoul(list, &end, 10), last = first;

		if (end == list)
			return count;
		if (*end == '-')
			last = strtoul(end + 1, &end, 10);
		for (unsigned long i = first; i <= last && i < cpu; i++)
			count += CPU_ISSET(i, set) != 0;
		if (*end != ',')
			return count;
	}
}

/* The index of a CPU among the allowed hardware threads of its core; 0 if unknown. */
static unsigned int thread_of(unsigned int cpu, const cpu_set_t *allowed)
{
	char path[128], list[1024] = "";

	/* Kernel: Documentation/ABI/stable/sysfs-devices-system-cpu. */
	snprintf(path, sizeof(path), CPU_DEVICES "/cpu%u/topology/thread_siblings_list", cpu);
	FILE *file = fopen(path, "re");
	if (!file)
		return 0;
	if (!fgets(list, sizeof(list), file))
		list[0] = '\0';
	fclose(file);
	return count_below(list, cpu, allowed);
}

size_t shmem_cpus_apart(const cpu_set_t *allowed, unsigned int cpus[static CPU_SETSIZE])
{
	size_t count = 0;

	for (unsigned int thread = 0; count < (size_t)CPU_COUNT(allowed); thread++)
		for (unsigned int cpu = 0; cpu < CPU_SETSIZE; cpu++)
			if (CPU_ISSET(cpu, allowed) && thread_of(cpu, allowed) == thread)
				cpus[count++] = cpu;
	return count;
}

void shmem_pin_apart(uint64_t turn)
{
	static unsigned int cpus[CPU_SETSIZE];
	cpu_set_t allowed;

	/* Fails if there are more CPUs than the set has room for; then we do not move. */
	if (sched_getaffinity(0, sizeof(allowed), &allowed) == 0)
		move_to(cpus[turn % shmem_cpus_apart(&allowed, cpus)]);
}
