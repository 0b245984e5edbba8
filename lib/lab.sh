# shellcheck shell=bash
# The lab's folder, VM_DIR: what is in it, whether it is a lab, its owner and its locks.
#
#   .ivshmem-lab         marks the folder as a lab; the scripts write to no folder without it
#   lock                 held by start.sh and stop.sh, and by setup.sh while it changes disks
#   setup.lock           held by setup.sh
#   bench.lock           held by bench.sh
#   manifest.json        what the lab was built from
#   accel-UID            whether KVM works for this user: the cached verdict (lib/accel.sh)
#   cache/               downloads: kernel/ and packages/
#   steps/STEP           the inputs of each finished step of setup
#   log/STEP.log         what each step printed
#   *.partial, *.tmp     what a step works on; if setup is killed, the next one removes them
#   kernel/              vmlinux, .config, manifest.json; build/, against which modules are built, and modules/;
#                        with KERNEL_KEEP_SOURCE=yes source/
#   modules/             disk.ext4, the kernel's disk (setup/modules.sh)
#   bootstrap/           the tree that debootstrap made, and beside it bootstrap.json: from where
#   packages/            only with GUEST_PACKAGES: tree/, a copy of that tree with the packages, and contents (setup/packages.sh)
#   rootfs/              a copy of the tree, configured for the lab, with the programs
#   images/base-*.ext4   base images made from rootfs/; the link images/base names the newest
#   ssh/                 id_ed25519 and host_ed25519, each with its .pub; known_hosts; config, for ssh -F
#   bin/                 the programs and the ivshmem server, built for the host
#   server/              the ivshmem server: socket, pid, peers, ready, log (lib/server.sh)
#   regions              the regions that the VMs were started with: a line "FILE BYTES" each (lib/shmem.sh)
#   region, region2…     links to the files of the regions, while they exist
#   vmN/                 a VM:
#       disk.qcow2           its disk, an overlay on a base image
#       command              the whole command line of QEMU
#       console.log          the console; of the start before: console.log.old
#       qemu.log             what QEMU wrote to stderr
#       pid, qmp.sock        QEMU's process, and the socket of its control protocol
#       link.sock            its end of the link between vm1 and vm2
#       ready                what the guest wrote to its second serial port: ready or failed (lib/state.sh)
#       exit                 QEMU's exit status, when it has ended

LAB_MARK=.ivshmem-lab

# Ends the program unless VM_DIR is a lab.
lab_require() {
    [[ -f $VM_DIR/$LAB_MARK ]] ||
        die "there is no lab in $VM_DIR: run ./setup.sh first, or set VM_DIR to the folder of your lab"
}

# Is VM_DIR a folder that is neither empty nor a lab?
lab_foreign() {
    # Look for the mark last: another setup may be making the lab at this moment.
    [[ -d $VM_DIR && -n $(ls -A --ignore=lost+found -- "$VM_DIR") && ! -f $VM_DIR/$LAB_MARK ]]
}

# Prints the user who will own the lab and start its VMs.
lab_owner() {
    printf '%s' "${VM_OWNER:-${SUDO_USER:-$(id -un)}}"
}

# Ends the program unless the caller may write to the lab.
lab_require_ours() {
    [[ -w $VM_DIR ]] || die "$VM_DIR belongs to $(stat -c %U -- "$VM_DIR"), not to you ($(id -un)):" \
        "run this as that user, or take the lab over with: sudo ./setup.sh --set VM_OWNER=$(id -un)"
}

# Makes the lab's folder if there is none. Never takes over a folder that holds something else.
lab_create() {
    [[ -f $VM_DIR/$LAB_MARK ]] && return
    if lab_foreign; then
        die "$VM_DIR is not empty and holds no lab, so setup does not touch it: set VM_DIR to a new or empty folder"
    fi
    mkdir -p -- "$VM_DIR" || die "cannot create $VM_DIR (see above): set VM_DIR to a folder that you can create"
    echo 'A lab of the ivshmem lab kit. setup.sh made this folder.' >"$VM_DIR/$LAB_MARK"
}

# lab_own FILE...: if we are root, gives these files to the owner of the lab.
lab_own() {
    ((EUID != 0)) || chown --no-dereference --recursive --reference="$VM_DIR" -- "$@"
}

# Gives user $1 the files that are needed to start, use and stop VMs. Files that only setup needs stay root's.
lab_hand_over() {
    local path
    chown -- "$1:" "$VM_DIR"
    for path in "$VM_DIR"/{"$LAB_MARK",lock,setup.lock,bench.lock,manifest.json,accel-*,ssh,images,server,vm[1-9]*}; do
        [[ ! -e $path ]] || lab_own "$path"
    done
}

# lab_lock SECONDS [FILE]: takes a lock of the lab and keeps it until the program ends. Ends the program if that takes
# longer than SECONDS. FILE is the lock to take (default: lock, which start.sh and stop.sh take). setup.sh has a lock of its
# own, so that VMs can be stopped while a kernel builds.
#
# LAB_LOCK is set to the lock's descriptor. The lock is held as long as any process has that descriptor. So a process that
# outlives the program is started without it: {LAB_LOCK}>&-. The steps of setup keep it (setup/steps.sh).
lab_lock() {
    local file=$VM_DIR/${2:-lock} holder deadline=$((SECONDS + $1))
    lab_require_ours
    exec {LAB_LOCK}<>"$file" || die "cannot open $file (see above)"
    lab_own "$file"
    if ! flock --nonblock "$LAB_LOCK"; then
        holder=$(<"$file")
        if [[ -n $holder && ! -d /proc/${holder##* } ]]; then
            holder="a process that $holder, left running"
        fi
        say "Waiting for ${holder:-another command}: it has the lock of $VM_DIR"
        until flock --nonblock "$LAB_LOCK"; do
            ((SECONDS < deadline)) ||
                die "${holder:-another command} still has the lock of $VM_DIR after $1 s: wait for it to end, or end it"
            pause 0.2
        done
    fi
    printf '%s, process %d\n' "$PROGRAM" "$$" >"$file" || true # the name is for people: a full disk is no reason to fail
}

# Prints a number derived from the path of the lab, for names outside of the lab.
lab_id() {
    local sum
    sum=$(printf %s "$VM_DIR" | cksum)
    printf '%s' "${sum%% *}"
}

# lab_remove FOLDER...: removes folders of the lab with all that is in them. Does not enter mounts.
lab_remove() {
    local path
    for path; do
        [[ $path == "$VM_DIR"/?* && $path/ != */../* && -f $VM_DIR/$LAB_MARK ]] || die "will not remove $path: it is not in a lab"
        rm -rf --one-file-system -- "$path"
    done
}
