# shellcheck shell=bash disable=SC2034,SC2154 # what the tests use; what bats sets
# What the tests of __doorbell share: the real server, a fake server (fake-server.c), and a fake device.

load prog.bash

DEVICE=0000:00:04.0

setup_file() {
    build_programs
    build_server
    compile fake-server fake-server.c
    compile foreign-server ../../foreign-server.c
}

# foreign [VECTORS]: starts a server that is not the lab's at the socket 'server', with the memory 'region'.
foreign() {
    background foreign foreign-server server region "${1:-4}" </dev/null
    wait_until_said out.foreign ready
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

# uio_device VECTORS: binds the device of doorbell_device to ivshmem_uio, as its uio3, uio4, …; each has had 7 interrupts.
uio_device() {
    local folder=$TREE/$DEVICE vector
    ln -sfn drivers/ivshmem_uio "$folder/driver"
    mkdir -p "$UIO"
    for ((vector = 0; vector < $1; vector++)); do
        mkdir -p "$folder/uio/uio$((vector + 3))"
        echo "ivshmem_uio.$vector" >"$folder/uio/uio$((vector + 3))/name"
        echo 7 >"$folder/uio/uio$((vector + 3))/event"
        : >"$UIO/uio$((vector + 3))"
    done
}

# put_entry SLOT ID [NAME]: writes a connected peer into the table of that device's region.
put_entry() {
    local region=$TREE/$DEVICE/resource2 at=$((0x2000 + 32 * $1))
    le64 $(($2 + 1)) | head -c 4 | put "$region" "$at"
    printf '%s' "${3:-}" | put "$region" $((at + 4))
}

# answer REGION [VECTORS]: from now on somebody answers whoever wants the table in the file REGION: that what is there is the
# table, and that each peer has that many vectors (8). As prog/lib/include/peers.h has it.
answer() {
    le64 "${2:-8}" | put "$1" $((0xfc8))
    # shellcheck disable=SC2016 # perl's
    background answerer perl -e 'open my $region, "+<:unix", $ARGV[0] or die;
        for (my $n = 1; ; select undef, undef, undef, 0.005) {
            sysseek $region, 0xfc0, 0; sysread $region, my $word, 8;
            next if $word ne pack "Q<", 0xd16b3c95fa27e084;
            sysseek $region, 0xfc0, 0; syswrite $region, pack "Q<", 0x7ac5930f1d8e0000 + $n++;
        }' "$1"
}
