#!/usr/bin/env bash
# Runs commands in the guests.
[ "${BASH_VERSION:-}" ] || exec bash "$0" "$@" # `sh run.sh`
set -euo pipefail
shopt -s inherit_errexit
# shellcheck source=lib/load.sh
source "$(dirname -- "$(readlink -f -- "${BASH_SOURCE[0]}")")/lib/load.sh"
# shellcheck source=run/load.sh
source "$LAB_HOME/run/load.sh"

usage() {
    cat <<EOF
Usage: ./run.sh [OPTION...] VM [COMMAND [ARGUMENT...]]
       ./run.sh [OPTION...] --all COMMAND [ARGUMENT...]
       ./run.sh [OPTION...] host COMMAND [ARGUMENT...]
       ./run.sh [OPTION...] clear [N]
       ./run.sh [OPTION...] push [VM...]
       ./run.sh [OPTION...] module FOLDER [VM...]
       ./run.sh [OPTION...] demo

Runs COMMAND as root in the guest of VM, or a shell if there is no COMMAND. Arguments, stdin and the exit status pass
through unchanged. For shell syntax (pipes, variables), run 'bash -c "..."'.

  --all    run COMMAND in all running VMs at once; each line of output begins with the VM's name
  host     run COMMAND on the host. A program of the lab (__NAME) gets the region that the VMs share; with
           SHMEM_MODE=doorbell it is a peer of the VMs. Any other program finds in its environment SHMEM_FILE and
           SHMEM_SIZE (bytes), for further regions SHMEM_FILE2 and SHMEM_SIZE2 and so on, and, only with
           SHMEM_MODE=doorbell, SHMEM_SOCKET
  clear    zero region N (default: 1, the lab's own), also while VMs use it
  push     copy prog/ to /root/prog of all running VMs, or of the named ones, and build and install it there;
           overwrites files of the same name, keeps all others
  module   build the kernel module in FOLDER, on the host, and load it in all running VMs, or in the named ones;
           unload it first if it is loaded; print the kernel's messages
  demo     show the experiment on two running VMs: bandwidth, then a message from one VM to the other;
           clears the old message first

Options:
  --set NAME=VALUE   set a knob of config.sh for this call
  -h, --help         print this text

Exit status: that of COMMAND; with --all the first one that is not 0; 255 if the guest cannot be reached.

Example:
  ./run.sh vm1 __bandwidth
  ./run.sh --all uname -r
  echo hello | ./run.sh vm2 tee /root/greeting

Now: VM_DIR=$VM_DIR
EOF
}

# The experiment of docs/specification.md, printed like its transcript.
demo() {
    local vms writer reader
    vms=$(vms_to_use)
    { read -r writer && read -r reader; } <<<"$vms" || die "the demo needs two running VMs, and only $vms runs: ./start.sh"
    guest_run "$writer" __read_write -c >/dev/null </dev/null
    demo_step "$writer" __bandwidth
    demo_step "$writer" __read_write
    demo_step "$reader" __read_write
}

demo_step() {
    printf 'root@%s:~# %s\n' "$1" "$2"
    guest_run "$1" "$2" </dev/null
    printf '\n'
}

main() {
    local vms
    script_begin +all "$@"
    lab_require
    lab_require_ours
    trap run_end EXIT
    if given all; then
        ((${#WORDS[@]})) || usage_error '--all needs a command'
        vms=$(vms_to_use)
        RUN_TEMP=$(mktemp -d)
        run_all "$vms" /dev/null "${WORDS[@]}"
        return
    fi
    case ${WORDS[0]:-} in
    '') usage_error "name a VM: $(vms_made | paste -sd ' ')" ;;
    push) push_run "${WORDS[@]:1}" ;;
    module) module_run "${WORDS[@]:1}" ;;
    host) host_run "${WORDS[@]:1}" ;;
    clear)
        ((${#WORDS[@]} <= 2)) || usage_error 'clear takes one number at most'
        clear_region "${WORDS[1]-1}"
        ;;
    demo)
        ((${#WORDS[@]} == 1)) || usage_error 'demo takes no arguments'
        demo
        ;;
    *) run_one "${WORDS[@]}" ;;
    esac
}

main "$@"
