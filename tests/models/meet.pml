/*
 * meet.pml - no session that only one side has: prog/lib/meet.c, over hold.c.
 *
 * Program 1 wants seat 0, and program 2 wants seat 1. Program 3 wants seat 0 as well, and comes
 * when program 1 has sat there. Each looks LAST_BEAT times at most while it has a seat, and may
 * leave before. One of them may be late or die, or else killed runs have left their words in the
 * seats.
 *
 * A session is the pair of both tickets. In the code it is a hash of them.
 *
 * All stores of meet.c are sequentially consistent, and all exchanges are locked. So there are no
 * store buffers here.
 *
 * Left out:
 * - SHMEM_ANY_SEAT: a program takes one seat only, and the two seats are alike.
 * - More than two seats, and the size of the region that a seat states.
 * - A peer that forges a session number: nothing protects from it.
 * - Signals. Their handler leaves, as a program may do anyway. claim.pml has them.
 * - A program that lost its seat before it met, and begins again: its ticket is new, so it is
 *   another program, which comes later.
 */
#define PROGRAMS 3
#define WORDS 2 /* seats */
#define FATES 1
#define LAST_BEAT 3

#include "hold.pml"

#define GONE (PROGRAMS + 1) /* whoever ran before */
#define OTHER_SEAT (1 - at)
#define THEIRS HOLDER(seen[OTHER_SEAT])
#define SESSION(first, second) ((first) * 8 + (second))
#define IN_OUR_SEAT(number) (at == 0 -> (number) / 8 : (number) % 8)
#define IN_OTHER_SEAT(number) (at == 0 -> (number) % 8 : (number) / 8)

byte agreed[WORDS];
bool started;

/* Each program's own variables. The others look at them only to check what must hold. */
byte session[PROGRAMS + 1];
bool met[PROGRAMS + 1];

bool strayed; /* a late program has written to the seat that it had lost */

/* A look counts once. If all time counted, a pause of all VMs would make 3 s without a beat. */
#ifdef NO_SHORT_LOOKS
#define TIME_FOR_A_LOOK_HERE(which) true
#define MORE(which) STALE
#else
#define TIME_FOR_A_LOOK_HERE(which) TIME_FOR_A_LOOK(which, seen[which], still[which])
#define MORE(which) (still[which] + 1 < STALE -> still[which] + 1 : STALE)
#endif

inline watch_seat(which)
{
	TIME_FOR_A_LOOK_HERE(which);
	if
	:: word[which] == seen[which] -> still[which] = (seen[which] -> MORE(which) : 0)
	:: else ->
		moved[which] = (HOLDER(word[which]) == HOLDER(seen[which]));
		seen[which] = word[which];
		still[which] = 0
	fi
}

/* If the other side has met us when a look begins, that look meets it, even if it has left. */
inline begin_look()
{
	other = taker[OTHER_SEAT];
	due = (other && met[other] && IN_OUR_SEAT(session[other]) == _pid -> other : 0)
}

/*
 * One step for both seats: if ours changes between the code's two loads, the exchange fails. Once
 * we sit, what we see of our own seat does not matter.
 */
inline watch_all()
{
	if
	:: !seated -> watch_seat(at)
	:: else -> begin_look()
	fi;
	watch_seat(OTHER_SEAT)
}

inline take_seat()
{
	if
	:: seen[at] == 0 || still[at] >= STALE ->
		shmem_hold_take(seen[at]);
		if
		:: ok -> d_step { seated = true; seen[at] = 0; still[at] = 0; moved[at] = false }
		:: else
		fi
	:: else
	fi
}

#ifdef NO_MOVED
#define HAS_MOVED (seen[OTHER_SEAT] != 0)
#else
#define HAS_MOVED moved[OTHER_SEAT]
#endif

inline make_session()
{
	if
	:: still[OTHER_SEAT] < STALE && HAS_MOVED ->
		session[_pid] = (at == 0 -> SESSION(_pid, THEIRS) : SESSION(THEIRS, _pid))
#ifdef NO_KEPT_SESSION
	:: else -> session[_pid] = 0
#else
	:: else
#endif
	fi
}

#ifdef NO_AGREEMENT
#define ALL_AGREE (session[_pid] != 0)
#else
#define ALL_AGREE (session[_pid] != 0 && agreed[0] == session[_pid] && agreed[1] == session[_pid])
#endif

/* What no longer matters: forgetting it keeps the number of states small. */
inline forget()
{
	seen[0] = 0; seen[1] = 0; still[0] = 0; still[1] = 0; moved[0] = false; moved[1] = false
}

/*
 * While we have our seat, the other side has made this session too, so it lived after we sat
 * down. If a program that met has the other seat now, it met in this session.
 */
inline check_met()
{
	if
	:: HOLDER(word[at]) == _pid ->
		other = IN_OTHER_SEAT(session[_pid]);
		assert(other <= PROGRAMS && session[other] == session[_pid]);
		other = HOLDER(word[OTHER_SEAT]);
		assert(other > PROGRAMS || !met[other] || session[other] == session[_pid])
	:: else
	fi
}

/*
 * Both numbers are read in one step, since nobody but a program that strays changes our own.
 *
 * The check of due has two exceptions. A program that lost its seat finds out at its next beat.
 * And if a program strayed, the other side may not meet whoever has the seat now.
 */
inline all_agree()
{
	d_step {
		make_session();
		agreed[at] = session[_pid];
		strayed = strayed || HOLDER(word[at]) != _pid
	};
	d_step {
		if
		:: ALL_AGREE -> met[_pid] = true; check_met(); forget()
		:: else ->
			assert(due == 0 || due != taker[OTHER_SEAT] ||
			       HOLDER(word[at]) != _pid || strayed)
		fi;
		due = 0
	}
}

/* shmem_meet, and what follows. */
active [PROGRAMS] proctype program()
{
	byte seen[WORDS], still[WORDS]; /* struct shmem_seat_watch */
	bool moved[WORDS];
	byte at = (_pid == 2 -> 1 : 0);
	byte mine, due;
	bool ok, seated;

	started && (_pid != 3 || taker[0] != 0);
	do
	:: atomic { !met[_pid] && mine % BEATS < LAST_BEAT -> watch_all() };
		if
		:: seated -> shmem_hold_renew() /* shmem_meet_beat */
		:: else -> take_seat()
		fi;
		if
		:: seated && ok -> all_agree()
		:: seated && !ok -> break
		:: else
		fi
	:: met[_pid] && mine % BEATS < LAST_BEAT ->
		shmem_hold_renew(); /* shmem_meet_beat */
		if
		:: ok
		:: else -> break
		fi
	:: seated -> shmem_hold_give_back(); break /* shmem_meet_leave */
	od;
	atomic { forget(); mine = 0; at = 0; ok = false; seated = false }
}

/* Nobody is late, if killed runs have left something: that keeps the number of states small. */
active proctype earlier_run()
{
	atomic {
		late[GONE] = true;
		if
		:: true
		:: fates = 0; word[0] = GONE * BEATS + 1
		:: fates = 0; word[1] = GONE * BEATS + 1
		:: fates = 0; word[0] = GONE * BEATS + 1; word[1] = GONE * BEATS + 1
		fi;
#ifdef NO_NEW_TICKET /* programs 1 and 2 have met before, with the same tickets */
		agreed[0] = SESSION(1, 2);
		agreed[1] = SESSION(1, 2);
#else
		agreed[0] = SESSION(GONE, GONE);
		agreed[1] = SESSION(GONE, GONE);
#endif
		started = true
	}
}
