# shellcheck shell=bash
# Step bootstrap: Debian in VM_DIR/bootstrap, as debootstrap leaves it.

# The guest's packages beyond Debian's essential ones. It has no udev and no logind: devtmpfs and the kernel's DHCP client do
# their work, and a VM is ready seconds earlier.
BOOTSTRAP_PACKAGES=(
    systemd-sysv openssh-server acpid            # boot, ssh, power down
    gcc make libc6-dev vim                       # to edit and build the programs
    pciutils iproute2 procps less                # lspci, ip, ps
    kmod                                         # insmod, lsmod, modprobe
)

# Programs that bench.sh compares with. If the suite lacks one of them, the guest does without it.
BOOTSTRAP_PACKAGES_IF_THERE=(iperf3 sockperf)

inputs_bootstrap() {
    printf 'DEBIAN_SUITE=%s\nDEBIAN_MIRROR=%s\nDEBIAN_ARCHIVE=%s\n' "$DEBIAN_SUITE" "$DEBIAN_MIRROR" "$DEBIAN_ARCHIVE"
    printf 'packages=%s\n' "${BOOTSTRAP_PACKAGES[*]} ${BOOTSTRAP_PACKAGES_IF_THERE[*]}"
}

present_bootstrap() {
    [[ -d $VM_DIR/bootstrap/etc && -s $VM_DIR/bootstrap.json ]] && ! fallback_unwanted "$VM_DIR/bootstrap.json"
}

step_bootstrap() {
    local partial=$VM_DIR/bootstrap.partial mirror suite keyring fallback expired=false
    local -a found
    lab_remove "$partial"
    items_of found bootstrap_source
    mirror=${found[0]} suite=${found[1]} keyring=${found[2]} fallback=${found[3]}
    mkdir -p -- "$VM_DIR/cache/packages"
    bootstrap_run "$partial" "$mirror" "$suite" "$keyring" "${BOOTSTRAP_PACKAGES[@]}" "${BOOTSTRAP_PACKAGES_IF_THERE[@]}"
    rm -rf -- "$partial/var/cache/apt/archives"/*.deb
    ! release_expired "$partial"/var/lib/apt/lists/*_Release || expired=true
    lab_remove "$VM_DIR/cache/packages"
    rm -f -- "$VM_DIR/bootstrap.json"
    result_replace "$partial" "$VM_DIR/bootstrap"
    jq -n --arg suite "$suite" --arg mirror "$mirror" --arg keyring "$keyring" \
        --arg version "$(<"$VM_DIR/bootstrap/etc/debian_version")" --argjson fallback "$fallback" --argjson expired "$expired" \
        '{suite: $suite, version: $version, mirror: $mirror, keyring: $keyring, expired: $expired, fallback: $fallback}' |
        write_file "$VM_DIR/bootstrap.json"
}

# bootstrap_run FOLDER MIRROR SUITE KEYRING PACKAGE...: runs debootstrap. If the suite lacks some of BOOTSTRAP_PACKAGES_IF_THERE,
# debootstrap says so before it fetches any package, and runs once more without them.
bootstrap_run() {
    local folder=$1 mirror=$2 suite=$3 keyring=$4 output status=0 lacking
    local -a packages=("${@:5}") left=()
    output=$(mktemp)
    step_says "Bootstrapping $suite from $mirror"
    # Its mounts and processes are in namespaces of their own, and vanish with debootstrap, however it ends.
    unshare --mount --pid --fork --kill-child=KILL -- \
        debootstrap --arch=amd64 --variant=minbase --merged-usr --keyring="$keyring" \
        --cache-dir="$VM_DIR/cache/packages" --include="$(IFS=,; echo "${packages[*]}")" \
        "$suite" "$folder" "$mirror" "$(bootstrap_script "$suite")" 2>&1 | tee "$output" || status=$?
    ((status != 0)) || return 0
    lacking=$(sed -n "s/^E: Couldn't find these debs: *//p" "$output")
    mapfile -t left < <(bootstrap_without "$lacking" "${packages[@]}")
    if ((${#left[@]} == 0)); then
        # Only this log says why a command in the tree failed.
        if grep -q '^W: Failure trying to run' "$output"; then
            tail -n 30 -- "$folder/debootstrap/debootstrap.log" || true
        fi
        die "debootstrap of $suite from $mirror failed with status $status (see above)"
    fi
    step_says "Without $lacking, which $suite does not have"
    lab_remove "$folder"
    bootstrap_run "$folder" "$mirror" "$suite" "$keyring" "${left[@]}"
}

# bootstrap_without LACKING PACKAGE...: prints the packages without the lacking ones, or nothing if one of those is required or
# none of them is in the list.
bootstrap_without() {
    local lacking=$1 name
    local -a left=()
    for name in "${@:2}"; do
        if [[ " $lacking " != *" $name "* ]]; then
            left+=("$name")
        elif [[ " ${BOOTSTRAP_PACKAGES_IF_THERE[*]} " != *" $name "* ]]; then
            return 0
        fi
    done
    ((${#left[@]} == $# - 1)) || printf '%s\n' "${left[@]}"
}

# Prints debootstrap's script for suite $1. A suite that it does not know by name gets the script of sid, which all of
# today's share.
bootstrap_script() {
    local script=/usr/share/debootstrap/scripts/$1
    [[ -e $script ]] || script=/usr/share/debootstrap/scripts/sid
    printf '%s' "$script"
}

# Finds where the packages come from. Prints the mirror, the suite, the keyring that checks it, and whether it is a fallback
# (true or false), each ended by a NUL. Ends with BOOTSTRAP_NO_MIRROR when no mirror is known to fall back to.
bootstrap_source() {
    local mirror host status reached=yes
    local -a printed
    mapfile -t printed < <(host_mirror)
    host=${printed[0]:-}
    for mirror in ${DEBIAN_MIRROR:-${host% *} $DEBIAN_ARCHIVE}; do
        step_says "Looking for $DEBIAN_SUITE at $mirror"
        items_from printed status suite_keyring "$mirror" "$DEBIAN_SUITE"
        case $status in
        0)
            printf '%s\0' "$mirror" "$DEBIAN_SUITE" "${printed[0]}" false
            return
            ;;
        "$FETCH_NOT_THERE") ;;
        "$FETCH_NO_ROOM") die "cannot write to ${TMPDIR:-/tmp} (see above): free some space there" ;;
        "$FETCH_WRONG") die "cannot trust Debian $DEBIAN_SUITE at $mirror (see above)" ;;
        *) reached=no ;;
        esac
    done
    [[ $reached == no ]] || die "there is no Debian $DEBIAN_SUITE at $mirror: set DEBIAN_SUITE to a suite" \
        "that exists, or DEBIAN_MIRROR to a mirror that has it"
    bootstrap_source_host "$mirror" "$host"
}
BOOTSTRAP_NO_MIRROR=7 # beside the statuses of fetch

# bootstrap_source_host MIRROR HOST: the same for the fallback, since MIRROR cannot be reached: the host's own suite from the
# host's own mirror. HOST is the output of host_mirror.
bootstrap_source_host() {
    local unreached=$1 mirror=${2% *} suite=${2#* }
    local -a printed
    [[ $ALLOW_FALLBACK == yes ]] || die "cannot get Debian $DEBIAN_SUITE from $unreached, and" \
        "ALLOW_FALLBACK=no forbids another suite: set DEBIAN_MIRROR to a mirror that has it"
    if [[ -z $mirror ]]; then
        error "cannot get Debian $DEBIAN_SUITE from $unreached, and the host's apt sources name" \
            "no Debian mirror to fall back to: set DEBIAN_MIRROR to a mirror that has it"
        exit "$BOOTSTRAP_NO_MIRROR"
    fi
    step_notice "cannot get Debian $DEBIAN_SUITE from $unreached: taking the host's own suite, $suite," \
        "from the host's mirror"
    items_of printed suite_keyring "$mirror" "$suite"
    printf '%s\0' "$mirror" "$suite" "${printed[0]}" true
}
