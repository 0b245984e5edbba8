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

Asks the guests of all running VMs of the lab, or of those named, to power down. One that has not within
STOP_TIMEOUT=$STOP_TIMEOUT seconds is ended.

Options:
  --set NAME=VALUE   set a knob of config.sh, for this call
  -h, --help         this text

Now: VM_DIR=$VM_DIR
EOF
}

# Ends VM $1, which did not power down.
end_one() {
    local pid
    pid=$(vm_pid "$1") || return 0
    warn "$1 did not power down within STOP_TIMEOUT=$STOP_TIMEOUT s: ending its process $pid"
    if ! process_end vm_pid "$1"; then
        error "cannot end process $pid of $1, which belongs to $(ps -o user= -p "$pid"): call ./stop.sh as that user"
        return 1
    fi
}

main() {
    local name status=0
    local -a running=()
    script_begin "" "$@"
    lab_require
    ((${#WORDS[@]})) || mapfile -t WORDS < <(vm_known)
    vm_require "${WORDS[@]}"

    lab_lock 300
    for name in "${WORDS[@]}"; do
        if vm_running "$name"; then
            running+=("$name")
        else
            say "$name is not running"
        fi
    done
    if ((${#running[@]})); then
        say "Stopping ${running[*]}"
        if ! power_down "$STOP_TIMEOUT" "${running[@]}"; then
            for name in "${running[@]}"; do
                end_one "$name" || status=1
            done
        fi
    fi
    if [[ -z $(vm_all_running) ]]; then
        shmem_release || status=1
    fi
    ssh_config_write
    exit "$status"
}

main "$@"
