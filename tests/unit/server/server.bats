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
    [ "$output" = "$(lines 2 1 1)" ]
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
    [ "$output" = "$(lines 1 1 2)" ]
    grep -qF 'ivshmem-server: peer 1 left' server.err
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
    [ "$output" = $((0x64636261)) ]
    served
}

@test "64 peers with 8 vectors at once: each sees everybody, and rings everybody" {
    serve
    peers <<<'crowd 64'
    [ "$output" = '64 peers, each rung on each of 8 vectors by all others' ]
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
    [ "$output" = "$(lines '127 peers, each rung on each of 1 vectors by all others' 127 ended 255)" ]
    grep -q 'refused process [0-9]*: there are 128 peers already' server.err
    served
}

# --- Ids, the table and the listing

@test "an id is not given again to who comes back after a crash" {
    serve
    hold
    say 'connect a' 'handshake a' 'id a'
    until_said holder.out 0
    kill -9 "${PID[holder]}"
    ended holder
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
    [ "$output" = "$(lines 1 2 3)" ]
    served
}

@test "the table in the region and the listing follow who is connected" {
    lines 1 2 3 4 5 6 7 8 | put region $((TABLE + 8))
    serve
    cmp -n $((VECTORS)) region /dev/zero
    [ "$(word region $((VECTORS)))" = 0000000000000008 ]
    cmp -n $((0x3000 - TABLE)) -i $((TABLE)) region /dev/zero
    [ ! -s peers ]
    hold
    say 'connect a' 'connect b' 'connect c' 'until a 1 2' 'id a' 'close b' 'until c 0' 'id c'
    until_said holder.out 2
    [ "$(connected 0) $(connected 1) $(connected 2) $(connected 3)" = '1 0 3 0' ]
    [ "$(cat peers)" = "$(lines "0 ${PID[holder]}" "2 ${PID[holder]}")" ]
    served
    [ "$(connected 0) $(connected 1) $(connected 2)" = '0 0 0' ]
    [ "$(word region $((VECTORS)))" = 0000000000000000 ]
}

@test "what guests write into the table changes nothing, but for their names" {
    serve
    hold
    say 'connect a' 'connect b' 'until a 1' 'id a'
    until_said holder.out 0
    tr '\0' '\377' </dev/zero | head -c 4096 | put region $TABLE
    say 'connect c' 'until c 0 1' 'id c'
    until_said holder.out 2
    [ "$(connected 0) $(connected 1) $(connected 2) $(connected 3)" = '1 2 3 0' ]
    [ "$(word region $((TABLE + 8)))" = ffffffffffffffff ]
    [ "$(cut -d ' ' -f 1 peers)" = "$(lines 0 1 2)" ]
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
    [ "$output" = 101 ]
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
    [ "$output" = 140 ]
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
    [ "$output" = "$(lines ended 1)" ]
    grep -q 'peer 1 left, process [0-9]*: it sent data, which the protocol forbids' server.err
    served
}

@test "1,000 connections, at all stages: no descriptor stays open" {
    serve
    before=$(descriptors)
    peers <<<'churn 1000'
    soon descriptors_are "$before"
    [ "$(grep -c arrived server.err)" -eq 1000 ]
    served
}

@test "out of descriptors: those who are connected go on, who waits is let in when there are some" {
    serve
    hold
    say 'connect a' 'until a' 'connect b' 'until a 1' 'until b 0' 'id b'
    until_said holder.out 1
    for ((free = 0; ; free++)); do
        [[ -e /proc/${PID[server]}/fd/$free ]] || break
    done
    prlimit --pid "${PID[server]}" --nofile="$free:"
    say 'connect c' 'connect d' 'ring b 0 2' 'rung a 2'
    until_said server.err 'cannot accept connections for now: Too many open files'
    # What b had is enough for c.
    say 'close b' 'until c 0' 'until a 2' 'id c'
    until_said holder.out 2
    prlimit --pid "${PID[server]}" --nofile="$(ulimit -Hn):"
    say 'until d 0 2' 'until a 2 3' 'id d'
    until_said holder.out 3
    [ "$(cut -d ' ' -f 1 peers)" = "$(lines 0 2 3)" ]
    # Said once for each, not at each try.
    [ "$(grep -c 'cannot accept' server.err)" -eq 2 ]
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
    grep -qF 'room for 9 peers of 8 vectors, not for 128: the hard limit of open files is 100' server.err
    hold
    say 'connect a' 'connect b' 'connect c' 'connect d' 'connect e' 'connect f' 'connect g'
    until_said server.err 'some messages must wait until peers read theirs'
    say 'close a' 'close b' 'close c' 'close d' 'close e' 'until f 6' 'until g 5' 'id g'
    until_said holder.out 6
    # Nobody but those five: who does not read is not dropped.
    [ "$(grep -c left server.err)" -eq 5 ]
    served
}

# --- Real QEMU, without a guest: qtest reads and writes as a guest would

# qemu: with the device at 00:04.0, its registers at 0xfebf0000 and its vectors at 0xfebe0000.
qemu() {
    mkfifo qtest
    exec {gate}<>qtest
    start qemu qemu-system-x86_64 -M pc,accel=tcg -S -m 16 -nodefaults -display none -qtest stdio -qtest-log none \
        -chardev socket,path=socket,id=server -device ivshmem-doorbell,chardev=server,vectors=8,addr=4 <qtest
    say 'outl 0xcf8 0x80002010' 'outl 0xcfc 0xfebf0000' # BAR 0
    say 'outl 0xcf8 0x80002014' 'outl 0xcfc 0xfebe0000' # BAR 1
    say 'outl 0xcf8 0x80002004' 'outw 0xcfc 2'          # decode memory
    say 'outl 0xcf8 0x80002040' 'outw 0xcfe 0x8000'     # MSI-X on; all vectors are masked, and become pending
}

# Until QEMU has heard of the peer, it ignores the ring.
qemu_rings_until_heard() {
    say 'writel 0xfebf000c 3' # peer 0, vector 3
    [ -s holder.out ]
}

qemu_has_pending() {
    say 'readl 0xfebe0800'
    grep -qx "OK $1" qemu.out
}

@test "QEMU: it gets an id, rings, is rung on the right vector, and is heard to leave" {
    command -v qemu-system-x86_64 >/dev/null || skip 'qemu-system-x86_64 is not installed'
    serve
    lines 'connect a' 'until a 1' 'rung a 3' 'ring a 1 5' 'until a' 'id a' >script
    start holder ivshmem_client socket 8 <script
    soon grep -q '^0 ' peers
    qemu
    soon grep -q '^1 ' peers
    [ "$(connected 1)" = 2 ]
    say 'readl 0xfebf0008'
    until_said qemu.out 'OK 0x0000000000000001'
    soon qemu_rings_until_heard
    soon qemu_has_pending 0x0000000000000020
    kill "${PID[qemu]}"
    ended qemu
    [ ! -s qemu.err ]
    ended holder
    [ "$status" -eq 0 ]
    [ "$(tail -n 1 holder.out)" = 0 ]
    served
}
