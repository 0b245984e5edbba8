# shellcheck shell=bash disable=SC2034,SC2154,SC2164 # what the tests use; what bats sets
# What the tests of the ivshmem server share: a sanitized server, and clients that carry out commands (ivshmem_client.c).

# shellcheck source=tests/unit/programs/prog.bash
source "$BATS_TEST_DIRNAME/../programs/prog.bash"

# prog/lib/include/peers.h
TABLE=$((0x2000)) ENTRY=32 LINE=$((0xfc0)) WANTED=$((0xd16b3c95fa27e084)) ANSWER=7ac5930f1d8e

setup_file() {
    build_server
    compile ivshmem_client ivshmem_client.c -g
}

# --- Servers and peers

# served [SIGNAL]: ends the server. It succeeds and leaves nothing behind; the sanitizer would also report memory.
served() {
    kill -s "${1:-TERM}" "$server"
    background_ended server 0
    refuted test -e server
    refuted test -e peers
    refuted test -e peers.new
}

# peers [VECTORS]: a client carries out the commands on stdin and succeeds. The server has that many vectors for each peer
# (8).
peers() {
    succeeds ivshmem_client server "${1:-8}"
}

# start_client [WORD...]: starts a client in the background, with WORDs on its command line; tell gives it commands.
start_client() {
    rm -f commands
    mkfifo commands
    exec {gate}<>commands
    background client ivshmem_client server 8 "$@" <commands
}

tell() {
    printf '%s\n' "$@" >&"$gate"
}

# How many descriptors the server has open.
descriptors() {
    local -a open=("/proc/$server/fd"/*)
    echo "${#open[@]}"
}

descriptors_are() {
    [ "$(descriptors)" = "$1" ]
}

# Has the server write the table. That takes a peer.
want_table() {
    le64 $WANTED | put region $LINE
    wait_until is_answered
}

is_answered() {
    [[ $(word region $LINE) == $ANSWER* ]]
}

# name_of ID: the name in the table entry for that id.
name_of() {
    tail -c +$((TABLE + ENTRY * ($1 % 128) + 5)) region | head -c 28 | tr -d '\0'
}

# connected ID: the first word of the table entry for that id: 0 when nobody is connected there, else the id + 1.
connected() {
    od -An -tu4 -j $((TABLE + ENTRY * ($1 % 128))) -N 4 region | tr -d ' '
}

lines() {
    printf '%s\n' "$@"
}
