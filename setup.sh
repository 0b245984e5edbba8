#!/usr/bin/env -S bash
# From a Debian host to the disks of VMs that are ready to start.
[ "${BASH_VERSION:-}" ] || exec bash "$0" "$@" # `sh setup.sh`
# A checkout with the line ends of Windows comes as far as this (hence the -S above, by which env drops the CR):
case $(head -n 1 "$0") in *"$(printf '\r')") echo "setup.sh: error: the lines of this checkout end with CRLF, as on Windows: get the files again, by git or from the archive, without a conversion of line ends" >&2; exit 1 ;; esac #
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

# Sets STEPS to the steps that are asked for, and forces them with --force.
choose_steps() {
    local step
    local -a chosen=("${WORDS[@]}")
    for step in "${WORDS[@]}"; do
        [[ $step =~ ^[a-z]+$ && " ${ALL_STEPS[*]} " == *" $step "* ]] ||
            usage_error "no step $(quoted "$step"): the steps are ${ALL_STEPS[*]}"
    done
    ((${#chosen[@]})) || chosen=("${ALL_STEPS[@]}")
    STEPS=()
    ! given force || steps_force "${chosen[@]}"
    # Never old programs beside new sources, nor a guest without keys.
    [[ " ${chosen[*]} " != *' rootfs '* ]] || chosen+=(programs keys)
    for step in "${ALL_STEPS[@]}"; do
        [[ " ${chosen[*]} " != *" $step "* ]] || STEPS+=("$step")
    done
}

# Calls this script again through sudo, with the knobs as they are here, for sudo drops the environment; on stdin, for
# a command line is seen by everybody and logged, and a password may be among them, or in a proxy's URL.
become_root() {
    local name
    local -a carried=()
    have sudo || die 'apt and debootstrap need root, and there is no sudo here: call setup.sh as root'
    for name in "${CARRIED[@]}" "${CONFIG_KNOBS[@]}"; do
        [[ ! -v $name ]] || carried+=("$name=${!name}")
    done
    say 'apt and debootstrap need root: going on through sudo'
    exec sudo -- bash "$LAB_HOME/setup.sh" --knobs-on-stdin "$@" < <(printf '%s\0' "${carried[@]}")
}

# An archive or a file system of another kind may have lost the right to execute. `bash start.sh` works without.
scripts_executable() {
    local script
    for script in setup start stop run status bench; do
        [[ -x $LAB_HOME/$script.sh ]] || chmod +x "$LAB_HOME/$script.sh" ||
            warn "$script.sh cannot be made executable here: call it as: bash $script.sh"
    done
}

main() {
    script_begin check,force,reset-disks,knobs-on-stdin "$@"
    choose_steps
    ((EUID == 0)) || given check || become_root "$@"
    proxies_settle
    ! given check || host_check "${STEPS[@]}"
    host_preflight "${STEPS[@]}"
    ! due host || apt_wait

    umask 022
    scripts_executable
    lab_create
    lab_lock 600 setup.lock
    trap steps_stop EXIT
    mkdir -p -- "$VM_DIR/log" "$VM_DIR/steps"

    steps_run "${STEPS[@]}"
    manifest_write
    lab_hand_over "$(lab_owner)"
    if [[ " ${STEPS[*]} " == *' images '* ]]; then
        lab_lock 300
        disks_update "${GIVEN[reset-disks]:-no}"
        lab_hand_over "$(lab_owner)"
        accel_choose
        say "Ready: $VM_COUNT VMs in $VM_DIR ($ACCEL_USED: $ACCEL_WHY). Next: ./start.sh"
    fi
}

main "$@"
