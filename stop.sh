#!/usr/bin/env bash
# Powers the VMs down.
[ "${BASH_VERSION:-}" ] || exec bash "$0" "$@" # `sh stop.sh`
set -euo pipefail
shopt -s inherit_errexit
# shellcheck source=lib/load.sh
source "$(dirname -- "$(readlink -f -- "${BASH_SOURCE[0]}")")/lib/load.sh"

usage() {
    cat <<EOF
Usage: ./stop.sh [OPTION...] [VM...]

Asks the guests of all running VMs, or of the named ones, to power down. A paused VM is resumed first. If a VM still runs
after STOP_TIMEOUT=$STOP_TIMEOUT seconds, its process is ended; except when the host's disk is full and the guest has data to write.

Options:
  --set NAME=VALUE   set a knob of config.sh for this call
  -h, --help         print this text

Example:
  ./stop.sh
  ./stop.sh vm2

Now: VM_DIR=$VM_DIR
EOF
}

# The EXIT trap: removes the region if no VM runs, and writes ssh/config for the VMs that still run.
stop_end() {
    [[ -z $SIGNAL_STATUS ]] || say 'Interrupted: ./status.sh shows which VMs still run'
    [[ -n $(vms_running) ]] || shmem_release
    ssh_config_write
}

main() {
    local name pid status=0
    local -a vms=() running=()
    script_begin "" "$@"
    lab_require
    vm_require "${WORDS[@]}"
    vms=("${WORDS[@]}")
    ((${#vms[@]})) || mapfile -t vms < <(vms_made)

    lab_lock 300
    trap stop_end EXIT
    for name in "${vms[@]}"; do
        if vm_ended "$name"; then
            say "$name is not running"
        elif pid=$(vm_pid "$name") && process_foreign "$pid"; then
            error "$name is process $(process_name "$pid"), and only that user or root can stop it"
            status=1
        else
            running+=("$name")
        fi
    done
    if ((${#running[@]})); then
        say "Stopping ${running[*]}"
        power_down "$STOP_TIMEOUT" "${running[@]}"
        for name in "${running[@]}"; do
            power_off "$name"
            ! vm_running "$name" || status=1
        done
    fi
    return "$status"
}

main "$@"
