#!/usr/bin/env bats
# shellcheck disable=SC2154 # what bats sets
# __stream: the other side writes rubbish, or a third one overwrites its bytes.

load stream.bash

@test "__stream: rubbish in the counts while it runs: status 5" {
    table=( # the side that can see it first: the offset, the word to write there
        "recv: $WRITTEN_AT -1"
        "recv: $WRITTEN_AT 0"
        "recv: $WRITTEN_AT $((1 << 40))"
        "recv: $WRITTEN_AT 12345"
        "send: $READ_AT -1"
        "send: $READ_AT $((1 << 40))"
        "send: $READ_AT 12345"
    )
    for row in "${table[@]}"; do
        echo "$row"
        read -r who offset word <<<"${row/:/}"
        fresh region 4M
        start_flowing
        insist "$offset" "$word" "$who"
        if [ "$who" = recv ]; then
            noticed 'it claims to have written more than the ring holds'
        else
            noticed 'it claims to have read what was never written'
        fi
    done
}

@test "__stream: a word that is overwritten once, while both sides wait: status 5" {
    table=( # the side that wrote it: the offset, the word to write there
        "recv: $READ_AT 0"
        "recv: $ACCEPTED_AT 1"
        "send: $WRITTEN_AT 80" # the header alone, without "begun"
    )
    for row in "${table[@]}"; do
        echo "$row"
        read -r who offset word <<<"${row/:/}"
        fresh region 4M
        start_gated
        put region "$offset" < <(le64 "$word")
        noticed 'it claims to have written more than the ring holds'
        shut
        rm pipe
    done
}

@test "__stream: rubbish where a header will be read: status 5" {
    start_gated
    # The counts announce a message after those of the header and of "begun", and it is all zeros.
    le64 $((80 + 32 + 80)) | put region "$WRITTEN_AT"
    noticed "a header without this session's number \(after 6 bytes\)"
    shut
}

@test "__stream: an end that was never accepted: status 5" {
    start_flowing
    insist "$ACCEPTED_AT" 12345 send
    noticed 'it claims to have accepted what was never sent'
}

@test "__stream: random bytes over control and data: an end, and none outside the ring" {
    for _ in {1..6}; do
        fresh region 4M
        start_flowing
        # Not over the seats: a side that loses its seat ends with status 1.
        for _ in {1..4}; do
            head -c 208 /dev/urandom | put region "$WRITTEN_AT"
            head -c 128K /dev/urandom | put region "$RING_AT"
        done
        for name in send recv; do
            await "$name"
            [[ $status =~ ^[56]$ ]]
        done
    done
}

@test "__stream --inject: each fault is noticed" {
    table=( # the fault, the side that makes it, both statuses, the message
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
        background recv "${RECV[@]}" "${receiver[@]}"
        background send "${SEND[@]}" -n 100K "${sender[@]}"
        background_ended send "$send_status"
        background_ended recv "$recv_status"
        grep -qF "$text" err.send err.recv
    done
}

@test "__stream --inject bytes: damaged data of the user's is not handed on" {
    background recv "${RECV[@]}"
    background send "${SEND[@]}" --inject bytes <"$BATS_TEST_FILENAME"
    ends recv 5 'data that does not fit its checksum'
    ends send 6 'gave up'
    refuted test -s out.recv
}
