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

Starts all VMs of the lab, or the named ones (vm1, vm2, ...), and waits until each is ready. A VM that already runs is
left alone; if it is paused, it is resumed.

Options:
  --set NAME=VALUE   set a knob of config.sh for this call
  -h, --help         print this text

Example:
  ./start.sh
  ./start.sh --set SHMEM_MODE=doorbell
  screen -r vm1          attach to the console of vm1; Ctrl-a d detaches
  ./run.sh vm1           or get a shell there

The whole command line of QEMU for vm1 is in the file $VM_DIR/vm1/command.

Now: VM_DIR=$VM_DIR VM_COUNT=$VM_COUNT SHMEM_SIZE=$SHMEM_SIZE VM_MEMORY=$VM_MEMORY
     ACCEL=$ACCEL START_TIMEOUT=$START_TIMEOUT
config.sh explains each knob.
EOF
}

# Starts the named VMs, none of which runs. If one cannot be started, the others still are.
start_all() {
    local name accel reason cpu above_4g
    accel_choose accel reason cpu
    say "Starting $* under ${accel^^} ($reason)"
    if [[ $accel == tcg ]] && ((VM_MAXCPUS < 2)); then
        warn "VM_MAXCPUS=1 under TCG: atomic operations on the shared region are not atomic between VMs"
    fi
    above_4g=$(qemu_bar_above_4g)
    for name; do
        start_one "$name" "$accel" "$cpu" "$above_4g"
    done
}

# start_one NAME ACCEL CPU ABOVE_4G: starts a VM in a process of its own, where errexit is on. If that fails, the reason is the
# last line that it wrote.
start_one() {
    local name=$1 launched=yes
    (vm_launch "$@") 2>"$START_TEMP" &
    LAUNCHING=$!
    wait "$LAUNCHING" || launched=no
    if [[ $launched == yes ]]; then
        LAUNCHED+=("$name")
    else
        failed "cannot start $name: $(tail -n 1 "$START_TEMP" | sed "s/^$PROGRAM: error: //")"
    fi
}

failed() {
    error "$@"
    STATUS=1
}

# Waits until VM $1 is ready, and reports its state.
start_wait() {
    local name=$1 state
    vm_wait "$name" "$DEADLINE"
    state=$(vm_state "$name")
    case $state in
    ready)
        ((${#PINNED[@]} == 0)) || vm_pin "$name" "${PINNED[@]}"
        say "$name is ready after $((SECONDS - BEGUN)) s"
        start_check_cpus "$name"
        ;;
    stopped)
        vm_account "$name"
        failed "$name ended before it was ready$(vm_end_reason "$name"); its logs are in $VM_DIR/$name," \
            "QEMU's command line in $VM_DIR/$name/command"
        ;;
    starting)
        vm_account "$name"
        failed "$name was not ready within START_TIMEOUT=$START_TIMEOUT s. It still runs:" \
            "look at its console with screen -r $name, or end it with ./stop.sh $name"
        ;;
    *) failed "$name $(vm_advice "$name" "$state")" ;;
    esac
}

# Compares the number of CPUs that the guest of VM $1 found with VM_CPUS. The guest finds only one CPU if the firmware's
# table has no room for all (config_check_cpus).
start_check_cpus() {
    local found
    found=$(vm_word "$1")
    found=${found#ready }
    if [[ $found =~ ^[0-9]+$ ]] && ((found != VM_CPUS)); then
        warn "$1 found $found of its $VM_CPUS CPUs: the firmware's table is full; use fewer devices in QEMU_ARGS or a lower VM_MAXCPUS"
    fi
}

# Reports on VM $1, which already runs. Resumes it if it is paused, and waits for it if it is not ready.
start_running() {
    local name=$1 state
    state=$(vm_state "$name")
    if [[ $state == @(paused|io-error) ]]; then
        say "$name is paused ($(vm_run_state "$name")): resuming it"
        vm_resume "$name" "$state"
        state=$(vm_state "$name")
    fi
    case $state in
    ready) say "$name is already running" ;;
    starting)
        say "$name is already running, but not ready yet"
        start_wait "$name"
        ;;
    *) failed "$name $(vm_advice "$name" "$state")" ;;
    esac
}

# The EXIT trap: makes the running VMs reachable, and removes the region if nobody uses it.
start_end() {
    [[ -z $SIGNAL_STATUS ]] || say 'Interrupted: ./status.sh shows which VMs run, ./stop.sh ends them'
    [[ -z $LAUNCHING ]] || wait "$LAUNCHING" || true
    ssh_config_write
    [[ -n $(vms_running)$(shmem_user) ]] || shmem_release
    rm -f -- "$START_TEMP"
}

# What the functions here share, and what start_end needs.
STATUS=0      # the exit status
LAUNCHING=''  # the process that starts a VM
LAUNCHED=()   # the VMs that were started
PINNED=()     # the CPUs of the host for the vCPUs of all VMs (VM_PIN)
START_TEMP='' # what that process wrote to stderr
BEGUN=0       # when the VMs were started, in SECONDS
DEADLINE=0    # until when to wait for them

main() {
    local name running
    local -a vms down=() up=()
    script_begin "" "$@"
    lab_require
    lab_require_ours
    [[ -s $VM_DIR/kernel/vmlinux && -s $VM_DIR/modules/disk.ext4 && -n $(base_image) ]] || die "setup has not finished in $VM_DIR: run ./setup.sh"
    vm_require_configured "${WORDS[@]}"
    mapfile -t vms < <(printf '%s\n' "${WORDS[@]:-$(vms_wanted)}" | sort -Vu)

    lab_lock 300
    umask 022
    START_TEMP=$(mktemp)
    trap start_end EXIT
    BEGUN=$SECONDS DEADLINE=$((SECONDS + START_TIMEOUT))
    for name in "${vms[@]}"; do
        if vm_running "$name"; then
            up+=("$name")
        else
            down+=("$name")
        fi
    done
    if ((${#down[@]})); then
        shmem_create
        start_all "${down[@]}"
    fi
    for name in "${up[@]}"; do
        start_running "$name"
    done
    ((${#LAUNCHED[@]} == 0)) || mapfile -t PINNED < <(pin_cpus)
    for name in "${LAUNCHED[@]}"; do
        start_wait "$name"
    done
    for name in "${vms[@]}"; do
        ! vm_running "$name" || printf '%s: screen -r %s\n' "$name" "$(vm_session "$name" || echo "$name (as its user)")"
    done
    running=$(vms_running)
    [[ -z $running ]] || shmem_require "$running"
    return "$STATUS"
}

main "$@"
