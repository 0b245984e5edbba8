#!/usr/bin/env bats
# __stream, without a VM: a sender and a receiver on one file.

bats_require_minimum_version 1.5.0
load prog.bash

# In the control page of channel 0: see struct channel in stream_channel.c.
WRITTEN=$((0x20080)) READ=$((0x200c0)) ACCEPTED=$((0x20148))
RING=$((0x100000))

setup_file() {
    build_programs
}

setup() {
    begin 4M
}

teardown() {
    [ -z "${gate:-}" ] || exec {gate}>&-
    end_all
}

# --- Helpers ------------------------------------------------------------------

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
    before=$(word region "$ACCEPTED")
    until [ "$(word region "$ACCEPTED")" != "$before" ]; do sleep .01; done
    before=$(word region "$ACCEPTED")
    until [ "$(word region "$ACCEPTED")" != "$before" ]; do sleep .01; done
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

# --- Generated data -----------------------------------------------------------

@test "__stream: generates data, verifies it, both print the throughput" {
    start recv recv
    try __stream send -f region -n 20M </dev/null
    [ "$status" -eq 0 ]
    pattern='messages of 65536 bytes: median [0-9.]+ MB/s \(min [0-9.]+, max [0-9.]+, 2 rounds, 20971520 bytes verified\), [0-9.]+ of memcpy'\''s [0-9.]+'
    grep -xE "sent to receiver, $pattern" <<<"$output"
    ends recv 0
    grep -xE "received from sender, $pattern" recv.out
}

@test "__stream: /dev/null for stdin means generated data, and -t its time" {
    start recv recv
    try bash -c '__stream send -f region -t 0.01 </dev/null'
    [ "$status" -eq 0 ]
    [[ $output == 'sent to receiver, '* ]]
    ends recv 0
    start recv recv
    try bash -c ': | __stream send -f region -t 0.01' # the option outdoes the pipe
    [ "$status" -eq 0 ]
    [[ $output == 'sent to receiver, '* ]]
    ends recv 0
}

@test "__stream --sweep: all sizes of messages" {
    start recv recv
    try __stream send -f region --sweep -n 300001
    [ "$status" -eq 0 ]
    ends recv 0
    for out in <(echo "$output") recv.out; do
        [ "$(sed -E 's/.*messages of ([0-9]+) bytes: .* ([0-9]+) bytes verified.*/\1 \2/' "$out" | xargs)" = \
            '64 300001 256 300001 1024 300001 4096 300001 16384 300001 65536 300001 262144 300001 1048576 300001' ]
    done
}

@test "__stream -s: a size that divides nothing, through rings of two sizes" {
    for size in 4M 64M; do
        fresh region "$size"
        start recv recv
        try __stream send -f region -s 1001 -n 3000001
        [ "$status" -eq 0 ]
        [[ $output == *'messages of 1001 bytes'*' 3000001 bytes verified'* ]]
        ends recv 0
    done
}

@test "__stream --json: a record for each size, from both" {
    start recv recv --json
    try __stream send -f region --json -n 100K -s 4K
    [ "$status" -eq 0 ]
    ends recv 0
    jq -e '.record == "stream" and .program == "__stream" and .role == "send" and .channel == 0 and
        .message_bytes == 4096 and .verified_bytes == 102400 and .count == 1 and .median_mb_per_s > 0 and
        .min_mb_per_s <= .max_mb_per_s and .memcpy_mb_per_s > 0 and .of_memcpy > 0 and .mapping == "file"' <<<"$output"
    jq -e '.role == "recv" and .message_bytes == 4096 and .verified_bytes == 102400 and .median_mb_per_s > 0' recv.out
    start recv recv
    try bash -c 'head -c 1000 /dev/zero | __stream send -f region --json'
    jq -e '.record == "copy" and .bytes == 1000 and .mb_per_s > 0' <<<"$output"
    ends recv 0
}

# --- The user's data ----------------------------------------------------------

@test "__stream: tar through it, as written in the help" {
    mkdir from to
    head -c 3000000 /dev/urandom >from/large
    echo small >from/small
    ln -s small from/link
    (cd to && __stream recv -f ../region | tar x) 3>&- & receiver=$!
    tar c from | __stream send -f region
    wait "$receiver"
    diff -r --no-dereference from to/from
}

@test "__stream: whichever starts first; a file, a pipe; no byte, one, many" {
    for bytes in 0 1 65536 65537 1000000; do
        head -c "$bytes" /dev/urandom >data
        start recv recv
        until_said recv.err 'waiting for channel 0 of __stream'
        start send send <data
        ends send 0
        ends recv 0
        same_bytes data

        mkfifo pipe
        cat data >pipe 3>&- &
        start send send <pipe
        until_said send.err 'waiting for channel 0 of __stream'
        start recv recv
        ends send 0
        ends recv 0
        same_bytes data
        rm pipe
    done
}

@test "__stream: several channels at once, in both directions" {
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

@test "__stream: leaves the other areas alone" {
    truncate -s 8M region
    start recv recv -c 7
    __stream send -f region -c 7 -n 5M
    ends recv 0
    cmp -n $((0x20000)) region /dev/zero
    cmp -i $((0x28000)) -n $((0x100000 - 0x28000)) region /dev/zero
    cmp -i $((4 << 20)) -n $((4 << 20)) region /dev/zero
}

# --- The other side -----------------------------------------------------------

@test "__stream: nobody comes: status 3" {
    try __stream recv -f region -w 0.1
    fails 3 'no sender came to channel 0 within 0.1 s'
    try __stream send -f region -w 0.1 -c 5
    fails 3 'no receiver came to channel 5 within 0.1 s'
}

@test "__stream: the channel is taken: status 1, and the others go on" {
    start_gated
    try __stream send -f region -w 0.5
    [ "$status" -eq 1 ]
    [[ $stderr == *'somebody else is sending on channel 0; choose another with -c' ]]
    shut
    ends send 0
    ends recv 0
}

@test "__stream: the sender is killed: status 4, and what came is there" {
    start_gated
    kill -9 "${PID[send]}"
    ends recv 4 'the sender died: it gave no sign of life for 3 s (after 6 bytes)'
    [ "$(<recv.out)" = begun ]
}

@test "__stream: the receiver is killed: status 4" {
    start_gated
    kill -9 "${PID[recv]}"
    ends send 4 'the receiver died'
}

@test "__stream: killed with the ring full: status 4" {
    start_flowing
    kill -STOP "${PID[recv]}"
    ends send 4 'the receiver died'
}

@test "__stream: a pause of a second is no death" {
    start_gated
    kill -STOP "${PID[send]}"
    sleep 1 # no time to wait for anything, but for the receiver to go wrong
    kill -CONT "${PID[send]}"
    echo on >&"$gate"
    until_said recv.out on
    kill -STOP "${PID[recv]}"
    sleep 1
    kill -CONT "${PID[recv]}"
    shut
    ends send 0
    ends recv 0
}

@test "__stream: stopped for long: 4 for the other, 6 for itself when it goes on" {
    start_gated
    kill -STOP "${PID[send]}"
    ends recv 4 'the sender died'
    kill -CONT "${PID[send]}"
    ends send 6 'the receiver gave up'
}

@test "__stream: ended by Ctrl-C and the like: status 6 for the other" {
    start_gated
    kill -TERM "${PID[send]}"
    ends recv 6 'the sender gave up (after 6 bytes)'
    ends send 143
    shut
    rm pipe
    start_gated
    kill -TERM "${PID[recv]}"
    ends send 6 'the receiver gave up'
    ends recv 143
}

@test "__stream: nobody reads what recv writes: 1 for it, 6 for the sender" {
    start send bash -c 'cat /dev/zero | __stream send -f region'
    run bash -c '__stream recv -f region 2>recv.err | head -c 1 >/dev/null; exit ${PIPESTATUS[0]}'
    [ "$status" -eq 1 ]
    grep 'cannot write to stdout: Broken pipe' recv.err
    ends send 6 'the receiver gave up'
    start send bash -c 'cat /dev/zero | __stream send -f region'
    run bash -c '__stream recv -f region >/dev/full'
    [ "$status" -eq 1 ]
    [[ $output == *'cannot write to stdout: No space left on device' ]]
    ends send 6 'the receiver gave up'
}

@test "__stream: leftovers of killed runs, and rubbish all over, are taken over" {
    start_gated
    kill -9 "${PID[recv]}" "${PID[send]}"
    ends recv 137
    ends send 137
    start recv recv
    head -c 200000 /dev/urandom >data
    start send send <data
    ends send 0
    ends recv 0
    same_bytes data
    grep 'took over a seat of channel 0' send.err recv.err

    head -c 4M /dev/urandom >region
    start recv recv
    start send send <data
    ends send 0
    ends recv 0
    same_bytes data
}

# --- Rubbish ------------------------------------------------------------------

@test "__stream: rubbish in the counts while it runs: status 5" {
    table=( # who notices: offset, then the word that is put there
        "recv: $WRITTEN -1"
        "recv: $WRITTEN 0"
        "recv: $WRITTEN $((1 << 40))"
        "recv: $WRITTEN 12345"
        "send: $READ -1"
        "send: $READ $((1 << 40))"
        "send: $READ 12345"
    )
    for row in "${table[@]}"; do
        echo "$row"
        read -r who offset word <<<"${row/:/}"
        fresh region 4M
        start_flowing
        insist "$offset" "$word" "$who"
        if [ "$who" = recv ]; then
            ends recv 5 'it claims to have written more than the ring holds'
            ends send 6 'gave up'
        else
            ends send 5 'it claims to have read what was never written'
            ends recv 6 'gave up'
        fi
    done
}

@test "__stream: rubbish where a header will be read: status 5" {
    start_gated
    # The counts say that there is a header, and it is one of zeros.
    le64 $((6 + 64 + 64)) | put region "$WRITTEN"
    ends recv 5 "a header without this session's number (after 6 bytes)"
    shut
    ends send 6 'gave up'
}

@test "__stream: an end that was never accepted: status 5" {
    start_flowing
    insist "$ACCEPTED" 12345 send
    ends send 5 'it claims to have accepted what was never sent'
    ends recv 6 'gave up'
}

@test "__stream: random bytes over control and data: an end, and none outside the ring" {
    for _ in {1..6}; do
        fresh region 4M
        start_flowing
        # Not over the seats: whose seat is gone ends with 1.
        for _ in {1..4}; do
            head -c 208 /dev/urandom | put region "$WRITTEN"
            head -c 128K /dev/urandom | put region "$RING"
        done
        for name in send recv; do
            ended "$name"
            [[ $status =~ ^[56]$ ]]
        done
    done
}

@test "__stream --inject: each fault is noticed" {
    table=( # fault, who makes it, how they end, what is said
        "count send 6 5 claims to have written more than the ring holds"
        "count recv 5 6 claims to have read what was never written"
        "header send 6 5 a header without this session's number"
        "bytes send 6 5 was sent as"
        "total send 6 5 an end that counts other bytes than came"
        "total recv 5 6 claims to have accepted what was never sent"
        "clock send 1 6 the clock of this machine cannot be trusted"
        "clock recv 6 1 the clock of this machine cannot be trusted"
        "die send 137 4 the sender died"
        "die recv 4 137 the receiver died"
        "leave send 1 6 the sender gave up"
        "leave recv 6 1 the receiver gave up"
    )
    for row in "${table[@]}"; do
        echo "$row"
        read -r fault who send_status recv_status text <<<"$row"
        sender=() receiver=()
        [ "$who" = recv ] && receiver=(--inject "$fault") || sender=(--inject "$fault")
        fresh region 4M
        start recv recv "${receiver[@]}"
        start send send -n 100K "${sender[@]}"
        ended send
        [ "$status" -eq "$send_status" ]
        ended recv
        [ "$status" -eq "$recv_status" ]
        grep -qF "$text" send.err recv.err
    done
}

@test "__stream --inject bytes: damaged data of the user's is not handed on" {
    start recv recv
    start send send --inject bytes <"$BATS_TEST_FILENAME"
    ends recv 5 'data that does not fit its checksum'
    ends send 6 'gave up'
    [ ! -s recv.out ]
}

# --- Command line -------------------------------------------------------------

@test "__stream: a wrong command line or region" {
    while read -r expected; do
        read -ra command
        try "${command[@]}"
        fails "${expected%% *}" "${expected#* }"
    done <<'END_OF_TABLE'
        2 say whether to send or recv
            __stream -f region
        2 'bring' is neither send nor recv
            __stream -f region bring
        2 -n, -s, -t and --sweep are for send
            __stream -f region recv -n 10
        2 -c 8: a whole number from 0 to 7
            __stream -f region send -c 8
        2 -s 63: bytes from 64 to 1048576
            __stream -f region send -s 63
        2 -s 2M: bytes from 64 to 1048576
            __stream -f region send -s 2M
        2 -w 0: seconds are needed
            __stream -f region recv -w 0
        2 --inject nonsense: there is no such fault
            __stream -f region recv --inject nonsense
        2 give one or the other
            __stream -f region recv -n 10 -t 1
END_OF_TABLE
    truncate -s 2M region
    try __stream recv -f region
    fails 1 'the region has 2 MiB and this needs 4 MiB'
}

@test "__stream -h: the statuses and the faults" {
    try __stream -h
    [ "$status" -eq 0 ]
    [[ $output == *'3 nobody came; 4 the other side died; 5 '*' 6 it gave up.'* ]]
    for fault in count header bytes total clock die leave; do
        [[ $output == *$'\n'"                $fault "* ]]
    done
}

# --- Fuzzing ------------------------------------------------------------------

@test "fuzz: the ring's ends and the message's reader, for a few seconds" {
    try env -u FUZZER nice -n 19 "$BATS_TEST_DIRNAME/../fuzz/run" "${FUZZ_SECONDS:-10}"
    [ "$status" -eq 0 ]
    [[ ${lines[0]} =~ ^'ring: '[1-9][0-9]*' executions in ' ]]
    [[ ${lines[1]} =~ ^'message: '[1-9][0-9]*' executions in ' ]]
}
