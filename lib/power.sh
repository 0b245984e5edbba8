# shellcheck shell=bash
# Powers VMs down.

# The power button of a guest without ACPI: a key of its virtio keyboard. acpid in the guest listens for it.
POWER_KEY='{"keys": [{"type": "qcode", "data": "power"}]}'

# power_down SECONDS NAME...: asks the guests to power down, and waits at most SECONDS until they have. Asks again every 5 s: a
# guest that is booting misses the first time, and a full disk may have space again.
power_down() {
    local deadline=$((SECONDS + $1)) round name tell=say
    local -a running=("${@:2}")
    while ((${#running[@]} && SECONDS < deadline)); do
        for name in "${running[@]}"; do
            power_ask "$name" "$tell"
        done
        tell=:
        round=$((SECONDS + 5 < deadline ? SECONDS + 5 : deadline))
        mapfile -t running < <(power_left "${running[@]}")
        while ((${#running[@]} && SECONDS < round)); do
            pause 0.1
            mapfile -t running < <(power_left "${running[@]}")
        done
    done
}

# power_ask NAME TELL: asks the guest of a VM to power down. Resumes a paused VM first; ends a VM whose guest has halted or
# crashed. TELL is the command that reports such a state: say, or : for no report.
power_ask() {
    local name=$1 tell=$2 state
    state=$(vm_state "$name")
    case $state in
    halted | crashed)
        "$tell" "$name has $state: ending it"
        process_end vm_pid "$name"
        return
        ;;
    paused | io-error) "$tell" "$name is paused ($state): resuming it, so that its guest can write its data" ;;
    hung) "$tell" "$name $(vm_advice "$name" hung)" ;;
    esac
    vm_resume "$name" "$state"
    qmp "$VM_DIR/$name/qmp.sock" send-key "$POWER_KEY" >/dev/null || true
}

# power_left NAME...: prints the VMs that still run, a line each, and reports on stderr that the others are powered down.
power_left() {
    local name
    for name; do
        if vm_ended "$name"; then
            say "$name is powered down"
        else
            printf '%s\n' "$name"
        fi
    done
}

# Ends VM $1, which did not power down. Leaves it alone if it is paused because the host's disk is full: its guest has data
# to write. vm_running tells whether it has ended.
power_off() {
    local pid
    pid=$(vm_pid "$1") || return 0
    if [[ $(vm_state "$1") == io-error ]]; then
        error "$1 $(vm_advice "$1" io-error), and ./stop.sh stops it. To end it without that data: kill $pid"
        return
    fi
    warn "$1 did not power down within STOP_TIMEOUT=$STOP_TIMEOUT s: ending its process $pid;" \
        "data that its guest had not yet written to disk is lost"
    process_end vm_pid "$1"
    if vm_running "$1"; then
        error "cannot end $1, process $(process_name "$pid"): end it as that user or as root"
    fi
}
