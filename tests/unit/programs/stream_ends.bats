#!/usr/bin/env bats
# shellcheck disable=SC2154 # what bats sets
# __stream: the other side does not come, ends, pauses, or dies.

load stream.bash

@test "__stream: nobody comes: status 3" {
    complains 3 'no sender came to channel 0 within 0.1 s' __stream recv -f region -w 0.1
    complains 3 'no receiver came to channel 5 within 0.1 s' __stream send -f region -w 0.1 -c 5
}

@test "__stream: the channel is taken: status 1, and the others go on" {
    start_gated
    fails 1 __stream send -f region -w 2
    [[ $stderr == *'another program is sending on channel 0; choose another channel' ]]
    # Too short to see it live.
    complains 3 'has given no sign of life so far' __stream send -f region -w 0.000000001
    shut
    ends send 0
    ends recv 0
}

@test "__stream: the sender was killed a moment ago: nobody says that it still sends" {
    start_gated
    kill -9 "$send"
    complains 3 'the program that was sending on channel 0 has given no sign of life so far' __stream send -f region -w 0.3
    ends recv 4 'the sender died'
}

@test "__stream: the sender is killed: status 4, and what came is there" {
    start_gated
    kill -9 "$send"
    ends recv 4 'the sender died: it gave no sign of life for 3 s (after 6 bytes)'
    same begun "$(<out.recv)"
}

@test "__stream: the receiver is killed: status 4" {
    start_gated
    kill -9 "$recv"
    ends send 4 'the receiver died'
}

@test "__stream: killed with the ring full: status 4" {
    start_flowing
    kill -STOP "$recv"
    ends send 4 'the receiver died'
}

@test "__stream: a pause of a second is no death" {
    start_gated
    kill -STOP "$send"
    sleep 1 # nothing is awaited: the receiver gets time to go wrong
    kill -CONT "$send"
    echo on >&"$gate"
    wait_until_said out.recv on
    kill -STOP "$recv"
    sleep 1
    kill -CONT "$recv"
    shut
    ends send 0
    ends recv 0
}

@test "__stream: stopped for long: 4 for the other, 6 for itself when it goes on" {
    start_gated
    kill -STOP "$send"
    ends recv 4 'the sender died'
    kill -CONT "$send"
    ends send 6 'the receiver gave up'
}

@test "__stream: ended by Ctrl-C and the like: status 6 for the other" {
    start_gated
    kill -TERM "$send"
    ends recv 6 'the sender gave up (after 6 bytes)'
    ends send 143
    shut
    rm pipe
    start_gated
    kill -TERM "$recv"
    ends send 6 'the receiver gave up'
    ends recv 143
}

@test "__stream: nobody reads what recv writes: 1 for it, 6 for the sender" {
    background send bash -c 'cat /dev/zero | __stream send -f region'
    fails 1 bash -c '__stream recv -f region | head -c 1 >/dev/null; exit ${PIPESTATUS[0]}'
    says 'cannot write to stdout: Broken pipe'
    ends send 6 'the receiver gave up'
    background send bash -c 'cat /dev/zero | __stream send -f region'
    fails 1 bash -c '__stream recv -f region >/dev/full'
    [[ $stderr == *'cannot write to stdout: No space left on device' ]]
    ends send 6 'the receiver gave up'
}

@test "__stream: leftovers of killed runs, and rubbish all over, are taken over" {
    start_gated
    kill -9 "$recv" "$send"
    ends recv 137
    ends send 137
    background recv "${RECV[@]}"
    head -c 200000 /dev/urandom >data
    background send "${SEND[@]}" <data
    ends send 0
    ends recv 0
    received data
    grep 'took over a seat of channel 0' err.send err.recv

    head -c 4M /dev/urandom >region
    background recv "${RECV[@]}"
    background send "${SEND[@]}" <data
    ends send 0
    ends recv 0
    received data
}
