#!/usr/bin/env bats
# shellcheck disable=SC2154 # what bats sets
# gather.h and request.h: what programs see that use several channels at a time. talker.c obeys lines.

load channel.bash

# gathers SENDER...: a receiver of a gather and its senders, all open.
gathers() {
    local name
    talks receiver crowd gather
    answers receiver 'ok open'
    for name; do
        talks "$name" crowd join
    done
    for name; do
        answers "$name" 'ok open'
    done
}

# requests: a client and a server, both open.
requests() {
    talks server sums server
    talks client sums client
    answers server 'ok open'
    answers client 'ok open'
}

# --- Several senders ------------------------------------------------------------------

@test "gather: all messages of all senders arrive, no sender starves, and a fourth waits for a lane" {
    gathers one two three
    for name in one two three; do
        for _ in 1 2 3 4; do
            tell "$name" "say $name"
            answers "$name" ok
        done
    done
    for turns in 1 2 1; do # all have messages: each has its turn
        tell receiver collect $((3 * turns))
        answers receiver "ok $turns $turns $turns"
    done
    for name in one two three; do
        tell "$name" flood 2000
    done
    tell receiver collect 6000
    answers receiver 'ok 2000 2000 2000'
    for name in one two three; do
        answers "$name" ok
    done

    talks four crowd join
    tell two close
    answers two ok
    tell receiver event
    answers receiver '@(left|back): the sender gave up*' # four may be there already
    tell four say at last
    tell receiver event
    answers four 'ok open'
    answers four ok
    answers receiver 'ok at last'
}

@test "gather: a sender that dies loses its lane, and the receiver goes on" {
    gathers one two three
    kill -9 "$two"
    tell receiver event
    answers receiver 'died: the sender died: it gave no sign of life for 3 s'
    talks four crowd join
    tell four say hello
    tell receiver event
    answers receiver 'ok hello'
    wait_until_said err.four 'took over a seat of crowd: its holder gave no sign of life'
}

@test "gather: a sender that was paused, and lost its lane before there was a receiver, takes another one" {
    for name in one two three; do
        talks "$name" crowd join
        wait_until_said "err.$name" 'waiting for channel crowd.'
    done
    kill -STOP "$one"
    talks four crowd join
    wait_until_said err.four 'took over a seat of crowd: its holder gave no sign of life'
    kill "$two"
    kill -CONT "$one"
    talks receiver crowd gather
    for name in receiver one three four; do
        answers "$name" 'ok open'
    done
    tell one say hello
    tell receiver event
    answers receiver 'ok hello'
}

@test "gather: a receiver that closes gives up all lanes, and senders learn it" {
    gathers one
    tell receiver close
    answers receiver ok
    tell one flood 1000
    answers one 'left: the receiver gave up'
    rm one.in
    export PATIENCE=100
    talks one crowd join
    answers one 'late: '
}

@test "gather: a second receiver learns that there is one" {
    gathers
    talks second crowd gather
    answers second 'ok open'
    tell second event
    answers second 'failed: another program receives channel crowd.*'
}

# --- Requests -------------------------------------------------------------------------

@test "request: each call has its reply; one that was late is never taken for the next one's" {
    requests
    tell server serve 2
    tell client call one
    answers client 'ok one!'
    tell client call two
    answers client 'ok two!'
    answers server ok
    tell client call-soon three
    answers client 'late: '
    tell server serve 2
    tell client call four
    answers client 'ok four!'
    answers server ok
    tell client call five
    kill -9 "$server"
    answers client 'died: the * died: it gave no sign of life for 3 s'
}

# three_seconds_pass CHANNEL: one of its sides dies, and the other says so after three seconds.
three_seconds_pass() {
    talks sender "$1" send
    talks receiver "$1" recv
    answers sender 'ok open'
    answers receiver 'ok open'
    kill -9 "$sender"
    tell receiver hear
    answers receiver 'died: *'
}

@test "request: one that the server could not answer is not answered by the next one's reply" {
    requests
    tell client call-soon one
    tell server refuse
    answers server 'failed: a message of * bytes: the longest of channel sums.reply has *'
    answers client 'late: '
    tell server serve 2
    for call in two three; do
        tell client call $call
        answers client "ok $call!"
    done
    answers server ok
}

@test "request: a client that waits, and a server that waits, are not taken for dead" {
    requests
    tell client call one
    three_seconds_pass 1
    tell server serve 1
    answers server ok
    tell server take-soon # would tell the death
    answers server 'late: '
    answers client 'ok one!'
    rm sender.in receiver.in out.sender out.receiver

    tell server serve 1
    three_seconds_pass 2
    tell client call two
    answers client 'ok two!'
    answers server ok
    tell client call-soon three
    answers client 'late: '
}

@test "request: one that comes and goes between the two channels does not keep the other for ever" {
    talks server sums server
    wait_until_said err.server 'waiting for channel sums.request'
    # A client's first half.
    talks client sums.request send
    answers client 'ok open'
    wait_until_said err.server 'waiting for channel sums.reply'
    kill -9 "$client"
    answers server 'died: the sender died: it gave no sign of life for 3 s'
}
