#!/usr/bin/env bats
# shellcheck disable=SC2154 # what bats sets
# __doorbell at a fake device: writes to its registers, entries of the table that are valid or not, what wait needs.

bats_require_minimum_version 1.5.0
load doorbell.bash

# --- The device ---------------------------------------------------------------

@test "device: ring reaches the doorbell register, without vfio" {
    doorbell_device
    put_entry 5 5 vm1
    put_entry 6 134 vm2
    answer $TREE/$DEVICE/resource2
    succeeds __doorbell
    same '' "$stderr"
    same 'this is peer 5, each has 8 vectors' "${lines[0]}"
    same '5 vm1 this one' "$(xargs <<<"${lines[2]}")"
    same '134 vm2' "$(xargs <<<"${lines[3]}")"
    succeeds __doorbell ring vm2 7
    same 00860007 "$(od -An -tx4 -j 12 -N 4 "$TREE/$DEVICE/resource0" | tr -d ' ')"
    complains 1 'there is no vector 8: the device has 8, from 0 to 7' __doorbell ring vm2 8
    complains 1 'no peer 133 is connected' __doorbell ring 133
}

@test "device: registers that begin within a page are found there" {
    doorbell_device
    sed -i '1s/.*/0x00000000febf1300 0x00000000febf13ff 0x0000000000040200/' "$TREE/$DEVICE/resource"
    put_bytes "$TREE/$DEVICE/resource0" $((0x300 + 8)) 06 00 00 00
    put_entry 6 6 vm1
    answer $TREE/$DEVICE/resource2
    succeeds __doorbell
    same 'this is peer 6, each has 8 vectors' "${lines[0]}"
    succeeds __doorbell ring 6 3
    same 00060003 "$(od -An -tx4 -j $((0x300 + 12)) -N 4 "$TREE/$DEVICE/resource0" | tr -d ' ')"
    same 00000000 "$(od -An -tx4 -j 12 -N 4 "$TREE/$DEVICE/resource0" | tr -d ' ')"
}

@test "device: names that somebody else has made up" {
    doorbell_device
    put_entry 5 5
    put_entry 6 6 $'\e[31m"vm\n'
    put_entry 7 7 nnnnnnnnnnnnnnnnnnnnnnnnnnnn # all 28 characters, without an end
    put_entry 8 8 vm8
    answer $TREE/$DEVICE/resource2
    succeeds __doorbell
    same '5 - this one' "$(xargs <<<"${lines[2]}")"
    same '    6  ?[31m"vm?' "${lines[3]}"
    same '    7  nnnnnnnnnnnnnnnnnnnnnnnnnnnn' "${lines[4]}"
}

@test "device: no server answers: the programs say so, and take ids" {
    doorbell_device
    put_entry 5 5 vm1 # an old table
    succeeds __doorbell
    says 'this server keeps no table of peers, or it has ended; use ids'
    same 2 "${#lines[@]}"
    complains 1 'cannot look up the name vm1: this server keeps no table of peers' __doorbell ring vm1
    succeeds __doorbell ring 9 7
    says 'cannot look whether peer 9 is connected'
    same 00090007 "$(od -An -tx4 -j 12 -N 4 "$TREE/$DEVICE/resource0" | tr -d ' ')"
}

@test "device: entries of the table that cannot be are not believed" {
    doorbell_device
    put_entry 5 5 vm1
    put_entry 7 9 elsewhere             # its place is 9
    put_entry 8 65535 'the last one'    # its place is 127
    put_entry 127 65535 last
    put_bytes "$TREE/$DEVICE/resource2" $((0x2000 + 32)) 82 00 01 00 # 65665 is not an id
    answer $TREE/$DEVICE/resource2
    succeeds __doorbell
    same '5 vm1 this one 65535 last' "$(printf '%s\n' "${lines[@]:2}" | xargs)"
}

@test "device: no device, or one without interrupts: the message says what to do" {
    for command in list 'ring 3' wait test; do
        # shellcheck disable=SC2086 # words
        complains 1 'cannot list devices' __doorbell $command
    done
    ivshmem $DEVICE
    for command in list 'ring 3' wait test; do
        # shellcheck disable=SC2086 # words
        complains 1 'this VM was started with SHMEM_MODE=plain: its device at 0000:00:04.0 has no interrupts' __doorbell $command
    done
    put_bytes "$TREE/$DEVICE/config" $((0x34)) 48
    complains 1 'cannot read devices/0000:00:04.0/config: it is cut short; run as root' __doorbell
    doorbell_device
    rm "$TREE/$DEVICE/resource0"
    complains 1 'cannot open devices/0000:00:04.0/resource0: No such file or directory; run as root' __doorbell
}

@test "device: of a table with more vectors than a program uses, those that it does" {
    doorbell_device ff
    put_entry 6 6
    answer $TREE/$DEVICE/resource2
    succeeds __doorbell ring 6 63
    succeeds __doorbell
    same 'this is peer 5, each has 64 vectors' "${lines[0]}"
}

@test "device: a list of capabilities that goes in circles ends" {
    doorbell_device
    put_bytes "$TREE/$DEVICE/config" $((0x48)) 09 48 00 00
    complains 1 'SHMEM_MODE=plain' __doorbell
}

@test "device: what wait needs beyond that" {
    doorbell_device
    local folder=$TREE/$DEVICE
    complains 1 'is bound to no driver, and waiting needs vfio-pci or ivshmem_uio; as root: lab-driver vfio, or: echo vfio-pci >' __doorbell wait
    ln -s drivers/uio "$folder/driver"
    complains 1 'is bound to uio, and waiting needs vfio-pci or ivshmem_uio' __doorbell wait
    ln -sfn drivers/vfio-pci "$folder/driver"
    complains 1 'cannot open vfio/vfio: No such file or directory; run as root, on a kernel with CONFIG_VFIO' __doorbell wait
    mkdir $VFIO
    : >$VFIO/vfio
    complains 1 'echo Y >/sys/module/vfio/parameters/enable_unsafe_noiommu_mode' __doorbell test
}

# --- The lab's driver -----------------------------------------------------------

# counts UIO NUMBER...: what reading that device returns, one number after the other.
counts() {
    local count
    for count in "${@:2}"; do
        printf '%08x' "$count" | sed 's/\(..\)\(..\)\(..\)\(..\)/\\x\4\\x\3\\x\2\\x\1/'
    done | xargs -0 printf >"$UIO/$1"
}

@test "uio: a wait tells the interrupts since it began" {
    doorbell_device
    uio_device 8
    counts uio5 10
    succeeds __doorbell wait 2
    same 'vector 2: 3 interrupts' "$output"
    counts uio3 8
    succeeds __doorbell wait
    same 'vector 0: an interrupt' "$output"
}

@test "uio: the count of interrupts may wrap" {
    doorbell_device
    uio_device 8
    echo 4294967295 >"$TREE/$DEVICE/uio/uio4/event"
    counts uio4 1
    succeeds __doorbell wait 1
    same 'vector 1: 2 interrupts' "$output"
}

@test "uio: an end of the interrupts ends the wait" {
    doorbell_device
    uio_device 8
    fails 1 __doorbell wait
    says 'vector 0 gets no more interrupts: its UIO device has ended; was the device taken from ivshmem_uio?'
}

@test "uio: every vector needs its UIO device; those of others are not taken" {
    doorbell_device
    uio_device 7
    mkdir "$TREE/$DEVICE/uio/uio1"
    for name in ivshmem_uio.8 ivshmem_uio.-1 ivshmem_uio. ivshmem_uio.64 uio_pci_generic ivshmem_uio.7x; do
        echo "$name" >"$TREE/$DEVICE/uio/uio1/name"
        complains 1 'vector 7 of the device at 0000:00:04.0 has no UIO device' __doorbell wait
    done
    rm "$UIO/uio3"
    complains 1 'cannot open uio/uio3: No such file or directory; run as root' __doorbell wait
    rm -r "$TREE/$DEVICE/uio"
    complains 1 'cannot list devices/0000:00:04.0/uio: No such file or directory' __doorbell wait
}
