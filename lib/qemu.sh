# shellcheck shell=bash
# The QEMU command line of a VM.

# Does this QEMU have a device with a large 64-bit BAR (pci-testdev with membar, QEMU 4.2 and later)?
qemu_has_large_bar() {
    qemu-system-x86_64 -device pci-testdev,help 2>/dev/null | grep -q membar
}

# Can this QEMU join two VMs by datagram sockets (-netdev dgram, QEMU 7.2 and later)?
qemu_has_dgram() {
    qemu-system-x86_64 -netdev help 2>/dev/null | grep -x dgram >/dev/null
}

# Prints yes or no: whether the BAR goes above 4 GiB. With BAR_ABOVE_4G=auto, if this QEMU can do it.
qemu_bar_above_4g() {
    if [[ $BAR_ABOVE_4G != auto ]]; then
        printf '%s' "$BAR_ABOVE_4G"
    elif qemu_has_large_bar; then
        printf yes
    else
        printf no
    fi
}

# qemu_kernel_arguments NAME ACCEL: prints the kernel's command line. hostname= needs Linux 5.19; older kernels take the name
# from ip=.
qemu_kernel_arguments() {
    local name=$1 accel=$2
    printf '%s' "root=/dev/vda rw quiet console=ttyS0 panic=-1 net.ifnames=0 hostname=$name ip=::::$name:eth0:dhcp"
    # All emulated CPUs read the host's TSC. Linux cannot know that, and would use a clock that is slower to read.
    [[ $accel != tcg ]] || printf ' tsc=reliable'
    # The port of the PM timer (SeaBIOS: src/config.h, PORT_ACPI_PM_BASE). The kernel would learn it from ACPI.
    printf ' pmtmr=0x608'
    # The lab's own ivshmem device, for the programs and for lab-driver. There may be others.
    printf ' lab.region=0000:00:0%s.0' "$(shmem_slot 1)"
    # guest/usr/local/sbin/lab-driver reads lab.driver. Disks of older kits have a unit that looks for vfio's parameter instead. A
    # device of the user's own may have interrupts in plain mode too.
    case $SHMEM_MODE,${QEMU_EXTRA[*]-} in
    doorbell,*) printf ' vfio.enable_unsafe_noiommu_mode=1 lab.driver=%s' "$GUEST_DRIVER" ;;
    *ivshmem-doorbell*) printf ' lab.driver=none' ;;
    esac
}

# qemu_mac NAME [OFFSET]: prints a MAC address that only this VM of this lab has (52:54:00 is QEMU's range), so that VMs can
# share a network. OFFSET gives its second device another one.
qemu_mac() {
    local id
    id=$(lab_id)
    printf '52:54:00:%02x:%02x:%02x' $((id >> 8 & 255)) $((id & 255)) $((${1#vm} + ${2:-0}))
}

# Prints the VM at the other end of the link of VM $1: vm1 and vm2 have one, if this QEMU can make it.
qemu_link_peer() {
    case $1 in
    vm1) ! qemu_has_dgram || printf vm2 ;;
    vm2) ! qemu_has_dgram || printf vm1 ;;
    esac
}

# Prints the memory backend of region N. prealloc=on: a full /dev/shm is an error at the start, and not a SIGBUS in the middle of
# a guest's store.
qemu_region() {
    local prealloc=on
    [[ $SHMEM_PREALLOC == yes ]] || prealloc=off
    printf 'memory-backend-file,id=shmem%s,mem-path=%s,size=%d,share=on,prealloc=%s' \
        "$(shmem_suffix "$1")" "$(shmem_path "$1")" "${REGION_BYTES[$1]}" "$prealloc"
}

# qemu_command NAME ACCEL CPU ABOVE_4G: prints the command that runs VM NAME with its console on stdio, in one line, quoted
# for the shell. ACCEL is kvm or tcg, CPU is QEMU's model, ABOVE_4G is yes or no.
qemu_command() {
    local name=$1 accel=$2 cpu=$3 above_4g=$4 dir=$VM_DIR/$1 peer number
    local -a command=(qemu-system-x86_64)

    # A PC without default devices. -no-reboot turns a reset into an exit of QEMU. A guest without ACPI powers down by a
    # reset, and with panic=-1 a crash of its kernel causes one, too.
    command+=(-name "$name" -no-user-config -nodefaults -display none -no-reboot)
    command+=(-machine pc -accel "$accel" -cpu "$cpu")
    # One socket for each CPU: the firmware's MP table lists only the first CPU of a socket (SeaBIOS: src/fw/mptable.c).
    command+=(-smp "$VM_CPUS,maxcpus=$VM_MAXCPUS,sockets=$VM_MAXCPUS,cores=1,threads=1" -m "$((VM_MEMORY_BYTES >> 10))K")

    command+=(-kernel "$VM_DIR/kernel/vmlinux" -append "$(qemu_kernel_arguments "$name" "$accel")")
    command+=(-drive "if=none,id=disk,format=qcow2,file=$dir/disk.qcow2")
    command+=(-device "virtio-blk-pci,drive=disk,addr=2.0,multifunction=on")
    # The kernel's disk (setup/modules.sh). As a function of the same device it adds no line to the firmware's table of
    # interrupts (SeaBIOS: src/fw/mptable.c).
    command+=(-drive "if=none,id=kernel,format=raw,readonly=on,file=$VM_DIR/modules/disk.ext4")
    command+=(-device "virtio-blk-pci,drive=kernel,addr=2.1")

    # Port 0: the host's kernel picks a free one, and QMP's "info usernet" tells which.
    command+=(-netdev "user,id=net,hostfwd=tcp:127.0.0.1:0-:22")
    command+=(-device "virtio-net-pci,netdev=net,mac=$(qemu_mac "$name"),romfile=,addr=3")

    case $SHMEM_MODE in
    plain)
        command+=(-object "$(qemu_region 1)")
        command+=(-device "ivshmem-plain,memdev=shmem,addr=$(shmem_slot 1)")
        ;;
    doorbell)
        # The server passes the same file to QEMU. start.sh has allocated it.
        command+=(-chardev "socket,id=server,path=$VM_DIR/server/socket")
        command+=(-device "ivshmem-doorbell,chardev=server,vectors=$SERVER_VECTORS,addr=$(shmem_slot 1)")
        ;;
    esac
    # SHMEM_MORE. These devices have no interrupt, so they take nothing of the firmware's table (config_check_cpus): ivshmem of
    # revision 1 has no INTx (QEMU: docs/specs/ivshmem-spec).
    for number in "${!REGION_BYTES[@]}"; do
        ((number > 1)) || continue
        command+=(-object "$(qemu_region "$number")")
        command+=(-device "ivshmem-plain,memdev=shmem$number,addr=$(shmem_slot "$number")")
    done
    # A link to the other VM, for bench.sh to compare TCP with: eth1 in both, down and without an address until somebody
    # sets it up. Each end is a datagram socket: either VM may start first, and frames to a VM that is down are lost.
    peer=$(qemu_link_peer "$name")
    if [[ -n $peer ]]; then
        command+=(-netdev "dgram,id=link,local.type=unix,local.path=$dir/link.sock,remote.type=unix,remote.path=$VM_DIR/$peer/link.sock")
        command+=(-device "virtio-net-pci,netdev=link,mac=$(qemu_mac "$name" 128),romfile=,addr=7")
    fi

    # A BAR this large makes SeaBIOS place all 64-bit BARs above 4 GiB, also the region's.
    [[ $above_4g == no ]] || command+=(-device "pci-testdev,membar=4G,addr=5")

    # A key of this keyboard is the VM's power button (POWER_KEY).
    command+=(-device "virtio-keyboard-pci,addr=6")

    # The first serial port is the console, on this terminal; Ctrl-C goes to the guest. On the second one the guest reports
    # that it is ready.
    command+=(-chardev "stdio,id=console,signal=off,logfile=$dir/console.log" -serial chardev:console)
    command+=(-chardev "file,id=ready,path=$dir/ready" -serial chardev:ready)
    command+=(-qmp "unix:$dir/qmp.sock,server=on,wait=off" -pidfile "$dir/pid")

    command+=("${QEMU_EXTRA[@]}")
    printf '%s\n' "${command[*]@Q}"
}
