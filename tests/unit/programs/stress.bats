#!/usr/bin/env bats
# __stress. Its participants are processes on one file.

load prog.bash

DESKS=$((0x41000)) DESK_SIZE=$((0x3000)) COUNTER=$((0x40400)) STEPS=$((0x40800))

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
            grep -E '^ *[1-9][0-9]* atomic additions$' "out.participant$i"
            grep -E '^ *[1-9][0-9]* entries under a spinlock$' "out.participant$i"
            grep -E '^ *[1-9][0-9]* messages passed by data and flag$' "out.participant$i"
            grep -E '^ *[0-9]+ store, fence, load on both sides$' "out.participant$i"
            grep -E '^ *[1-9][0-9]* reads of an aligned 64-bit word$' "out.participant$i"
            grep -E '^ *[1-9][0-9]* blocks of 4 KB with a checksum$' "out.participant$i"
            grep -E '^ *[0-9]+ overtakings of a store by a load without the fence, 0 with it$' "out.participant$i"
            # By chance, or on one CPU, the participants may not have run at the same time.
            grep -E '^(no violation|inconclusive: .*)$' "out.participant$i"
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
            .torn > 0 and .block > 0 and .seen_fenced == 0 and .mapping == "file" and
            .verdict == (if .seen_buffered > 0 then "no violation" else "inconclusive" end)' "$out"
    done
    same "$(jq .cycles out.two)" "$(jq .cycles out.one)"
    same true "$(jq -s 'map(.seat) | sort == [0, 1]' out.one out.two)"
}

# pair_says PATTERN OPTION...: a line of a participant of two matches. Both succeed.
pair_says() {
    background one __stress -f region -t 0.2 "${@:2}"
    background two __stress -f region -t 0.2 "${@:2}"
    ends one 0
    ends two 0
    grep -xE "$1" out.one
}

@test "__stress: with overtakings without the fence, and none with it, the verdict is 'no violation'" {
    (($(nproc) >= 2)) || skip 'this machine has one CPU'
    wait_until pair_says 'no violation'
    grep -xE ' *[1-9][0-9]* overtakings of a store by a load without the fence, 0 with it' out.one
}

@test "__stress: without any overtaking the verdict is 'inconclusive', and no failure" {
    for how in '-n 1' '--inject control'; do
        # shellcheck disable=SC2086 # words
        pair_says 'inconclusive: nothing was overtaken without the fence either, so no two ran at the same time' $how
        # shellcheck disable=SC2086
        pair_says '.*"seen_buffered":0,"seen_fenced":0,"verdict":"inconclusive","violation":null.*' --json $how
        refuted grep -x 'no violation' out.one out.two
    done
}

@test "__stress: a mapping on which locked instructions are bus locks is warned of" {
    ivshmem 0000:00:04.0 0x140000000
    truncate -s 1M "$TREE/0000:00:04.0/resource2_wc"
    truncate -s $((1 << 33)) "$MEMORY"
    succeeds __stress -n 1 -t 0.01 -m wb --json
    same '' "$stderr"
    [[ $(jq -r .accelerator <<<"$output") != tcg ]] || skip 'TCG has no memory types, so nothing is warned of'
    succeeds __stress -n 1 -t 0.01
    says '__stress: the mapping is uncached: ' 'each locked instruction stops all CPUs' 'split_lock_detect' '-m wb avoids it'
    prints 'or the mapping is really uncached (see __shmem)'
    succeeds __stress -n 1 -t 0.01 -m wc
    says 'the mapping is write-combining: '
    prints_not 'really uncached'
}

@test "__stress: leaves the other areas alone" {
    __stress -f region -n 1 -t 0.1 >/dev/null &
    wait $!
    untouched 0 0xf80
    untouched 0x1000 0x40000
    untouched 0x80000 0x100000
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
            head -c 256 /dev/urandom | put region "$STEPS"
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
    for fault in counter plain lock message fence torn block control die leave; do
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
