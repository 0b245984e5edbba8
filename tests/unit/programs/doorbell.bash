# shellcheck shell=bash disable=SC2034,SC2154 # what the tests use; what bats sets
# What the tests of __doorbell share: the real server, a fake server (fake-server.c), and a fake device.

load prog.bash

DEVICE=0000:00:04.0

setup_file() {
    build_programs
    build_server
    compile fake-server fake-server.c
}

# fake MESSAGE...: starts a fake server at the socket 'server' that sends these messages (see fake-server.c).
fake() {
    background fake fake-server server "$@"
    wait_until_said out.fake listening
}

# waits NAME [ARGUMENT...]: starts __doorbell wait in the background, and returns when it listens.
waits() {
    background "$1" __doorbell -f server wait "${@:2}"
    wait_until_said "err.$1" 'waiting for vector'
}

# id_of NAME: the id of the peer that waits.
id_of() {
    sed -n 's/.*this is peer \([0-9]*\)$/\1/p' "err.$1"
}

# put_bytes FILE OFFSET BYTE...: overwrites the file's bytes there; the BYTEs are hexadecimal.
put_bytes() {
    local byte
    for byte in "${@:3}"; do printf '%b' "\\x$byte"; done | put "$1" "$2"
}

# doorbell_device [VECTORS-1]: adds an ivshmem-doorbell to TREE. It is peer 5, and its MSI-X table has that size field (07).
doorbell_device() {
    ivshmem $DEVICE
    local folder=$TREE/$DEVICE
    truncate -s 256 "$folder/config"
    put_bytes "$folder/config" $((0x34)) 48
    put_bytes "$folder/config" $((0x48)) 09 40 00 00 # a vendor's capability; the next one is at 0x40
    put_bytes "$folder/config" $((0x40)) 11 00 "${1:-07}" 00
    truncate -s 4096 "$folder/resource0"
    put_bytes "$folder/resource0" 8 05 00 00 00
}

# put_entry SLOT ID [NAME]: writes a connected peer into the table of that device's region.
put_entry() {
    local region=$TREE/$DEVICE/resource2 at=$((0x2000 + 32 * $1)) entry
    entry=$(printf '%02x %02x %02x 00 ' $((($2 + 1) & 255)) $((($2 + 1) >> 8 & 255)) $((($2 + 1) >> 16)))
    # shellcheck disable=SC2086 # bytes
    put_bytes "$region" "$at" $entry $entry
    printf '%s' "${3:-}" | put "$region" $((at + 8))
}
