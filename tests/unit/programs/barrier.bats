#!/usr/bin/env bats
# shellcheck disable=SC2154 # what bats sets
# Programs that wait for each other: barrier.h, called through barrier.c.

load prog.bash

STEPS=$((0x3800)) # 128 bytes a seat

setup_file() {
    build_programs
    compile_sanitized __barrier barrier.c
}

# go_on_for ROUNDS SEATS: so many programs wait for each other so often.
go_on_for() {
    local i
    for ((i = 0; i < $2; i++)); do background "peer$i" __barrier -f region -n "$2" "$1"; done
    for ((i = 0; i < $2; i++)); do
        ends "peer$i" 0
        [[ $output =~ ^'seat '[0-4]": $1 rounds"$ ]]
    done
}

@test "barrier: all are in the same round, one program up to five" {
    for seats in 1 2 3 5; do go_on_for 300 "$seats"; done
}

@test "barrier: what a run before left is no step of this one" {
    for _ in {1..8}; do go_on_for 1 3; done
}

@test "barrier: each seat has one word, 128 bytes from the next" {
    go_on_for 7 3
    refuted test "$(word region "$STEPS")" = 0000000000000000
    for step in 0 128 256; do
        same "$(word region "$STEPS")" "$(word region $((STEPS + step)))"
        untouched $((STEPS + step + 8)) $((STEPS + step + 128))
    done
}

# two_wait_for HOW: two go on for long with a third, which ends so after 100 rounds. They end, and say why.
two_wait_for() {
    background third __barrier -f region -n 3 "$1" 100
    for i in 1 2; do background "peer$i" __barrier -f region -n 3 1000000000; done
    for i in 1 2; do ends "peer$i" 0; done
    read -r _ seat _ < <(tr -d : <out.third)
}

# both_say TEXT
both_say() {
    for i in 1 2; do same "$1" "$(<"out.peer$i")"; done
}

@test "barrier: one of three that dies is a status for both others" {
    two_wait_for --die
    both_say "seat $seat died: it gave no sign of life for 3 s"
}

@test "barrier: one of three that leaves is a status for both others" {
    two_wait_for --leave
    both_say "seat $seat gave up"
}

@test "barrier: one of three that is stopped for long is taken for dead, and learns of it when it goes on" {
    two_wait_for --stop
    both_say "seat $seat died: it gave no sign of life for 3 s"
    kill -CONT "$third"
    ends third 0
    [[ $output == *" gave up" ]]
}

@test "barrier: a program whose seat was taken over meanwhile learns of it, and goes on" {
    background survivor __barrier -f region -n 2 --survive 100
    background witness __barrier -f region -n 2 1000000000
    ends witness 0
    for i in 1 2; do background "heir$i" __barrier -f region -n 2 100; done
    for i in 1 2; do ends "heir$i" 0; done
    kill -CONT "$survivor"
    background friend __barrier -f region -n 2 100
    ends friend 0
    ends survivor 0
    same "1 another VM took over our seat of the test, because this one gave no sign of life for 3 s; run this program again
seat S: 100 rounds" "$(sed '1d; s/^seat [01]/seat S/' out.survivor)"
}

@test "barrier: a word that another program overwrites is written again" {
    background third __barrier -f region -n 2 --stop 100
    background waiting __barrier -f region -n 2 1000000000
    wait_until_said out.third rounds
    read -r _ seat _ < <(tr -d : <out.third)
    place=$((STEPS + 128 * (1 - seat)))
    wait_until other_word "$place" "$(word region $((STEPS + 128 * seat)))" # it waits at the next barrier
    le64 5 | put region "$place"
    wait_until other_word "$place" 0000000000000005
}
