/*
 * shmem.c - __shmem: how this VM sees the shared memory.
 *
 * Maps it in each of the three ways, asks the kernel which memory type it noted
 * for the mapping, and measures which type it behaves like.
 *
 * Here are the command line and the advice; mapping.h says where the rest is.
 */
#include "mapping.h"
#include "watch.h"

#include <stdio.h>
#include <sys/stat.h>
#include <cpuid.h>
#include <string.h>
#include <sys/utsname.h>

/* --- Output --------------------------------------------------------------- */

static void report_missing(const struct shmem_options *options, const struct shmem *place,
			   const char *reason)
{
	if (!options->json) {
		shmem_print("%-8s not available: %s\n", shmem_mapping_name(options), reason);
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
	shmem_print("\nThe memory type according to the kernel is missing, because\n"
		    "/sys/kernel/debug/x86/pat_memtype_list cannot be read. As root: mount -t debugfs none /sys/kernel/debug\n");
}

/* By CPUID leaf 0: AMD, or Hygon, whose CPUs are AMD's in this (kernel: arch/x86/kernel/cpu/hygon.c). */
static bool cpu_is_amd(void)
{
	unsigned int words[4] = { 0 };
	char vendor[12];

	__get_cpuid(0, &words[0], &words[1], &words[3], &words[2]);
	memcpy(vendor, &words[1], sizeof(vendor));
	return memcmp(vendor, "AuthenticAMD", 12) == 0 || memcmp(vendor, "HygonGenuine", 12) == 0;
}

/* Explains the verdicts, and says what to change. */
static void advise(const struct finding *findings, const bool *had)
{
	enum verdict uc = had[SHMEM_UC] ? findings[SHMEM_UC].verdict : UNKNOWN;
	enum verdict wb = had[SHMEM_WB] ? findings[SHMEM_WB].verdict : UNKNOWN;

	advise_kernel(findings, had);
	if (uc == NO_MODEL || wb == NO_MODEL)
		shmem_print("\nWhy: TCG emulates no caches; the guest's memory types change nothing here.\n"
			    "Change: nothing. With KVM they matter: run this again there.\n");
	else if (uc == WRITE_BACK && cpu_is_amd())
		shmem_print("\nWhy: the mapping is cached although it asks for uncached. KVM on AMD does not do that; so\n"
			    "the host itself probably runs in an emulator without caches, such as TCG, and the figures\n"
			    "above tell nothing about real hosts. Change: nothing, all -m are equally fast here.\n");
	else if (uc == WRITE_BACK)
		shmem_print("\nWhy: the mapping is cached although it asks for uncached. Either the hypervisor makes the\n"
			    "host's memory write-back, as KVM does on Intel; or the host itself runs in an emulator\n"
			    "without caches, such as TCG. Change: nothing, all -m are equally fast here.\n");
	else if (wb == WRITE_BACK)
		shmem_print("\nWhy: the hypervisor grants the type that the guest asks for, as KVM does on AMD, and on\n"
			    "Intel for some assigned devices; resource2 asks for uncached. Change: use -m wb, with\n"
			    "every program, in every VM.\n");
	else if (wb == UNKNOWN)
		shmem_print("\nWhy: the hypervisor grants the type that the guest asks for, and sysfs has no cached mapping.\n"
			    "Change: follow the line of wb above; then use -m wb.\n");
	else
		shmem_print("\nWhy: even the write-back mapping is not cached; the MTRRs of this VM or the host's\n"
			    "mapping prevent it. Change: see docs/memory-types.md.\n");
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
			    device->start < SHMEM_FOUR_GIB ? "below" : "above");
	shmem_print("machine   accelerator %s, kernel %s, %s\n\n"
		    "%-8s %-16s %9s %12s   %s\n"
		    "%-8s %-16s %9.1f %12.0f\n",
		    shmem_accelerator(), names.release, shmem_cpu_model(), "mapping",
		    "kernel says", "load, ns", "store, MB/s", "measured", "(none)",
		    "ordinary memory", ordinary->load_ns, ordinary->store_mb_s);
}

/* --- Command line --------------------------------------------------------- */

static const struct shmem_fault faults[] = {
	[FAULT_NONE] = { "none", "" },
	[FAULT_LOST] = { "lost", "change a bit after the stores" },
	[FAULT_LOADS] = { "loads", "measure loads as if they took 50 times as long" },
	[FAULT_ACCESSES] = { "accesses", "measure loads and stores as if they took 50 times as long" },
	{ 0 },
};

static const struct shmem_program program = {
	.synopsis = "[watch [-t SECONDS]]",
	.letters = "t:",
	.faults = faults,
	.operands = 1,
	.about = "Shows how this VM sees the shared memory: the device, the mappings (-m) that are\n"
		 "available, the memory type that the kernel states for each, and the type that it\n"
		 "behaves like. Tries all mappings, whatever -m says.\n"
		 "\n"
		 "watch tells why programs hang. Each second it shows the claims, the seats, and the\n"
		 "state of each channel of __stream. A holder without a sign of life for 3 s is\n"
		 "stale. watch only reads, and takes no seat. The key q or Ctrl-C ends it.\n",
	.details = "  -t SECONDS  watch for this long (default: until it is ended)\n",
	.example = "  root@vm1:~# __shmem       # the device, with a row for each of uc, wc and wb\n"
		   "\n"
		   "  Seen with a file, on a host that is a VM itself:\n"
		   "  $ __shmem -f region\n"
		   "  file      region, 1024 KiB\n"
		   "  machine   accelerator kvm, kernel 6.18.44, Intel(R) Xeon(R) Processor\n"
		   "\n"
		   "  mapping  kernel says       load, ns  store, MB/s   measured\n"
		   "  (none)   ordinary memory        3.1        20438\n"
		   "  file     -                      3.1        20438   write-back\n"
		   "\n"
		   "  What watch shows on the host: the receiver of channel 0 waits for the reader of its\n"
		   "  output, so the sender sleeps until it is rung as peer 3 at vector 0, after\n"
		   "  163776 more bytes. The holder of the claim of __bandwidth was killed.\n"
		   "  $ __shmem watch -f server/socket\n"
		   "  region of 131072 KiB, mapping file, rings of 524288 bytes, watched for 5 s\n"
		   "  claims: message free, bandwidth stale 4 s\n"
		   "  __stress           14 free, 2 held, in one session\n"
		   "  ch __stream seat         asleep: id.vector, until     in ring    MB/s accepted\n"
		   "   0 sender   held         3.0 +163776                   425920     0.0        0\n"
		   "     receiver held         no                        receiver does not read\n"
		   "   3 sender   held         no                            524288    93.2     672M\n"
		   "     receiver held         no                        flows\n",
};

/* --- All mappings --------------------------------------------------------- */

/* The size and address of the device; of a file, the size only. */
static struct shmem_device find(const struct shmem_options *options)
{
	struct shmem_device none = { 0 };
	struct stat status;

	if (!options->file)
		return shmem_device_find(options);
	if (stat(options->file, &status) == 0)
		none.size = S_ISSOCK(status.st_mode) ? shmem_open(options).size :
						       (uint64_t)status.st_size;
	return none;
}

static void show_mappings(struct shmem_options *options)
{
	struct finding findings[SHMEM_WB + 1];
	bool had[SHMEM_WB + 1] = { false };
	const char *last = NULL;
	bool any = false;
	struct shmem_device device = find(options);
	struct shmem place = { .size = device.size, .physical = device.start };
	struct speed ordinary = measure_ordinary();

	if (!options->json)
		print_head(options, &device, &ordinary);
	for (int kind = SHMEM_UC; kind <= (options->file ? SHMEM_UC : SHMEM_WB); kind++) {
		options->kind = (enum shmem_kind)kind;
		const char *reason = look_from_afar(options, &findings[kind]);

		had[kind] = !reason;
		any = any || had[kind];
		if (reason)
			report_missing(options, &place, last = reason);
	}
	if (!any)
		shmem_die("the shared memory cannot be mapped: %s", last);
	if (!options->json && !options->file)
		advise(findings, had);
}

/* --- The command ---------------------------------------------------------- */

/* Whether the operand is watch; the options must be those of what is asked for. */
static bool is_watch_meant(const struct shmem_options *options, const char *operand, bool timed)
{
	if (operand && strcmp(operand, "watch") != 0)
		shmem_usage_error("'%s' is not watch, the only command", operand);
	if (!operand && timed)
		shmem_usage_error("-t is for watch");
	if (operand && options->fault)
		shmem_usage_error("--inject is not for watch, which measures nothing");
	return operand;
}

int main(int argc, char **argv)
{
	struct shmem_options options = { 0 };
	uint64_t duration = 0;

	while (shmem_getopt(&program, &options, argc, argv) == 't')
		duration = shmem_option_seconds("-t", optarg);
	if (is_watch_meant(&options, argv[optind], duration != 0))
		watch_region(&options, duration);
	else
		show_mappings(&options);
	return 0;
}
