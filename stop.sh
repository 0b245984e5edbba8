#!/usr/bin/env bash
# Powers the VMs down.
set -euo pipefail
shopt -s inherit_errexit
# shellcheck source=lib/load.sh
source "$(dirname -- "$(readlink -f -- "${BASH_SOURCE[0]}")")/lib/load.sh"

usage() {
    cat <<EOF
Usage: ./stop.sh [OPTION...] [VM...]

Asks the guests of all running VMs of the lab, or of those named, to power down. One that has not within
STOP_TIMEOUT=$STOP_TIMEOUT seconds is ended.

Options:
  --set NAME=VALUE   set a knob of config.sh, for this call
  -h, --help         this text

Now: VM_DIR=$VM_DIR
EOF
}

# Stops VM $1, which runs.
stop_one() {
    local pid
    if vm_power_down "$1" "$STOP_TIMEOUT"; then
        say "$1 is powered down"
        return
    fi
    pid=$(vm_pid "$1") || return 0
    warn "$1 did not power down within STOP_TIMEOUT=$STOP_TIMEOUT s: ending its process $pid"
    vm_kill "$1" || die "cannot end process $pid of $1, which belongs to $(ps -o user= -p "$pid"): call ./stop.sh as that user"
}

main() {
    local name pid status=0
    local -a stopping=()
    script_begin "" "$@"
    lab_require
    ((${#WORDS[@]})) || mapfile -t WORDS < <(vm_known)
    vm_require "${WORDS[@]}"

    lab_lock 300
    for name in "${WORDS[@]}"; do
        if vm_running "$name"; then
            say "Stopping $name"
            stop_one "$name" &
            stopping+=("$!")
        else
            say "$name is not running"
        fi
    done
    for pid in "${stopping[@]}"; do
        wait "$pid" || status=1
    done
    if [[ -z $(vm_all_running) ]]; then
        shmem_remove
    fi
    ssh_config_write
    exit "$status"
}

main "$@"
