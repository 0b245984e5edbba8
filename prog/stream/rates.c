/* rates.c - the throughput of __stream's generated data, and the CPU time for it. */
#include "stream.h"

#include <stdio.h>
#include <stdlib.h>

#include "lib/progress.h"

enum { COPY_CHANCES = 20 };

/* --- CPU ------------------------------------------------------------------ */

struct usage usage_now(void)
{
	return (struct usage){ .time = shmem_now(), .cpu = shmem_cpu_time() };
}

double cpu_percent_since(struct usage since)
{
	uint64_t used = shmem_cpu_time() - since.cpu;

	return 100 * (double)used / (double)shmem_since(since.time);
}

const char *describe_cpu(const struct stream *s, double percent)
{
	static char text[128];
	int length = snprintf(text, sizeof(text), "%.1f %% of a CPU", percent);

	if (s->plan.sleep)
		snprintf(text + length, sizeof(text) - (size_t)length,
			 ", slept %llu times, woken by %llu interrupts",
			 (unsigned long long)s->channel.sleeper.sleeps,
			 (unsigned long long)s->channel.sleeper.interrupts);
	return text;
}

/* percent covers the reported part; the counts cover the whole run so far. */
void record_cpu(const struct stream *s, double percent)
{
	shmem_record_number("cpu_percent", percent);
	shmem_record_flag("sleep", s->plan.sleep);
	shmem_record_integer("sleeps", s->channel.sleeper.sleeps);
	shmem_record_integer("interrupts", s->channel.sleeper.interrupts);
	shmem_record_integer("unrung", s->channel.sleeper.unrung);
	shmem_record_integer("rings", s->channel.waker.rings);
}

/* --- Rates ---------------------------------------------------------------- */

double stream_rate(const struct stream *s, uint64_t bytes, uint64_t start)
{
	uint64_t elapsed = injected(s, FAULT_CLOCK) ? 1 : shmem_since(start);

	return (double)bytes * 1e3 / (double)elapsed;
}

void add_rate(struct rates *rates, uint64_t bytes, double sample)
{
	if (rates->count == rates->room) {
		rates->room = rates->room ? 2 * rates->room : 64;
		rates->samples = realloc(rates->samples, rates->room * sizeof(double));
		if (!rates->samples)
			shmem_die("no memory for %zu samples; give -t less", rates->room);
	}
	rates->samples[rates->count++] = sample;
	rates->bytes += bytes;
}

void show_round(const struct rates *rates)
{
	shmem_progress("messages of %llu bytes, %zu rounds", (unsigned long long)rates->message,
		       rates->count);
}

static void print_rates(const struct stream *s, const struct rates *rates,
			const struct shmem_summary *summary, double cpu)
{
	char own[64] = "";

	if (rates->own > 0)
		snprintf(own, sizeof(own), ", %.2f of %s's %.2f", summary->median / rates->own,
			 s->channel.copy->name, rates->own);
	shmem_print("%s %s, messages of %llu bytes: median %.2f MB/s (min %.2f, max %.2f, "
		    "%zu rounds, %llu bytes verified)%s, %s\n",
		    s->plan.send ? "sent to" : "received from", other_side(s),
		    (unsigned long long)rates->message, summary->median, summary->min,
		    summary->max, summary->count, (unsigned long long)rates->bytes, own,
		    describe_cpu(s, cpu));
}

static void record_rates(const struct stream *s, const struct rates *rates,
			 const struct shmem_summary *summary, double cpu)
{
	shmem_record_begin(&s->region, &s->options, "stream");
	shmem_record_text("role", s->plan.send ? "send" : "recv");
	shmem_record_integer("channel", s->plan.channel);
	shmem_record_integer("message_bytes", rates->message);
	shmem_record_integer("verified_bytes", rates->bytes);
	shmem_record_summary(summary, "_mb_per_s");
	shmem_record_text("copy", s->channel.copy->name);
	if (rates->own > 0) {
		shmem_record_number("copy_mb_per_s", rates->own);
		shmem_record_number("of_copy", summary->median / rates->own);
	}
	record_cpu(s, cpu);
	shmem_record_end();
}

/*
 * Two CPUs copy at the same time, each between the ring and its own memory. So a stream may
 * be faster than one copy from memory to memory. But a rate of more than twice that copy's is
 * impossible. The copy may have been disturbed, so it is repeated some times, also by memcpy: our own
 * memory may be slow for the channel's kernel (see __bandwidth).
 */
static void check_possible(struct stream *s, struct rates *rates,
			   const struct shmem_summary *summary)
{
	if (rates->own == 0)
		return;
	double limit = rates->own;

	for (int i = 0; i < COPY_CHANCES && summary->median > 2 * limit; i++) {
		const struct shmem_copy_kernel *kernel = i % 2 ? shmem_copy_kernels : s->channel.copy;
		double again = own_copy(s, kernel, rates->message);

		limit = again > limit ? again : limit;
		if (kernel == s->channel.copy && again > rates->own)
			rates->own = again;
	}
	if (summary->median > 2 * limit)
		shmem_die("%.0f MB/s is more than twice the rate of the fastest copy within this VM "
			  "(%.0f MB/s): the clock of this machine cannot be trusted", summary->median,
			  limit);
}

void report_rates(struct stream *s, struct rates *rates)
{
	struct shmem_summary summary;

	if (rates->count > 0) {
		double cpu = cpu_percent_since(rates->start); /* before the code below uses some */

		summary = shmem_summarise(rates->samples, rates->count);
		check_possible(s, rates, &summary);
		if (s->options.json)
			record_rates(s, rates, &summary, cpu);
		else
			print_rates(s, rates, &summary, cpu);
	}
	free(rates->samples);
	*rates = (struct rates){ 0 };
}
