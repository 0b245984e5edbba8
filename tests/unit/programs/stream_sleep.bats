#!/usr/bin/env bats
# shellcheck disable=SC2154 # what bats sets
# __stream --sleep. Processes at the ivshmem server's socket take the place of VMs in doorbell mode.

load stream.bash

# The notices of both sides in the control page of channel 0. A notice is 0 while its side is awake.
SEND_NOTICE_AT=$((0x20200)) RECV_NOTICE_AT=$((0x20280))

setup_file() {
    build_programs
    build_server
}

setup() {
    begin_region 4M
    serve
}

# --- Helpers ------------------------------------------------------------------

SEND=(__stream send -f server --sleep) RECV=(__stream recv -f server --sleep)
SPINNING_SEND=(__stream send -f server) SPINNING_RECV=(__stream recv -f server)

# wait_until_asleep OFFSET: until the side whose notice is there sleeps.
wait_until_asleep() {
    wait_until other_word "$1" 0000000000000000
}

# slept FILE: its record says that interrupts ended the sleeps, not the sleeper's deadline.
slept() {
    jq -e '.sleep and .sleeps > 0 and .interrupts > 0 and .rings > 0 and .cpu_percent > 0' "$1"
}

# --- What it carries ----------------------------------------------------------

@test "__stream --sleep: generated data; both sides sleep and report it" {
    background recv "${RECV[@]}"
    background send "${SEND[@]}" -n 40M
    ends send 0
    ends recv 0
    for out in out.send out.recv; do
        grep -E ' 41943040 bytes verified\), .*, [0-9.]+ % of a CPU, slept [0-9]+ times, woken by [0-9]+ interrupts$' $out
    done
    background recv "${RECV[@]}" --json
    background send "${SEND[@]}" -n 40M --json
    ends send 0
    ends recv 0
    slept out.send
    slept out.recv
}

@test "__stream --sleep: small messages, with a ring for some of them only" {
    background recv "${RECV[@]}" --json
    background send "${SEND[@]}" --json -s 64 -n 2M
    ends send 0
    ends recv 0
    # A round has 32768 messages and as many reads.
    jq -e '.rings < 32768' out.send
    jq -e '.rings < 32768' out.recv
}

@test "__stream --sleep: the user's data, and its CPU on stderr" {
    for bytes in 0 1 65537 3000000; do
        head -c "$bytes" /dev/urandom >data
        background recv "${RECV[@]}"
        background send "${SEND[@]}" <data
        ends send 0
        ends recv 0
        received data
        grep -E "^sent $bytes bytes from stdin in .* % of a CPU, slept [0-9]+ times, woken by" out.send
        grep -E "^__stream: received $bytes bytes in .* % of a CPU, slept [0-9]+ times, woken by" err.recv
    done
}

@test "__stream --sleep: one side only, the other spins and rings it" {
    background recv "${RECV[@]}" --json
    background send "${SPINNING_SEND[@]}" -n 20M --json
    ends send 0
    ends recv 0
    jq -e '.sleep and .interrupts > 0 and .rings == 0' out.recv
    jq -e '(.sleep | not) and .sleeps == 0 and .rings > 0' out.send
    background recv "${SPINNING_RECV[@]}" --json
    background send "${SEND[@]}" -n 20M --json
    ends send 0
    ends recv 0
    jq -e '(.sleep | not) and .sleeps == 0 and .rings > 0' out.recv
    jq -e '.sleep and .interrupts > 0 and .rings == 0' out.send
}

@test "__stream --sleep: several channels at once, in both directions" {
    carry_three_channels
}

@test "__stream --sleep: channels beyond the vectors share them" {
    kill "$server"
    await server
    serve --vectors 2
    background recv "${RECV[@]}" -c 7
    background send "${SEND[@]}" -c 7 -n 1M
    ends send 0
    ends recv 0
}

# --- Ends ---------------------------------------------------------------------

@test "__stream --sleep: nobody comes: status 3" {
    complains 3 'no sender came to channel 0 within 0.1 s' __stream recv -f server --sleep -w 0.1
}

@test "__stream --sleep: the sender is killed while recv sleeps: status 4, and what came is there" {
    start_gated
    wait_until_asleep "$RECV_NOTICE_AT"
    kill -9 "$send"
    ends recv 4 'the sender died: it gave no sign of life for 3 s (after 6 bytes)'
    same begun "$(<out.recv)"
}

@test "__stream --sleep: the receiver is killed while send sleeps before a full ring: status 4" {
    start_flowing
    kill -STOP "$recv"
    wait_until_asleep "$SEND_NOTICE_AT"
    kill -9 "$recv"
    ends send 4 'the receiver died'
}

@test "__stream --sleep: one that sleeps for longer than 3 s is not dead" {
    start_gated
    wait_until_asleep "$RECV_NOTICE_AT"
    sleep 4 # nothing is awaited: both get time to go wrong
    echo on >&"$gate"
    wait_until_said out.recv on
    shut
    ends send 0
    ends recv 0
}

@test "__stream --sleep: ended by SIGTERM while the other sleeps: status 6" {
    start_gated
    wait_until_asleep "$RECV_NOTICE_AT"
    kill -TERM "$send"
    ends recv 6 'the sender gave up (after 6 bytes)'
    ends send 143
}

@test "__stream --sleep: rubbish for one who sleeps: status 5" {
    start_gated
    wait_until_asleep "$RECV_NOTICE_AT"
    le64 $((1 << 40)) | put region "$WRITTEN_AT"
    noticed 'it claims to have written more than the ring holds'
}

@test "__stream --sleep: leftovers of killed runs, and rubbish all over" {
    head -c 200000 /dev/urandom >data
    start_gated
    wait_until_asleep "$RECV_NOTICE_AT"
    kill -9 "$recv" "$send"
    ends recv 137
    ends send 137
    background recv "${RECV[@]}"
    background send "${SEND[@]}" <data
    ends send 0
    ends recv 0
    received data
    head -c $((0x20000)) /dev/urandom | put region $((0x20000))
    background recv "${RECV[@]}"
    background send "${SEND[@]}" <data
    ends send 0
    ends recv 0
    received data
}

@test "__stream --sleep: faults on purpose end as they do without" {
    while IFS='|' read -r fault status expected; do
        background recv "${RECV[@]}"
        background send "${SEND[@]}" -n 20M --inject "$fault"
        ends recv "$status" "$expected"
        await send
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
    background recv "${RECV[@]}"
    background send "${SEND[@]}" -t 1000 --inject skip
    ends recv 1 'no interrupt arrives here: the sender moved its bytes 20 times while we slept'
    ends send 6 'the receiver gave up'
    background recv "${SPINNING_RECV[@]}" --inject skip
    background send "${SEND[@]}" -t 1000
    ends send 1 'no interrupt arrives here: the receiver moved its bytes 20 times while we slept'
    ends recv 6 'the sender gave up'
}

# --- Where nobody can be rung -------------------------------------------------

@test "__stream --sleep: on a file, and with the other side on a file: a line that says what it needs" {
    complains 1 'region is an ordinary file and has no interrupts' __stream recv -f region --sleep
    background recv "${RECV[@]}"
    background send __stream send -f region -n 1M
    ends send 1 'region is an ordinary file and has no interrupts'
    ends recv 6 'the sender gave up'
}

@test "__stream --sleep: in a VM in plain mode: a line that says so" {
    ivshmem 0000:00:04.0 0xf0000000 $((4 * MIB))
    complains 1 'this VM was started with SHMEM_MODE=plain' __stream recv --sleep
}
