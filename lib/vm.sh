# shellcheck shell=bash
# A VM by its name: where its files are, whether it runs, and how to end it.

# The names of the VMs that the configuration asks for: vm1, vm2, …
vm_names() {
    local i
    for ((i = 1; i <= VM_COUNT; i++)); do
        printf 'vm%d\n' "$i"
    done
}

# The names of the VMs that have a folder, whether the configuration still asks for them or not.
vm_known() {
    local path
    for path in "$VM_DIR"/vm[1-9]*; do
        if [[ -d $path && ${path##*/} =~ ^vm[0-9]+$ ]]; then
            printf '%s\n' "${path##*/}"
        fi
    done | sort -V
}

# Ends the program unless each of the names that somebody typed is a VM with a folder.
vm_require() {
    local known
    mapfile -t known < <(vm_known)
    vm_require_among "${#@}" "$@" "${known[@]}"
}

# The same for VMs that the configuration asks for.
vm_require_configured() {
    local asked
    mapfile -t asked < <(vm_names)
    vm_require_among "${#@}" "$@" "${asked[@]}"
}

# vm_require_among COUNT NAME... EXISTING...: each of the first COUNT is among the rest.
vm_require_among() {
    local name
    local -a names=("${@:2:$1}") existing=("${@:2+$1}")
    for name in "${names[@]}"; do
        [[ $name =~ ^vm[0-9]+$ && " ${existing[*]} " == *" $name "* ]] ||
            usage_error "no VM $(quoted "$name"): there is ${existing[*]:-none}"
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
vm_all_running() {
    local name
    for name in $(vm_known); do
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

# --- Starting

# Starts VM $1 in a screen session of its name, with accelerator $2 and the BAR above 4 GiB or not ($3, yes or no).
# Does not wait. When QEMU ends, its exit status is in the file exit.
vm_launch() {
    local name=$1 dir=$VM_DIR/$1
    disk_create "$name"
    vm_disk_free "$name"
    rm -f -- "$dir"/{pid,qmp.sock,link.sock,ready,exit,command,qemu.log}
    [[ ! -f $dir/console.log ]] || mv -f -- "$dir/console.log" "$dir/console.log.old"
    : >"$dir/console.log"
    chmod 600 "$dir/console.log"
    qemu_command "$name" "$2" "$3"
    printf '%s\n' "${QEMU_COMMAND[*]@Q}" >"$dir/command"
    lab_own "$dir"
    vm_session_create "$name"
}

# A lab that was moved while its VMs ran has a disk that is in use, and files by which that VM can still be reached.
# QEMU holds locks on a disk that it writes to, and qemu-img looks for them.
vm_disk_free() {
    local disk=$VM_DIR/$1/disk.qcow2 answer user
    answer=$(qemu-img info "$disk" 2>&1 >/dev/null) || true
    if [[ $answer == *'" lock'* ]]; then
        user=$(find /proc/[0-9]*/fd -lname "$disk" -print -quit 2>/dev/null | cut -d / -f 3) || true
        die "its disk $disk is in use by ${user:+process }$(if [[ $user ]]; then process_name "$user"; else echo 'another process'; fi):" \
            "if the lab was moved while its VMs ran, move it back, ./stop.sh, and then move it"
    fi
    [[ -z $answer ]] || die "$answer"
}

# The session in which QEMU runs: with none of the user's own settings (~/.screenrc), and a TERM that every host knows,
# for who attaches brings a terminal of another kind anyway.
vm_session_create() {
    local name=$1 dir=$VM_DIR/$1 answer
    # shellcheck disable=SC2016 # expanded by the shell in the session
    answer=$(TERM=vt100 screen -c /dev/null -dmS "$name" \
        bash -c 'eval "$(<"$2/command") 2>\"\$2/qemu.log\""; echo "$?" >"$2/exit"' "$name" --session "$dir" \
        2>&1 {LAB_LOCK}>&-) || die "cannot make a screen session (${answer:-screen says nothing}): see that screen -ls works;" \
        "where /run/screen is missing, sudo systemd-tmpfiles --create, or export SCREENDIR=~/.screen"
}
