/*
 * parts.c - where the time of __stream's messages goes, for --parts.
 *
 * The clock is read at the end of each part. So all time from the first message to the last
 * belongs to a part, but for the rest: what comes between the end of a message and the next one.
 */
#include "stream.h"

/* A part is too short for the clock if a reading or a step is more of it than this. */
#define CLOCK_SHARE 0.02

static const char *const part_names[PARTS] = {
	[PART_CHECKSUM] = "checksum",
	[PART_ROOM] = "wait for room",
	[PART_COPY_IN] = "copy in",
	[PART_PUBLISH] = "publish",
	[PART_MESSAGE] = "wait for message",
	[PART_COPY_OUT] = "copy out",
	[PART_RELEASE] = "release",
	[PART_VERIFY] = "verify",
};

/* --- Measuring -------------------------------------------------------------- */

void prepare_parts(struct stream *s)
{
	struct shmem_error error;

	if (s->parts.clock.tick == 0 &&
	    !shmem_try_ticks_clock(&s->parts.clock, false, &error))
		shmem_error_end(&error);
}

void start_parts(struct stream *s, uint64_t message)
{
	struct parts *parts = &s->parts;

	prepare_parts(s);
	parts->on = true;
	parts->message = message;
	parts->now = parts->done = (struct part_sums){ 0 };
	parts->begin = parts->last = ticks();
}

/* If the counter steps back, it has also stepped forward unseen, and no sum can be trusted. */
static uint64_t next_reading(const struct stream *s)
{
	uint64_t now = injected(s, FAULT_CLOCK) ? s->parts.begin - 1 : ticks();

	if (now < s->parts.last)
		shmem_die("the time stamp counter stepped back, by %.0f ns: those of this machine's CPUs "
			  "do not agree, or this VM was moved",
			  (double)(s->parts.last - now) * s->parts.clock.tick);
	return now;
}

void add_part(struct stream *s, enum stream_part part)
{
	struct part_sum *sum = &s->parts.now.parts[part];
	uint64_t now = next_reading(s);

	sum->ticks += now - s->parts.last;
	sum->readings++;
	s->parts.last = now;
}

void end_message(struct stream *s)
{
	struct parts *parts = &s->parts;

	parts->now.messages++;
	parts->now.end = parts->last;
	parts->done = parts->now;
	parts->last = next_reading(s);
}

uint64_t parts_ns(const struct stream *s)
{
	return (uint64_t)((double)(s->parts.last - s->parts.begin) * s->parts.clock.tick);
}

/* --- Reporting --------------------------------------------------------------- */

/* Nanoseconds of a message, the mean of all. Parts, readings and rest add up to the whole. */
struct part_times {
	double parts[PARTS]; /* without the readings if measured, otherwise with them */
	bool measured[PARTS];
	double readings;     /* of the clock, in the parts that are measured */
	double rest, whole;
};

static bool is_measured(const struct ticks_clock *clock, const struct part_sum *sum)
{
	double least = clock->reading > clock->step ? clock->reading : clock->step;

	return least * (double)sum->readings <= CLOCK_SHARE * clock->tick * (double)sum->ticks;
}

static struct part_times times_of(const struct parts *parts)
{
	const struct ticks_clock *clock = &parts->clock;
	double messages = (double)parts->done.messages;
	uint64_t whole = parts->done.end - parts->begin, rest = whole;
	struct part_times times = { .whole = clock->tick * (double)whole / messages };

	for (int part = 0; part < PARTS; part++) {
		const struct part_sum *sum = &parts->done.parts[part];
		double readings = clock->reading * (double)sum->readings / messages;

		rest -= sum->ticks;
		times.parts[part] = clock->tick * (double)sum->ticks / messages;
		times.measured[part] = is_measured(clock, sum);
		if (times.measured[part]) {
			times.parts[part] -= readings;
			times.readings += readings;
		}
	}
	times.rest = clock->tick * (double)rest / messages;
	return times;
}

static bool part_is_of(int part, bool sender)
{
	return (part <= PART_PUBLISH) == sender;
}

static void print_part_line(const char *name, const char *below, double ns, double whole)
{
	shmem_print("  %-18s %1s%10.0f ns  %1s%6.1f %%\n", name, below, ns, below, 100 * ns / whole);
}

static void print_parts(const struct stream *s, const struct part_times *times)
{
	const struct parts *parts = &s->parts;

	shmem_print("%s %s, messages of %llu bytes: where the time of one goes (mean of %llu, copied by "
		    "%s)\n", s->plan.send ? "sent to" : "received from", other_side(s),
		    (unsigned long long)parts->message, (unsigned long long)parts->done.messages,
		    s->channel.copy->name);
	for (int part = 0; part < PARTS; part++)
		if (part_is_of(part, s->plan.send))
			print_part_line(part_names[part], times->measured[part] ? "" : "<", times->parts[part],
				   times->whole);
	print_part_line("reading the clock", "", times->readings, times->whole);
	print_part_line("rest", "", times->rest, times->whole);
	print_part_line("whole", "", times->whole, times->whole);
	shmem_print("clock: %.0f ns a reading, steps of %.3g ns; <: too short to be measured with it\n",
		    parts->clock.reading, parts->clock.step);
}

static void record_part(enum stream_part part, const struct part_times *times)
{
	shmem_record_object(NULL);
	shmem_record_text("part", part_names[part]);
	shmem_record_flag("measured", times->measured[part]);
	shmem_record_number(times->measured[part] ? "ns" : "below_ns", times->parts[part]);
	shmem_record_object_end();
}

static void record_parts(const struct stream *s, const struct part_times *times)
{
	const struct parts *parts = &s->parts;

	shmem_record_begin(&s->region, &s->options, "stream-parts");
	shmem_record_text("role", s->plan.send ? "send" : "recv");
	shmem_record_integer("channel", s->plan.channel);
	shmem_record_integer("message_bytes", parts->message);
	shmem_record_integer("count", parts->done.messages);
	shmem_record_text("copy", s->channel.copy->name);
	shmem_record_flag("sleep", s->plan.sleep);
	shmem_record_array("parts");
	for (int part = 0; part < PARTS; part++)
		if (part_is_of(part, s->plan.send))
			record_part(part, times);
	shmem_record_array_end();
	shmem_record_number("readings_ns", times->readings);
	shmem_record_number("rest_ns", times->rest);
	shmem_record_number("whole_ns", times->whole);
	shmem_record_number("clock_reading_ns", parts->clock.reading);
	shmem_record_number("clock_step_ns", parts->clock.step);
	shmem_record_end();
}

void report_parts(struct stream *s)
{
	if (s->parts.done.messages > 0) {
		struct part_times times = times_of(&s->parts);

		if (s->options.json)
			record_parts(s, &times);
		else
			print_parts(s, &times);
	}
	s->parts.on = false;
}
