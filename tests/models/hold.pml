/*
 * hold.pml - words that programs hold, and what happens to programs: prog/lib/hold.c. claim.pml
 * and meet.pml include it.
 *
 * A word has its holder's ticket above a beat, as in hold.h. Here the ticket is the number of the
 * process, so no two runs have the same. In the code it is a random number of 48 bits.
 *
 * Every instruction that changes a word is locked, which drains the store buffer. So there are no
 * store buffers here.
 *
 * There is no clock. One assumption replaces it: a holder beats before another program has looked
 * at the word STALE times in vain, unless it is late. Fate makes a program late, at any time,
 * until its next beat. A program that is killed is a late one that never runs again.
 *
 * Left out: the beat wraps after 65,535 beats, which nobody makes between two looks.
 */
#define BEATS 16
#define STALE 2 /* looks; 300 in claim.c, at least 30 in meet.c */

#define HOLDER(word) ((word) / BEATS) /* 0: nobody */

byte word[WORDS];
byte fates = FATES; /* what may still happen */
bool late[PROGRAMS + 2]; /* the last one: whoever ran before */

/* A look that finds the word unchanged, the last one before its holder is taken for dead. */
#define IS_LAST_LOOK(which, seen, still) \
	(word[which] != 0 && word[which] == seen && still + 1 >= STALE)
#define TIME_FOR_A_LOOK(which, seen, still) \
	(!IS_LAST_LOOK(which, seen, still) || late[HOLDER(word[which])])

/* --- What must hold ------------------------------------------------------ */

/* No step of a program depends on these. */
byte believes[PROGRAMS + 1]; /* the word that each takes for its own, plus 1 */
byte taker[WORDS];           /* who was the last to take each */
hidden byte other;           /* a scratch variable */

/* If several take themselves for the holder, all but one are late. Their next beat tells them. */
inline check_alone()
{
	for (other : 1 .. PROGRAMS) {
		assert(other == _pid || believes[other] != believes[_pid] || late[other])
	}
}

/* --- hold.c -------------------------------------------------------------- */

#define NEXT_BEAT(word) ((word) + 1)
#define FIRST_BEAT (_pid * BEATS + 1)

/* What the exchanges compare. */
#if defined(NO_TAKE_COMPARE)
#define MAY_TAKE(seen) true
#elif defined(NO_BEAT_COMPARE)
#define MAY_TAKE(seen) (HOLDER(word[at]) == HOLDER(seen))
#else
#define MAY_TAKE(seen) (word[at] == seen)
#endif
#ifdef NO_RENEW_COMPARE
#define MAY_RENEW true
#else
#define MAY_RENEW (word[at] == mine)
#endif
#ifdef NO_RETURN_COMPARE
#define MAY_RETURN(noted) true
#else
#define MAY_RETURN(noted) (word[at] == noted)
#endif

inline shmem_hold_take(seen)
{
#ifndef NO_NOTE_FIRST
	mine = FIRST_BEAT; /* note */
#endif
	d_step { /* exchange */
		ok = MAY_TAKE(seen);
		if
		:: ok ->
			assert(seen == 0 || late[HOLDER(seen)]); /* only the late lose their word */
			word[at] = FIRST_BEAT;
			late[_pid] = false;
			believes[_pid] = at + 1;
			taker[at] = _pid;
			check_alone()
		:: else
		fi
	};
	mine = (ok -> FIRST_BEAT : 0)
}

inline shmem_hold_renew()
{
	d_step { /* exchange */
		ok = MAY_RENEW;
		if
		:: ok ->
			word[at] = NEXT_BEAT(mine);
			late[_pid] = false;
			check_alone()
		:: else ->
			assert(late[_pid]); /* the same */
			believes[_pid] = 0;
			late[_pid] = false
		fi
	};
	mine = (ok -> NEXT_BEAT(mine) : mine) /* note */
}

inline give_back(noted)
{
	d_step { /* exchange */
		ok = MAY_RETURN(noted);
		if
		:: ok -> word[at] = 0; believes[_pid] = 0; late[_pid] = false
		:: else
		fi
	}
}

inline shmem_hold_give_back()
{
	give_back(mine);
#ifndef NO_SECOND_ATTEMPT
	if
	:: !ok -> give_back(NEXT_BEAT(mine))
	:: ok
	fi;
#endif
	mine = 0
}

#ifdef SIGNALS
bool signalled[PROGRAMS + 1];

inline on_signal()
{
	signalled[_pid] -> shmem_hold_give_back();
	assert(HOLDER(word[at]) != _pid) /* nothing is left behind */
}
#endif

/* --- Fate: process 0, so the programs are 1 up to PROGRAMS ---------------- */

active proctype fate()
{
	byte whose;

end:	do
	:: atomic { fates > 0 ->
			fates--;
			select(whose : 1 .. PROGRAMS);
			if
			:: believes[whose] -> late[whose] = true
#ifdef SIGNALS
			:: signalled[whose] = true
#endif
			:: else
			fi;
			whose = 0
		}
	od
}
