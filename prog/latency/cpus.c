/*
 * cpus.c - round trips between every two CPUs of this machine, for --cpus. Two processes, each
 * pinned to a CPU of the pair, measure it with the code that measures two VMs.
 */
#include "latency.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/progress.h"

struct pair {
	int cpu, other;
	struct latency_figures figures; /* written by the process that measures */
};

/* Lists the CPUs that this process may use. Returns their number. */
static int allowed_cpus(int cpus[static CPU_SETSIZE])
{
	cpu_set_t allowed;
	int count = 0;

	if (sched_getaffinity(0, sizeof(allowed), &allowed))
		shmem_die("cannot find out the allowed CPUs: %m");
	for (int cpu = 0; cpu < CPU_SETSIZE; cpu++)
		if (CPU_ISSET(cpu, &allowed))
			cpus[count++] = cpu;
	if (count < 2)
		shmem_die("--cpus needs two CPUs, and this process may use only CPU %d; see taskset -p",
			  cpus[0]);
	return count;
}

/*
 * If the user named no file, uses private memory instead of the device, so that no other program
 * interferes. The file vanishes with the last process that has it open.
 */
static void use_own_memory(struct shmem_options *options)
{
	static char path[32];
	int fd = memfd_create("latency", 0);

	if (fd < 0 || ftruncate(fd, 1 << 20))
		shmem_die("cannot make a file in memory: %m");
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	options->file = path;
}

/* Runs in the new process. said takes its stderr. */
static _Noreturn void run_side(const struct latency_settings *settings,
			       const struct shmem_options *options, int cpu, int said,
			       struct latency_figures *kept)
{
	static struct latency_run run;
	struct latency_settings side = *settings;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	dup2(said, STDERR_FILENO);
	side.cpu = cpu;
	run.settings = &side;
	run.options = options;
	run.kept = kept;
	run_latency(&run);
	_exit(0);
}

static pid_t start_side(const struct latency_settings *settings,
			const struct shmem_options *options, int cpu, int said,
			struct latency_figures *kept)
{
	pid_t pid = fork();

	if (pid < 0)
		shmem_die("cannot start a process: %m");
	if (pid == 0)
		run_side(settings, options, cpu, said, kept);
	return pid;
}

/*
 * Prints why a side failed. The sides append to one file, so the cause comes before what
 * the other side says of its lost partner; only notices that a side waits may come earlier.
 */
static void print_cause(int said)
{
	char text[1024] = "", *rest = text, *line;

	if (pread(said, text, sizeof(text) - 1, 0) < 0)
		return;
	while ((line = strsep(&rest, "\n")))
		if (*line && !strstr(line, " waiting for ")) {
			fprintf(stderr, "%s\n", line);
			return;
		}
}

/* One side ended with this status: ends the other and this program. */
static _Noreturn void fail(const pid_t sides[static 2], int said, int status)
{
	shmem_progress_end();
	kill(sides[0], SIGKILL);
	kill(sides[1], SIGKILL);
	if (WIFSIGNALED(status))
		shmem_die("signal %d ended a measuring process", WTERMSIG(status));
	print_cause(said);
	exit(1);
}

/* Draws after the forks, so that no side has a line to erase, and then sleeps: a redraw would disturb them. */
static void measure_pair(const struct latency_settings *settings, const struct shmem_options *options,
			 struct pair *pair, size_t number, size_t count)
{
	int said = memfd_create("said", MFD_CLOEXEC);

	if (said < 0 || fcntl(said, F_SETFL, O_APPEND))
		shmem_die("cannot make a file in memory: %m");
	pid_t sides[2] = {
		start_side(settings, options, pair->cpu, said, &pair->figures),
		start_side(settings, options, pair->other, said, &pair->figures),
	};

	shmem_progress_before(settings->trips ? 0 : settings->time, "pair %zu of %zu: CPUs %d and %d",
			      number, count, pair->cpu, pair->other);
	for (int i = 0; i < 2; i++) {
		int status;

		if (waitpid(-1, &status, 0) < 0)
			shmem_die("cannot wait for a process: %m");
		if (status != 0)
			fail(sides, said, status);
	}
	shmem_progress_end();
	close(said);
}

/* --- Output --------------------------------------------------------------- */

static void record_pair(const struct shmem *region, const struct shmem_options *options,
			const struct pair *pair)
{
	shmem_record_begin(region, options, "latency-cpus");
	shmem_record_integer("from_cpu", (uint64_t)pair->cpu);
	shmem_record_integer("to_cpu", (uint64_t)pair->other);
	shmem_record_text("measured", "round trip");
	shmem_record_summary(&pair->figures.us, "_us");
	record_clock_step(&pair->figures);
	shmem_record_end();
}

/* The round trip that the matrix shows. */
static double pair_us(const struct pair *pair)
{
	return pair->figures.batch_us > 0 ? pair->figures.batch_us : pair->figures.us.median;
}

static const struct pair *find_pair(const struct pair *pairs, size_t count, int a, int b)
{
	for (size_t i = 0; i < count; i++)
		if ((pairs[i].cpu == a && pairs[i].other == b) ||
		    (pairs[i].cpu == b && pairs[i].other == a))
			return &pairs[i];
	return NULL;
}

static bool has_batches(const struct pair *pairs, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (pairs[i].figures.batch_us > 0)
			return true;
	return false;
}

static void print_matrix(const struct pair *pairs, size_t count, const int *cpus, int cpu_count)
{
	double step_ns = 1e3 * pairs->figures.clock_step_us;

	shmem_print("median round trip in ns between the CPUs\n");
	if (has_batches(pairs, count))
		shmem_print("(up to %.0f ns the mean of 64, since the clock steps by %.3g ns)\n",
			    step_ns / COARSE_CLOCK, step_ns);
	shmem_print("\n   CPU");
	for (int i = 0; i < cpu_count; i++)
		shmem_print(" %6d", cpus[i]);
	for (int row = 0; row < cpu_count; row++) {
		shmem_print("\n%6d", cpus[row]);
		for (int column = 0; column < cpu_count; column++) {
			const struct pair *pair = find_pair(pairs, count, cpus[row], cpus[column]);

			if (pair)
				shmem_print(" %6.0f", 1e3 * pair_us(pair));
			else
				shmem_print(" %6s", "-");
		}
	}
	shmem_print("\n");
}

static void print_extremes(const struct pair *pairs, size_t count)
{
	const struct pair *fastest = pairs, *slowest = pairs;

	for (size_t i = 1; i < count; i++) {
		if (pair_us(&pairs[i]) < pair_us(fastest))
			fastest = &pairs[i];
		if (pair_us(&pairs[i]) > pair_us(slowest))
			slowest = &pairs[i];
	}
	shmem_print("\nfastest: CPUs %d and %d, %.0f ns; slowest: CPUs %d and %d, %.0f ns\n",
		    fastest->cpu, fastest->other, 1e3 * pair_us(fastest), slowest->cpu,
		    slowest->other, 1e3 * pair_us(slowest));
}

void measure_cpus(const struct latency_settings *settings, struct shmem_options *options)
{
	static int cpus[CPU_SETSIZE];
	int cpu_count = allowed_cpus(cpus);
	size_t count = 0, pair_count = (size_t)cpu_count * (size_t)(cpu_count - 1) / 2;
	struct pair *pairs = mmap(NULL, pair_count * sizeof(*pairs), PROT_READ | PROT_WRITE,
				  MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (pairs == MAP_FAILED)
		shmem_die("no memory for %zu pairs of CPUs", pair_count);
	if (!options->file)
		use_own_memory(options);

	struct shmem region = shmem_open(options);
	shmem_progress_begin();
	for (int i = 0; i < cpu_count; i++)
		for (int j = i + 1; j < cpu_count; j++) {
			struct pair *pair = &pairs[count++];

			*pair = (struct pair){ .cpu = cpus[i], .other = cpus[j] };
			measure_pair(settings, options, pair, count, pair_count);
			if (options->json)
				record_pair(&region, options, pair);
		}
	if (options->json)
		return;
	print_matrix(pairs, count, cpus, cpu_count);
	print_extremes(pairs, count);
}
