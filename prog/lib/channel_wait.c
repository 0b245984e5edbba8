/* channel_wait.c - waiting for the other side of a channel, and waking it. */
#include "channel_private.h"

#include <string.h>
#include <sys/timerfd.h>

#include "turn.h"
#include "units.h"

/*
 * How long to poll before sleeping. Without polling, the faster side would sleep between
 * any two messages, and each message would need an interrupt.
 */
#define POLL (20 * SHMEM_US)

#define TIMER_PERIOD (1 * SHMEM_MS)

/* After this many sleeps that ended well but without an interrupt, none arrive at all. */
enum { UNRUNG_MAX = 20 };

enum { SPINS_A_LOOK = 4096 };

/* --- Waking the other side ----------------------------------------------------- */

bool shmem_channel_needs_bell(const struct shmem_channel *channel)
{
	if (!channel_is_open(channel))
		return false;
	const struct sleep_words *other = &channel->words->sleeps[channel_other_seat(channel)];

	return !channel->waker.bell &&
	       atomic_load_explicit(&other->sleeps, memory_order_relaxed) ==
		       channel->meeting.session;
}

static void show_bell(struct shmem_channel *channel, bool has_bell)
{
	atomic_store_explicit(&channel->words->sleeps[channel->meeting.seat].rings,
			      has_bell ? channel->meeting.session : 0, memory_order_relaxed);
}

void shmem_channel_give_bell(struct shmem_channel *channel, struct shmem_doorbell *bell)
{
	show_bell(channel, true);
	channel->waker = shmem_waker_for(bell,
					 &channel->words->sleeps[channel_other_seat(channel)].notice);
}

void shmem_channel_prepare_to_wake(struct shmem_channel *channel)
{
	if (channel->options.bell && shmem_channel_needs_bell(channel))
		shmem_channel_give_bell(channel, channel->options.bell);
}

/*
 * wanted grows while the other side waits for our count. So an old value of it has been reached
 * before, and we look at the notice once too often, never too rarely. It falls after a wait that
 * ended early: then we may miss its new value once, and the other side looks at the end of its
 * turn. It falls for the receiver's number, too, which has a fence of its own
 * (shmem_channel_accept). shmem_wake has the fence between our count and the look at the notice.
 */
static void wake_other(struct shmem_channel *channel)
{
	if (!channel->waker.bell)
		return;
	/* The difference is right even if a count has wrapped. */
	uint64_t wanted = atomic_load_explicit(&channel->words->sleeps[channel_other_seat(channel)].wanted,
					       memory_order_relaxed);
	if (channel->ring.mine - wanted <= INT64_MAX)
		shmem_wake(&channel->waker);
}

enum shmem_channel_status shmem_channel_moved(struct shmem_channel *channel)
{
	wake_other(channel);
	return channel_is_time(channel->beaten) ? shmem_channel_beat(channel) : SHMEM_CHANNEL_OK;
}

/* --- Asleep -------------------------------------------------------------------- */

bool shmem_channel_sleeps(const struct shmem_channel *channel)
{
	return channel->options.bell && channel->options.wait != SHMEM_WAIT_SPIN;
}

/* The other side looks when we are ready, and then the values of an earlier run are overwritten. */
void shmem_channel_show_sleep(struct shmem_channel *channel)
{
	struct sleep_words *own = &channel->words->sleeps[channel->meeting.seat];
	bool sleeps = shmem_channel_sleeps(channel);

	atomic_store_explicit(&own->wanted, 0, memory_order_relaxed);
	if (sleeps)
		channel->sleeper = shmem_sleeper_for(
			channel->options.bell, &own->notice, channel->options.vector,
			channel->options.wait == SHMEM_WAIT_SLEEP ? 0 : POLL);
	atomic_store_explicit(&own->sleeps, sleeps ? channel->meeting.session : 0,
			      memory_order_relaxed);
	show_bell(channel, channel->options.bell != NULL);
}

void shmem_channel_want(struct shmem_channel *channel, uint64_t count)
{
	if (shmem_channel_sleeps(channel))
		atomic_store_explicit(&channel->words->sleeps[channel->meeting.seat].wanted, count,
				      memory_order_relaxed);
}

static bool other_rings(const struct shmem_channel *channel)
{
	return atomic_load_explicit(&channel->words->sleeps[channel_other_seat(channel)].rings,
				    memory_order_relaxed) == channel->meeting.session;
}

/* A single wake-up may be late, but not all of them, unless the other side cannot ring. */
static enum shmem_channel_status check_rung(struct shmem_channel *channel)
{
	const struct shmem_sleeper *sleeper = &channel->sleeper;

	if (sleeper->interrupts != channel->interrupts_seen) {
		channel->interrupts_seen = sleeper->interrupts;
		channel->unrung_seen = sleeper->unrung;
	}
	if (sleeper->unrung - channel->unrung_seen < UNRUNG_MAX || !other_rings(channel))
		return SHMEM_CHANNEL_OK;
	return shmem_channel_fail(channel, SHMEM_CHANNEL_FAILED,
				  "no interrupt arrives here: the %s moved its bytes %d times while we "
				  "slept, and we were not rung; it works without sleeping",
				  shmem_channel_other(channel), UNRUNG_MAX);
}

/* --- Waiting -------------------------------------------------------------------- */

/* One turn without the doorbell. True when it is time to look at clock and peer. */
static bool look_turn(const struct shmem_channel *channel, unsigned int *turns)
{
	if (channel->options.wait != SHMEM_WAIT_SPIN)
		return shmem_wait_turn(turns);
	__builtin_ia32_pause();
	return ++*turns % SPINS_A_LOOK == 0;
}

/* A program may ask again and again without waiting, so this formats nothing. */
static enum shmem_channel_status come_late(struct shmem_channel *channel)
{
	char *end = stpcpy(channel->error.text, "the ");

	stpcpy(stpcpy(end, shmem_channel_other(channel)), " did nothing in time");
	channel->error.status = SHMEM_STATUS_NOBODY;
	return SHMEM_CHANNEL_LATE;
}

/* The loss of our own seat is said at once, since nothing that may come later is for us. */
enum shmem_channel_status shmem_channel_look(struct shmem_channel *channel)
{
	enum shmem_channel_status status = shmem_channel_check_seat(channel);

	if (status == SHMEM_CHANNEL_OK)
		status = shmem_channel_check_words(channel);
	if (status != SHMEM_CHANNEL_OK)
		return status;
	if (channel->peer != SHMEM_PEER_LIVES) /* and done() was asked once more since */
		return shmem_channel_peer_status(channel);
	if (channel->bell_failed)
		return SHMEM_CHANNEL_FAILED;
	if (channel_is_time(channel->tended))
		shmem_channel_tend(channel);
	return come_late(channel);
}

/* Returns when the other side has rung, at the end of a turn, or at the deadline. */
static enum shmem_channel_status sleep_a_turn(struct shmem_channel *channel,
					      bool (*done)(void *channel), uint64_t deadline)
{
	uint64_t end = shmem_now() + SHMEM_SLEEP_TURN;
	bool is_done;

	if (!shmem_try_sleep(&channel->sleeper, done, channel, end < deadline ? end : deadline,
			     &is_done, &channel->error))
		return SHMEM_CHANNEL_FAILED;
	return check_rung(channel);
}

/*
 * Returns the end of the other side only after calling done() once more: its last bytes may have
 * arrived just before. Shows that we live even after a short sleep, since all may be short.
 */
enum shmem_channel_status shmem_channel_wait_until(struct shmem_channel *channel,
						   bool (*done)(void *channel), uint64_t deadline)
{
	enum shmem_channel_status status = SHMEM_CHANNEL_OK;
	unsigned int turns = channel->options.wait == SHMEM_WAIT_SLEEP ? SHMEM_TURN_YIELDS : 0;
	bool late = false;

	while (!done(channel)) {
		if (status != SHMEM_CHANNEL_OK)
			return status;
		if (late)
			return come_late(channel);
		if (deadline == 0)
			return shmem_channel_look(channel);
		if (shmem_channel_sleeps(channel)) {
			status = sleep_a_turn(channel, done, deadline);
			if (status != SHMEM_CHANNEL_OK)
				return status;
		} else if (!look_turn(channel, &turns)) {
			continue;
		}
		status = shmem_channel_tend(channel);
		late = shmem_now() >= deadline;
	}
	return SHMEM_CHANNEL_OK;
}

/* --- With other files ------------------------------------------------------------- */

int shmem_channel_fd(struct shmem_channel *channel)
{
	if (!channel_is_open(channel))
		return -1;
	if (shmem_channel_sleeps(channel))
		return shmem_doorbell_eventfd(channel->options.bell, channel->options.vector);
	if (channel->timer < 0)
		channel->timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	return channel->timer;
}

/* Setting a timer also forgets that it expired earlier (timerfd_create(2)). */
static void set_timer(struct shmem_channel *channel)
{
	struct itimerspec once = { .it_value.tv_nsec = TIMER_PERIOD };

	timerfd_settime(shmem_channel_fd(channel), 0, &once, NULL);
}

bool shmem_channel_will_ring(struct shmem_channel *channel, bool (*done)(void *channel))
{
	bool is_done;

	if (done(channel) || shmem_channel_look(channel) != SHMEM_CHANNEL_LATE ||
	    channel->peer != SHMEM_PEER_LIVES)
		return false;
	if (!shmem_channel_sleeps(channel)) {
		set_timer(channel);
		return !done(channel);
	}
	channel->bell_failed = !shmem_try_sleep_arm(&channel->sleeper, done, channel, &is_done,
						    &channel->error);
	return !channel->bell_failed && !is_done;
}
