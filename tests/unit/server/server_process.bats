#!/usr/bin/env bats
# shellcheck disable=SC2154,SC2164 # what bats sets
# The ivshmem server as a process: its socket, its end, other servers, its command line.

bats_require_minimum_version 1.5.0
load server.bash

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
    grep -q "refused process [0-9]*: it belongs to user 65534" server.err
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
        fails 1 'cannot lock region: another server has it'
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
--socket file --memory region:file exists and is not a socket
--socket $long --memory region:the path of a socket has at most 107 bytes, this one has 108
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
    make -s -C "$SERVER" O="$PWD/out" WERROR=1
    make -s -C "$SERVER" O="$PWD/out" clean
    [ ! -e out ]
    for file in "$SERVER"/*.[ch]; do
        (($(wc -l <"$file") <= 300))
    done
}
