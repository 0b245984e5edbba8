/*
 * latest.pml - no reader takes a torn value: prog/lib/latest.c.
 *
 * A writer publishes VALUES values of two words, and may die at any step of that. Then another
 * writer goes on with the next value, which is the same process here. Both words of value n
 * are n. A reader tries once, at any time. What it takes must be a whole value, and that of its
 * number. When all is over, another try must find the last value that was finished, unless a
 * writer died after it.
 *
 * The memory is the weakest that order.h is for: write-combining memory, or a compiler that
 * moves relaxed loads and stores. Stores go into a store buffer, and come out of it in any
 * order, except for those of one word. A fence of the writer waits until it is empty. The four
 * loads of a reader happen in any order, except for those of one word, and except for those
 * between which it has a fence.
 *
 * Left out:
 * - Several readers: none writes anything. Several tries: each begins from nothing.
 * - The fence after the sequence, which only empties the buffer.
 * - Two writers at a time, which the caller must prevent. A claim is taken over only after
 *   seconds, and by then the stores of the dead writer are out.
 */
#define VALUES 3
#define DEATHS 2

#define SEQUENCE 0 /* the words follow */

byte region[3];
byte last; /* the number of the last finished value */
bool dies; /* the writer, at its next step */
bool over;

chan buffer = [4] of { byte, byte }; /* a word and its new value */

inline store(word, value)
{
	buffer!word, value
}

inline fence_stores()
{
	empty(buffer)
}

/* --- The writer ------------------------------------------------------------ */

/* The load of the sequence finds the writer's own last store, or that of a dead one. */
inline publish()
{
#ifdef NO_REPAIR
	writing = sequence + 1;
#else
	writing = (sequence + 1) | 1;
#endif
#ifndef NO_ODD_SEQUENCE
	store(SEQUENCE, writing);
#endif
	sequence = writing;
#ifndef NO_FENCE_AFTER_ODD
	fence_stores();
#endif
	store(1, (writing + 1) / 2);
	store(2, (writing + 1) / 2);
#ifndef NO_RELEASE
	fence_stores(); /* in shmem_publish */
#endif
	atomic { store(SEQUENCE, writing + 1); sequence = writing + 1; last = sequence / 2 }
}

active proctype writer()
{
	byte sequence, writing, values;

	do
	:: values < VALUES ->
		values++;
		{
			publish()
		} unless {
			dies -> empty(buffer); dies = false
		}
	:: values == VALUES -> break
	od;
	empty(buffer);
	over = true
}

active proctype death()
{
	byte deaths;

	do
	:: deaths < DEATHS -> atomic { deaths++; dies = true }
	:: true -> break
	od
}

/* --- The reader ------------------------------------------------------------ */

#ifdef NO_ACQUIRE
#define AFTER_FIRST_LOOK true
#else
#define AFTER_FIRST_LOOK looked
#endif

#ifdef NO_FENCE_BEFORE_SECOND_LOOK
#define AFTER_COPY true
#else
#define AFTER_COPY (copy[0] != NOT_YET && copy[1] != NOT_YET)
#endif

#define NOT_YET 255

#ifdef NO_ODD_CHECK
#define IS_ODD(sequence) false
#else
#define IS_ODD(sequence) (sequence % 2 != 0)
#endif

inline try_to_read()
{
	looked = false;
	again = false;
	copy[0] = NOT_YET;
	copy[1] = NOT_YET;
	do
	:: !looked -> atomic { before = region[SEQUENCE]; looked = true }
	:: AFTER_FIRST_LOOK && copy[0] == NOT_YET -> copy[0] = region[1]
	:: AFTER_FIRST_LOOK && copy[1] == NOT_YET -> copy[1] = region[2]
	:: looked && AFTER_COPY && !again -> atomic { after = region[SEQUENCE]; again = true }
	:: looked && again && copy[0] != NOT_YET && copy[1] != NOT_YET -> break
	od;
#ifdef NO_SECOND_LOOK
	taken = !IS_ODD(before);
#else
	taken = !IS_ODD(before) && before == after;
#endif
	assert(!taken || (copy[0] == before / 2 && copy[1] == before / 2))
}

active proctype reader()
{
	byte before, after, copy[2];
	bool looked, again, taken;

	try_to_read();
	over;
	try_to_read();
	assert(before % 2 != 0 || taken && before / 2 == last)
}

/* --- The memory ------------------------------------------------------------ */

active proctype store_buffer()
{
	byte value;

end:	do
	:: d_step { buffer??SEQUENCE, value -> region[SEQUENCE] = value; value = 0 }
	:: d_step { buffer??1, value -> region[1] = value; value = 0 }
	:: d_step { buffer??2, value -> region[2] = value; value = 0 }
	od
}
