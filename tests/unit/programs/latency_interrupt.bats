#!/usr/bin/env bats
# shellcheck disable=SC2154 # what bats sets
# __latency asleep: processes at the ivshmem server's socket do what VMs do. What polling has as well is in latency.bats.

bats_require_minimum_version 1.5.0
load prog.bash

AREA=$((0x10000)) PLACES=$((0x11000)) PLACE=512 NOTICE=128

setup_file() {
    build_programs
    (
        flock 9
        make -s -C "$PROG/../server" O="$SANITIZED/server" WERROR=1 SANITIZE=1
    ) 9>"$BATS_RUN_TMPDIR/build.lock"
}

setup() {
    begin
    start server "$SANITIZED/server/ivshmem-server" --socket server --memory region
    until_said server.out ready
}

teardown() {
    end_all
}

# pair 'OPTION...' 'OPTION...': two runs with these and what follows them, the first on seat 0, which measures.
pair() {
    # shellcheck disable=SC2086 # words
    start one __latency -f server $1 "${@:3}"
    soon other_word $AREA 0000000000000000
    # shellcheck disable=SC2086 # words
    start two __latency -f server $2 "${@:3}"
    ended one
    one=$status
    ended two
    two=$status
}

@test "--interrupt: both sleep, every round trip is by interrupt, none is late" {
    for folder in "$SANITIZED" "$STATIC"; do
        PATH=$folder:$PATH
        pair --interrupt --interrupt -n 2000 --json
        [ "$one$two" = 00 ]
        cat one.out two.out | jq -se '.[0] as $m | .[1] as $a |
            $m.record == "latency" and $m.count == 2000 and $m.late == 0 and
            $m.interrupts > 0 and $m.sleeps >= $m.interrupts and $m.sleeps <= 2 * 2000 and
            $a.record == "latency-answers" and $a.interrupts > 0 and
            all($m, $a; .mode == "interrupt" and .poll_us == 0 and .other_mode == "interrupt" and
                .cpu_percent >= 0)'
    done
}

@test "--adaptive: its window, the default one, and one in which the answer always comes" {
    # The default is in the words of -h, and in the record.
    pair --adaptive=1000000 --adaptive -n 500 --json
    [ "$one$two" = 00 ]
    jq -e '.mode == "adaptive" and .poll_us == 1000000 and .other_mode == "adaptive" and
        .other_poll_us == 500 and .sleeps == 0 and .interrupts == 0' one.out
    [[ $(__latency -h) == *'(default: 500; '* ]]
    pair --adaptive=1 --adaptive=1 -n 500
    [ "$one$two" = 00 ]
    grep -xE 'waiting: [^ ]+ adaptive, 1 us; [^ ]+ adaptive, 1 us' one.out
}

@test "each side waits in its own way" {
    pair --interrupt '' -n 1000 --json
    [ "$one$two" = 00 ]
    jq -e '.mode == "interrupt" and .other_mode == "polled" and .interrupts > 0 and .late == 0' one.out
    jq -e '.mode == "polled" and .other_mode == "interrupt" and .sleeps == 0' two.out
    pair '' --interrupt -n 1000
    [ "$one$two" = 00 ]
    grep -xE 'waiting: [^ ]+ polled; [^ ]+ interrupt' one.out
    grep -xE 'used here: .* of a CPU, 0 sleeps, 0 interrupts, 0 of them late' one.out
    grep -xE 'used here: .* of a CPU, [1-9][0-9]* sleeps, [1-9][0-9]* interrupts, 0 of them late' two.out
    pair --adaptive=3 --interrupt -n 1000
    [ "$one$two" = 00 ]
}

@test "--matrix: three, of whom two sleep; each measures to each" {
    for i in 1 2; do start "$i" __latency -f server -n 300 --matrix 3 --interrupt; done
    start 3 __latency -f server -n 300 --matrix 3
    for i in 1 2 3; do
        ended "$i"
        [ "$status" -eq 0 ]
        [ "$(grep -cE '^  [^ ]+ \(seat [0-2]\) +300( +[0-9]+\.[0-9]{3}){5} +[0-9]+\.[0-9] +[0-9]+$' "$i.out")" -eq 2 ]
        [ "$(grep '^waiting: ' "$i.out" | grep -o interrupt | wc -l)" -eq 2 ]
    done
}

@test "who polls where nobody can be rung, and meets one who sleeps, says so" {
    start one __latency -f server --interrupt
    soon other_word $AREA 0000000000000000
    try __latency -f region
    [ "$status" -eq 1 ]
    [[ $stderr == *'region is an ordinary file and has no interrupts'* ]]
    ends one 1 'gave up'
}

@test "no doorbell: an ordinary file, a device in plain mode" {
    ivshmem 0000:00:04.0
    for way in --interrupt --adaptive; do
        try __latency -f region $way
        fails 1 'region is an ordinary file and has no interrupts'
        try __latency $way
        fails 1 'was started with SHMEM_MODE=plain'
    done
}

@test "the leftover of killed runs, asleep: taken over, and nobody is woken by it" {
    start one __latency -f server -t 600 --interrupt
    start two __latency -f server -t 600 --interrupt
    soon other_word $((PLACES + PLACE)) 0000000000000000
    kill -9 "${PID[one]}" "${PID[two]}"
    le64 $((7 << 32 | 1 << 16)) | put region $((PLACES + NOTICE))
    le64 $((7 << 32 | 1 << 16)) | put region $((PLACES + PLACE + NOTICE))
    start one __latency -f server -n 200 --interrupt
    start two __latency -f server -n 200 --interrupt
    ended one
    [ "$status" -eq 0 ]
    ended two
    [ "$status" -eq 0 ]
    [ "$(word region $((PLACES + NOTICE)))$(word region $((PLACES + PLACE + NOTICE)))" = 00000000000000000000000000000000 ]
    head -c 32768 /dev/urandom | put region $AREA
    start one __latency -f server -n 200 --interrupt
    start two __latency -f server -n 200
    ended one
    [ "$status" -eq 0 ]
    ended two
    [ "$status" -eq 0 ]
}

@test "who sleeps sees the other die, leave, and answer no more" {
    while read -r fault expected; do
        pair --interrupt --interrupt -t 20 -w 4 --inject "$fault"
        ((one == 1 && two == 1))
        grep -q "$expected" one.err
        [ ! -s one.out ]
    done <<'END'
        die (seat 1) died: it gave no sign of life for 3 s
        leave (seat 1) gave up
        deaf (seat 1) lives, but did not answer in time (-w)
END
}

@test "--inject skip: a wake-up that is lost is noticed" {
    pair --interrupt --interrupt -t 10 --inject skip
    ((one == 1 && two == 1))
    grep -q '(seat 1) wrote while we slept, and no interrupt came: a wake-up was lost$' one.err
    [ ! -s one.out ]
    grep -q '(seat 0) gave up$' two.err
    pair '--adaptive=1' --interrupt -t 10 --inject skip
    ((one == 1 && two == 1))
    grep -q 'a wake-up was lost$' one.err
}
