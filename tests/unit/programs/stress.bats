#!/usr/bin/env bats
# __stress. Its participants are processes on one file.

load prog.bash

DESKS=$((0x41000)) DESK_SIZE=$((0x3000)) COUNTER=$((0x40400))

# --- Helpers ------------------------------------------------------------------

# Starts two that run for long, and returns when both have written.
start_two() {
    background one __stress -f region -t 1000
    background two __stress -f region -t 1000
    wait_until_said out.one 'goes on for 1000 s'
    wait_until_said out.two 'goes on for 1000 s'
    wait_until other_word "$COUNTER" 0000000000000000
}

# --- No violation -------------------------------------------------------------

@test "__stress: several at once find nothing, and count what they checked" {
    for participants in 1 2 3; do
        fresh region 1M
        for ((i = 0; i < participants; i++)); do
            background "participant$i" __stress -f region -n "$participants" -t 0.3
        done
        for ((i = 0; i < participants; i++)); do
            ends "participant$i" 0
            [[ $(head -n 1 "out.participant$i") == "participant "[0-2]" of $participants goes on for 0.3 s" ]]
            same 'no violation' "$(tail -n 1 "out.participant$i")"
            grep -E '^ *[1-9][0-9]* atomic additions$' "out.participant$i"
            grep -E '^ *[1-9][0-9]* entries under a spinlock$' "out.participant$i"
            grep -E '^ *[1-9][0-9]* messages passed by data and flag$' "out.participant$i"
            grep -E '^ *[0-9]+ store, fence, load on both sides$' "out.participant$i"
            grep -E '^ *[1-9][0-9]* reads of an aligned 64-bit word$' "out.participant$i"
            grep -E '^ *[1-9][0-9]* blocks of 4 KB with a checksum$' "out.participant$i"
            grep -E '^ *[0-9]+ times a load overtook a store before it, which x86 allows$' "out.participant$i"
        done
        sort -u ./out.* | grep -c '^participant' | grep -x "$participants"
        rm ./out.*
    done
}

@test "__stress --json: one record each; it goes on as long as the longest" {
    background one __stress -f region --json -t 0.01
    background two __stress -f region --json -t 1.5
    ends one 0
    ends two 0
    for out in out.one out.two; do
        jq -e '.record == "stress" and .program == "__stress" and .participants == 2 and .violation == null and
            .cycles >= 2 and .counter > 0 and .lock > 0 and .message > 0 and .fenced > 0 and .buffered > 0 and
            .torn > 0 and .block > 0 and .seen_buffered >= 0 and .mapping == "file"' "$out"
    done
    same "$(jq .cycles out.two)" "$(jq .cycles out.one)"
    same true "$(jq -s 'map(.seat) | sort == [0, 1]' out.one out.two)"
}

@test "__stress: leaves the other areas alone" {
    __stress -f region -n 1 -t 0.1 >/dev/null &
    wait $!
    cmp -n $((0x40000)) region /dev/zero
    cmp -i $((0x80000)) -n $((0x80000)) region /dev/zero
    refuted cmp -s -i $((0x40000)) -n $((0x40000)) region /dev/zero
}

@test "__stress: leftovers of killed runs, and rubbish all over, are no violation" {
    start_two
    kill -9 "$one" "$two"
    ends one 137
    ends two 137
    background one __stress -f region -t 0.1
    background two __stress -f region -t 0.1
    ends one 0
    ends two 0
    head -c 1M /dev/urandom >region
    background one __stress -f region -t 0.1
    background two __stress -f region -t 0.1
    ends one 0
    ends two 0
}

# --- The others ---------------------------------------------------------------

@test "__stress: the others do not come: status 3" {
    complains 3 '2 participants did not come together within 0.1 s' __stress -f region -w 0.1
}

@test "__stress: more than were asked for: status 1, and the others go on" {
    start_two
    fails 1 __stress -f region -w 0.2
    [[ $stderr == *'all seats are taken: 2 others run this already' ]]
    kill -0 "$one"
    kill -0 "$two"
}

@test "__stress: one is killed: status 4" {
    start_two
    kill -9 "$one"
    ends two 4 ' died: it gave no sign of life for 3 s'
}

@test "__stress: one is stopped for long: 4 for the other, 6 for itself when it goes on" {
    start_two
    kill -STOP "$one"
    ends two 4 ' died: it gave no sign of life for 3 s'
    kill -CONT "$one"
    ends one 6 ' gave up'
}

@test "__stress: one is ended by a signal: status 6" {
    start_two
    kill -TERM "$one"
    ends two 6 ' gave up'
    ends one 143
}

# --- Violations ---------------------------------------------------------------

@test "__stress: somebody else's stores are violations" {
    start_two
    status=0
    wait_for_end() {
        while [ -e "/proc/$one/exe" ] && [ -e "/proc/$two/exe" ]; do
            le64 5 | put region "$COUNTER"
        done
    }
    wait_for_end
    ends one 1 'the memory violates a promise of the architecture: counter'
    ends two 1 'the memory violates a promise of the architecture: counter'
    grep -E 'VIOLATION \(counter\): 2 participants together added [0-9]+, and the counter is [0-9]+' out.one out.two
}

@test "__stress: random bytes in the area: an end, and no access outside it" {
    for _ in {1..5}; do
        fresh region 1M
        start_two
        # Not over the seats: a participant that loses its seat ends in another way.
        while [ -e "/proc/$one/exe" ] && [ -e "/proc/$two/exe" ]; do
            head -c 192 /dev/urandom | put region "$COUNTER"
            head -c $((2 * DESK_SIZE)) /dev/urandom | put region "$DESKS"
        done
        # One may wait for a step that was overwritten, until it sees that the other has left.
        for name in one two; do
            await "$name"
            [[ $status =~ ^[146]$ ]]
        done
    done
}

@test "__stress --inject: each check fires, for all, and says what was seen" {
    table=(
        "counter: counter 2 participants together added"
        "plain: counter locked instructions are not atomic between these VMs"
        "lock: lock holds the lock, but its word has holder"
        "message: message the data is still message"
        "fence: fenced a load overtook a store in spite of a full fence"
        "torn: torn whose halves were never written together"
        "block: block but was written with"
    )
    for row in "${table[@]}"; do
        echo "$row"
        read -r fault check text <<<"${row/:/}"
        fresh region 1M
        background faulty __stress -f region -t 1000 --inject "$fault"
        background right __stress -f region -t 1000 --json
        ends faulty 1 "the memory violates a promise of the architecture: $check"
        ends right 1 "the memory violates a promise of the architecture: $check"
        jq -e --arg check "$check" '.violation == $check and (.account | length > 0)' <(tail -n 1 out.right)
        grep -qE "$text" out.faulty out.right
    done
}

@test "__stress --inject: ends of one are noticed by the others" {
    background one __stress -f region --inject die
    background two __stress -f region
    ends one 137
    ends two 4 ' died'
    background one __stress -f region --inject leave
    background two __stress -f region
    ends two 6 ' gave up'
    ends one 1
}

# --- Command line -------------------------------------------------------------

@test "__stress: a wrong command line" {
    for n in 0 17 x; do
        refuses "-n $n: a whole number from 1 to 16" __stress -f region -n "$n"
    done
    refuses '-t 0: seconds are needed' __stress -f region -t 0
    refuses 'there is no such fault' __stress -f region --inject nothing
    refuses "unexpected argument 'more'" __stress -f region more
}

@test "__stress -h: the statuses and the faults" {
    succeeds __stress -h
    prints '3 the others did not come; 4 one of them died; 6 one of them gave up.'
    for fault in counter plain lock message fence torn block die leave; do
        prints $'\n'"                $fault "
    done
}

@test "a participant whose output is not read for a while is not taken for dead" {
    mkfifo pipe
    exec {gate}<>pipe
    head -c 64K /dev/zero | tr '\0' x >&"$gate" # now the pipe is full
    background one bash -c 'exec __stress -f region -t 0.1 >pipe'
    background two __stress -f region -t 0.1
    wait_until_said out.two 'goes on'
    sleep 4.5 # nothing is awaited: the second gets time to go wrong
    head -c 64K <&"$gate" >/dev/null
    ends two 0
    ends one 0
}
