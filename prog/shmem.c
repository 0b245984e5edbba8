/*
 * shmem.c - __shmem: what this VM sees of the shared memory.
 *
 * Maps it in each of the three ways, asks the kernel which memory type it noted
 * for the mapping, and measures which type it behaves like.
 *
 * Each mapping is made in a process of its own: the kernel gives all mappings of
 * an address the type of the first, so one must be gone before the next is made;
 * and what cannot be had ends that process, not this one.
 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#include "shmem.h"

#define FOUR_GIB (1ULL << 32)

/* The block that is measured fits into any first-level cache. */
enum { BLOCK = 16 << 10, LINE = 64, ROUNDS = 200, TRIES = 7 };

/*
 * A load from a first-level cache takes some 5 cycles, one from memory hundreds;
 * a store to uncached memory waits as long, to write-combining memory it does
 * not. So these factors over ordinary memory lie far from both sides.
 */
#define SLOW_LOAD 10.0
#define SLOW_STORE 20.0

enum fault { FAULT_NONE, FAULT_LOST, FAULT_LOADS, FAULT_ACCESSES };

static const struct shmem_fault faults[] = {
	[FAULT_NONE] = { "none", "" },
	[FAULT_LOST] = { "lost", "change a bit after the stores" },
	[FAULT_LOADS] = { "loads", "measure loads as if they took 50 times as long" },
	[FAULT_ACCESSES] = { "accesses", "measure loads and stores so" },
	{ 0 },
};

enum verdict { UNKNOWN, NO_MODEL, WRITE_BACK, WRITE_COMBINING, UNCACHED };

static const char *const verdict_names[] = {
	[UNKNOWN] = "not measured",
	[NO_MODEL] = "no cache model under TCG",
	[WRITE_BACK] = "write-back",
	[WRITE_COMBINING] = "write-combining",
	[UNCACHED] = "uncached",
};

struct speed {
	double load_ns;    /* of a load that depends on the one before */
	double store_mb_s; /* of stores one after the other, MB of 10^6 bytes */
};

/*
 * What the process for one mapping tells the one that started it: once when it
 * is mapped, and again when it is measured.
 */
struct finding {
	enum verdict verdict;
	bool known;       /* the kernel told the type */
	char type[32];    /* which it is, then */
	struct speed speed;
};

/* --- Measuring ------------------------------------------------------------ */

/*
 * Where the next load goes depends on what the last one brought, though never
 * does it make a difference: the compiler does not know that none is 0.
 */
static double time_loads(const unsigned char *block)
{
	static volatile uint64_t zero;
	uint64_t none = zero, value = 0;
	uint64_t start = shmem_now();

	for (int round = 0; round < ROUNDS; round++)
		for (size_t at = 0; at < BLOCK; at += LINE)
			value = *(const volatile uint64_t *)(block + at + (value & none));
	return (double)(shmem_now() - start) / (ROUNDS * (BLOCK / LINE));
}

static double time_stores(unsigned char *block, uint64_t pattern)
{
	volatile uint64_t *words = (volatile uint64_t *)block;
	uint64_t start = shmem_now();

	for (int round = 0; round < ROUNDS; round++)
		for (size_t i = 0; i < BLOCK / sizeof(*words); i++)
			words[i] = pattern + i;
	shmem_fence();
	return (double)(shmem_now() - start) / ROUNDS;
}

static void verify(const unsigned char *block, uint64_t pattern)
{
	const volatile uint64_t *words = (const volatile uint64_t *)block;

	for (size_t i = 0; i < BLOCK / sizeof(*words); i++)
		if (words[i] != pattern + i)
			shmem_die("the memory does not hold what was stored; is another program "
				  "writing there, or is the device's memory switched off?");
}

/* The best of some tries: what disturbs makes all slower, and nothing faster. */
static struct speed measure(unsigned char *block, enum fault fault, struct shmem_claim *claim)
{
	uint64_t pattern = shmem_random();
	double load = 0, store = 0;

	for (int i = 0; i < TRIES; i++) {
		double stores = time_stores(block, pattern);
		double loads = time_loads(block);

		load = i == 0 || loads < load ? loads : load;
		store = i == 0 || stores < store ? stores : store;
		if (claim)
			shmem_claim_renew(claim);
	}
	if (fault == FAULT_LOST)
		block[BLOCK / 2] ^= 1;
	verify(block, pattern);
	if (fault == FAULT_LOADS || fault == FAULT_ACCESSES)
		load *= 50;
	if (fault == FAULT_ACCESSES)
		store *= 50;
	return (struct speed){ .load_ns = load, .store_mb_s = BLOCK * 1e3 / store };
}

static struct speed measure_ordinary(void)
{
	unsigned char *block = aligned_alloc(BLOCK, BLOCK);

	if (!block)
		shmem_die("no memory for %d KiB", BLOCK >> 10);
	struct speed speed = measure(block, FAULT_NONE, NULL);
	free(block);
	return speed;
}

static enum verdict judge(const struct speed *speed, const struct speed *ordinary)
{
	bool slow_loads = speed->load_ns > SLOW_LOAD * ordinary->load_ns;
	bool slow_stores = speed->store_mb_s < ordinary->store_mb_s / SLOW_STORE;

	if (!slow_loads)
		return strcmp(shmem_accelerator(), "tcg") == 0 ? NO_MODEL : WRITE_BACK;
	return slow_stores ? UNCACHED : WRITE_COMBINING;
}

/* --- One mapping ---------------------------------------------------------- */

static void print_row(const struct shmem_options *options, const struct finding *finding)
{
	shmem_print("%-8s %-16s %9.1f %12.0f   %s\n", shmem_mapping_name(options),
		    finding->known ? finding->type : "-", finding->speed.load_ns,
		    finding->speed.store_mb_s, verdict_names[finding->verdict]);
}

static void record_row(const struct shmem *region, const struct shmem_options *options,
		       const struct finding *finding, const struct speed *ordinary)
{
	shmem_record_begin(region, options, "mapping");
	shmem_record_flag("available", true);
	shmem_record_integer("physical_address", region->physical);
	shmem_record_number("load_ns", finding->speed.load_ns);
	shmem_record_number("store_mb_s", finding->speed.store_mb_s);
	shmem_record_number("ordinary_load_ns", ordinary->load_ns);
	shmem_record_number("ordinary_store_mb_s", ordinary->store_mb_s);
	shmem_record_text("verdict", verdict_names[finding->verdict]);
	shmem_record_end();
}

static void tell(int result, const struct finding *finding)
{
	if (write(result, finding, sizeof(*finding)) != sizeof(*finding))
		_exit(1);
}

/* In a process of its own. */
static void look_at(const struct shmem_options *options, int result)
{
	struct shmem region = shmem_open(options);
	struct finding finding = { 0 };

	tell(result, &finding);
	struct shmem_claim claim = shmem_claim_take(&region, CLAIM_BANDWIDTH,
						    "the area of __bandwidth");
	const char *type = shmem_memory_type(&region);
	if (type) {
		finding.known = true;
		snprintf(finding.type, sizeof(finding.type), "%s", type);
	}
	struct speed ordinary = measure_ordinary();
	finding.speed = measure(region.base + layout_bandwidth(region.size),
				(enum fault)options->fault, &claim);
	finding.verdict = judge(&finding.speed, &ordinary);
	shmem_claim_drop(&claim);
	if (options->json)
		record_row(&region, options, &finding, &ordinary);
	else
		print_row(options, &finding);
	tell(result, &finding);
}

static _Noreturn void child(const struct shmem_options *options, int result, int errors)
{
	if (dup2(errors, STDERR_FILENO) < 0)
		_exit(1);
	look_at(options, result);
	_exit(0);
}

/* All that is written until the other side closes, or as much as there is room for. */
static size_t read_all(int fd, void *buffer, size_t size)
{
	size_t total = 0;
	ssize_t got;

	while (total < size && (got = read(fd, (char *)buffer + total, size - total)) != 0) {
		if (got > 0)
			total += (size_t)got;
		else if (errno != EINTR)
			break;
	}
	close(fd);
	return total;
}

/* What a program said when it failed: one line, its name before it. */
static const char *without_name(char *line)
{
	char *colon = strstr(line, ": ");

	line[strcspn(line, "\n")] = '\0';
	if (!line[0])
		return "the process that tried it was killed";
	return colon ? colon + 2 : line;
}

/*
 * Looks at the mapping in another process. NULL if that has printed what it
 * found, otherwise why the mapping cannot be had.
 */
static const char *look_from_afar(const struct shmem_options *options, struct finding *finding)
{
	static char said[1024];
	struct finding told[2];
	int result[2], errors[2];

	if (pipe(result) != 0 || pipe(errors) != 0)
		shmem_die("no pipe to another process: %s", strerror(errno));
	pid_t process = fork();
	if (process < 0)
		shmem_die("no process for a mapping: %s", strerror(errno));
	if (process == 0)
		child(options, result[1], errors[1]);
	close(result[1]);
	close(errors[1]);
	said[read_all(errors[0], said, sizeof(said) - 1)] = '\0';
	size_t length = read_all(result[0], told, sizeof(told));
	waitpid(process, NULL, 0);
	if (length < sizeof(told[0]))
		return without_name(said);
	fputs(said, stderr); /* notices, and what was wrong */
	if (length < sizeof(told))
		exit(1);
	*finding = told[1];
	return NULL;
}

/* --- All of them ---------------------------------------------------------- */

static void report_missing(const struct shmem_options *options, const struct shmem *place,
			   const char *reason)
{
	if (!options->json) {
		shmem_print("%-8s cannot be had: %s\n", shmem_mapping_name(options), reason);
		return;
	}
	shmem_record_begin(place, options, "mapping");
	shmem_record_flag("available", false);
	shmem_record_text("reason", reason);
	shmem_record_end();
}

static void advise_kernel(const struct finding *findings, const bool *had)
{
	for (int kind = SHMEM_UC; kind <= SHMEM_WB; kind++)
		if (had[kind] && findings[kind].known)
			return;
	shmem_print("\nThe kernel's own word is missing: /sys/kernel/debug/x86/pat_memtype_list cannot be\n"
		    "read. As root: mount -t debugfs none /sys/kernel/debug\n");
}

/* The verdicts' why, and what to change. */
static void advise(const struct finding *findings, const bool *had)
{
	enum verdict uc = had[SHMEM_UC] ? findings[SHMEM_UC].verdict : UNKNOWN;
	enum verdict wb = had[SHMEM_WB] ? findings[SHMEM_WB].verdict : UNKNOWN;

	advise_kernel(findings, had);
	if (uc == NO_MODEL || wb == NO_MODEL)
		shmem_print("\nWhy: TCG emulates no caches; the guest's memory types change nothing here.\n"
			    "Change: nothing. With KVM they matter: run this again there.\n");
	else if (uc == WRITE_BACK)
		shmem_print("\nWhy: uncached was asked for, but the hypervisor makes memory of the host write-back,\n"
			    "as KVM does on Intel. Change: nothing, every -m is cached.\n");
	else if (wb == WRITE_BACK)
		shmem_print("\nWhy: the hypervisor honours what the guest asks for, as KVM does on AMD, and resource2\n"
			    "asks for uncached. Change: use -m wb, with every program, in every VM.\n");
	else if (wb == UNKNOWN)
		shmem_print("\nWhy: the hypervisor honours what the guest asks for, and sysfs has no cached mapping.\n"
			    "Change: what the line of wb says; then use -m wb.\n");
	else
		shmem_print("\nWhy: even the write-back mapping behaves otherwise; the MTRRs of this VM or the host's\n"
			    "mapping say so. Change: see docs/memory-types.md.\n");
}

static void print_head(const struct shmem_options *options, const struct shmem_device *device,
		       const struct speed *ordinary)
{
	struct utsname names;

	uname(&names);
	if (options->file)
		shmem_print("file      %s, %llu KiB\n", options->file,
			    (unsigned long long)device->size >> 10);
	else
		shmem_print("device    %s\n"
			    "BAR 2     0x%llx, %llu KiB, %s 4 GiB\n",
			    device->address, (unsigned long long)device->start,
			    (unsigned long long)device->size >> 10,
			    device->start < FOUR_GIB ? "below" : "above");
	shmem_print("machine   accelerator %s, kernel %s, %s\n\n"
		    "%-8s %-16s %9s %12s   %s\n"
		    "%-8s %-16s %9.1f %12.0f\n",
		    shmem_accelerator(), names.release, shmem_cpu_model(), "mapping",
		    "kernel says", "load, ns", "store, MB/s", "measured", "(none)",
		    "ordinary memory", ordinary->load_ns, ordinary->store_mb_s);
}

/* Of a file or the device: size, and where it is. */
static struct shmem_device find(const struct shmem_options *options)
{
	struct shmem_device none = { 0 };
	struct stat status;

	if (!options->file)
		return shmem_device(options);
	if (stat(options->file, &status) == 0)
		none.size = S_ISSOCK(status.st_mode) ? shmem_open(options).size :
						       (uint64_t)status.st_size;
	return none;
}

static const struct shmem_program program = {
	.faults = faults,
	.about = "Shows what this VM sees of the shared memory: the device, which mappings (-m) can be\n"
		 "had, which memory type the kernel says that they have, and which they behave like.\n"
		 "Tries all of them, whatever -m says.\n",
	.example = "  root@vm1:~# __shmem\n"
		   "  device    0000:00:04.0\n"
		   "  BAR 2     0x200000000, 131072 KiB, above 4 GiB\n"
		   "  machine   accelerator tcg, kernel 6.12.90, QEMU TCG CPU version 2.5+\n"
		   "\n"
		   "  mapping  kernel says       load, ns  store, MB/s   measured\n"
		   "  (none)   ordinary memory        4.1         1710\n"
		   "  uc       uncached-minus         4.1         1702   no cache model under TCG\n"
		   "  wc       write-combining        4.2         1698   no cache model under TCG\n"
		   "  wb       write-back             4.1         1711   no cache model under TCG\n"
		   "\n"
		   "  Why: TCG emulates no caches; the guest's memory types change nothing here.\n"
		   "  Change: nothing. With KVM they matter: run this again there.\n",
};

int main(int argc, char **argv)
{
	struct finding findings[SHMEM_WB + 1];
	bool had[SHMEM_WB + 1] = { false };
	struct shmem_options options = { 0 };
	const char *last = NULL;
	bool any = false;

	shmem_getopt(&program, &options, argc, argv);
	struct shmem_device device = find(&options);
	struct shmem place = { .size = device.size, .physical = device.start };
	struct speed ordinary = measure_ordinary();

	if (!options.json)
		print_head(&options, &device, &ordinary);
	for (int kind = SHMEM_UC; kind <= (options.file ? SHMEM_UC : SHMEM_WB); kind++) {
		options.kind = (enum shmem_kind)kind;
		const char *reason = look_from_afar(&options, &findings[kind]);

		had[kind] = !reason;
		any = any || had[kind];
		if (reason)
			report_missing(&options, &place, last = reason);
	}
	if (!any)
		shmem_die("the shared memory cannot be mapped: %s", last);
	if (!options.json && !options.file)
		advise(findings, had);
	return 0;
}
