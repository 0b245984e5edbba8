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

# The process id of VM $1, or failure when it does not run. The pid file is QEMU's own (-pidfile), and what a crash or
# a reboot left of it is recognised: the process must have been started with this very file.
vm_pid() {
    local file=$VM_DIR/$1/pid pid
    if [[ -e $file && ! -r $file ]]; then
        # QEMU made it readable for its own user alone, who is another one.
        pid=$(pgrep -o -f -- "^qemu-system-x86_64 .*-pidfile ${file//[.+]/\\&} ") || return 1
    else
        read -r pid 2>/dev/null <"$file" || return 1
    fi
    process_confirm "$pid" -pidfile "$file"
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

# Has the guest of VM $1 said that it is ready?
vm_ready() {
    grep -qs '^ready' "$VM_DIR/$1/ready"
}

# Whether the running VM $1 has doorbells: plain or doorbell.
vm_mode() {
    local -a words=()
    mapfile -d '' -t words 2>/dev/null <"/proc/$(vm_pid "$1")/cmdline" || true
    if [[ " ${words[*]}" == *' ivshmem-doorbell,'* ]]; then
        echo doorbell
    else
        echo plain
    fi
}

# A word for the state of VM $1: absent, stopped, starting or ready.
vm_state() {
    if [[ ! -d $VM_DIR/$1 ]]; then
        echo absent
    elif ! vm_running "$1"; then
        echo stopped
    elif vm_ready "$1"; then
        echo ready
    else
        echo starting
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
    rm -f -- "$dir"/{pid,qmp.sock,link.sock,ready,exit,command,qemu.log}
    [[ ! -f $dir/console.log ]] || mv -f -- "$dir/console.log" "$dir/console.log.old"
    : >"$dir/console.log"
    chmod 600 "$dir/console.log"
    qemu_command "$name" "$2" "$3"
    printf '%s\n' "${QEMU_COMMAND[*]@Q}" >"$dir/command"
    # shellcheck disable=SC2016 # expanded by the shell in the session
    TERM=${TERM:-vt100} screen -dmS "$name" \
        bash -c '"${@:2}" 2>"$1/qemu.log"; echo "$?" >"$1/exit"' "$name" "$dir" "${QEMU_COMMAND[@]}" \
        {LAB_LOCK}>&- || die "cannot make a screen session for $name (see above)"
}

# Waits until VM $1, just launched, is ready, or until second $2 of SECONDS. On failure says why, with what it printed last.
vm_wait_ready() {
    local name=$1 deadline=$2 dir=$VM_DIR/$1
    until vm_ready "$name"; do
        if [[ -s $dir/exit ]]; then
            vm_account "$name"
            error "$name ended before it was ready (QEMU's exit status $(<"$dir/exit")); its logs are in $dir"
            return 1
        elif ((SECONDS >= deadline)); then
            vm_account "$name"
            error "$name was not ready within START_TIMEOUT=$START_TIMEOUT s. It was left running:" \
                "look at it with screen -r $name, or ./stop.sh"
            return 1
        fi
        pause 0.1
    done
}

# What QEMU and the guest of VM $1 printed last.
vm_account() {
    local log
    for log in qemu.log console.log; do
        if [[ -s $VM_DIR/$1/$log ]]; then
            say "--- the end of $VM_DIR/$1/$log:"
            tail -n 15 -- "$VM_DIR/$1/$log" | tr -d '\r' | sed 's/^/    /' >&2
        fi
    done
}

# --- Stopping

# The power button of a guest without ACPI: a key of its virtio keyboard, to which acpid listens.
POWER_KEY='{"keys": [{"type": "qcode", "data": "power"}]}'

# power_down SECONDS NAME...: asks the guests to power down and waits until they have, for SECONDS at most. Asks again
# every 5 s: a guest that is still booting does not hear the first time. Fails if one still runs then.
power_down() {
    local deadline=$((SECONDS + $1)) round name
    local -a running=("${@:2}")
    while ((${#running[@]} && SECONDS < deadline)); do
        for name in "${running[@]}"; do
            qmp "$VM_DIR/$name/qmp.sock" send-key "$POWER_KEY" >/dev/null || true
        done
        round=$((SECONDS + 5 < deadline ? SECONDS + 5 : deadline))
        while ((${#running[@]} && SECONDS < round)); do
            pause 0.1
            still_running "${running[@]}"
        done
    done
    ((${#running[@]} == 0))
}

# Leaves in the caller's array `running` those of the named VMs that run, and says that the others do not.
still_running() {
    local name
    running=()
    for name; do
        if vm_running "$name"; then
            running+=("$name")
        else
            say "$name is powered down"
        fi
    done
}
