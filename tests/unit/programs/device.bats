#!/usr/bin/env bats
# shellcheck disable=SC2154 # what bats sets
# How programs find and map the ivshmem device, with a tree of files in place of sysfs.

load prog.bash

@test "device: found among others by vendor and device" {
    device 0000:00:02.0 0x1af4 0x1000 0xe0000000 $MIB
    device 0000:00:03.0 0x8086 0x1110 0xe8000000 $MIB
    ivshmem 0000:00:04.0
    succeeds __read_write
    same "$WRITTEN" "$output"
    same '' "$stderr"
    succeeds __read_write
    same "$READ" "$output"
    succeeds __read_write -f "$TREE/0000:00:04.0/resource2"
    same "$READ" "$output"
}

@test "device: none, or no bus at all" {
    complains 1 "cannot list $TREE: No such file or directory" __read_write
    device 0000:00:02.0 0x1af4 0x1000 0xe0000000 $MIB
    complains 1 'this machine has no ivshmem device (PCI 1af4:1110)' __read_write
}

@test "device: of several, -d chooses" {
    ivshmem 0000:00:04.0
    ivshmem 0000:00:1f.0
    complains 1 '2 ivshmem devices, the first two at 0000:00:04.0 and 0000:00:1f.0; choose with -d' __read_write
    succeeds __read_write -d 00:1F.0 'to the second'
    succeeds __read_write -d 0000:00:1f.0
    same "Read from shmem: 'to the second'" "${lines[1]}"
    succeeds __read_write -d 0000:00:04.0
    same "$WRITTEN" "$output"
    complains 1 'there is no ivshmem device (PCI 1af4:1110) at 0000:00:05.0' __read_write -d 0000:00:05.0
}

@test "device: of several, the lab's own is taken; the kernel's command line names it" {
    local line
    ivshmem 0000:00:04.0
    ivshmem 0000:00:08.0
    ivshmem 0000:00:1f.0
    for line in 'root=/dev/vda lab.region=0000:00:08.0 pmtmr=0x608' 'lab.region=00:08.0' 'lab.region=0000:00:04.0 lab.region=0000:00:08.0'; do
        echo "$line" >"$CMDLINE"
        succeeds __read_write "by $line"
        succeeds __read_write -d 0000:00:08.0
        prints "by $line"
    done
    succeeds __read_write -d 0000:00:1f.0
    same "$WRITTEN" "$output"
    # What is not the lab's says nothing.
    for line in '' 'root=/dev/vda' 'xlab.region=0000:00:08.0' 'lab.regions=0000:00:08.0' 'lab.region=' 'lab.region=4' "lab.region=$(printf %05000d 8)"; do
        echo "$line" >"$CMDLINE"
        complains 1 '3 ivshmem devices' __read_write
    done
}

@test "device: the lab's own device is gone: another one is not taken for it" {
    echo 'lab.region=0000:00:04.0' >"$CMDLINE"
    ivshmem 0000:00:08.0
    complains 1 'there is no ivshmem device (PCI 1af4:1110) at 0000:00:04.0' __read_write
    cmp -n $MIB "$TREE/0000:00:08.0/resource2" /dev/zero
}

@test "device: BAR 2 without an address, too small, or unreadable" {
    ivshmem 0000:00:04.0 0
    complains 1 'BAR 2 of 0000:00:04.0 has no memory' __read_write
    ivshmem 0000:00:04.0 0xf0000000 65536
    complains 1 'resource2 has 65536 bytes; a region is whole pages of memory, 1 MiB at least' __read_write
    echo rubbish >"$TREE/0000:00:04.0/resource"
    complains 1 'cannot read BAR 2 from' __read_write
}

@test "device: memory that is switched off is switched on, or refused" {
    ivshmem 0000:00:04.0 0xf0000000 $MIB 01
    complains 1 'the memory of 0000:00:04.0 is switched off and cannot be switched on' __read_write
    same 1 "$(<"$TREE/0000:00:04.0/enable")"
}

@test "device: -m wc maps resource2_wc" {
    ivshmem 0000:00:04.0
    complains 1 'resource2_wc: No such file or directory; run as root, on a kernel with PAT' __read_write -m wc
    truncate -s 1M "$TREE/0000:00:04.0/resource2_wc"
    succeeds __read_write -m wc
    same "$WRITTEN" "$output"
    succeeds __read_write -f "$TREE/0000:00:04.0/resource2_wc"
    same "$READ" "$output"
}

@test "device: -m wb maps /dev/mem where the BAR is, above 4 GiB only" {
    truncate -s $((1 << 33)) "$MEMORY"
    ivshmem 0000:00:04.0 0xfff00000
    complains 1 '-m wb: BAR 2 of 0000:00:04.0 is at 0xfff00000, and below 4 GiB' __read_write -m wb
    ivshmem 0000:00:04.0 0x140000000
    succeeds __read_write -m wb 'past 4 GiB'
    same 'past 4 GiB' "$(dd if="$MEMORY" iflag=skip_bytes,count_bytes skip=$((0x140001018)) count=10 status=none)"
    succeeds __read_write -m uc
    same "$WRITTEN" "$output"
}
