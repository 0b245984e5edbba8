# shellcheck shell=bash
# The lab's folder, VM_DIR: what is where in it, that it is ours, and the lock on it.
#
#   .ivshmem-lab         our mark: a folder without it is never written to
#   lock, setup.lock, bench.lock   held by start and stop; by setup; by bench
#   manifest.json        what was built from what
#   cache/               downloads
#   steps/STEP           the inputs of each finished step of setup;  log/STEP.log  what it printed
#   STEP.partial, .tmp   what a step works on: left by one that was ended, and removed by the next
#   kernel/vmlinux       the guest's kernel, its .config, and with KERNEL_KEEP_SOURCE its source
#   bootstrap/           Debian as debootstrap left it
#   rootfs/              the same, configured for the lab, with the programs
#   images/base-*.ext4   rootfs as an image; every VM's disk is an overlay on it
#   ssh/                 keys of the lab, known_hosts, and a config for ssh -F
#   bin/                 the programs and the ivshmem server, for the host
#   server/              the ivshmem server: its socket, pid, peers and log (lib/server.sh)
#   vmN/                 a VM: disk.qcow2, console.log, and while it runs pid, qmp.sock, ready

LAB_MARK=.ivshmem-lab

# The lab's folder exists and is ours, or the program ends.
lab_require() {
    [[ -f $VM_DIR/$LAB_MARK ]] ||
        die "$VM_DIR is not set up: there is no lab in it. Run ./setup.sh first (or name the lab's folder with VM_DIR)"
}

# Is VM_DIR a folder with something in it that is no lab?
lab_foreign() {
    # The mark is looked for last, since another setup may be making the lab at this moment.
    [[ -d $VM_DIR && -n $(ls -A --ignore=lost+found -- "$VM_DIR") && ! -f $VM_DIR/$LAB_MARK ]]
}

# The user who will own the lab, and start its VMs.
lab_owner() {
    printf '%s' "${VM_OWNER:-${SUDO_USER:-$(id -un)}}"
}

# The lab is the caller's, or the program ends.
lab_require_ours() {
    [[ -w $VM_DIR ]] || die "$VM_DIR belongs to $(stat -c %U -- "$VM_DIR"), not to you ($(id -un)):" \
        "call as that user, or hand it over with: sudo ./setup.sh --set VM_OWNER=$(id -un)"
}

# Makes the lab's folder unless it is there. Never takes over a folder with something else in it.
lab_create() {
    [[ -f $VM_DIR/$LAB_MARK ]] && return
    if lab_foreign; then
        die "$VM_DIR holds something that is no lab of this kit: nothing is touched. Set VM_DIR to a new or empty folder"
    fi
    mkdir -p -- "$VM_DIR" || die "cannot make $VM_DIR (see above): set VM_DIR to a folder that can be made"
    echo 'A lab of the ivshmem lab kit. setup.sh made this folder.' >"$VM_DIR/$LAB_MARK"
}

# Gives files that root made to whom the lab belongs.
lab_own() {
    ((EUID != 0)) || chown --no-dereference --recursive --reference="$VM_DIR" -- "$@"
}

# Hands the lab to user $1: all that starting, using and stopping VMs writes to or keeps private. What only setup needs
# stays root's.
lab_hand_over() {
    local path
    chown -- "$1:" "$VM_DIR"
    for path in "$VM_DIR"/{"$LAB_MARK",lock,setup.lock,bench.lock,manifest.json,accel-*,ssh,images,server,vm[1-9]*}; do
        [[ ! -e $path ]] || lab_own "$path"
    done
}

# Takes the lab's lock until the program ends, or ends it when $1 seconds do not suffice. The descriptor is in
# LAB_LOCK, and held until the last process that has it is gone: one that outlives the program must be started without
# it, {LAB_LOCK}>&-, and the steps of setup are not (setup/steps.sh). $2 names another lock than
# the one that start and stop hold: setup has its own, for VMs can be stopped while a kernel builds.
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
    printf '%s, process %d\n' "$PROGRAM" "$$" >"$file" || true # who waits can do without, on a full disk
}

# An id that is this folder's own, for names outside of it.
lab_id() {
    local sum
    sum=$(printf %s "$VM_DIR" | cksum)
    printf '%s' "${sum%% *}"
}

# Removes folders of the lab, whole. They may belong to root and hold a tree with devices; a mount in them is not entered.
lab_remove() {
    local path
    for path; do
        [[ $path == "$VM_DIR"/?* && $path/ != */../* && -f $VM_DIR/$LAB_MARK ]] || die "will not remove $path: not of this lab"
        rm -rf --one-file-system -- "$path"
    done
}
