#!/usr/bin/env bats
# shellcheck disable=SC2154 # what bats sets
# __stream: the data that it carries, and its command line.

load stream.bash

# --- Generated data -----------------------------------------------------------

@test "__stream: generates data, verifies it, both print the throughput" {
    background recv "${RECV[@]}"
    succeeds __stream send -f region -n 20M </dev/null
    pattern='messages of 65536 bytes: median [0-9.]+ MB/s \(min [0-9.]+, max [0-9.]+, 10 rounds, 20971520 bytes verified\), [0-9.]+ of [a-z0-9]+'\''s [0-9.]+, [0-9.]+ % of a CPU'
    grep -xE "sent to receiver, $pattern" <<<"$output"
    ends recv 0
    grep -xE "received from sender, $pattern" out.recv
}

@test "__stream: /dev/null for stdin means generated data, and -t its time" {
    background recv "${RECV[@]}"
    succeeds bash -c '__stream send -f region -t 0.01 </dev/null'
    [[ $output == 'sent to receiver, '* ]]
    ends recv 0
    background recv "${RECV[@]}"
    succeeds bash -c ': | __stream send -f region -t 0.01' # -t has precedence over the pipe
    [[ $output == 'sent to receiver, '* ]]
    ends recv 0
}

@test "__stream --sweep: all sizes of messages" {
    background recv "${RECV[@]}"
    background send "${SEND[@]}" --sweep -n 300001
    ends send 0
    ends recv 0
    for out in out.send out.recv; do
        same '64 300001 256 300001 1024 300001 4096 300001 16384 300001 65536 300001 262144 300001 1048576 300001' \
            "$(sed -E 's/.*messages of ([0-9]+) bytes: .* ([0-9]+) bytes verified.*/\1 \2/' "$out" | xargs)"
    done
}

@test "__stream: its frames have the numbers that earlier versions know, since host and VMs may have different ones" {
    background recv "${RECV[@]}"
    "${SEND[@]}" <<<x
    ends recv 0
    # A message has 16 bytes before it. The first is a frame of 64 bytes, then comes the text, then the frame at the end.
    same 0000000000000000 "$(word region $((RING_AT + 16)))"
    same 0000000000000003 "$(word region $((RING_AT + 80 + 32 + 16)))"
}

@test "__stream -s: a size that divides nothing, through rings of two sizes" {
    for size in 4M 64M; do
        fresh region "$size"
        background recv "${RECV[@]}"
        succeeds __stream send -f region -s 1001 -n 3000001
        [[ $output == *'messages of 1001 bytes'*' 3000001 bytes verified'* ]]
        ends recv 0
    done
}

@test "__stream --json: a record for each size, from both" {
    background recv "${RECV[@]}" --json
    succeeds __stream send -f region --json -n 100K -s 4K
    jq -e '.record == "stream" and .program == "__stream" and .role == "send" and .channel == 0 and
        .message_bytes == 4096 and .verified_bytes == 102400 and .count == 1 and .median_mb_per_s > 0 and
        .min_mb_per_s <= .max_mb_per_s and .copy_mb_per_s > 0 and .of_copy > 0 and .mapping == "file" and
        .cpu_percent > 0 and .sleep == false and .sleeps == 0 and .rings == 0' <<<"$output"
    ends recv 0
    jq -e '.role == "recv" and .message_bytes == 4096 and .verified_bytes == 102400 and .median_mb_per_s > 0 and
        .cpu_percent > 0 and .sleep == false' out.recv
    background recv "${RECV[@]}"
    succeeds bash -c 'head -c 1000 /dev/zero | __stream send -f region --json'
    jq -e '.record == "copy" and .bytes == 1000 and .mb_per_s > 0 and .cpu_percent >= 0' <<<"$output"
    ends recv 0
}

# --- Copying ------------------------------------------------------------------

@test "SHMEM_COPY: each kernel carries messages of every length and alignment" {
    for kernel in $(copy_kernels); do
        background recv env SHMEM_COPY="$kernel" "${RECV[@]}" --json
        succeeds env SHMEM_COPY="$kernel" "${SEND[@]}" -s 5003 -n 3000001 --json
        same "$kernel 3000001" "$(jq -r '"\(.copy) \(.verified_bytes)"' <<<"$output")"
        ends recv 0
        same "$kernel" "$(jq -r .copy out.recv)"
    done
}

@test "SHMEM_COPY: the two sides need not agree, and an empty one means none" {
    background recv env SHMEM_COPY=sse2 "${RECV[@]}" --json
    succeeds env SHMEM_COPY= "${SEND[@]}" -n 1M --json
    copy_kernels | grep -vE '^(nt|ntload)$' | grep -qx "$(jq -r .copy <<<"$output")" # those are for write-combining memory
    ends recv 0
    same sse2 "$(jq -r .copy out.recv)"
}

@test "SHMEM_COPY: no such kernel, said before anybody is waited for" {
    refuses 'SHMEM_COPY=fast: there is no such copy kernel; __bandwidth -k list shows them' \
        env SHMEM_COPY=fast "${SEND[@]}" -n 1
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
        background recv "${RECV[@]}"
        wait_until_said err.recv 'waiting for channel 0'
        background send "${SEND[@]}" <data
        ends send 0
        ends recv 0
        received data
        grep -xE "sent $bytes bytes from stdin in [0-9.]+ s: [0-9.]+ MB/s, [0-9.]+ % of a CPU" out.send
        grep -xE "__stream: received $bytes bytes in [0-9.]+ s: [0-9.]+ % of a CPU" err.recv

        mkfifo pipe
        cat data >pipe 3>&- &
        background send "${SEND[@]}" <pipe
        wait_until_said err.send 'waiting for channel 0'
        background recv "${RECV[@]}"
        ends send 0
        ends recv 0
        received data
        rm pipe
    done
}

@test "__stream: several channels at once, in both directions" {
    carry_three_channels
}

@test "__stream: leaves the other areas alone" {
    truncate -s 8M region
    background recv "${RECV[@]}" -c 7
    __stream send -f region -c 7 -n 5M
    ends recv 0
    untouched 0 0xf80
    untouched 0x1000 0x20000
    untouched 0x28000 0x100000
    untouched $((4 << 20)) $((8 << 20))
}

# --- Command line -------------------------------------------------------------

@test "__stream: a wrong command line or region" {
    refuses_each <<'END_OF_TABLE'
        give send or recv
            __stream -f region
        'bring' is neither send nor recv
            __stream -f region bring
        -n, -s, -t, --sweep and --parts are for send
            __stream -f region recv -n 10
        -c 8: a whole number from 0 to 7
            __stream -f region send -c 8
        -s 63: bytes from 64 to 1048576
            __stream -f region send -s 63
        -s 2M: bytes from 64 to 1048576
            __stream -f region send -s 2M
        -w 0: seconds are needed
            __stream -f region recv -w 0
        --inject nonsense: there is no such fault
            __stream -f region recv --inject nonsense
        give one or the other
            __stream -f region recv -n 10 -t 1
END_OF_TABLE
    truncate -s 2M region
    complains 1 'the region has 2 MiB, but 4 MiB are needed' __stream recv -f region
}

@test "__stream -h: the statuses and the faults" {
    succeeds __stream -h
    prints '3 nobody came; 4 the other side died; 5 ' ' 6 it gave up.'
    for fault in count header bytes total clock die leave skip; do
        prints $'\n'"                $fault "
    done
}
