#!/usr/bin/env bash
# From a Debian host to the disks of VMs that are ready to start.
set -euo pipefail
shopt -s inherit_errexit

# shellcheck source=lib/load.sh
source "$(dirname -- "$(readlink -f -- "${BASH_SOURCE[0]}")")/lib/load.sh"
# shellcheck source=setup/load.sh
source "$LAB_HOME/setup/load.sh"

ALL_STEPS=(host kernel bootstrap programs keys rootfs images)
STEP_NEEDS=(
    [kernel]=host [bootstrap]=host [programs]=host [keys]=host
    [rootfs]='bootstrap programs keys' [images]=rootfs
)

usage() {
    cat <<EOF
Usage: ./setup.sh [OPTION...] [STEP...]

Makes the lab in VM_DIR: all steps, or those named. What is done and whose inputs have not changed is skipped.

Steps:
  host         install the packages that the host needs
  kernel       build Linux $KERNEL_VERSION from ${KERNEL_SOURCE:-$KERNEL_HOME}
  bootstrap    debootstrap Debian $DEBIAN_SUITE
  programs     build the programs of prog/ and server/
  keys         make the keys by which the guests are reached, once
  rootfs       lay the lab's files, keys and programs over a copy of it
  images       make the base image, and the disks of $VM_COUNT VMs over it

Options:
  --check            change nothing: list all that stands in the way, each with its remedy
  --force            do the steps even if nothing has changed
  --reset-disks      throw away what was written in the guests: new disks for all VMs
  --set NAME=VALUE   set a knob of config.sh, for this call
  -h, --help         this text

Now: VM_DIR=$VM_DIR VM_COUNT=$VM_COUNT VM_DISK_SIZE=$VM_DISK_SIZE
     KERNEL_VERSION=$KERNEL_VERSION DEBIAN_SUITE=$DEBIAN_SUITE ALLOW_FALLBACK=$ALLOW_FALLBACK
config.sh explains each knob. Then: ./start.sh
EOF
}

# Sets STEPS to the steps that are asked for, and FORCED to those that are to be done anyway.
choose_steps() {
    local step
    local -a chosen=("${WORDS[@]}")
    for step in "${WORDS[@]}"; do
        [[ $step =~ ^[a-z]+$ && " ${ALL_STEPS[*]} " == *" $step "* ]] ||
            usage_error "no step $(quoted "$step"): the steps are ${ALL_STEPS[*]}"
    done
    ((${#chosen[@]})) || chosen=("${ALL_STEPS[@]}")
    STEPS=() FORCED=()
    ! given force || FORCED=("${chosen[@]}")
    # Never old programs beside new sources, nor a guest without keys.
    [[ " ${chosen[*]} " != *' rootfs '* ]] || chosen+=(programs keys)
    for step in "${ALL_STEPS[@]}"; do
        [[ " ${chosen[*]} " != *" $step "* ]] || STEPS+=("$step")
    done
}

# Calls this script again through sudo, with the knobs as they are here, for sudo drops the environment; on stdin, for
# a command line is seen by everybody and logged, and a password may be among them.
become_root() {
    local knob name
    local -a knobs=() proxies=()
    for name in http_proxy https_proxy no_proxy; do
        [[ -z ${!name:-} ]] || proxies+=("$name=${!name}")
    done
    have sudo || die 'apt and debootstrap need root, and there is no sudo here: call setup.sh as root'
    for knob in "${CONFIG_KNOBS[@]}"; do
        knobs+=("$knob=${!knob}")
    done
    say 'apt and debootstrap need root: going on through sudo'
    exec sudo -- env "${proxies[@]}" "$LAB_HOME/setup.sh" --knobs-on-stdin "$@" < <(printf '%s\0' "${knobs[@]}")
}

main() {
    local room script
    script_begin check,force,reset-disks,knobs-on-stdin "$@"
    proxy_of_apt
    choose_steps
    if given check; then
        host_check || exit 1
        exit 0
    fi
    ((EUID == 0)) || become_root "$@"

    umask 022
    lab_create
    lab_lock 600 setup.lock
    trap steps_end EXIT
    mkdir -p -- "$VM_DIR/log" "$VM_DIR/steps"
    room=$(disk_room) || die "$room: $DISK_REMEDY"

    steps_run "${STEPS[@]}"
    manifest_write
    lab_hand_over "${VM_OWNER:-${SUDO_USER:-root}}"
    if [[ " ${STEPS[*]} " == *' images '* ]]; then
        lab_lock 300
        disks_update "${GIVEN[reset-disks]:-no}"
        lab_hand_over "${VM_OWNER:-${SUDO_USER:-root}}"
        accel_choose
        say "Ready: $VM_COUNT VMs in $VM_DIR ($ACCEL_USED: $ACCEL_WHY). Next: ./start.sh"
    fi
    for script in setup start stop run status bench; do
        [[ -x $LAB_HOME/$script.sh ]] || chmod +x "$LAB_HOME/$script.sh"
    done
}

main "$@"
