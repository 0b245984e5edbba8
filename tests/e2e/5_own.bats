#!/usr/bin/env bats
# What users bring, in real VMs: regions, programs and commands of their own. Uses the lab that 1_lab.bats built.
# bats file_tags=e2e

load helpers

setup_file() {
    begin_on_built_lab
    gcc -std=gnu11 -O2 -static -Wall -Wextra -Werror -o "$BATS_FILE_TMPDIR/whole_region" "$BATS_TEST_DIRNAME/whole_region.c"
}

teardown_file() {
    stop_lab
}

setup() {
    cd "$KIT"
}

teardown() {
    end_background
}

# --- Regions: SHMEM_MORE, run.sh host, run.sh clear

# The devices of regions 2 and 3 in the guests.
SECOND=/sys/bus/pci/devices/0000:00:08.0/resource2 THIRD=/sys/bus/pci/devices/0000:00:09.0/resource2

# start_with NAME=VALUE...: starts vm1 and vm2 with these knobs, and puts whole_region into them.
start_with() {
    local name
    ./stop.sh --set STOP_TIMEOUT=10 >&2
    env "$@" ./start.sh vm1 vm2 >&2
    for name in vm1 vm2; do
        put_program "$name"
    done
}

put_program() {
    ./run.sh "$1" sh -c 'cat >/usr/local/bin/whole_region && chmod +x /usr/local/bin/whole_region' <"$BATS_FILE_TMPDIR/whole_region"
}

@test "regions: the kit's programs find the lab's own among several, take others with -d, and leave these alone" {
    start_with SHMEM_MORE='1M 64M'
    zeros=$(./run.sh vm1 whole_region sum "$SECOND")
    succeeds ./run.sh demo
    prints "Read from shmem: 'Other VM says hello world!'"
    succeeds ./run.sh vm2 __shmem
    prints 0000:00:04.0 '131072 KiB'
    same "$zeros" "$(./run.sh vm2 whole_region sum "$SECOND")"
    ./run.sh vm1 __read_write -d 00:08.0 'in the second'
    ./run.sh vm1 __read_write -d 00:09.0 -m wb 'in the third'
    succeeds ./run.sh vm2 __read_write -d 00:08.0
    prints "Read from shmem: 'in the second'"
    succeeds ./run.sh host bash -c '"$0" -f "$SHMEM_FILE3"' "$VM_DIR/bin/__read_write"
    prints "Read from shmem: 'in the third'"
    succeeds ./run.sh host __read_write
    prints "Read from shmem: 'Other VM says hello world!'"
}

@test "regions: run.sh clear zeroes one while VMs use it" {
    ./run.sh host "$BATS_FILE_TMPDIR/whole_region" fill "$VM_DIR/region" 1
    ./run.sh host bash -c '"$0" fill "$SHMEM_FILE3" 1' "$BATS_FILE_TMPDIR/whole_region"
    full=$(./run.sh vm1 whole_region sum "$THIRD")
    ./run.sh clear
    succeeds ./run.sh vm1 __read_write
    prints 'Written to shmem'
    same "$full" "$(./run.sh vm2 whole_region sum "$THIRD")"
    ./run.sh clear 3
    refuted test "$full" = "$(./run.sh vm2 whole_region sum "$THIRD")"
    cmp -n $((64 << 20)) "$VM_DIR/region3" /dev/zero
    running vm1
    running vm2
}

@test "regions: a file that was truncated under the VMs is noticed, and the remedy saves them" {
    truncate -s 1M "$VM_DIR/region3"
    succeeds ./status.sh
    prints 'Region 3 resized while VMs use it'
    complains 1 'region 3 of vm1, vm2 was resized' ./start.sh vm3
    eval "$(./status.sh --json | jq -r '.regions[2].advice' | sed 's/.*its size: //')"
    ./run.sh vm1 whole_region fill "$THIRD" 2
    same "$(./run.sh vm1 whole_region sum "$THIRD")" "$(./run.sh host "$BATS_FILE_TMPDIR/whole_region" sum "$VM_DIR/region3")"
    running vm1
}

@test "regions: in doorbell mode a second region keeps every byte while a VM is killed and comes back, and doorbells ring" {
    start_with SHMEM_MODE=doorbell SHMEM_MORE='64M'
    export SHMEM_MODE=doorbell SHMEM_MORE='64M'
    ./start.sh vm3
    # The guest gives the lab's own device to vfio-pci, and no other.
    ./run.sh vm1 test -e /sys/bus/pci/devices/0000:00:04.0/driver
    refuted ./run.sh vm1 test -e "${SECOND%/*}/driver"
    succeeds ./run.sh host bash -c 'test -S "$SHMEM_SOCKET" && echo "$SHMEM_SIZE2"'
    same $((64 << 20)) "$output"
    background one ./run.sh vm1 __doorbell test -n 10000 </dev/null
    background two ./run.sh vm2 __doorbell test -n 10000 </dev/null
    for seed in 1 2 3; do
        ./run.sh vm1 whole_region fill "$SECOND" "$seed"
        sum=$(./run.sh host "$BATS_FILE_TMPDIR/whole_region" sum "$VM_DIR/region2")
        kill -KILL "$(pid_of vm3)"
        same "$sum" "$(./run.sh vm2 whole_region sum "$SECOND")"
        ./start.sh vm3
        put_program vm3
        same "$sum" "$(./run.sh vm3 whole_region sum "$SECOND")"
        same "$sum" "$(./run.sh vm1 whole_region sum "$SECOND")"
    done
    background_ended two 0
    prints 'none was lost'
    background_ended one 0
    ./run.sh vm3 __bandwidth
    ./run.sh vm3 whole_region fill "$SECOND" 4
    same "$(./run.sh vm1 whole_region sum "$SECOND")" "$(./run.sh host "$BATS_FILE_TMPDIR/whole_region" sum "$VM_DIR/region2")"
    ./run.sh vm1 __doorbell list | grep -q vm3
    ./stop.sh vm3
}

@test "regions: a sparse one of 8 GiB: what one VM writes at its end the other reads" {
    start_with SHMEM_PREALLOC=no SHMEM_MORE=8G
    same $((8 << 30)) "$(./run.sh vm1 stat -c %s "$SECOND")"
    # Line 2 of the file resource is BAR 2. Above 4 GiB it has more than 8 digits.
    ./run.sh vm1 sh -c 'sed -n 3p "${0%2}"' "$SECOND" | grep -qE '^0x0*[1-9a-f][0-9a-f]{8,} '
    ./run.sh vm1 whole_region tail "$SECOND" 77
    same 77 "$(./run.sh vm2 whole_region tail "$SECOND")"
    same 77 "$(./run.sh host "$BATS_FILE_TMPDIR/whole_region" tail "$VM_DIR/region2")"
    (($(stat -L -c '%b * %B' "$VM_DIR/region2") < 1 << 24))
    ./run.sh vm1 __read_write -d 00:08.0 'in 8 GiB'
    succeeds ./run.sh vm2 __read_write -d 00:08.0 -m wb
    prints "'in 8 GiB'"
    ./run.sh clear 2
    same 0 "$(./run.sh vm2 whole_region tail "$SECOND")"
}
