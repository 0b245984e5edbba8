#!/usr/bin/env -S bash
# Prepares a Debian host and makes the lab: kernel, root file system, and the VMs' disks.
[ "${BASH_VERSION:-}" ] || exec bash "$0" "$@" # `sh setup.sh`
# A checkout with the line ends of Windows comes as far as this (hence the -S above, by which env drops the CR):
case $(head -n 1 "$0") in *"$(printf '\r')") echo "setup.sh: error: the lines of this checkout end with CRLF, as on Windows: get the files again, by git or from the archive, without a conversion of line ends" >&2; exit 1 ;; esac #
set -euo pipefail
shopt -s inherit_errexit

# shellcheck source=lib/load.sh
source "$(dirname -- "$(readlink -f -- "${BASH_SOURCE[0]}")")/lib/load.sh"
# shellcheck source=setup/load.sh
source "$LAB_HOME/setup/load.sh"

ALL_STEPS=(host kernel bootstrap packages programs keys modules rootfs images)
STEP_NEEDS=(
    [kernel]=host [bootstrap]=host [packages]=bootstrap [programs]=host [keys]=host [modules]=kernel
    [rootfs]='packages programs keys' [images]=rootfs
)

usage() {
    cat <<EOF
Usage: ./setup.sh [OPTION...] [STEP...]

Makes the lab in VM_DIR: runs all steps, or the named ones. A step is skipped if it is done and its inputs have not changed.

Steps:
  host         install the packages that the lab needs on the host
  kernel       build Linux $KERNEL_VERSION from ${KERNEL_SOURCE:-$KERNEL_HOME}
  bootstrap    debootstrap Debian $DEBIAN_SUITE
  packages     install GUEST_PACKAGES in a copy of the debootstrapped tree
  programs     build the programs of prog/ and server/
  keys         make the key pair to log in with, and the guests' host key
  modules      build driver/ for this kernel, and make the disk from which guests build modules
  rootfs       copy the debootstrapped tree, and add the lab's files, keys and programs
  images       make the base image, and the disks of $VM_COUNT VMs over it

Options:
  --check            change nothing; list every obstacle with its remedy
  --force            run the steps even if nothing has changed
  --reset-disks      make new disks for all VMs; what the guests wrote to the old ones is lost
  --set NAME=VALUE   set a knob of config.sh for this call
  -h, --help         print this text

Example:
  ./setup.sh --check
  ./setup.sh --set VM_OWNER=alice
  ./setup.sh --force kernel

Now: VM_DIR=$VM_DIR VM_COUNT=$VM_COUNT VM_DISK_SIZE=$VM_DISK_SIZE
     KERNEL_VERSION=$KERNEL_VERSION DEBIAN_SUITE=$DEBIAN_SUITE ALLOW_FALLBACK=$ALLOW_FALLBACK
config.sh explains each knob. Then: ./start.sh
EOF
}

# step_require NAME...: ends the program unless each name, which a user typed, is a step.
step_require() {
    local step
    for step; do
        [[ $step =~ ^[a-z]+$ && " ${ALL_STEPS[*]} " == *" $step "* ]] ||
            usage_error "no such step: $(quoted "$step") (there are $(listed "${ALL_STEPS[@]}"))"
    done
}

# steps_completed STEP...: prints these steps in their order, with those that must be up to date for them.
steps_completed() {
    local step
    # Else the guests would get the modules of another kernel.
    [[ " $* " != *' kernel '* ]] || set -- "$@" modules
    # Else the guests would get old programs beside new sources, or no keys, or not the packages of GUEST_PACKAGES.
    [[ " $* " != *' rootfs '* ]] || set -- "$@" packages programs keys
    for step in "${ALL_STEPS[@]}"; do
        [[ " $* " != *" $step "* ]] || printf '%s\n' "$step"
    done
}

# Calls this script again through sudo. sudo drops the environment, so the knobs are passed on stdin. A command line would
# not do: everybody can see it, sudo logs it, and a knob or a proxy's URL may hold a password.
become_root() {
    local name
    local -a carried=()
    have sudo || die 'apt and debootstrap need root, and this host has no sudo: call setup.sh as root'
    for name in "${CARRIED[@]}" "${CONFIG_KNOBS[@]}"; do
        [[ ! -v $name ]] || carried+=("$name=${!name}")
    done
    say 'apt and debootstrap need root: continuing through sudo'
    exec sudo -- bash "$LAB_HOME/setup.sh" --knobs-on-stdin "$@" < <(printf '%s\0' "${carried[@]}")
}

# Makes the scripts executable: an archive or a foreign file system may have lost that mode. `bash start.sh` works anyway.
scripts_executable() {
    local script
    for script in setup start stop run status bench; do
        [[ -x $LAB_HOME/$script.sh ]] || chmod +x "$LAB_HOME/$script.sh" ||
            warn "cannot make $script.sh executable: call it as: bash $script.sh"
    done
}

main() {
    local accel reason cpu
    local -a named steps
    script_begin check,force,reset-disks,knobs-on-stdin "$@"
    step_require "${WORDS[@]}"
    named=("${WORDS[@]}")
    ((${#named[@]})) || named=("${ALL_STEPS[@]}")
    ! given force || steps_force "${named[@]}"
    mapfile -t steps < <(steps_completed "${named[@]}")
    ((EUID == 0)) || given check || become_root "$@"
    proxies_settle
    ! given check || host_check "${steps[@]}"
    host_preflight "${steps[@]}"
    ! due host || apt_wait

    umask 022
    scripts_executable
    lab_create
    lab_lock 600 setup.lock
    trap steps_stop EXIT
    mkdir -p -- "$VM_DIR/log" "$VM_DIR/steps"

    steps_run "${steps[@]}"
    manifest_write
    lab_hand_over "$(lab_owner)"
    if [[ " ${steps[*]} " == *' images '* ]]; then
        lab_lock 300
        disks_update "${GIVEN[reset-disks]:-no}"
        lab_hand_over "$(lab_owner)"
        accel_choose accel reason cpu
        say "Ready: $VM_COUNT VMs in $VM_DIR ($accel: $reason). Next: ./start.sh"
    fi
}

main "$@"
