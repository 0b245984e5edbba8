#!/usr/bin/env bats
# shellcheck disable=SC2154 # what bats sets
# __latency, waiting by interrupt. Processes at the ivshmem server's socket take the place of VMs. The tests of what polling
# has too are in latency.bats.

bats_require_minimum_version 1.5.0
load prog.bash

AREA=$((0x10000)) PLACES=$((0x11000)) PLACE=512 NOTICE=128

setup_file() {
    build_programs
    build_server
}

setup() {
    begin_region
    serve
}

# pair STATUS 'OPTION...' 'OPTION...' [OPTION...]: runs two, named one and two, with these options and the common ones; both
# end with that status. The first is on seat 0, which measures.
pair() {
    # shellcheck disable=SC2086 # words
    background one __latency -f server $2 "${@:4}"
    wait_until other_word $AREA 0000000000000000
    # shellcheck disable=SC2086 # words
    background two __latency -f server $3 "${@:4}"
    background_ended one "$1"
    background_ended two "$1"
}

@test "--interrupt: both sleep, every round trip is by interrupt, none is late" {
    for folder in "$SANITIZED" "$STATIC"; do
        PATH=$folder:$PATH
        pair 0 --interrupt --interrupt -n 2000 --json
        cat out.one out.two | jq -se '.[0] as $m | .[1] as $a |
            $m.record == "latency" and $m.count == 2000 and $m.late == 0 and
            $m.interrupts > 0 and $m.sleeps >= $m.interrupts and $m.sleeps <= 2 * 2000 and
            $a.record == "latency-answers" and $a.interrupts > 0 and
            all($m, $a; .mode == "interrupt" and .poll_us == 0 and .other_mode == "interrupt" and
                .cpu_percent >= 0)'
    done
}

# measures_wake_ups: a run of two with --adaptive; both had enough wake-ups in the warm-up.
measures_wake_ups() {
    pair 0 --adaptive --adaptive -n 500 --json
    jq -e '.wake_up_us > 0' out.one && jq -e '.wake_up_us > 0' out.two
}

@test "--adaptive without a number: each side measures a wake-up, and its window is twice that" {
    wait_until measures_wake_ups
    for out in out.one out.two; do
        jq -e '.mode == "adaptive" and .other_mode == "adaptive" and (.poll_us / .wake_up_us | . > 1.99 and . < 2.01) and
            .poll_us != 500' "$out"
    done
    same "$(jq .poll_us out.two)" "$(jq .other_poll_us out.one)"
    pair 0 --adaptive --adaptive -n 500
    grep -xE 'waiting: [^ ]+ adaptive, [0-9.]+ us; [^ ]+ adaptive, [0-9.]+ us' out.one
    grep -xE 'the window here is (twice the median wake-up of the warm-up, [0-9.]+ us|the default: too few .*)' out.two
}

@test "--adaptive: its window, and one in which the answer always comes" {
    pair 0 --adaptive=1000000 --adaptive=500 -n 500 --json
    jq -e '.mode == "adaptive" and .poll_us == 1000000 and .other_mode == "adaptive" and .wake_up_us == null and
        .other_poll_us == 500 and .sleeps == 0 and .interrupts == 0' out.one
    pair 0 --adaptive=1 --adaptive=1 -n 500
    grep -xE 'waiting: [^ ]+ adaptive, 1 us; [^ ]+ adaptive, 1 us' out.one
}

@test "each side waits in its own way" {
    pair 0 --interrupt '' -n 1000 --json
    jq -e '.mode == "interrupt" and .other_mode == "polled" and .interrupts > 0 and .late == 0' out.one
    jq -e '.mode == "polled" and .other_mode == "interrupt" and .sleeps == 0' out.two
    pair 0 '' --interrupt -n 1000
    grep -xE 'waiting: [^ ]+ polled; [^ ]+ interrupt' out.one
    grep -xE 'used here: .* of a CPU, 0 sleeps, 0 interrupts, 0 of them late' out.one
    grep -xE 'used here: .* of a CPU, [1-9][0-9]* sleeps, [1-9][0-9]* interrupts, 0 of them late' out.two
    pair 0 --adaptive=3 --interrupt -n 1000
}

@test "--matrix: two of three sleep; each measures to each" {
    for i in 1 2; do background "run$i" __latency -f server -n 300 --matrix 3 --interrupt; done
    background run3 __latency -f server -n 300 --matrix 3
    for i in 1 2 3; do
        background_ended "run$i" 0
        same 2 "$(grep -cE '^  [^ ]+ \(seat [0-2]\) +300( +[0-9]+\.[0-9]{3}){5} +[0-9]+\.[0-9] +[0-9]+'"$MEAN_IF_COARSE$" "out.run$i")"
        same 2 "$(grep '^waiting: ' "out.run$i" | grep -o interrupt | wc -l)"
    done
}

@test "a side that cannot ring says so when the other one sleeps" {
    background one __latency -f server --interrupt
    wait_until other_word $AREA 0000000000000000
    fails 1 __latency -f region
    says 'region is an ordinary file and has no interrupts'
    ends one 1 'gave up'
}

@test "no doorbell: an ordinary file, a device in plain mode" {
    ivshmem 0000:00:04.0
    for way in --interrupt --adaptive; do
        complains 1 'region is an ordinary file and has no interrupts' __latency -f region $way
        complains 1 'was started with SHMEM_MODE=plain' __latency $way
    done
}

@test "leftovers of killed runs that slept are taken over and wake nobody" {
    background one __latency -f server -t 600 --interrupt
    background two __latency -f server -t 600 --interrupt
    wait_until other_word $((PLACES + PLACE)) 0000000000000000
    kill -9 "$one" "$two"
    le64 $((7 << 32 | 1 << 16)) | put region $((PLACES + NOTICE))
    le64 $((7 << 32 | 1 << 16)) | put region $((PLACES + PLACE + NOTICE))
    background one __latency -f server -n 200 --interrupt
    background two __latency -f server -n 200 --interrupt
    background_ended one 0
    background_ended two 0
    same 00000000000000000000000000000000 "$(word region $((PLACES + NOTICE)))$(word region $((PLACES + PLACE + NOTICE)))"
    head -c 32768 /dev/urandom | put region $AREA
    background one __latency -f server -n 200 --interrupt
    background two __latency -f server -n 200
    background_ended one 0
    background_ended two 0
}

@test "a side that sleeps notices that the other one dies, leaves, or answers no more" {
    while read -r fault expected; do
        pair 1 --interrupt --interrupt -t 20 -w 4 --inject "$fault"
        grep -q "$expected" err.one
        refuted test -s out.one
    done <<'END'
        die (seat 1) died: it gave no sign of life for 3 s
        leave (seat 1) gave up
        deaf (seat 1) lives, but did not answer in time (-w)
END
}

@test "--inject skip: a wake-up that is lost is noticed" {
    pair 1 --interrupt --interrupt -t 10 --inject skip
    grep -q '(seat 1) wrote while we slept, and no interrupt came: a wake-up was lost$' err.one
    refuted test -s out.one
    grep -q '(seat 0) gave up$' err.two
    pair 1 '--adaptive=1' --interrupt -t 10 --inject skip
    grep -qE '(a wake-up was lost|no interrupt ever came)$' err.one || failure "$(cat err.one err.two)"
}
