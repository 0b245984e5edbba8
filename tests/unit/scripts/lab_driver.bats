#!/usr/bin/env bats
# shellcheck disable=SC2016,SC2154 # code in quotes; what bats sets
# lab-driver of the guests, over a tree of files that stands for sysfs and /proc.

load helpers

A=0000:00:04.0 B=0000:00:08.0

setup() {
    begin
    GUEST=$BATS_TEST_TMPDIR/guest
    mkdir -p "$GUEST"/{sys/bus/pci/{devices,drivers/{vfio-pci,ivshmem_uio}},sys/module/vfio/parameters,proc/77/fd,dev/vfio,lib/modules}
    echo N >"$GUEST/sys/module/vfio/parameters/enable_unsafe_noiommu_mode"
    echo 'quiet lab.driver=uio ip=x' >"$GUEST/proc/cmdline"
    sed "s|/sys/|$GUEST/sys/|g; s|/proc/|$GUEST/proc/|g; s|/lib/modules/|$GUEST/lib/modules/|g" \
        guest/usr/local/sbin/lab-driver >"$BATS_TEST_TMPDIR/lab-driver"
    chmod +x "$BATS_TEST_TMPDIR/lab-driver"
    device 0000:00:02.0 0x1af4 0x1001 0x00000000febf0000
    device $A 0x1af4 0x1110 0x00000000febf1000
    device $B 0x1af4 0x1110 0x0000000000000000
    local tool
    for tool in insmod rmmod setpci; do
        stub $tool <<<"echo $tool \"\$@\" >>'$BATS_TEST_TMPDIR/calls'"
    done
}

# device ADDRESS VENDOR DEVICE BAR1: adds a PCI device.
device() {
    local folder=$GUEST/sys/bus/pci/devices/$1
    mkdir "$folder"
    echo "$2" >"$folder/vendor"
    echo "$3" >"$folder/device"
    printf '%s 0x0 0x0\n' 0x00000000fe000000 "$4" 0x0000000200000000 >"$folder/resource"
}

# bound ADDRESS DRIVER: as the kernel shows a device that this driver has.
bound() {
    ln -sfn "../../drivers/$2" "$GUEST/sys/bus/pci/devices/$1/driver"
    ln -sfn "../../devices/$1" "$GUEST/sys/bus/pci/drivers/$2/$1"
}

# What was written to driver_override of device $1.
override() {
    cat "$GUEST/sys/bus/pci/devices/$1/driver_override"
}

@test "lab-driver: help, and words that it does not know" {
    succeeds "$BATS_TEST_TMPDIR/lab-driver" --help
    prints 'vfio' 'uio' 'none' 'boot' 'Example: '
    local word
    for word in '' x vfio-pci UIO 'vfio uio' --helpme '*'; do
        fails 2 "$BATS_TEST_TMPDIR/lab-driver" "$word"
        same "lab-driver: '$word' is not one of: vfio uio none boot" "$stderr"
    done
    fails 2 "$BATS_TEST_TMPDIR/lab-driver" vfio uio
    same "lab-driver: 'vfio uio' is not one of: vfio uio none boot" "$stderr"
}

@test "lab-driver: reports who has each device" {
    bound $A ivshmem_uio
    mkdir -p "$GUEST/sys/bus/pci/devices/$A/uio/"{uio3,uio4}
    succeeds "$BATS_TEST_TMPDIR/lab-driver"
    same "$A ivshmem_uio /dev/uio3 /dev/uio4" "${lines[0]}"
    same "$B no driver" "${lines[1]}"
    same 2 "${#lines[@]}"
}

@test "lab-driver vfio: only devices with interrupts, and vfio may work without an IOMMU" {
    bound $A vfio-pci
    ln -s ../../../kernel/iommu_groups/7 "$GUEST/sys/bus/pci/devices/$A/iommu_group"
    succeeds "$BATS_TEST_TMPDIR/lab-driver" vfio
    same "$A vfio-pci /dev/vfio/noiommu-7" "${lines[0]}"
    same vfio-pci "$(override $A)"
    same '' "$(override $B)"
    same Y "$(cat "$GUEST/sys/module/vfio/parameters/enable_unsafe_noiommu_mode")"
    [[ ! -e $BATS_TEST_TMPDIR/calls ]]
    [[ ! -e $GUEST/sys/bus/pci/devices/0000:00:02.0/driver_override ]]
}

@test "lab-driver uio loads the module and gives it all devices; boot does what the command line says" {
    local word
    for word in uio boot; do
        rm -f "$BATS_TEST_TMPDIR/calls"
        ln -sfn "../../devices/$A" "$GUEST/sys/bus/pci/drivers/ivshmem_uio/$A"
        ln -sfn "../../devices/$B" "$GUEST/sys/bus/pci/drivers/ivshmem_uio/$B"
        succeeds "$BATS_TEST_TMPDIR/lab-driver" $word
        same "insmod $GUEST/lib/modules/$(uname -r)/kernel/ivshmem_uio.ko" "$(cat "$BATS_TEST_TMPDIR/calls")"
        same 'ivshmem_uio ivshmem_uio' "$(override $A) $(override $B)"
    done
    rm "$GUEST/sys/bus/pci/drivers/ivshmem_uio/$B"
    fails 1 "$BATS_TEST_TMPDIR/lab-driver" uio
    same "lab-driver: ivshmem_uio does not take $B; see: dmesg | tail" "$stderr"
    stub insmod <<<'echo "insmod: ERROR: no such file" >&2; exit 1'
    fails 1 "$BATS_TEST_TMPDIR/lab-driver" uio
    same 'lab-driver: insmod: ERROR: no such file; see: dmesg | tail' "$stderr"
}

@test "lab-driver none: unbinds, unloads the lab's module, and makes the devices bus masters" {
    bound $A ivshmem_uio
    mkdir "$GUEST/sys/module/ivshmem_uio"
    succeeds "$BATS_TEST_TMPDIR/lab-driver" none
    same $A "$(cat "$GUEST/sys/bus/pci/drivers/ivshmem_uio/unbind")"
    same '' "$(override $A)$(override $B)"
    same $'rmmod ivshmem_uio\nsetpci -d 1af4:1110 COMMAND=4:4' "$(cat "$BATS_TEST_TMPDIR/calls")"
}

@test "lab-driver refuses while a program has a device open, and changes nothing" {
    bound $B vfio-pci
    bound $A ivshmem_uio
    mkdir -p "$GUEST/sys/bus/pci/devices/$A/uio/uio0" "$GUEST/sys/module/ivshmem_uio"
    ln -s /dev/uio0 "$GUEST/proc/77/fd/3"
    echo waiter >"$GUEST/proc/77/comm"
    fails 1 "$BATS_TEST_TMPDIR/lab-driver" none
    same 'lab-driver: waiter (process 77) has /dev/uio0 open; end it first' "$stderr"
    [[ ! -e $GUEST/sys/bus/pci/devices/$B/driver_override && ! -e $BATS_TEST_TMPDIR/calls ]]
    ln -sfn /dev/uio01 "$GUEST/proc/77/fd/3"
    echo '7f0000000000-7f0008000000 rw-s 00001000 00:05 91                 /dev/uio0' >"$GUEST/proc/77/maps"
    fails 1 "$BATS_TEST_TMPDIR/lab-driver" none
    same 'lab-driver: waiter (process 77) has /dev/uio0 open; end it first' "$stderr"
    rm "$GUEST/proc/77/maps"
    succeeds "$BATS_TEST_TMPDIR/lab-driver" none
}

@test "lab-driver: a VM without the device, and a kernel without vfio" {
    rm "$GUEST/sys/module/vfio/parameters/enable_unsafe_noiommu_mode"
    fails 1 "$BATS_TEST_TMPDIR/lab-driver" vfio
    same 'lab-driver: this kernel has no vfio for devices without an IOMMU (CONFIG_VFIO_NOIOMMU)' "$stderr"
    rm -r "$GUEST/sys/bus/pci/devices/"{$A,$B}
    fails 1 "$BATS_TEST_TMPDIR/lab-driver" none
    same 'lab-driver: this VM has no ivshmem device; see: lspci -d 1af4:1110' "$stderr"
    succeeds "$BATS_TEST_TMPDIR/lab-driver"
    same '' "$output"
}
