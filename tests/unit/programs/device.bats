#!/usr/bin/env bats
# shellcheck disable=SC2154 # what bats sets
# The ivshmem device: a made-up tree of files stands in for sysfs.

load prog.bash

@test "device: found among others by vendor and device" {
    device 0000:00:02.0 0x1af4 0x1000 0xe0000000 $MIB
    device 0000:00:03.0 0x8086 0x1110 0xe8000000 $MIB
    ivshmem 0000:00:04.0
    try __read_write
    [ "$output" = "$WRITTEN" ]
    [ -z "$stderr" ]
    try __read_write
    [ "$output" = "$READ" ]
    try __read_write -f "$TREE/0000:00:04.0/resource2"
    [ "$output" = "$READ" ]
}

@test "device: none, or no bus at all" {
    try __read_write
    fails 1 "cannot list $TREE: No such file or directory"
    device 0000:00:02.0 0x1af4 0x1000 0xe0000000 $MIB
    try __read_write
    fails 1 'this machine has no ivshmem device (PCI 1af4:1110)'
}

@test "device: of several, -d chooses" {
    ivshmem 0000:00:04.0
    ivshmem 0000:00:1f.0
    try __read_write
    fails 1 '2 ivshmem devices, the first two at 0000:00:04.0 and 0000:00:1f.0; choose with -d'
    try __read_write -d 00:1F.0 'to the second'
    [ "$status" -eq 0 ]
    try __read_write -d 0000:00:1f.0
    [ "${lines[1]}" = "Read from shmem: 'to the second'" ]
    try __read_write -d 0000:00:04.0
    [ "$output" = "$WRITTEN" ]
    try __read_write -d 0000:00:05.0
    fails 1 'there is no ivshmem device (PCI 1af4:1110) at 0000:00:05.0'
}

@test "device: BAR 2 without an address, too small, or unreadable" {
    ivshmem 0000:00:04.0 0
    try __read_write
    fails 1 'BAR 2 of 0000:00:04.0 has no memory'
    ivshmem 0000:00:04.0 0xf0000000 65536
    try __read_write
    fails 1 'resource2 has 65536 bytes; a region is whole pages of memory, 1 MiB at least'
    echo rubbish >"$TREE/0000:00:04.0/resource"
    try __read_write
    fails 1 'cannot read BAR 2 from'
}

@test "device: memory that is switched off is switched on, or refused" {
    ivshmem 0000:00:04.0 0xf0000000 $MIB 01
    try __read_write
    fails 1 'the memory of 0000:00:04.0 is switched off and cannot be switched on'
    [ "$(<"$TREE/0000:00:04.0/enable")" = 1 ]
}

@test "device: -m wc maps resource2_wc" {
    ivshmem 0000:00:04.0
    try __read_write -m wc
    fails 1 'resource2_wc: No such file or directory; run as root, on a kernel with PAT'
    truncate -s 1M "$TREE/0000:00:04.0/resource2_wc"
    try __read_write -m wc
    [ "$output" = "$WRITTEN" ]
    try __read_write -f "$TREE/0000:00:04.0/resource2_wc"
    [ "$output" = "$READ" ]
}

@test "device: -m wb maps /dev/mem where the BAR is, above 4 GiB only" {
    truncate -s $((1 << 33)) "$MEMORY"
    ivshmem 0000:00:04.0 0xfff00000
    try __read_write -m wb
    fails 1 '-m wb: BAR 2 of 0000:00:04.0 is at 0xfff00000, and below 4 GiB'
    ivshmem 0000:00:04.0 0x140000000
    try __read_write -m wb 'past 4 GiB'
    [ "$status" -eq 0 ]
    [ "$(dd if="$MEMORY" iflag=skip_bytes,count_bytes skip=$((0x140001018)) count=10 status=none)" = 'past 4 GiB' ]
    try __read_write -m uc
    [ "$output" = "$WRITTEN" ]
}
