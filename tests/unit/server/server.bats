#!/usr/bin/env bats
# shellcheck disable=SC2034,SC2154,SC2164 # what server.bash uses; what bats sets
# What the ivshmem server tells its peers, of the tests' own and real QEMU, however they behave.

bats_require_minimum_version 1.5.0
load server.bash

# --- The protocol

@test "the first, second and third peer: who gets what, in which order" {
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
    # The only free place is that of 127, and 127 itself does not come again.
    same "$(lines '127 peers, each rung on each of 1 vectors by all others' 127 ended 255)" "$output"
    grep -q 'refused process [0-9]*: there are 128 peers already' err.server
    served
}

# --- Ids, the table and the listing

@test "an id is not given again to who comes back after a crash" {
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

@test "the table in the region and the listing follow who is connected" {
    lines 1 2 3 4 5 6 7 8 | put region $((TABLE + 8))
    serve
    cmp -n $((VECTORS)) region /dev/zero
    same 0000000000000008 "$(word region $((VECTORS)))"
    cmp -n $((0x3000 - TABLE)) -i $((TABLE)) region /dev/zero
    refuted test -s peers
    start_client
    tell 'connect a' 'connect b' 'connect c' 'until a 1 2' 'id a' 'close b' 'until c 0' 'id c'
    wait_until_said out.client 2
    same '1 0 3 0' "$(connected 0) $(connected 1) $(connected 2) $(connected 3)"
    same "$(lines "0 $client" "2 $client")" "$(cat peers)"
    served
    same '0 0 0' "$(connected 0) $(connected 1) $(connected 2)"
    same 0000000000000000 "$(word region $((VECTORS)))"
}

@test "what guests write into the table changes nothing, but for their names" {
    serve
    start_client
    tell 'connect a' 'connect b' 'until a 1' 'id a'
    wait_until_said out.client 0
    tr '\0' '\377' </dev/zero | head -c 4096 | put region $TABLE
    tell 'connect c' 'until c 0 1' 'id c'
    wait_until_said out.client 2
    same '1 2 3 0' "$(connected 0) $(connected 1) $(connected 2) $(connected 3)"
    same ffffffffffffffff "$(word region $((TABLE + 8)))"
    same "$(lines 0 1 2)" "$(cut -d ' ' -f 1 peers)"
    served
}

# --- Peers that behave badly

@test "a peer that never reads holds nobody up, and is told what is true once it reads" {
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

@test "a peer that stops reading later is told a possible history, and who is there now" {
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

@test "a slot changes its owner in the midst of what a slow peer is told of it" {
    serve
    {
        lines 'connect a' 'handshake a' 'churn 127'
        # Slots 1 to 12 again, where a is held up; 128 has a's own slot, and is skipped.
        for peer in b c d e f g h i j k l m; do lines "connect $peer" "handshake $peer"; done
        lines 'until a 129 130 131 132 133 134 135 136 137 138 139 140' 'id m'
    } >script
    peers <script
    same 140 "$output"
    served
}

@test "who sends anything is disconnected, and the others are told" {
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

@test "out of descriptors: those who are connected go on, who waits is let in when there are some" {
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
    # What b had is enough for c.
    tell 'close b' 'until c 0' 'until a 2' 'id c'
    wait_until_said out.client 2
    prlimit --pid "$server" --nofile="$(ulimit -Hn):"
    tell 'until d 0 2' 'until a 2 3' 'id d'
    wait_until_said out.client 3
    same "$(lines 0 2 3)" "$(cut -d ' ' -f 1 peers)"
    # Said once for each, not at each try.
    same 2 "$(grep -c 'cannot accept' err.server)"
    served
}

@test "more descriptors under way than the user may have: it goes on when they are read" {
    # Who has these capabilities is not limited (net/core/scm.c, too_many_unix_fds).
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
    # Nobody but those five: who does not read is not dropped.
    same 5 "$(grep -c left err.server)"
    served
}

# --- Real QEMU, without a guest: qtest reads and writes as a guest would

# qemu: with the device at 00:04.0, its registers at 0xfebf0000 and its vectors at 0xfebe0000.
qemu() {
    mkfifo qtest
    exec {gate}<>qtest
    background qemu qemu-system-x86_64 -M pc,accel=tcg -S -m 16 -nodefaults -display none -qtest stdio -qtest-log none \
        -chardev socket,path=server,id=server -device ivshmem-doorbell,chardev=server,vectors=8,addr=4 <qtest
    tell 'outl 0xcf8 0x80002010' 'outl 0xcfc 0xfebf0000' # BAR 0
    tell 'outl 0xcf8 0x80002014' 'outl 0xcfc 0xfebe0000' # BAR 1
    tell 'outl 0xcf8 0x80002004' 'outw 0xcfc 2'          # decode memory
    tell 'outl 0xcf8 0x80002040' 'outw 0xcfe 0x8000'     # MSI-X on; all vectors are masked, and become pending
}

# Until QEMU has heard of the peer, it ignores the ring.
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
    same 2 "$(connected 1)"
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
