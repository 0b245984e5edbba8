/*
 * wait.c - waiting for the other side of __stream: spinning, or with --sleep asleep until
 * it rings (sleep.h). Either way we show that we live, and check that the other side does.
 */
#include "stream.h"

#include <poll.h>

#include "wait.h"

/*
 * How long to poll before sleeping. Without polling, the faster side would sleep between
 * any two messages, and each message would need an interrupt.
 */
#define POLL (20 * US)

/* After this many sleeps that ended well but without an interrupt, none arrive at all. */
enum { UNRUNG_MAX = 20 };

/* --- The other side -------------------------------------------------------- */

void tend(struct stream *s)
{
	shmem_meet_beat(&s->meeting);
	s->since_beat = 0;
}

static enum shmem_peer look_at_peer(struct stream *s)
{
	return shmem_meet_peer(&s->meeting, s->plan.send ? RECEIVER_SEAT : SENDER_SEAT);
}

static void end_without_peer(const struct stream *s, enum shmem_peer peer)
{
	if (peer != SHMEM_PEER_LIVES)
		shmem_fail(shmem_peer_status(peer), "the %s %s (after %llu bytes)", other_side(s),
			   shmem_peer_fate(peer), (unsigned long long)s->total);
}

/* --- Asleep, and waking ---------------------------------------------------- */

void open_stream_region(struct stream *s)
{
	if (s->plan.sleep)
		s->bell = shmem_doorbell_open(&s->options, &s->region, true);
	else
		s->region = shmem_open(&s->options);
}

/*
 * The other side looks at our words only when we are ready, and then the values of an
 * earlier run are overwritten. Each channel has its own vector if there are enough.
 */
void show_whether_we_sleep(struct stream *s)
{
	atomic_store_explicit(&s->own->wanted, 0, memory_order_relaxed);
	if (s->plan.sleep) {
		unsigned int vectors = shmem_doorbell_vectors(s->bell);

		s->sleeper = shmem_sleeper(s->bell, &s->own->notice,
					   (unsigned int)s->plan.channel % vectors, POLL);
	}
	show_word(s, &s->own->sleeps, s->plan.sleep ? s->meeting.session : 0);
}

void prepare_to_wake(struct stream *s)
{
	struct shmem again; /* the same region, mapped a second time */

	if (atomic_load_explicit(&s->other->sleeps, memory_order_relaxed) != s->meeting.session)
		return;
	if (!s->bell)
		s->bell = shmem_doorbell_open(&s->options, &again, false);
	s->waker = shmem_waker(s->bell, &s->other->notice);
}

/*
 * The other side wrote wanted before its notice, with a fence between. If we do not see
 * wanted here, our count was written before the other side looks for it again.
 */
void wake_other(struct stream *s)
{
	if (!s->waker.bell || injected(s, FAULT_SKIP))
		return;
	/* The difference is right even if a count has wrapped. */
	uint64_t wanted = atomic_load_explicit(&s->other->wanted, memory_order_relaxed);
	if (s->moved - wanted <= INT64_MAX)
		shmem_wake(&s->waker);
}

/* A single wake-up may be late, but not all of them. */
static void check_rung(struct stream *s)
{
	if (s->sleeper.interrupts != s->interrupts_seen) {
		s->interrupts_seen = s->sleeper.interrupts;
		s->unrung_seen = s->sleeper.unrung;
	}
	if (s->sleeper.unrung - s->unrung_seen >= UNRUNG_MAX)
		shmem_fail(SHMEM_STATUS_FAILED,
			   "no interrupt arrives here: the %s moved its bytes %d times "
			   "while we slept, and we were not rung; it works without --sleep", other_side(s),
			   UNRUNG_MAX);
}

/*
 * Returns true when done() does, or false after a turn. Shows that we live even after a
 * short sleep, since all sleeps may be short.
 */
static bool sleep_a_turn(struct stream *s, bool (*done)(void *context), void *context)
{
	bool is_done = shmem_sleep(&s->sleeper, done, context, shmem_now() + SHMEM_SLEEP_TURN);

	check_rung(s);
	tend(s);
	return is_done;
}

void want(struct stream *s, uint64_t moved)
{
	if (s->plan.sleep)
		atomic_store_explicit(&s->own->wanted, moved, memory_order_relaxed);
}

/* --- Waiting --------------------------------------------------------------- */

/*
 * Gives up on a dead peer only after calling done() once more: its last bytes may have
 * arrived just before.
 */
static void wait_for_peer(struct stream *s, bool asleep, bool (*done)(void *context), void *context)
{
	enum shmem_peer peer = SHMEM_PEER_LIVES;
	unsigned int turns = 0;

	while (!done(context)) {
		end_without_peer(s, peer);
		if (asleep && sleep_a_turn(s, done, context))
			return;
		if (!asleep && !wait_turn(&turns))
			continue;
		tend(s);
		peer = look_at_peer(s);
	}
}

void wait_until(struct stream *s, bool (*done)(void *context), void *context)
{
	wait_for_peer(s, s->plan.sleep, done, context);
}

struct expected {
	const _Atomic uint64_t *word;
	uint64_t value;
};

static bool is_expected(void *context)
{
	const struct expected *expected = context;

	return atomic_load_explicit(expected->word, memory_order_relaxed) == expected->value;
}

void wait_for_word(struct stream *s, const _Atomic uint64_t *word, uint64_t value)
{
	wait_for_peer(s, false, is_expected, &(struct expected){ .word = word, .value = value });
	shmem_fence(); /* pairs with show_word: stores before it are seen now */
}

void show_word(const struct stream *s, _Atomic uint64_t *word, uint64_t value)
{
	shmem_fence(); /* pairs with wait_for_word */
	shmem_meet_check(&s->meeting);
	atomic_store_explicit(word, value, memory_order_relaxed);
	shmem_fence(); /* out of the write-combining buffer */
}

void wait_for_file(struct stream *s, int fd, short events)
{
	struct pollfd file = { .fd = fd, .events = events };

	while (poll(&file, 1, 50) <= 0) {
		end_without_peer(s, look_at_peer(s));
		tend(s);
	}
}
