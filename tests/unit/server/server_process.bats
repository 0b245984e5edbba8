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
    start_client
    tell 'connect a' 'handshake a' 'id a'
    wait_until_said out.client 0
    served INT
    tell 'ended a'
    wait_until_said out.client ended
}

@test "the socket and the listing are the user's alone" {
    umask 0
    serve
    same "$(lines 600 600)" "$(stat -c %a server peers)"
    served
}

@test "another user is refused, whatever the socket's mode" {
    ((EUID == 0)) || skip 'only root can be somebody else'
    chmod 755 .
    cp "$BATS_FILE_TMPDIR/ivshmem_client" client
    serve
    chmod 666 server
    succeeds setpriv --reuid=65534 --clear-groups ./client server 8 <<<'connect a
ended a'
    same ended "$output"
    grep -q "refused process [0-9]*: it belongs to user 65534" err.server
    same 0 "$(grep -c arrived err.server)"
    served
}

@test "files that a killed server left behind are replaced" {
    serve
    kill -9 "$server"
    await server
    [ -S server ]
    serve
    peers <<<'crowd 2'
    served
}

@test "a second server is refused, and the first does not notice" {
    serve
    start_client
    tell 'connect a' 'handshake a' 'id a'
    wait_until_said out.client 0
    cp err.server before
    for _ in 1 2; do
        complains 1 'cannot lock region: another server has it' ivshmem-server --socket other --memory region --peers-file peers </dev/null
        fresh region2
        complains 1 'a server listens at server already' ivshmem-server --socket server --memory region2 --peers-file peers </dev/null
    done
    cmp before err.server
    same "0 $client" "$(cat peers)"
    tell 'connect b' 'until a 1' 'id b' 'handshake b' 'id b'
    wait_until_said out.client 1
    served
}

@test "peers that outlive a server that was killed do not keep the next one from the region" {
    serve
    start_client
    tell 'connect a' 'handshake a' 'id a'
    wait_until_said out.client 0
    kill -9 "$server"
    await server
    serve
    peers <<<'crowd 2'
    served
}

@test "a file that another program has put in place of the socket is left there" {
    serve
    rm server
    echo mine >server
    kill "$server"
    background_ended server 0
    same mine "$(cat server)"
}

# --- The command line

@test "wrong commands end with status 2 and say what is needed" {
    while IFS=: read -r options text; do
        # shellcheck disable=SC2086 # words
        refuses "$text" ivshmem-server $options </dev/null
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
    refuted test -e s
}

@test "unusable files: one line that says why, status 1, nothing left behind" {
    mkdir folder
    fresh small 1048575
    : >empty
    mkfifo pipe
    echo data >file
    long=$(printf '%0108d' 0)
    while IFS=: read -r options text; do
        # shellcheck disable=SC2086 # words
        complains 1 "$text" ivshmem-server $options </dev/null
        same '' "$output"
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
    refuted test -e s
    same data "$(cat file)"
}

@test "too few descriptors for a single peer is an error; so is a stdout that cannot take 'ready'" {
    complains 1 'no room for a peer: the hard limit of open files is 24 (ulimit -Hn)' prlimit --nofile=24 ivshmem-server --socket s --memory region </dev/null
    status=0
    ivshmem-server --socket s --memory region >/dev/full 2>error </dev/null || status=$?
    same 1 "$status"
    grep -qF 'cannot write to stdout' error
    refuted test -e s
}

@test "-h and --help" {
    for option in -h --help; do
        succeeds ivshmem-server "$option"
        [[ $output == 'Usage: ivshmem-server --socket PATH --memory FILE'* ]]
        same '' "$stderr"
    done
}

# --- The files

@test "make clean leaves nothing, and no file is longer than a few screens" {
    make -s -C "$SERVER" O="$PWD/out" WERROR=1
    make -s -C "$SERVER" O="$PWD/out" clean
    refuted test -e out
    for file in "$SERVER"/*.[ch]; do
        (($(wc -l <"$file") <= 300))
    done
}
