#!/usr/bin/env bats
# shellcheck disable=SC2154 # what bats sets
# __doorbell at a fake device: what reaches its registers, what of its table is believed, what wait needs.

bats_require_minimum_version 1.5.0
load doorbell.bash

# --- The device ---------------------------------------------------------------

@test "device: ring reaches the doorbell register, without vfio" {
    doorbell_device
    connected 5 5 vm1
    connected 6 134 vm2
    try __doorbell
    [ "$status" -eq 0 ]
    [ -z "$stderr" ]
    [ "${lines[0]}" = 'this is peer 5, each has 8 vectors' ]
    [ "$(xargs <<<"${lines[2]}")" = '5 vm1 this one' ]
    [ "$(xargs <<<"${lines[3]}")" = '134 vm2' ]
    try __doorbell ring vm2 7
    [ "$status" -eq 0 ]
    [ "$(od -An -tx4 -j 12 -N 4 "$TREE/$DEVICE/resource0" | tr -d ' ')" = 00860007 ]
    try __doorbell ring vm2 8
    fails 1 'there is no vector 8: the device has 8, from 0 to 7'
    try __doorbell ring 133
    fails 1 'no peer 133 is connected'
}

@test "device: registers that begin within a page are found there" {
    doorbell_device
    sed -i '1s/.*/0x00000000febf1300 0x00000000febf13ff 0x0000000000040200/' "$TREE/$DEVICE/resource"
    bytes "$TREE/$DEVICE/resource0" $((0x300 + 8)) 06 00 00 00
    connected 6 6 vm1
    try __doorbell
    [ "${lines[0]}" = 'this is peer 6, each has 8 vectors' ]
    try __doorbell ring 6 3
    [ "$status" -eq 0 ]
    [ "$(od -An -tx4 -j $((0x300 + 12)) -N 4 "$TREE/$DEVICE/resource0" | tr -d ' ')" = 00060003 ]
    [ "$(od -An -tx4 -j 12 -N 4 "$TREE/$DEVICE/resource0" | tr -d ' ')" = 00000000 ]
}

@test "device: name, and names that somebody else has made up" {
    doorbell_device
    connected 5 5
    connected 6 6 $'\e[31m"vm\n'
    try __doorbell name database
    [ "$status" -eq 0 ]
    try __doorbell
    [ "$(xargs <<<"${lines[2]}")" = '5 database this one' ]
    [ "${lines[3]}" = '    6  ?[31m"vm?' ]
    try __doorbell name
    try __doorbell
    [ "$(xargs <<<"${lines[2]}")" = "5 $(uname -n | cut -c -24) this one" ]
    try __doorbell name a-name-of-twenty-five-chars
    fails 2 'a name has 1 to 24 characters'
}

@test "device: entries of the table that cannot be are not believed" {
    doorbell_device
    connected 5 5 vm1
    connected 7 9 elsewhere             # whose place is 9
    connected 8 65535 'the last one'    # whose place is 127
    connected 127 65535 last
    bytes "$TREE/$DEVICE/resource2" $((0x2000 + 32)) 82 00 01 00 # 65665, which is no id
    try __doorbell
    [ "$status" -eq 0 ]
    [ "$(printf '%s\n' "${lines[@]:2}" | xargs)" = '5 vm1 this one 65535 last' ]
    connected 5 133 # the place is another's
    try __doorbell
    [[ $stderr == *'this peer is not in the table of peers'* ]]
}

@test "device: without interrupts, or none at all: what to do about it" {
    for command in list 'ring 3' wait name test; do
        # shellcheck disable=SC2086 # words
        try __doorbell $command
        fails 1 'cannot list devices'
    done
    ivshmem $DEVICE
    for command in list 'ring 3' wait name test; do
        # shellcheck disable=SC2086 # words
        try __doorbell $command
        fails 1 'this VM was started with SHMEM_MODE=plain: its device at 0000:00:04.0 has no interrupts'
    done
    bytes "$TREE/$DEVICE/config" $((0x34)) 48
    try __doorbell
    fails 1 'cannot read devices/0000:00:04.0/config: it is cut short; run as root'
    doorbell_device
    rm "$TREE/$DEVICE/resource0"
    try __doorbell
    fails 1 'cannot open devices/0000:00:04.0/resource0: No such file or directory; run as root'
}

@test "device: of a table with more vectors than a program uses, those that it does" {
    doorbell_device ff
    connected 6 6
    try __doorbell ring 6 63
    [ "$status" -eq 0 ]
    try __doorbell
    [ "${lines[0]}" = 'this is peer 5, each has 64 vectors' ]
}

@test "device: a list of capabilities that goes in circles ends" {
    doorbell_device
    bytes "$TREE/$DEVICE/config" $((0x48)) 09 48 00 00
    try __doorbell
    fails 1 'SHMEM_MODE=plain'
}

@test "device: what wait needs beyond that" {
    doorbell_device
    local folder=$TREE/$DEVICE
    try __doorbell wait
    fails 1 'is bound to no driver, and waiting needs vfio-pci; as root: echo vfio-pci >'
    ln -s drivers/uio "$folder/driver"
    try __doorbell wait
    fails 1 'is bound to uio, and waiting needs vfio-pci'
    ln -sfn drivers/vfio-pci "$folder/driver"
    try __doorbell wait
    fails 1 'cannot open vfio/vfio: No such file or directory; run as root, on a kernel with CONFIG_VFIO'
    mkdir $VFIO
    : >$VFIO/vfio
    try __doorbell test
    fails 1 'echo Y >/sys/module/vfio/parameters/enable_unsafe_noiommu_mode'
}
