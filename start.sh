#!/usr/bin/env bash
# Boots the VMs, each in a screen session, and waits until they are ready.
[ "${BASH_VERSION:-}" ] || exec bash "$0" "$@" # `sh start.sh`
set -euo pipefail
shopt -s inherit_errexit
# shellcheck source=lib/load.sh
source "$(dirname -- "$(readlink -f -- "${BASH_SOURCE[0]}")")/lib/load.sh"

usage() {
    cat <<EOF
Usage: ./start.sh [OPTION...] [VM...]

Starts the VMs of the lab, or those named (vm1, vm2, ...), and waits until each is ready. A VM that runs is left alone.

Options:
  --set NAME=VALUE   set a knob of config.sh, for this call
  -h, --help         this text

Now: VM_DIR=$VM_DIR VM_COUNT=$VM_COUNT SHMEM_SIZE=$SHMEM_SIZE VM_MEMORY=$VM_MEMORY
     ACCEL=$ACCEL START_TIMEOUT=$START_TIMEOUT
config.sh explains each knob. Then: screen -r vm1 (Ctrl-a d leaves it), or ./run.sh vm1
EOF
}

# Starts the named VMs and waits for all of them; says of each how to reach it. Fails if one failed.
start_all() {
    local name above_4g status=0 begun=$SECONDS
    local -a launched=()
    accel_choose
    say "Starting $* under ${ACCEL_USED^^} ($ACCEL_WHY)"
    if [[ $ACCEL_USED == tcg ]] && ((VM_MAXCPUS < 2)); then
        warn "VM_MAXCPUS=1 under TCG: atomic operations on the region will not be atomic between VMs"
    fi
    above_4g=$(qemu_bar_above_4g)
    for name; do
        # In a process of its own: one that cannot be started keeps no other from it.
        (vm_launch "$name" "$ACCEL_USED" "$above_4g") &
        if wait "$!"; then
            launched+=("$name")
        else
            error "$name could not be started (see above)"
            status=1
        fi
    done
    for name in "${launched[@]}"; do
        if vm_wait_ready "$name" $((begun + START_TIMEOUT)); then
            say "$name is ready after $((SECONDS - begun)) s"
        else
            status=1
        fi
    done
    return "$status"
}

# However start.sh ends, a VM that runs then can be reached.
start_end() {
    [[ -z $SIGNAL_STATUS ]] || say 'Interrupted: ./status.sh shows what runs, ./stop.sh ends it'
    ssh_config_write
}

main() {
    local name status=0
    local -a down=()
    script_begin "" "$@"
    lab_require
    [[ -s $VM_DIR/kernel/vmlinux && -n $(base_image) ]] || die "setup has not finished in $VM_DIR: run ./setup.sh"
    ((${#WORDS[@]})) || mapfile -t WORDS < <(vm_names)
    vm_require_configured "${WORDS[@]}"
    mapfile -t WORDS < <(printf '%s\n' "${WORDS[@]}" | sort -Vu)

    lab_lock 300
    umask 022
    for name in "${WORDS[@]}"; do
        if vm_running "$name"; then
            say "$name is already running"
        else
            down+=("$name")
        fi
    done
    if ((${#down[@]})); then
        shmem_create
        trap start_end EXIT
        start_all "${down[@]}" || status=1
    fi
    for name in "${WORDS[@]}"; do
        ! vm_running "$name" || printf '%s: screen -r %s\n' "$name" "$(vm_session "$name" || echo "$name (as its user)")"
    done
    exit "$status"
}

main "$@"
