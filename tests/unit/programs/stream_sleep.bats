#!/usr/bin/env bats
# shellcheck disable=SC2154 # what bats sets
# __stream --sleep: processes at the ivshmem server's socket do what VMs in doorbell mode do.

load stream.bash

# In the control page of channel 0: the notice of the side that sleeps there, 0 while it is awake.
SEND_NOTICE_AT=$((0x20180)) RECV_NOTICE_AT=$((0x20200))

setup_file() {
    build_programs
    build_server
}

setup() {
    begin 4M
    start server "$SANITIZED/server/ivshmem-server" --socket server --memory region
    until_said server.out ready
}

# --- Helpers ------------------------------------------------------------------

# Both for start, and for start_gated.
send() {
    exec __stream send -f server --sleep "$@"
}

recv() {
    exec __stream recv -f server --sleep "$@"
}

# The same without --sleep.
spinning_send() {
    exec __stream send -f server "$@"
}

spinning_recv() {
    exec __stream recv -f server "$@"
}

# until_asleep OFFSET: whose notice is there sleeps.
until_asleep() {
    soon other_word "$1" 0000000000000000
}

# slept FILE: a record there is of one who was woken by interrupts, and not by its own deadline.
slept() {
    jq -e '.sleep and .sleeps > 0 and .interrupts > 0 and .rings > 0 and .cpu_percent > 0' "$1"
}

# --- What it carries ----------------------------------------------------------

@test "__stream --sleep: generated data, both asleep; what they say of it" {
    start recv recv
    start send send -n 40M
    ends send 0
    ends recv 0
    for out in send.out recv.out; do
        grep -E ' 41943040 bytes verified\), .*, [0-9.]+ % of a CPU, slept [0-9]+ times, woken by [0-9]+ interrupts$' $out
    done
    start recv recv --json
    start send send -n 40M --json
    ends send 0
    ends recv 0
    slept send.out
    slept recv.out
}

@test "__stream --sleep: small messages, with a ring for some of them only" {
    start recv recv --json
    start send send --json -s 64 -n 2M
    ends send 0
    ends recv 0
    # Each round is 32768 messages and as many reads.
    jq -e '.rings < 32768' send.out
    jq -e '.rings < 32768' recv.out
}

@test "__stream --sleep: the user's data, and its CPU on stderr" {
    for bytes in 0 1 65537 3000000; do
        head -c "$bytes" /dev/urandom >data
        start recv recv
        start send send <data
        ends send 0
        ends recv 0
        same_bytes data
        grep -E "^sent $bytes bytes from stdin in .* % of a CPU, slept [0-9]+ times, woken by" send.out
        grep -E "^__stream: received $bytes bytes in .* % of a CPU, slept [0-9]+ times, woken by" recv.err
    done
}

@test "__stream --sleep: one side only, the other spins and rings it" {
    start recv recv --json
    start send spinning_send -n 20M --json
    ends send 0
    ends recv 0
    jq -e '.sleep and .interrupts > 0 and .rings == 0' recv.out
    jq -e '(.sleep | not) and .sleeps == 0 and .rings > 0' send.out
    start recv spinning_recv --json
    start send send -n 20M --json
    ends send 0
    ends recv 0
    jq -e '(.sleep | not) and .sleeps == 0 and .rings > 0' recv.out
    jq -e '.sleep and .interrupts > 0 and .rings == 0' send.out
}

@test "__stream --sleep: several channels at once, in both directions" {
    carry_three_channels
}

@test "__stream --sleep: channels beyond the vectors share them" {
    kill "${PID[server]}"
    ended server
    start server "$SANITIZED/server/ivshmem-server" --socket server --memory region --vectors 2
    until_said server.out ready
    start recv recv -c 7
    start send send -c 7 -n 1M
    ends send 0
    ends recv 0
}

# --- Ends ---------------------------------------------------------------------

@test "__stream --sleep: nobody comes: status 3" {
    try __stream recv -f server --sleep -w 0.1
    fails 3 'no sender came to channel 0 within 0.1 s'
}

@test "__stream --sleep: the sender is killed while recv sleeps: status 4, and what came is there" {
    start_gated
    until_asleep "$RECV_NOTICE_AT"
    kill -9 "${PID[send]}"
    ends recv 4 'the sender died: it gave no sign of life for 3 s (after 6 bytes)'
    [ "$(<recv.out)" = begun ]
}

@test "__stream --sleep: the receiver is killed while send sleeps before a full ring: status 4" {
    start_flowing
    kill -STOP "${PID[recv]}"
    until_asleep "$SEND_NOTICE_AT"
    kill -9 "${PID[recv]}"
    ends send 4 'the receiver died'
}

@test "__stream --sleep: one that sleeps for longer than 3 s is not dead" {
    start_gated
    until_asleep "$RECV_NOTICE_AT"
    sleep 4 # no time to wait for anything, but for either to go wrong
    echo on >&"$gate"
    until_said recv.out on
    shut
    ends send 0
    ends recv 0
}

@test "__stream --sleep: ended by SIGTERM while the other sleeps: status 6" {
    start_gated
    until_asleep "$RECV_NOTICE_AT"
    kill -TERM "${PID[send]}"
    ends recv 6 'the sender gave up (after 6 bytes)'
    ends send 143
}

@test "__stream --sleep: rubbish for one who sleeps: status 5" {
    start_gated
    until_asleep "$RECV_NOTICE_AT"
    le64 $((1 << 40)) | put region "$WRITTEN_AT"
    ends recv 5 'it claims to have written more than the ring holds'
    ends send 6 'the receiver gave up'
}

@test "__stream --sleep: leftovers of killed runs, and rubbish all over" {
    head -c 200000 /dev/urandom >data
    start_gated
    until_asleep "$RECV_NOTICE_AT"
    kill -9 "${PID[recv]}" "${PID[send]}"
    ends recv 137
    ends send 137
    start recv recv
    start send send <data
    ends send 0
    ends recv 0
    same_bytes data
    head -c $((0x20000)) /dev/urandom | put region $((0x20000))
    start recv recv
    start send send <data
    ends send 0
    ends recv 0
    same_bytes data
}

@test "__stream --sleep: faults on purpose end as they do without" {
    while IFS='|' read -r fault status expected; do
        start recv recv
        start send send -n 20M --inject "$fault"
        ends recv "$status" "$expected"
        ended send
    done <<'END'
header|5|a header without this session's number
bytes|5|but was sent as
count|5|it claims to have written more than the ring holds
total|5|an end that counts other bytes than came
die|4|the sender died
leave|6|the sender gave up
END
}

@test "__stream --inject skip: rings that are left out are noticed, on either side" {
    start recv recv
    start send send -t 1000 --inject skip
    ends recv 1 'no interrupt arrives here: the sender moved its bytes 20 times while we slept'
    ends send 6 'the receiver gave up'
    start recv spinning_recv --inject skip
    start send send -t 1000
    ends send 1 'no interrupt arrives here: the receiver moved its bytes 20 times while we slept'
    ends recv 6 'the sender gave up'
}

# --- Where nobody can be rung -------------------------------------------------

@test "__stream --sleep: on a file, and across from one: a line that says what it needs" {
    try __stream recv -f region --sleep
    fails 1 'region is an ordinary file and has no interrupts'
    start recv recv
    start send __stream send -f region -n 1M
    ends send 1 'region is an ordinary file and has no interrupts'
    ends recv 6 'the sender gave up'
}

@test "__stream --sleep: in a VM in plain mode: a line that says so" {
    ivshmem 0000:00:04.0 0xf0000000 $((4 * MIB))
    try __stream recv --sleep
    fails 1 'this VM was started with SHMEM_MODE=plain'
}
