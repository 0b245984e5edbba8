#!/usr/bin/env bats
# shellcheck disable=SC2016 # code in quotes, for the guests
# The lab's driver (driver/) and lab-driver in real VMs, with a second device beside the lab's own.
# bats file_tags=e2e

load helpers

setup_file() {
    begin_on_built_lab
    truncate -s 2M "$E2E_DIR/second"
    export SHMEM_MODE=doorbell GUEST_DRIVER=uio TOOLS=$E2E_DIR/tools
    export QEMU_ARGS="-object memory-backend-file,id=second,mem-path=$E2E_DIR/second,size=2M,share=on
        -device ivshmem-plain,memdev=second,addr=8"
    QEMU_ARGS=${QEMU_ARGS//$'\n'/ }
    mkdir -p "$TOOLS"
    make -s -C driver uio_example >&2
    gcc -O2 -Wall -Wextra -Werror -static -o "$TOOLS/hostile_maps" "$BATS_TEST_DIRNAME/hostile_maps.c"
    cp driver/uio_example "$TOOLS"
    ./start.sh vm1 vm2 >&2
    for vm in vm1 vm2; do
        scp -q -F "$VM_DIR/ssh/config" "$TOOLS/"* "$vm:/usr/local/bin/"
    done
}

teardown_file() {
    "$KIT/stop.sh" --set STOP_TIMEOUT=10 >&2 || true
    rm -f "$E2E_DIR/second"
}

# Each test finds the devices with ivshmem_uio, and open in no program.
setup() {
    local vm
    cd "$KIT" || return
    for vm in vm1 vm2; do
        ./run.sh "$vm" sh -c 'while pkill uio_example || pkill __doorbell; do :; done; lab-driver uio'
    done
}

teardown() {
    end_background
}

# listens VM: starts the example there as background process VM, and returns when it waits.
listens() {
    background "$1" ./run.sh "$1" uio_example uio0 </dev/null
    wait_until_said "$BATS_TEST_TMPDIR/out.$1" 'peer '
}

# sends FROM TO TEXT: sends TEXT to the VM that listens. Has it come? QEMU may ignore a ring for a newcomer, so this is repeated.
sends() {
    ./run.sh "$1" uio_example uio0 "$(sed -n 's/^peer //p' "$BATS_TEST_TMPDIR/out.$2")" "$3"
    grep -q "^interrupt [0-9]*: $3\$" "$BATS_TEST_TMPDIR/out.$2"
}

# The number of interrupts that vector 0 of VM $1 has had.
interrupts() {
    ./run.sh "$1" cat /sys/class/uio/uio0/event
}

@test "GUEST_DRIVER=uio: at boot, each vector is a UIO device, and so is the second region" {
    succeeds ./run.sh vm1 lab-driver
    same '0000:00:04.0 ivshmem_uio /dev/uio0 /dev/uio1 /dev/uio2 /dev/uio3 /dev/uio4 /dev/uio5 /dev/uio6 /dev/uio7' "${lines[0]}"
    same '0000:00:08.0 ivshmem_uio /dev/uio8' "${lines[1]}"
    succeeds ./run.sh vm1 sh -c 'cd /sys/class/uio && cat uio7/name uio8/name uio0/maps/map1/size uio8/maps/map1/size'
    same "ivshmem_uio.7 ivshmem_uio.0 0x0000000008000000 0x0000000000200000" "$(xargs <<<"$output")"
}

@test "the example: messages both ways" {
    listens vm2
    wait_until sends vm1 vm2 'from one'
    listens vm1
    wait_until sends vm2 vm1 'from two'
}

@test "10,000 interrupts, none is lost" {
    local before
    before=$(interrupts vm2)
    background one ./run.sh vm1 __doorbell test -d 00:04.0 -n 10000 </dev/null
    background two ./run.sh vm2 __doorbell test -d 00:04.0 -n 10000 </dev/null
    background_ended two 0
    prints 'none was lost'
    background_ended one 0
    prints 'none was lost'
    (($(interrupts vm2) - before >= 10000))
}

@test "several programs of a VM wait for the same vector, and each for its own" {
    background first ./run.sh vm2 __doorbell wait -d 00:04.0 -t 600 </dev/null
    background second ./run.sh vm2 __doorbell wait -d 00:04.0 -t 600 </dev/null
    background third ./run.sh vm2 __doorbell wait -d 00:04.0 -t 3 5 </dev/null
    for name in first second third; do wait_until_said "$BATS_TEST_TMPDIR/err.$name" 'waiting for vector'; done
    id=$(sed -n 's/.*this is peer \([0-9]*\)$/\1/p' "$BATS_TEST_TMPDIR/err.first")
    ./run.sh vm1 uio_example uio0 "$id" rings
    background_ended first 0
    background_ended second 0
    background_ended third 3
}

@test "the second region is separate, and the host sees what a VM writes there" {
    ./run.sh vm1 uio_example uio8 0 'in the second region'
    same 'in the second region' "$(tail -c +$((0x3001)) "$E2E_DIR/second" | head -c 20)"
    ./run.sh vm1 uio_example uio0 0 'in the first region'
    same 'in the second region' "$(tail -c +$((0x3001)) "$E2E_DIR/second" | head -c 20)"
}

@test "the memory is mapped write-back, the registers uncached" {
    listens vm1
    succeeds ./run.sh vm1 cat /sys/kernel/debug/x86/pat_memtype_list
    grep -q '\[mem 0x0000000200000000-0x0000000208000000\] write-back' <<<"$output"
    grep -q '\[mem 0x00000000f[0-9a-f]*000-0x00000000f[0-9a-f]*000\] uncached-minus' <<<"$output"
}

@test "a hostile program does not get beyond the maps" {
    succeeds ./run.sh vm1 hostile_maps /dev/uio0 0x8000000
    same '' "$output"
    succeeds ./run.sh vm1 hostile_maps /dev/uio8 0x200000
    same '' "$output"
}

@test "rmmod fails while a program waits; the program goes on" {
    listens vm2
    fails 1 ./run.sh vm2 rmmod ivshmem_uio
    says 'ivshmem_uio is in use'
    wait_until sends vm1 vm2 'still here'
}

@test "a program that waits gets an error when its device is unbound" {
    background waiter ./run.sh vm2 __doorbell wait -d 00:04.0 </dev/null
    wait_until_said "$BATS_TEST_TMPDIR/err.waiter" 'waiting for vector'
    ./run.sh vm2 sh -c 'echo 0000:00:04.0 >/sys/bus/pci/drivers/ivshmem_uio/unbind'
    background_ended waiter 1
    says 'vector 0 gets no more interrupts: Input/output error; was the device taken from ivshmem_uio?'
}

@test "lab-driver switches in a running guest, and the kit's programs follow" {
    succeeds ./run.sh vm2 lab-driver vfio
    same '0000:00:04.0 vfio-pci /dev/vfio/noiommu-0' "${lines[0]}"
    same '0000:00:08.0 no driver' "${lines[1]}"
    background waiter ./run.sh vm2 __doorbell wait -d 00:04.0 -t 600 </dev/null
    wait_until_said "$BATS_TEST_TMPDIR/err.waiter" 'waiting for vector'
    fails 1 ./run.sh vm2 lab-driver none
    says 'lab-driver: __doorbell (process' 'has /dev/vfio/noiommu-0 open; end it first'
    ./run.sh vm1 uio_example uio0 "$(sed -n 's/.*this is peer \([0-9]*\)$/\1/p' "$BATS_TEST_TMPDIR/err.waiter")" rings
    background_ended waiter 0
    succeeds ./run.sh vm2 lab-driver uio
    same '0000:00:08.0 ivshmem_uio /dev/uio8' "${lines[1]}"
    succeeds ./run.sh vm2 lab-driver uio
    listens vm2
    fails 1 ./run.sh vm2 lab-driver vfio
    says 'uio_example (process' 'has /dev/uio0 open; end it first'
    fails 2 ./run.sh vm2 lab-driver vfio-pci
    says "'vfio-pci' is not one of: vfio uio none"
}

@test "lab-driver none leaves the devices to a module that is loaded later, as bus masters" {
    succeeds ./run.sh vm2 lab-driver none
    same '0000:00:04.0 no driver 0000:00:08.0 no driver' "$(xargs <<<"$output")"
    ./run.sh vm2 sh -c '! grep -q ivshmem /proc/modules'
    same '07' "$(./run.sh vm2 setpci -s 04.0 COMMAND.b)"
    fails 1 ./run.sh vm2 __doorbell wait -d 00:04.0
    says 'is bound to no driver' 'lab-driver vfio'
    ./run.sh vm2 sh -c 'insmod /lib/modules/$(uname -r)/kernel/ivshmem_uio.ko'
    succeeds ./run.sh vm2 lab-driver
    prints '0000:00:04.0 ivshmem_uio /dev/uio0'
}

@test "GUEST_DRIVER=none: nobody has the device after boot" {
    ./stop.sh vm2
    GUEST_DRIVER=none ./start.sh vm2
    succeeds ./run.sh vm2 lab-driver
    same '0000:00:04.0 no driver 0000:00:08.0 no driver' "$(xargs <<<"$output")"
}

@test "SHMEM_MODE=plain: no driver after boot, and lab-driver uio makes it one UIO device" {
    ./stop.sh
    SHMEM_MODE=plain ./start.sh vm1
    succeeds ./run.sh vm1 lab-driver
    same '0000:00:04.0 no driver 0000:00:08.0 no driver' "$(xargs <<<"$output")"
    succeeds ./run.sh vm1 lab-driver uio
    same '0000:00:04.0 ivshmem_uio /dev/uio0 0000:00:08.0 ivshmem_uio /dev/uio1' "$(xargs <<<"$output")"
    fails 1 ./run.sh vm1 uio_example uio0
    says 'no more interrupts from /dev/uio0: Input/output error'
}
