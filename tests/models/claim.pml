/*
 * claim.pml - a claim has one holder at a time: prog/lib/claim.c, over hold.c.
 *
 * PROGRAMS programs take one claim, beat RENEWALS times at most, and drop it. Any of them may be
 * late, die, or be ended by a signal between any two instructions, FATES times in all.
 *
 * hold.pml has what must hold: if several programs take themselves for the holder, all but one
 * are late, and only the late lose the claim. A late program finds out at its next beat.
 *
 * Left out: a waiter's patience. A waiter that gives up has changed nothing.
 */
#define PROGRAMS 3
#define WORDS 1
#define FATES 2
#define RENEWALS 1
#define SIGNALS

#include "hold.pml"

/* Looks count. If time counted, a pause of all VMs would make 3 s without a beat. */
#ifdef NO_COUNTED_LOOKS
#define TIME_FOR_A_LOOK_HERE true
#define MORE STALE
#else
#define TIME_FOR_A_LOOK_HERE TIME_FOR_A_LOOK(0, seen, unchanged)
#define MORE (unchanged + 1 < STALE -> unchanged + 1 : STALE)
#endif

/* One attempt stands for the two in the code, which differ in their message. */
inline shmem_claim_take()
{
	do
	:: atomic { TIME_FOR_A_LOOK_HERE ->
			unchanged = (word[0] == seen -> MORE : 0);
			seen = word[0]
		};
		if
		:: seen == 0 || unchanged >= STALE ->
			shmem_hold_take(seen);
			if
			:: ok -> break
			:: else
			fi
		:: else
		fi
	od;
	atomic { seen = 0; unchanged = 0 }
}

active [PROGRAMS] proctype program()
{
	byte seen, unchanged; /* of shmem_claim_take */
	byte mine, renewals;
	byte at; /* the only word is 0 */
	bool ok;

	{
		shmem_claim_take();
		do
		:: renewals < RENEWALS ->
			renewals++;
			shmem_hold_renew(); /* shmem_claim_renew */
			if
			:: ok
			:: else -> goto lost
			fi
		:: break
		od;
		shmem_hold_give_back(); /* shmem_claim_drop */
lost:		skip
	} unless {
		on_signal()
	};
	atomic { ok = false; seen = 0; unchanged = 0; mine = 0; renewals = 0 }
}
