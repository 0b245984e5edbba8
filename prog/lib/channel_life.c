/* channel_life.c - how a channel ends: errors, signs of life, and what became of the other side. */
#include "channel_private.h"

#include <stdarg.h>
#include <stdio.h>

#include "hold.h"

/* --- Errors ----------------------------------------------------------------- */

static int exit_status(enum shmem_channel_status status)
{
	switch (status) {
	case SHMEM_CHANNEL_LATE:
		return SHMEM_STATUS_NOBODY;
	case SHMEM_CHANNEL_LEFT:
	case SHMEM_CHANNEL_BACK:
		return SHMEM_STATUS_LEFT;
	case SHMEM_CHANNEL_DIED:
		return SHMEM_STATUS_DIED;
	case SHMEM_CHANNEL_RUBBISH:
		return SHMEM_STATUS_RUBBISH;
	case SHMEM_CHANNEL_OK:
	case SHMEM_CHANNEL_FAILED:
		break;
	}
	return SHMEM_STATUS_FAILED;
}

enum shmem_channel_status shmem_channel_fail(struct shmem_channel *channel,
					     enum shmem_channel_status status,
					     const char *format, ...)
{
	char text[SHMEM_ERROR_TEXT];
	va_list values;

	va_start(values, format);
	vsnprintf(text, sizeof(text), format, values);
	va_end(values);
	shmem_error_set(&channel->error, exit_status(status), "%s", text);
	return status;
}

const char *shmem_channel_text(const struct shmem_channel *channel)
{
	return channel->error.text;
}

void shmem_channel_must(const struct shmem_channel *channel, enum shmem_channel_status status)
{
	if (status != SHMEM_CHANNEL_OK)
		shmem_error_end(&channel->error);
}

const char *shmem_channel_other(const struct shmem_channel *channel)
{
	return channel_sends(channel) ? "receiver" : "sender";
}

enum shmem_channel_status shmem_channel_not_open(struct shmem_channel *channel)
{
	return shmem_channel_fail(channel, SHMEM_CHANNEL_FAILED, "%s is not open",
				  *channel->what ? channel->what : "the channel");
}

/* First checks whether we lost our own seat, and are the intruder ourselves. */
enum shmem_channel_status shmem_channel_rubbish(struct shmem_channel *channel, const char *what)
{
	enum shmem_channel_status status = shmem_channel_check_seat(channel);

	if (status != SHMEM_CHANNEL_OK)
		return status;
	return shmem_channel_fail(channel, SHMEM_CHANNEL_RUBBISH,
				  "the %s, or a program that overwrote its bytes, sent rubbish: %s",
				  shmem_channel_other(channel), what);
}

/* --- Both sides' lives -------------------------------------------------------- */

enum shmem_channel_status shmem_channel_check_seat(struct shmem_channel *channel)
{
	return shmem_try_meet_check(&channel->meeting, &channel->error) ? SHMEM_CHANNEL_OK :
									  SHMEM_CHANNEL_FAILED;
}

enum shmem_channel_status shmem_channel_beat(struct shmem_channel *channel)
{
	channel->beaten = __builtin_ia32_rdtsc();
	shmem_hold_renew_all(); /* this seat included: we may wait long here, while others wait for us */
	return shmem_channel_check_seat(channel);
}

static bool has_word(const _Atomic uint64_t *word, uint64_t value)
{
	return atomic_load_explicit(word, memory_order_relaxed) == value;
}

/* No words are shown yet before the first turn of the copy trial. */
static bool has_turns(const struct shmem_channel *channel, const _Atomic uint64_t *word)
{
	uint64_t turns = channel->turn + channel->turn_shown;

	return turns == 0 || has_word(word, channel->meeting.session + turns);
}

/*
 * Whether the words that the other side waits for are as we wrote them. A program that overwrites
 * one of them once may leave a possible value there, such as an earlier one. Then each side would
 * wait for the other for ever. No barrier: they are our own stores.
 */
static bool has_our_words(const struct shmem_channel *channel)
{
	const struct shmem_channel_words *words = channel->words;
	uint64_t session = channel->meeting.session;

	if (channel_sends(channel))
		return has_word(&words->counts.written, channel->ring.mine) &&
		       has_word(&words->sender_ready, session) &&
		       has_turns(channel, &words->sender_turn);
	return has_word(&words->counts.read, channel->ring.mine) &&
	       has_word(&words->receiver_ready, session) &&
	       has_turns(channel, &words->receiver_turn) &&
	       has_word(&words->accepted, channel->accepted);
}

enum shmem_channel_status shmem_channel_check_words(struct shmem_channel *channel)
{
	if (has_our_words(channel))
		return SHMEM_CHANNEL_OK;
	/* Unless it was the next holder of our seat. */
	enum shmem_channel_status status = shmem_channel_check_seat(channel);

	if (status != SHMEM_CHANNEL_OK)
		return status;
	return shmem_channel_fail(channel, SHMEM_CHANNEL_RUBBISH,
				  "another program overwrote what we wrote for the %s of %s",
				  shmem_channel_other(channel), channel->what);
}

enum shmem_channel_status shmem_channel_peer_status(struct shmem_channel *channel)
{
	const char *other = shmem_channel_other(channel);
	const char *fate = shmem_peer_fate(channel->peer);

	if (channel->peer == SHMEM_PEER_LIVES)
		return SHMEM_CHANNEL_OK;
	if (channel->peer == SHMEM_PEER_DIED)
		return shmem_channel_fail(channel, SHMEM_CHANNEL_DIED, "the %s %s", other, fate);
	if (channel->meeting.watch[channel_other_seat(channel)].seen != 0)
		return shmem_channel_fail(channel, SHMEM_CHANNEL_BACK,
					  "the %s %s, and a program is there again", other, fate);
	return shmem_channel_fail(channel, SHMEM_CHANNEL_LEFT, "the %s %s", other, fate);
}

enum shmem_channel_status shmem_channel_tend(struct shmem_channel *channel)
{
	if (!channel_is_open(channel))
		return shmem_channel_not_open(channel);
	enum shmem_channel_status status = shmem_channel_beat(channel);

	if (status == SHMEM_CHANNEL_OK)
		status = shmem_channel_check_words(channel);
	if (status != SHMEM_CHANNEL_OK)
		return status;
	channel->tended = channel->beaten;
	channel->peer = shmem_meet_peer(&channel->meeting, channel_other_seat(channel));
	return shmem_channel_peer_status(channel);
}
