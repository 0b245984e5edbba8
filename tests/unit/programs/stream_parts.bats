#!/usr/bin/env bats
# shellcheck disable=SC2154 # what bats sets
# __stream --parts: where the time of a message goes.

load stream.bash

# What each side does for a message, in this order.
SENDER='checksum, wait for room, copy in, publish' RECEIVER='wait for message, copy out, release, verify'

# both OPTION...: sends with --parts and these; out.send and out.recv get what the sides print.
both() {
    background recv "${RECV[@]}"
    background send "${SEND[@]}" --parts "$@"
    ends send 0
    ends recv 0
}

# coarse STEP: from here on, __stream is one whose clock steps by so many ticks.
coarse() {
    gcc -std=gnu11 -D_GNU_SOURCE "-DTICKS_STEP=$1" -I "$PROG" -I "$PROG/lib/include" -o __stream "$PROG"/stream/*.c \
        "$PROG/lib/ticks.c" "$STATIC/libshmem.a"
    PATH=$PWD:$PATH
}

# table FILE: the rows of a table, a line each: the name, < or nothing, nanoseconds, percent.
table() {
    sed -nE 's/^  (.{18}) ( |<) *([0-9]+) ns  [ <] *([0-9.]+) %$/\1|\2|\3|\4/p' "$1" | sed -E 's/ *\|/|/'
}

# adds_up FILE: the parts, the readings and the rest are the whole, but for what rounding takes of each.
adds_up() {
    table "$1" | awk -F '|' '{ if ($1 == "whole") whole = $3; else { sum += $3; share += $4 } }
        END { exit !(whole > 0 && sum - whole <= 4 && whole - sum <= 4 && share > 99.6 && share < 100.4) }' ||
        failure "does not add up:" "$(<"$1")"
}

@test "__stream --parts: both sides print their parts, which add up to the whole" {
    both -s 64K -n 8M
    same "$SENDER, reading the clock, rest, whole" "$(table out.send | cut -d '|' -f 1 | paste -sd , | sed 's/,/, /g')"
    same "$RECEIVER, reading the clock, rest, whole" "$(table out.recv | cut -d '|' -f 1 | paste -sd , | sed 's/,/, /g')"
    adds_up out.send
    adds_up out.recv
    head='messages of 65536 bytes: where the time of one goes \(mean of 128, copied by [a-z0-9]+\)'
    grep -xE "sent to receiver, $head" out.send
    grep -xE "received from sender, $head" out.recv
    for out in out.send out.recv; do
        tail -n 1 "$out" | grep -xE 'clock: [0-9]+ ns a reading, steps of [0-9.]+ ns; <: too short to be measured with it'
    done
}

# The sum of a record's parts, readings and rest is its whole.
ADDS_UP='def near($other): . - $other | fabs < 1e-6 * $other;
    .whole_ns as $whole | ([.parts[] | .ns // .below_ns] + [.readings_ns, .rest_ns] | add | near($whole)) and $whole > 0'

@test "__stream --parts --json: a record of each side, for each size of message" {
    background recv "${RECV[@]}" --json
    background send "${SEND[@]}" --json --parts --sweep -n 300001
    ends send 0
    ends recv 0
    for side in send recv; do
        [[ $side == send ]] && names=$SENDER || names=$RECEIVER
        same '64 4688 256 1172 1024 293 4096 74 16384 19 65536 5 262144 2 1048576 1' "$(jq -r '.message_bytes, .count' out.$side | xargs)"
        jq -e --arg side "$side" --arg names "$names" "$ADDS_UP"' and .record == "stream-parts" and .role == $side
            and .channel == 0 and .rest_ns >= 0 and .readings_ns >= 0 and .clock_reading_ns > 0 and .clock_step_ns > 0
            and (.copy | type == "string") and .sleep == false and ([.parts[].part] | join(", ")) == $names
            and all(.parts[]; if .measured then .ns > 0 and (has("below_ns") | not) else .below_ns >= 0 and (has("ns") | not) end)' out.$side
    done
}

@test "__stream --parts: a clock that is too coarse for a part measures none, and says so" {
    coarse 100000
    both -s 4K -n 1M
    for out in out.send out.recv; do
        adds_up "$out"
        refuted grep -E '^(checksum|copy in|publish|copy out|release|verify)\| ' <(table "$out")
        (($(table "$out" | grep -c '^[a-z ]*|<|') >= 3))
    done
    background recv "${RECV[@]}" --json
    background send "${SEND[@]}" --json --parts -s 4K -n 1M
    ends send 0
    ends recv 0
    jq -e "$ADDS_UP"' and all(.parts[] | select(.part | startswith("wait") | not); .measured == false and has("below_ns"))' out.send out.recv
}

@test "__stream --parts: carries every length, and a damaged message is noticed" {
    both -s 1001 -n 300001
    grep -F 'messages of 1001 bytes: where the time of one goes (mean of 300,' out.recv
    background recv "${RECV[@]}"
    background send "${SEND[@]}" --parts -n 1M --inject bytes
    ends recv 5 'was sent as'
    ends send 6 'the receiver gave up'
}

@test "__stream --parts: a clock that steps back is noticed by either side" {
    background recv "${RECV[@]}"
    background send "${SEND[@]}" --parts --inject clock
    ends send 1 'the time stamp counter stepped back, by '
    ends recv 6 'the sender gave up'
    background recv "${RECV[@]}" --inject clock
    background send "${SEND[@]}" --parts
    ends recv 1 'the time stamp counter stepped back, by '
    ends send 6 'the receiver gave up'
}

@test "__stream --parts: wrong use is one line and status 2" {
    refuses '-n, -s, -t, --sweep and --parts are for send' __stream -f region recv --parts
    refuses 'option --parts takes no value' __stream -f region send --parts=all
}
