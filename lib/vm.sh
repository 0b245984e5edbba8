# shellcheck shell=bash
# Which VMs there are, and the process, the mode and the screen session of each.

# Prints the names of the VMs that VM_COUNT asks for: vm1, vm2, …
vms_wanted() {
    local i
    for ((i = 1; i <= VM_COUNT; i++)); do
        printf 'vm%d\n' "$i"
    done
}

# Prints the names of the VMs that have a folder, even if VM_COUNT does not ask for them any more.
vms_made() {
    local path
    for path in "$VM_DIR"/vm[1-9]*; do
        if [[ -d $path && ${path##*/} =~ ^vm[0-9]+$ ]]; then
            printf '%s\n' "${path##*/}"
        fi
    done | sort -V
}

# vm_require NAME...: ends the program unless each name that the user typed is a VM with a folder.
vm_require() {
    vm_require_among "$(vms_made)" "$@"
}

# vm_require_configured NAME...: the same for the VMs that VM_COUNT asks for.
vm_require_configured() {
    vm_require_among "$(vms_wanted)" "$@"
}

# vm_require_among VMS NAME...: ends the program unless each name is a line of VMS.
vm_require_among() {
    local name verb=is
    local -a existing
    mapfile -t existing < <(printf %s "$1")
    shift
    ((${#existing[@]} < 2)) || verb=are
    for name; do
        [[ $name =~ ^vm[0-9]+$ && " ${existing[*]} " == *" $name "* ]] ||
            usage_error "no such VM: $(quoted "$name") (there $verb $(listed "${existing[@]}"))"
    done
}

# Prints the PID of VM $1; fails if it does not run. It is the process with this VM's pid file on its command line, whoever
# started it. QEMU's pid file gives it quickly. But only QEMU's user can read that file, and after a crash or a reboot the PID
# in it may belong to another process.
vm_pid() {
    local file=$VM_DIR/$1/pid pid
    read -r pid 2>/dev/null <"$file" || pid=''
    process_confirm "$pid" -pidfile "$file" || process_find -pidfile "$file"
}

vm_running() {
    vm_pid "$1" >/dev/null
}

# Prints the names of the VMs that run now.
vms_running() {
    local name
    for name in $(vms_made); do
        if vm_running "$name"; then
            printf '%s\n' "$name"
        fi
    done
}

# Has VM $1 ended? While QEMU starts, only the VM's session can be found.
vm_ended() {
    ! vm_running "$1" && ! process_find --session "$VM_DIR/$1" >/dev/null
}

# Prints the mode of the running VM $1: plain or doorbell. The lab's own device is the first ivshmem device on the command line.
# What QEMU_ARGS adds comes after all of ours (lib/qemu.sh).
vm_mode() {
    local pid
    pid=$(vm_pid "$1") || return 0
    if [[ $(process_option "$pid" -device ivshmem-) == ivshmem-doorbell,* ]]; then
        echo doorbell
    else
        echo plain
    fi
}

# Prints the screen session of VM $1 as screen -r takes it: its name, or PID.NAME when another session has the same name (a VM
# of another lab). Fails if there is no session that we may attach to.
vm_session() {
    local shell session
    local -a namesakes
    shell=$(vm_parent "$(vm_pid "$1")") || return 1
    session=$(vm_parent "$shell").$1 || return 1
    mapfile -t namesakes < <(screen -ls | sed -n "s/^\t\([0-9]*\.$1\)\t.*/\1/p")
    [[ " ${namesakes[*]} " == *" $session "* ]] || return 1
    if ((${#namesakes[@]} == 1)); then
        session=$1
    fi
    printf '%s' "$session"
}

# Prints the parent of process $1.
vm_parent() {
    sed -n 's/^PPid:[[:space:]]*//p' "/proc/$1/status" 2>/dev/null
}
