# shellcheck shell=bash
# A VM by its name: which there are, and which process each is.

# The names of the VMs that the configuration asks for: vm1, vm2, …
vms_wanted() {
    local i
    for ((i = 1; i <= VM_COUNT; i++)); do
        printf 'vm%d\n' "$i"
    done
}

# The names of the VMs that have a folder, whether the configuration still asks for them or not.
vms_made() {
    local path
    for path in "$VM_DIR"/vm[1-9]*; do
        if [[ -d $path && ${path##*/} =~ ^vm[0-9]+$ ]]; then
            printf '%s\n' "${path##*/}"
        fi
    done | sort -V
}

# vm_require NAME...: ends the program unless each name, which a user typed, is a VM that has a folder.
vm_require() {
    vm_require_among "$(vms_made)" "$@"
}

# vm_require_configured NAME...: the same for VMs that the configuration asks for.
vm_require_configured() {
    vm_require_among "$(vms_wanted)" "$@"
}

# vm_require_among VMS NAME...: each name is a line of VMS.
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

# The process id of VM $1, or failure when it does not run: the process that was started with this VM's pid file, whoever
# started it. QEMU's own file (-pidfile) tells quickly; but only its user can read it, and what a crash or a reboot left in
# it is somebody else's number.
vm_pid() {
    local file=$VM_DIR/$1/pid pid
    read -r pid 2>/dev/null <"$file" || pid=''
    process_confirm "$pid" -pidfile "$file" || process_find -pidfile "$file"
}

vm_running() {
    vm_pid "$1" >/dev/null
}

# The names of the VMs that run now.
vms_running() {
    local name
    for name in $(vms_made); do
        if vm_running "$name"; then
            printf '%s\n' "$name"
        fi
    done
}

# Has VM $1 ended? Between its launch and QEMU's first words only its session is there.
vm_ended() {
    ! vm_running "$1" && ! process_find --session "$VM_DIR/$1" >/dev/null
}

# Whether the running VM $1 has doorbells: plain or doorbell. QEMU_ARGS may have added devices of any kind; ours is the one
# at our server.
vm_mode() {
    local pid
    pid=$(vm_pid "$1") || return 0
    if [[ $(process_option "$pid" -chardev socket,id=server,) == *",path=$VM_DIR/server/socket" ]]; then
        echo doorbell
    else
        echo plain
    fi
}

# The screen session of VM $1, as screen -r takes it: its name, or that with the process id of its screen when another
# session has the same name (another lab's VM). Fails if it has none that we may attach to.
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

vm_parent() {
    sed -n 's/^PPid:[[:space:]]*//p' "/proc/$1/status" 2>/dev/null
}
