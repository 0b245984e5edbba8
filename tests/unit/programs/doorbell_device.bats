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
    complains 1 'is bound to no driver, and waiting needs vfio-pci; as root: echo vfio-pci >' __doorbell wait
    ln -s drivers/uio "$folder/driver"
    complains 1 'is bound to uio, and waiting needs vfio-pci' __doorbell wait
    ln -sfn drivers/vfio-pci "$folder/driver"
    complains 1 'cannot open vfio/vfio: No such file or directory; run as root, on a kernel with CONFIG_VFIO' __doorbell wait
    mkdir $VFIO
    : >$VFIO/vfio
    complains 1 'echo Y >/sys/module/vfio/parameters/enable_unsafe_noiommu_mode' __doorbell test
}
