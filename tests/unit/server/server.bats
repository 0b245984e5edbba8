#!/usr/bin/env bats
# shellcheck disable=SC2034,SC2154,SC2164 # what server.bash uses; what bats sets
# What the ivshmem server tells its peers, however they behave. The peers are programs of the tests, and real QEMU.

bats_require_minimum_version 1.5.0
load server.bash

# --- The protocol

@test "the first, second and third peer: the messages that each gets, and their order" {
    serve --vectors 2
    peers 2 <<'END'
connect a
read a 5
connect b
read b 7
read a 2
connect c
read c 9
read a 2
read b 2
END
    [ "$output" = "$(
        lines 0 0 '-1 +' '0 +' '0 +'
        lines 0 1 '-1 +' '0 +' '0 +' '1 +' '1 +'
        lines '1 +' '1 +'
        lines 0 2 '-1 +' '0 +' '0 +' '1 +' '1 +' '2 +' '2 +'
        lines '2 +' '2 +'
        lines '2 +' '2 +'
    )" ]
    served
}

@test "the bytes of the first messages: version 0, id 0, and -1 with the memory" {
    serve
    # socat takes no descriptors: it only sees the bytes. The first eventfd comes with the id of the peer itself.
    background foreign socat -u UNIX-CONNECT:server CREATE:received
    wait_until test -s received
    wait_until bash -c '(($(stat -c %s received) >= 8 * (3 + 8)))'
    same "$(lines 0000000000000000 0000000000000000 ffffffffffffffff)$(printf '\n%016x' 0 0 0 0 0 0 0 0)" \
        "$(od -An -v -tx8 -w8 --endian=little received | tr -d ' ')"
    kill "$foreign"
    await foreign
    served
}

@test "a ring goes to the vector that is meant, of the peer that is meant" {
    serve
    peers <<'END'
connect a
connect b
connect c
until a 1 2
until b 0 2
until c 0 1
ring a 1 3
ring a 1 3
ring c 1 7
ring b 0 0
rung b 3
rung b 7
rung a 0
END
    same "$(lines 2 1 1)" "$output"
    served
}

@test "a departure is told to all others, without a descriptor" {
    serve --vectors 1
    peers 1 <<'END'
connect a
handshake a
connect b
handshake b
connect c
handshake c
until a 1 2
until b 0 2
close b
read a 1
read c 1
half c
read a 1
END
    same "$(lines 1 1 2)" "$output"
    grep -qF 'ivshmem-server: peer 1 left' err.server
    served
}

@test "the memory that peers get is the region" {
    printf 'abcd' | put region $((0x3000))
    serve
    peers <<'END'
connect a
handshake a
word a 12288
END
    same $((0x64636261)) "$output"
    served
}

@test "64 peers with 8 vectors at once: each sees everybody, and rings everybody" {
    serve
    peers <<<'crowd 64'
    same '64 peers, each rung on each of 8 vectors by all others' "$output"
    served
}

@test "1 and 64 vectors" {
    for vectors in 1 64; do
        serve --vectors "$vectors"
        peers "$vectors" <<<'crowd 10'
        served
    done
}

@test "128 peers are served, one more is refused, and the first that goes makes room" {
    serve --vectors 1
    peers 1 <<'END'
crowd 127
connect a
handshake a
id a
connect b
ended b
close a
connect c
handshake c
id c
END
    # The only free place is that of 127, and that id is not used twice.
    same "$(lines '127 peers, each rung on each of 1 vectors by all others' 127 ended 255)" "$output"
    grep -q 'refused process [0-9]*: there are 128 peers already' err.server
    served
}

@test "a client that comes back after a crash gets a new id" {
    serve
    start_client
    tell 'connect a' 'handshake a' 'id a'
    wait_until_said out.client 0
    kill -9 "$client"
    await client
    peers <<'END'
connect a
handshake a
id a
connect b
handshake b
id b
close a
connect a
handshake a
id a
END
    same "$(lines 1 2 3)" "$output"
    served
}

# --- Peers that behave badly

@test "a peer that never reads delays no other peer, and learns the current state once it reads" {
    serve
    peers <<'END'
connect a
connect b
until b 0
churn 100
connect c
until c 0 1
until b 0 102
until a 1 102
END
    served
}

@test "a peer that stops reading later learns a possible history, and the current peers" {
    serve
    peers <<'END'
connect a
handshake a
churn 100
connect b
until b 0
id b
until a 101
END
    same 101 "$output"
    served
}

@test "a slot changes its owner while a slow peer is told of the first one" {
    serve
    {
        lines 'connect a' 'handshake a' 'churn 127'
        # Slots 1 to 12 again, while a has not read of their first owners. Id 128 would have a's slot, and is skipped.
        for peer in b c d e f g h i j k l m; do lines "connect $peer" "handshake $peer"; done
        lines 'until a 129 130 131 132 133 134 135 136 137 138 139 140' 'id m'
    } >script
    peers <script
    same 140 "$output"
    served
}

@test "a peer that sends anything is disconnected, and the others are told" {
    serve --vectors 1
    peers 1 <<'END'
connect a
handshake a
connect b
handshake b
until a 1
send b
ended b
read a 1
END
    same "$(lines ended 1)" "$output"
    grep -q 'peer 1 left, process [0-9]*: it sent data, which the protocol forbids' err.server
    served
}

@test "1,000 connections, at all stages: no descriptor stays open" {
    serve
    before=$(descriptors)
    peers <<<'churn 1000'
    wait_until descriptors_are "$before"
    same 1000 "$(grep -c arrived err.server)"
    served
}

@test "out of descriptors: connected peers go on, and waiting ones are accepted when there are some again" {
    serve
    start_client
    tell 'connect a' 'until a' 'connect b' 'until a 1' 'until b 0' 'id b'
    wait_until_said out.client 1
    for ((free = 0; ; free++)); do
        [[ -e /proc/$server/fd/$free ]] || break
    done
    prlimit --pid "$server" --nofile="$free:"
    tell 'connect c' 'connect d' 'ring b 0 2' 'rung a 2'
    wait_until_said err.server 'cannot accept connections for now: Too many open files'
    # The descriptors of b are enough for c.
    tell 'close b' 'until c 0' 'until a 2' 'id c'
    wait_until_said out.client 2
    prlimit --pid "$server" --nofile="$(ulimit -Hn):"
    tell 'until d 0 2' 'until a 2 3' 'id d'
    wait_until_said out.client 3
    same "$(lines 0 2 3)" "$(cut -d ' ' -f 1 peers)"
    # One message for each connection, not for each attempt.
    same 2 "$(grep -c 'cannot accept' err.server)"
    served
}

@test "more descriptors under way than the user may have: it goes on when they are read" {
    # The limit does not hold for a process with one of these capabilities (net/core/scm.c, too_many_unix_fds).
    if ((EUID == 0)); then
        SERVE_UNDER=(setpriv '--bounding-set=-sys_resource,-sys_admin')
        "${SERVE_UNDER[@]}" true || skip 'this root cannot give up capabilities'
    fi
    SERVE_UNDER+=(prlimit --nofile=100)
    serve
    grep -qF 'room for 9 peers of 8 vectors, not for 128: the hard limit of open files is 100' err.server
    start_client
    tell 'connect a' 'connect b' 'connect c' 'connect d' 'connect e' 'connect f' 'connect g'
    wait_until_said err.server 'some messages must wait until peers read theirs'
    tell 'close a' 'close b' 'close c' 'close d' 'close e' 'until f 6' 'until g 5' 'id g'
    wait_until_said out.client 6
    # Only those five: a peer that does not read is not dropped.
    same 5 "$(grep -c left err.server)"
    served
}

# --- Real QEMU, without a guest: qtest reads and writes as a guest would

# qemu: starts QEMU with the device at 00:04.0, its registers at 0xfebf0000 and its MSI-X table at 0xfebe0000.
qemu() {
    mkfifo qtest
    exec {gate}<>qtest
    background qemu qemu-system-x86_64 -name guest=stranger,debug-threads=on -M pc,accel=tcg -S -m 16 -nodefaults -display none -qtest stdio -qtest-log none \
        -chardev socket,path=server,id=server -device ivshmem-doorbell,chardev=server,vectors=8,addr=4 <qtest
    tell 'outl 0xcf8 0x80002010' 'outl 0xcfc 0xfebf0000' # BAR 0
    tell 'outl 0xcf8 0x80002014' 'outl 0xcfc 0xfebe0000' # BAR 1
    tell 'outl 0xcf8 0x80002004' 'outw 0xcfc 2'          # decode memory
    tell 'outl 0xcf8 0x80002040' 'outw 0xcfe 0x8000'     # MSI-X on; all vectors are masked, and become pending
}

# qemu_rings_until_heard: rings the peer. QEMU ignores that as long as the server has not told it of the peer.
qemu_rings_until_heard() {
    tell 'writel 0xfebf000c 3' # peer 0, vector 3
    [ -s out.client ]
}

qemu_has_pending() {
    tell 'readl 0xfebe0800'
    grep -qx "OK $1" out.qemu
}

@test "QEMU: it gets an id, rings, is rung on the right vector, and is heard to leave" {
    command -v qemu-system-x86_64 >/dev/null || skip 'qemu-system-x86_64 is not installed'
    serve
    lines 'connect a' 'until a 1' 'rung a 3' 'ring a 1 5' 'until a' 'id a' >script
    background client ivshmem_client server 8 <script
    wait_until grep -q '^0 ' peers
    qemu
    wait_until grep -q '^1 ' peers
    want_table
    same '2 stranger' "$(connected 1) $(name_of 1)"
    tell 'readl 0xfebf0008'
    wait_until_said out.qemu 'OK 0x0000000000000001'
    wait_until qemu_rings_until_heard
    wait_until qemu_has_pending 0x0000000000000020
    kill "$qemu"
    await qemu
    refuted test -s err.qemu
    background_ended client 0
    same 0 "$(tail -n 1 out.client)"
    served
}
