# shellcheck shell=bash disable=SC2034,SC2154 # what the tests use; what bats sets
# What the tests of __stream share: a sender and a receiver on one file.

load prog.bash

# In the control page of channel 0 (see struct channel in stream_channel.c), and its ring.
WRITTEN_AT=$((0x20080)) READ_AT=$((0x200c0)) ACCEPTED_AT=$((0x20148)) RING_AT=$((0x100000))

setup() {
    begin 4M
}

teardown() {
    [ -z "${gate:-}" ] || exec {gate}>&-
    end_all
}

# Both for start.
send() {
    exec __stream send -f region "$@"
}

recv() {
    exec __stream recv -f region "$@"
}

# Starts both, the sender with a stdin that stays open as long as $gate, and returns when 'begun' has come through.
start_gated() {
    mkfifo pipe
    exec {gate}<>pipe # which waits for no reader
    start recv recv
    start send send <pipe
    echo begun >&"$gate"
    until_said recv.out begun
}

# Starts both, with generated data without end, and returns when it flows.
start_flowing() {
    local before
    start recv recv
    start send send -t 1000
    for _ in 1 2; do
        before=$(word region "$ACCEPTED_AT")
        soon other_word "$ACCEPTED_AT" "$before"
    done
}

# insist OFFSET WORD NAME: puts it there again and again until that program has ended.
insist() {
    le64 "$2" >word
    while [ -e "/proc/${PID[$3]}/exe" ]; do
        put region "$1" <word
    done
}

# Closes the sender's stdin.
shut() {
    exec {gate}>&-
    gate=
}

# same_bytes FILE: is what the receiver wrote.
same_bytes() {
    cmp "$1" recv.out
}

# Three channels carry different data at once, whatever send and recv are.
carry_three_channels() {
    local channel
    for channel in 0 3 7; do
        head -c 700000 /dev/urandom >"data$channel"
        start "recv$channel" recv -c "$channel"
        start "send$channel" send -c "$channel" <"data$channel"
    done
    for channel in 0 3 7; do
        ends "send$channel" 0
        ends "recv$channel" 0
        cmp "data$channel" "recv$channel.out"
    done
}
