# shellcheck shell=bash disable=SC2034,SC2154 # what the tests use; what bats sets
# What the tests of __stream share: a sender and a receiver on one file.

load prog.bash

# In the control page of channel 0 (see struct shmem_channel_words in prog/lib/channel_words.h), and its ring.
WRITTEN_AT=$((0x20080)) READ_AT=$((0x20100)) ACCEPTED_AT=$((0x201c8)) RING_AT=$((0x100000))

# The two commands.
SEND=(__stream send -f region) RECV=(__stream recv -f region)

setup() {
    begin_region 4M
}

teardown() {
    [ -z "${gate:-}" ] || exec {gate}>&-
    end_background
}

# Starts both, and returns when the receiver has got 'begun'. The sender's stdin stays open until $gate is closed.
start_gated() {
    mkfifo pipe
    exec {gate}<>pipe # for reading and writing: opening it waits for no reader
    background recv "${RECV[@]}"
    background send "${SEND[@]}" <pipe
    echo begun >&"$gate"
    wait_until_said out.recv begun
}

# Starts both with endless generated data, and returns when it flows.
start_flowing() {
    local before
    background recv "${RECV[@]}"
    background send "${SEND[@]}" -t 1000
    for _ in 1 2; do
        before=$(word region "$ACCEPTED_AT")
        wait_until other_word "$ACCEPTED_AT" "$before"
    done
}

# insist OFFSET WORD NAME: overwrites the word there until the background process NAME has ended.
insist() {
    le64 "$2" >word
    while [ -e "/proc/${!3}/exe" ]; do
        put region "$1" <word
    done
}

# noticed TEXT: both sides end. At least one found rubbish: it says TEXT, or that its own words were overwritten.
noticed() {
    local name statuses=
    for name in recv send; do
        wait_until test ! -e "/proc/${!name}/exe"
        await "$name"
        statuses+=$status
        case $status in
        5) grep -qE -- "$1|another program overwrote what we wrote for the (receiver|sender) of channel 0" <<<"$stderr" ;;
        6) says 'gave up' ;;
        *) failure "$name ended with $status" ;;
        esac
    done
    refuted test "$statuses" = 66
}

# Closes the sender's stdin.
shut() {
    exec {gate}>&-
    gate=
}

# received FILE: the receiver has written the same bytes as FILE holds.
received() {
    cmp "$1" out.recv
}

# Three channels carry different data at once.
carry_three_channels() {
    local channel
    for channel in 0 3 7; do
        head -c 700000 /dev/urandom >"data$channel"
        background "recv$channel" "${RECV[@]}" -c "$channel"
        background "send$channel" "${SEND[@]}" -c "$channel" <"data$channel"
    done
    for channel in 0 3 7; do
        ends "send$channel" 0
        ends "recv$channel" 0
        cmp "data$channel" "out.recv$channel"
    done
}
