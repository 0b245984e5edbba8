# shellcheck shell=bash disable=SC2034,SC2154,SC2164 # what the tests use; what bats sets
# What the tests of the ivshmem server share: a sanitized one, and peers of the tests' own (ivshmem_client.c).

load ../programs/prog.bash

TABLE=$((0x2000)) ENTRY=32 VECTORS=$((0xfc0))

setup_file() {
    export SANITIZED=$BATS_FILE_TMPDIR/server SERVER=$BATS_TEST_DIRNAME/../../../server
    make -s -C "$SERVER" O="$SANITIZED" WERROR=1 SANITIZE=1
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
