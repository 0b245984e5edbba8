/*
 * sleep.pml - nobody sleeps through a wake-up: prog/lib/sleep.c, and want and wake_other of
 * prog/lib/channel_wait.c.
 *
 * A sender and a receiver move BYTES bytes through a ring of RING bytes, and sleep whenever they
 * have to wait. If a wake-up is lost, somebody waits for ever. Spin reports that as an invalid
 * end state.
 *
 * Spin's memory is sequentially consistent, but that of a CPU is not. Therefore a store goes into
 * a store buffer of its process. Another process drains the buffer: in order, as for write-back
 * memory, or with -DWRITE_COMBINING in any order. A fence waits until the buffer is empty. Nobody
 * reads a word that it writes itself, so no load looks into its buffer.
 *
 * The two fences of sleep.c are the only ones here. Waking does not need those of publish_count
 * (ring.c): `wanted` only grows, so an old value makes the waker look at the notice once too
 * often.
 *
 * Left out:
 * - The bytes in the ring. Its counts stand for them.
 * - Loads that overtake loads, as write-combining memory allows. The load of `wanted` and that of
 *   the notice have a fence between them, and the look at the count comes after one.
 * - A waker that dies, or does not know the sleeper's id yet. It does not ring, and the deadline
 *   ends the sleep.
 * - The id and the vector in the notice, which do not change. The number of a sleep wraps only
 *   after 2^32 sleeps.
 */
#define BYTES 3
#define RING 2
#define DEADLINES 2 /* so many sleeps at most end by their deadline */

#define SENDER 0
#define RECEIVER 1

/* The words in the region. Each has one writer. */
#define WRITTEN 0
#define READ 1
#define WANTED 2 /* the sender's. That of the receiver stays 0: any count wakes it. */
#define NOTICE(side) (3 + side)

byte region[5];
bool bell[2]; /* each side's eventfd: rings merge */
byte deadlines;

chan buffer[2] = [3] of { byte, byte }; /* a word and its new value */

inline store(word, value)
{
	buffer[_pid]!word, value
}

inline fence()
{
	empty(buffer[_pid])
}

/* --- The side that waits ------------------------------------------------- */

inline put_up_notice()
{
#ifdef NO_NEW_NUMBER
	number = 0;
#endif
	atomic { number++; store(NOTICE(_pid), number) };
#ifndef NO_SLEEPER_FENCE
	fence()
#endif
}

/* shmem_doorbell_wait: until an interrupt, or the deadline, which may come at any time. */
inline doorbell_wait()
{
	if
	:: atomic { bell[_pid] -> bell[_pid] = false; interrupts = true }
	:: atomic { deadlines > 0 -> deadlines--; interrupts = false }
	fi
}

/* shmem_sleep_late. __stream does not call it, and goes on. */
inline sleep_late()
{
	if
	:: true
	:: true ->
		atomic { bell[_pid] -> bell[_pid] = false };
		store(NOTICE(_pid), 0)
	fi
}

/* The loop of shmem_sleep, and what comes after an unrung sleep. */
inline sleep(done)
{
	interrupts = true;
	do
	:: true ->
		put_up_notice();
#ifdef NO_SECOND_LOOK
		is_done = false;
#else
		is_done = (done);
#endif
		if
		:: is_done || !interrupts -> break
		:: else -> doorbell_wait()
		fi
	od;
	if
	:: is_done && !interrupts ->
#ifdef NO_NOTICE_KEPT
		store(NOTICE(_pid), 0);
#endif
		sleep_late()
	:: else -> store(NOTICE(_pid), 0) /* take_down_notice */
	fi;
	atomic { is_done = false; interrupts = false }
}

/* shmem_channel_wait_until of channel_wait.c, with the looks of poll_for. */
inline wait_until(done)
{
	do
	:: done -> break
	:: else -> sleep(done)
	od
}

/* --- The side that wakes ------------------------------------------------- */

/* shmem_wake. */
inline wake(side)
{
#ifndef NO_WAKER_FENCE
	fence();
#endif
	notice = region[NOTICE(side)];
	if
	:: atomic { notice == 0 || notice == answered -> notice = 0 }
	:: atomic { else -> /* shmem_doorbell_ring */
			bell[side] = true;
			answered = notice;
			notice = 0
		}
	fi
}

/* wake_other, for the only side that writes `wanted`. */
inline wake_if_wanted(side)
{
	if
	:: moved >= region[WANTED] -> wake(side)
	:: else
	fi
}

/* --- The stream (channel.c) ---------------------------------------------- */

#define UNREAD (moved - region[READ])

inline wait_until_unread(limit)
{
	store(WANTED, moved - limit); /* want */
	wait_until(UNREAD <= limit)
#ifdef NO_GROWTH
	; store(WANTED, BYTES + 1) /* nothing is to wake us until we wait again */
#endif
}

active proctype sender()
{
	byte moved, number, notice, answered;
	bool is_done, interrupts;

	if
	:: deadlines = 0
	:: deadlines = DEADLINES
	fi;
	do
	:: moved == BYTES -> break
	:: moved < BYTES && UNREAD < RING ->
		atomic { moved++; store(WRITTEN, moved) };
		wake(RECEIVER)
	:: moved < BYTES && UNREAD == RING -> wait_until_unread(RING / 2)
	od;
	wait_until_unread(0)
}

active proctype receiver()
{
	byte moved, number, notice, answered;
	bool is_done, interrupts;

	do
	:: moved == BYTES -> break
	:: moved < BYTES && region[WRITTEN] != moved ->
		atomic { moved++; store(READ, moved) };
		wake_if_wanted(SENDER)
	:: moved < BYTES && region[WRITTEN] == moved -> wait_until(region[WRITTEN] != moved)
	od
}

/* --- The memory ---------------------------------------------------------- */

#define SIDE (_pid - 2)
#define DRAIN(which) \
	:: d_step { buffer[SIDE]??eval(which), value -> region[which] = value; value = 0 }

active [2] proctype store_buffer()
{
	byte word, value;

end:	do
#ifdef WRITE_COMBINING
	DRAIN(WRITTEN) DRAIN(READ) DRAIN(WANTED) DRAIN(NOTICE(SENDER)) DRAIN(NOTICE(RECEIVER))
#else
	:: d_step { buffer[SIDE]?word, value -> region[word] = value; word = 0; value = 0 }
#endif
	od
}
