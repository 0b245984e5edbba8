# shellcheck shell=bash
# Powering VMs down.

# The power button of a guest without ACPI: a key of its virtio keyboard, to which acpid listens.
POWER_KEY='{"keys": [{"type": "qcode", "data": "power"}]}'

# power_down SECONDS NAME...: asks the guests to power down and waits until they have, for SECONDS at most. Asks again
# every 5 s: a guest that is still booting does not hear the first time, and there may be room on the disk by then.
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

# Asks the guest of VM $1 to power down, after it was woken if that is possible. One that has ended cannot be asked.
# $2 is what tells that it is in such a state: say, or nothing (:).
power_ask() {
    local name=$1 tell=$2 state
    state=$(vm_state "$name")
    case $state in
    halted | crashed)
        "$tell" "$name has $state: ending it"
        process_end vm_pid "$name"
        return
        ;;
    paused | io-error) "$tell" "$name is paused ($state): resuming it, so that its guest can write what it has" ;;
    hung) "$tell" "$name $(vm_advice "$name" hung)" ;;
    esac
    vm_resume "$name" "$state"
    qmp "$VM_DIR/$name/qmp.sock" send-key "$POWER_KEY" >/dev/null || true
}

# power_left NAME...: prints those of the VMs that still run, a line each, and tells the user of the others.
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

# Ends VM $1, which did not power down. What a guest could not write, for its disk is full, would be lost with it: that
# VM is left as it is. Whether it is gone, vm_running says.
power_off() {
    local pid
    pid=$(vm_pid "$1") || return 0
    if [[ $(vm_state "$1") == io-error ]]; then
        error "$1 $(vm_advice "$1" io-error), and ./stop.sh stops it. Or lose what its guest has not written: kill $pid"
        return
    fi
    warn "$1 did not power down within STOP_TIMEOUT=$STOP_TIMEOUT s: ending its process $pid;" \
        "what its guest had not written to its disk is lost"
    process_end vm_pid "$1"
    if vm_running "$1"; then
        error "cannot end $1, process $(process_name "$pid"): end it as its user"
    fi
}
