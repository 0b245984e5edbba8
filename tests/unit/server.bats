#!/usr/bin/env bats
# shellcheck disable=SC2154,SC2164 # what bats sets
# The ivshmem server, sanitized, with peers of the tests' own (ivshmem_client.c) and with real QEMU.

bats_require_minimum_version 1.5.0
load prog.bash

TABLE=$((0x2000)) ENTRY=32

setup_file() {
    export SANITIZED=$BATS_FILE_TMPDIR/host HOST=$BATS_TEST_DIRNAME/../../host
    make -s -C "$HOST" O="$SANITIZED" WERROR=1 SANITIZE=1
    gcc -std=gnu11 -D_GNU_SOURCE -Wall -Wextra -Wshadow -Werror -g -o "$SANITIZED/ivshmem_client" \
        "$BATS_TEST_DIRNAME/ivshmem_client.c"
}

setup() {
    begin
}

teardown() {
    end_all
}

# --- Servers and peers

# serve [OPTION...]: starts the server of this test, and waits until it is ready.
serve() {
    start server "${SERVE_UNDER[@]}" ivshmem-server --socket socket --memory region --peers-file peers "$@" </dev/null
    until_said server.out ready
}
SERVE_UNDER=()

# served [SIGNAL]: ends the server: with status 0, and nothing left behind. That includes memory: the sanitizer would say
# so.
served() {
    kill -s "${1:-TERM}" "${PID[server]}"
    ended server
    [ "$status" -eq 0 ]
    [ ! -e socket ]
    [ ! -e peers ]
    [ ! -e peers.new ]
}

# peers [VECTORS]: a client that carries out the commands on stdin, for which the server has this many vectors (8).
peers() {
    try ivshmem_client socket "${1:-8}"
    [ "$status" -eq 0 ]
}

# hold: a client in the background, named holder; say gives it commands.
hold() {
    mkfifo commands
    exec {gate}<>commands
    start holder ivshmem_client socket 8 <commands
}

say() {
    printf '%s\n' "$@" >&"$gate"
}

# fails STATUS TEXT: the last try said exactly one line, as the server.
fails() {
    [ "$status" -eq "$1" ]
    [ "${#stderr_lines[@]}" -eq 1 ]
    [[ $stderr == ivshmem-server:\ *"$2"* ]]
}

# How many descriptors the server has open.
descriptors() {
    local -a open=("/proc/${PID[server]}/fd"/*)
    echo "${#open[@]}"
}

descriptors_are() {
    [ "$(descriptors)" = "$1" ]
}

# connected ID: who the table says is connected in the place of that id; 0 for nobody.
connected() {
    od -An -tu4 -j $((TABLE + ENTRY * ($1 % 128))) -N 4 region | tr -d ' '
}

lines() {
    printf '%s\n' "$@"
}

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
    cmp -n $((0x3000)) region /dev/zero
    [ ! -s peers ]
    hold
    say 'connect a' 'connect b' 'connect c' 'until a 1 2' 'id a' 'close b' 'until c 0' 'id c'
    until_said holder.out 2
    [ "$(connected 0) $(connected 1) $(connected 2) $(connected 3)" = '1 0 3 0' ]
    [ "$(cat peers)" = "$(lines "0 ${PID[holder]}" "2 ${PID[holder]}")" ]
    served
    [ "$(connected 0) $(connected 1) $(connected 2)" = '0 0 0' ]
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
    grep -q 'peer 1 left, process [0-9]*: it sent something, which no peer may' server.err
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

# --- The socket, and other servers

@test "SIGTERM and SIGINT end it tidily, with peers and without" {
    serve
    served
    serve
    hold
    say 'connect a' 'handshake a' 'id a'
    until_said holder.out 0
    served INT
    say 'ended a'
    until_said holder.out ended
}

@test "the socket and the listing are the user's alone" {
    umask 0
    serve
    [ "$(stat -c %a socket peers)" = "$(lines 600 600)" ]
    served
}

@test "another user is refused, whatever the socket's mode" {
    ((EUID == 0)) || skip 'only root can be somebody else'
    chmod 755 .
    cp "$SANITIZED/ivshmem_client" client
    serve
    chmod 666 socket
    try setpriv --reuid=65534 --clear-groups ./client socket 8 <<<'connect a
ended a'
    [ "$output" = ended ]
    grep -q "refused process [0-9]*: it is user 65534's" server.err
    [ "$(grep -c arrived server.err)" -eq 0 ]
    served
}

@test "what a server left behind that was killed is replaced" {
    serve
    kill -9 "${PID[server]}"
    ended server
    [ -S socket ]
    serve
    peers <<<'crowd 2'
    served
}

@test "a second server is refused, and the first does not notice" {
    serve
    hold
    say 'connect a' 'handshake a' 'id a'
    until_said holder.out 0
    cp server.err before
    for _ in 1 2; do
        try ivshmem-server --socket other --memory region --peers-file peers </dev/null
        fails 1 'cannot have region alone: another server has it'
        fresh region2
        try ivshmem-server --socket socket --memory region2 --peers-file peers </dev/null
        fails 1 'a server listens at socket already'
    done
    cmp before server.err
    [ "$(cat peers)" = "0 ${PID[holder]}" ]
    [ "$(connected 0)" = 1 ]
    say 'connect b' 'until a 1' 'id b' 'handshake b' 'id b'
    until_said holder.out 1
    served
}

@test "peers that outlive a server that was killed do not keep the next one from the region" {
    serve
    hold
    say 'connect a' 'handshake a' 'id a'
    until_said holder.out 0
    kill -9 "${PID[server]}"
    ended server
    serve
    [ "$(connected 0)" = 0 ]
    served
}

@test "a socket that somebody else has put in its place is left there" {
    serve
    rm socket
    echo mine >socket
    kill "${PID[server]}"
    ended server
    [ "$status" -eq 0 ]
    [ "$(cat socket)" = mine ]
}

# --- The command line

@test "wrong commands end with status 2 and say what is needed" {
    while IFS=: read -r options text; do
        # shellcheck disable=SC2086 # words
        try ivshmem-server $options </dev/null
        fails 2 "$text"
        [ -z "$output" ]
    done <<'END'
:--socket PATH is needed
--socket=:--socket PATH is needed
--socket socket:--memory FILE is needed
--memory region:--socket PATH is needed
--socket:option --socket needs a value
--socket s --memory region --vectors 0:--vectors 0
--socket s --memory region --vectors 65:--vectors 65
--socket s --memory region --vectors 8x:a whole number from 1 to 64 is needed
--socket s --memory region more:unexpected argument 'more'
--help=x:option --help takes no value
--sock:option --sock needs a value
--what:unknown option --what
-x:unknown option -x
END
    [ ! -e s ]
}

@test "what it cannot work with: one line that says why, status 1, nothing left behind" {
    mkdir folder
    fresh small 1048575
    : >empty
    mkfifo pipe
    echo data >file
    long=$(printf '%0108d' 0)
    while IFS=: read -r options text; do
        # shellcheck disable=SC2086 # words
        try ivshmem-server $options </dev/null
        fails 1 "$text"
        [ -z "$output" ]
    done <<END
--socket s --memory absent:cannot open absent: No such file
--socket s --memory folder:cannot open folder: Is a directory
--socket s --memory pipe:pipe is not an ordinary file
--socket s --memory /dev/null:/dev/null is not an ordinary file
--socket s --memory empty:empty has 0 bytes; a region has 1 MiB at least
--socket s --memory small:small has 1048575 bytes
--socket file --memory region:file is there, and is no socket
--socket $long --memory region:a socket's path has 107 bytes at most, this one 108
--socket absent/s --memory region:cannot listen at absent/s: No such file
--socket s --memory region --peers-file absent/p:cannot write absent/p: No such file
END
    [ ! -e s ]
    [ "$(cat file)" = data ]
}

@test "too few descriptors for a single peer is an error, that nobody hears 'ready' is one too" {
    try prlimit --nofile=24 ivshmem-server --socket s --memory region </dev/null
    fails 1 'no room for a peer: the hard limit of open files is 24 (ulimit -Hn)'
    status=0
    ivshmem-server --socket s --memory region >/dev/full 2>error </dev/null || status=$?
    [ "$status" -eq 1 ]
    grep -qF 'cannot write to stdout' error
    [ ! -e s ]
}

@test "-h and --help" {
    for option in -h --help; do
        try ivshmem-server "$option"
        [ "$status" -eq 0 ]
        [[ $output == 'Usage: ivshmem-server --socket PATH --memory FILE'* ]]
        [ -z "$stderr" ]
    done
}

# --- The files

@test "make clean leaves nothing, and no file is longer than a few screens" {
    make -s -C "$HOST" O="$PWD/out" WERROR=1
    make -s -C "$HOST" O="$PWD/out" clean
    [ ! -e out ]
    for file in "$HOST"/*.[ch]; do
        (($(wc -l <"$file") <= 300))
    done
}
