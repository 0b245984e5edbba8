#!/usr/bin/env bats
# shellcheck disable=SC2016,SC2030,SC2031,SC2154 # code in quotes; what bats and background() set
# QEMU's command line, and how each knob changes it.

load helpers

setup() {
    begin
    make_lab
    export SHMEM_SIZE=128M
    # Prints the command line of a VM, one argument per line.
    script command_of <<'END'
config_load
above_4g=$(qemu_bar_above_4g)
ACCEL=${2:-tcg}
accel_choose accel reason cpu
command=$(qemu_command "${1:-vm1}" "$accel" "$cpu" "$above_4g")
eval "printf '%s\n' $command"
END
    has_membar yes
}

# Makes a QEMU whose pci-testdev has a large BAR if $1 is yes.
has_membar() {
    if [[ $1 == yes ]]; then
        stub qemu-system-x86_64 <<<'[[ $* == "-device pci-testdev,help" ]] && echo "  membar=<size>  -  (default: 0)"'
    else
        stub qemu-system-x86_64 <<<'[[ $* == "-device pci-testdev,help" ]] && echo "pci-testdev options:"'
    fi
}

# Makes a QEMU that has no pci-testdev, and has -netdev dgram if $1 is yes.
has_dgram() {
    if [[ $1 == yes ]]; then
        stub qemu-system-x86_64 <<<'[[ $* == "-netdev help" ]] && printf "user\ndgram\n"'
    else
        stub qemu-system-x86_64 <<<'[[ $* == "-netdev help" ]] && printf "user\nsocket\n"'
    fi
}

# Prints the values of option $1 in the command line in $output.
option() {
    grep -A 1 -x -e "$1" <<<"$output" | grep -v -x -e "$1" -e -- || true
}

# the_option NAME PATTERN: succeeds if exactly one value of option NAME matches.
the_option() {
    (($(option "$1" | grep -cE -e "$2" || true) == 1)) || failure "no single $1 with $2"
}

no_option() {
    (($(option "$1" | grep -cE -e "$2" || true) == 0)) || failure "there is a $1 with $2"
}

@test "ivshmem-plain has a memory backend that is shared, preallocated and of size SHMEM_SIZE" {
    succeeds ./command_of
    the_option -object '^memory-backend-file,'
    the_option -object '(^|,)share=on(,|$)'
    the_option -object '(^|,)prealloc=on(,|$)'
    the_option -object "(^|,)size=$((128 << 20))(,|\$)"
    the_option -object '(^|,)mem-path=/dev/shm/ivshmem-[0-9]+(,|$)'
    the_option -object '(^|,)id=shmem(,|$)'
    the_option -device '^ivshmem-plain,.*memdev=shmem'
}

@test "all VMs of a lab share one region; another lab has its own" {
    local first
    succeeds ./command_of vm1
    first=$(option -object)
    succeeds ./command_of vm2
    same "$first" "$(option -object)"
    succeeds env VM_DIR="$VM_DIR-2" ./command_of vm1
    [[ $first != "$(option -object)" ]] || failure 'the same region'
}

@test "SHMEM_SIZE sets the region's size, SHMEM_HUGEPAGES=yes puts it on huge pages" {
    succeeds env SHMEM_SIZE=4M ./command_of
    the_option -object "(^|,)size=4194304(,|\$)"
    succeeds env SHMEM_HUGEPAGES=yes ./command_of
    the_option -object '(^|,)mem-path=/dev/hugepages/ivshmem-[0-9]+(,|$)'
    the_option -object '(^|,)share=on(,|$)'
}

@test "SHMEM_MORE adds plain devices at slots 8 to f, each with its own file, in both modes" {
    local mode number
    local -a slots=(- - 8 9 a b c d e f)
    for mode in plain doorbell; do
        succeeds env SHMEM_MODE="$mode" SHMEM_MORE='64M 1M 2M 2M 2M 2M 2M 4M' ./command_of
        for number in {2..9}; do
            the_option -device "^ivshmem-plain,memdev=shmem$number,addr=${slots[number]}\$"
            the_option -object "^memory-backend-file,id=shmem$number,mem-path=/dev/shm/ivshmem-[0-9]+-$number,size=[0-9]+,share=on,prealloc=on\$"
        done
        the_option -object 'id=shmem2,.*,size=67108864,'
        the_option -object 'id=shmem9,.*,size=4194304,'
        the_option -device "^ivshmem-$mode,.*,addr=4\$"
    done
    succeeds ./command_of
    (($(option -device | grep -c ivshmem) == 1)) || failure 'more than one device without SHMEM_MORE'
}

@test "the kernel's command line names the lab's own device" {
    local device
    succeeds env SHMEM_MORE=1M ./command_of
    device=$(option -device | grep memdev=shmem,)
    the_option -append "(^| )lab.region=0000:00:0${device##*addr=}.0( |\$)"
}

@test "SHMEM_PREALLOC=no: QEMU does not allocate the regions either" {
    succeeds env SHMEM_PREALLOC=no SHMEM_MORE=1M ./command_of
    (($(option -object | grep -c 'prealloc=off') == 2)) || failure 'not off for both'
    no_option -object prealloc=on
}

@test "VM_CPUS, VM_MAXCPUS and VM_MEMORY set -smp and -m" {
    succeeds ./command_of
    the_option -smp '^1,maxcpus=2,sockets=2,cores=1,threads=1$'
    same 512 "$(mebibytes)"
    succeeds env VM_CPUS=3 VM_MAXCPUS=5 VM_MEMORY=1G ./command_of
    the_option -smp '^3,maxcpus=5,sockets=5,cores=1,threads=1$'
    same 1024 "$(mebibytes)"
    succeeds env VM_CPUS=4 ./command_of
    the_option -smp '^4,maxcpus=4,sockets=4,cores=1,threads=1$'
}

# Prints the value of -m in MiB.
mebibytes() {
    local memory
    memory=$(option -m)
    echo $(($(numfmt --from=iec "$memory") >> 20))
}

@test "TCG has a maxcpus of at least 2 by default: with 1, QEMU drops LOCK" {
    succeeds ./command_of vm1 tcg
    [[ $(option -smp) =~ maxcpus=([0-9]+) ]]
    ((BASH_REMATCH[1] >= 2))
}

@test "KVM and TCG each use the CPU model with all features" {
    succeeds ./command_of vm1 kvm
    the_option -accel '^kvm'
    the_option -cpu '^host'
    succeeds ./command_of vm1 tcg
    the_option -accel '^tcg'
    the_option -cpu '^max'
}

@test "BAR_ABOVE_4G: yes, no, and auto, which depends on QEMU" {
    local membar
    for membar in yes no; do
        has_membar "$membar"
        succeeds env BAR_ABOVE_4G=yes ./command_of
        the_option -device '^pci-testdev,.*membar=4G'
        succeeds env BAR_ABOVE_4G=no ./command_of
        no_option -device pci-testdev
    done
    succeeds env BAR_ABOVE_4G=auto ./command_of
    no_option -device pci-testdev
    has_membar yes
    succeeds env BAR_ABOVE_4G=auto ./command_of
    the_option -device '^pci-testdev,.*membar=4G'
}

@test "the ivshmem device has the same PCI address with and without the large BAR" {
    local device
    succeeds env BAR_ABOVE_4G=yes ./command_of
    device=$(option -device | grep ivshmem)
    succeeds env BAR_ABOVE_4G=no ./command_of
    same "$device" "$(option -device | grep ivshmem)"
}

@test "QEMU_ARGS is split like in a shell: quotes work, nothing is expanded" {
    succeeds env QEMU_ARGS="-fw_cfg 'name=opt/a b,string=it is' -x \"say 'hi'\" -y \$HOME -z * -q \`touch x\` a\\ b" ./command_of
    same "-fw_cfg
name=opt/a b,string=it is
-x
say 'hi'
-y
\$HOME
-z
*
-q
\`touch
x\`
a b" "$(tail -n 12 <<<"$output")"
    [[ ! -e x ]]
}

@test "an empty or blank QEMU_ARGS adds no argument" {
    local plain
    succeeds ./command_of
    plain=$(wc -l <<<"$output")
    succeeds env QEMU_ARGS= ./command_of
    same "$plain" "$(wc -l <<<"$output")"
    succeeds env QEMU_ARGS='  ' ./command_of
    # An empty last argument would print an empty last line, and $output would lose it.
    same "$plain" "$(QEMU_ARGS='  ' ./command_of | wc -l)"
}

@test "each VM has its own name, disk, sockets and MAC address" {
    local one two
    succeeds ./command_of vm1
    one=$output
    the_option -name '^vm1'
    the_option -drive "(^|,)file=$VM_DIR/vm1/disk.qcow2(,|\$)"
    the_option -qmp "^unix:$VM_DIR/vm1/"
    the_option -pidfile "^$VM_DIR/vm1/pid\$"
    the_option -append '(^| )hostname=vm1( |$)'
    the_option -append '(^| )console=ttyS0( |$)'
    the_option -append '(^| )panic=-1( |$)'
    grep -qx -e -no-reboot <<<"$output"
    succeeds ./command_of vm2
    two=$(option -device | grep -o 'mac=[^,]*')
    output=$one
    one=$(option -device | grep -o 'mac=[^,]*')
    [[ $one =~ ^mac=52:54:00(:[0-9a-f]{2}){3}$ && $one != "$two" ]] || failure "MAC addresses: $one $two"
}

@test "Ctrl-C goes to the guest, the console is logged, and ssh listens on the loopback only" {
    succeeds ./command_of
    the_option -chardev "^stdio,.*signal=off.*logfile=$VM_DIR/vm1/console.log"
    the_option -netdev '^user,.*hostfwd=tcp:127.0.0.1:0-:22'
}

@test "SHMEM_MODE=plain opens the region itself, doorbell gets it from the server" {
    succeeds ./command_of
    the_option -device '^ivshmem-plain,memdev=shmem(,|$)'
    the_option -object '^memory-backend-file,id=shmem,.*share=on.*prealloc=on'
    no_option -device ivshmem-doorbell
    refuted grep -qE 'noiommu|lab\.driver' <<<"$output"
    succeeds env SHMEM_MODE=doorbell ./command_of
    the_option -device '^ivshmem-doorbell,chardev=server,vectors=8(,|$)'
    the_option -chardev "^socket,id=server,path=$VM_DIR/server/socket\$"
    the_option -append '(^| )vfio.enable_unsafe_noiommu_mode=1( |$)'
    no_option -device ivshmem-plain
    no_option -object memory-backend-file
    succeeds env SHMEM_MODE=doorbell SERVER_VECTORS=64 ./command_of
    the_option -device '^ivshmem-doorbell,chardev=server,vectors=64(,|$)'
}

@test "GUEST_DRIVER reaches the guest if it has a device with interrupts" {
    local driver
    for driver in vfio uio none; do
        succeeds env SHMEM_MODE=doorbell GUEST_DRIVER=$driver ./command_of
        the_option -append "(^| )lab.driver=$driver( |\$)"
        the_option -append '(^| )vfio.enable_unsafe_noiommu_mode=1( |$)'
    done
    succeeds env QEMU_ARGS='-chardev socket,id=c,path=/tmp/s -device ivshmem-doorbell,chardev=c' ./command_of
    the_option -append '(^| )lab.driver=none( |$)'
    succeeds env QEMU_ARGS='-name doorbell' ./command_of
    refuted grep -q 'lab\.driver' <<<"$output"
}

@test "under TCG, the kernel is told that the TSC is reliable" {
    succeeds ./command_of vm1 tcg yes
    the_option -append '(^| )tsc=reliable( |$)'
    succeeds ./command_of vm1 kvm yes
    refuted grep -q 'tsc=' <<<"$output"
}

@test "the VM has a virtio keyboard for the power key" {
    succeeds ./command_of
    the_option -device '^virtio-keyboard-pci'
}

@test "a link joins vm1 and vm2 only, if QEMU has -netdev dgram" {
    has_dgram yes
    succeeds ./command_of vm1
    the_option -netdev "^dgram,id=link,local.type=unix,local.path=$VM_DIR/vm1/link.sock,remote.type=unix,remote.path=$VM_DIR/vm2/link.sock\$"
    the_option -device '^virtio-net-pci,netdev=link,mac=52:54:00:.*:81,.*addr=7$'
    succeeds ./command_of vm2
    the_option -netdev "^dgram,id=link,local.type=unix,local.path=$VM_DIR/vm2/link.sock,remote.type=unix,remote.path=$VM_DIR/vm1/link.sock\$"
    the_option -device '^virtio-net-pci,netdev=link,mac=52:54:00:.*:82,.*addr=7$'
    succeeds ./command_of vm3
    no_option -netdev dgram
    has_dgram no
    succeeds ./command_of vm1
    no_option -netdev dgram
    no_option -device netdev=link
}
