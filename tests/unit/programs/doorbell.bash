# shellcheck shell=bash disable=SC2034,SC2154 # what the tests use; what bats sets
# What the tests of __doorbell share: the real server, a fake one (fake-server.c), and a fake device.

load prog.bash

DEVICE=0000:00:04.0

setup_file() {
    build_programs
    build_server
    gcc -std=gnu11 -D_GNU_SOURCE -Wall -Wextra -Werror -o "$SANITIZED/fake-server" "$BATS_TEST_DIRNAME/fake-server.c"
}

setup() {
    begin
}

teardown() {
    end_all
}

# --- Helpers ------------------------------------------------------------------

# serve [OPTION...]: the real server, at the socket 'server', with the memory 'region'.
serve() {
    start server "$SANITIZED/server/ivshmem-server" --socket server --memory region "$@"
    until_said server.out ready
}

# fake MESSAGE...: one that says this.
fake() {
    start fake fake-server server "$@"
    until_said fake.out listening
}

# waits NAME [ARGUMENT...]: __doorbell wait in the background; returns when it listens.
waits() {
    start "$1" __doorbell -f server wait "${@:2}"
    until_said "$1.err" 'waiting for vector'
}

# id_of NAME: of who waits.
id_of() {
    sed -n 's/.*this is peer \([0-9]*\)$/\1/p' "$1.err"
}

# bytes FILE OFFSET BYTE...: puts them there, in hexadecimal.
bytes() {
    local byte
    for byte in "${@:3}"; do printf '%b' "\\x$byte"; done | put "$1" "$2"
}

# doorbell_device [VECTORS-1]: an ivshmem-doorbell, peer 5, with that byte for the size of its MSI-X table.
doorbell_device() {
    ivshmem $DEVICE
    local folder=$TREE/$DEVICE
    truncate -s 256 "$folder/config"
    bytes "$folder/config" $((0x34)) 48
    bytes "$folder/config" $((0x48)) 09 40 00 00 # a vendor's capability, and where the next one is
    bytes "$folder/config" $((0x40)) 11 00 "${1:-07}" 00
    truncate -s 4096 "$folder/resource0"
    bytes "$folder/resource0" 8 05 00 00 00
}

# connected SLOT ID [NAME]: in the table of that device's region.
connected() {
    local region=$TREE/$DEVICE/resource2 at=$((0x2000 + 32 * $1)) entry
    entry=$(printf '%02x %02x %02x 00 ' $((($2 + 1) & 255)) $((($2 + 1) >> 8 & 255)) $((($2 + 1) >> 16)))
    # shellcheck disable=SC2086 # bytes
    bytes "$region" "$at" $entry $entry
    printf '%s' "${3:-}" | put "$region" $((at + 8))
}
