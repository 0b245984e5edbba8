# shellcheck shell=bash
# Steps bootstrap and rootfs: Debian by debootstrap, once; then the lab's files, keys and programs laid over a copy.

# What the guest has beyond Debian's essential packages. No udev and no logind: devtmpfs and the kernel's DHCP client
# do what they would, and a VM is ready seconds earlier.
GUEST_PACKAGES=(
    systemd-sysv openssh-server acpid            # boots, is reached, powers down
    gcc make libc6-dev vim                       # the programs can be changed and built there
    pciutils iproute2 procps less                # lspci, ip, ps
)

# What bench.sh compares with: a guest of a suite that lacks one goes without.
GUEST_PACKAGES_IF_THERE=(iperf3 sockperf)

inputs_bootstrap() {
    printf 'DEBIAN_SUITE=%s\nDEBIAN_MIRROR=%s\nDEBIAN_ARCHIVE=%s\n' "$DEBIAN_SUITE" "$DEBIAN_MIRROR" "$DEBIAN_ARCHIVE"
    printf 'packages=%s\n' "${GUEST_PACKAGES[*]} ${GUEST_PACKAGES_IF_THERE[*]}"
}

present_bootstrap() {
    [[ -d $VM_DIR/bootstrap/etc && -s $VM_DIR/bootstrap.json ]] && ! fallback_unwanted "$VM_DIR/bootstrap.json"
}

step_bootstrap() {
    local partial=$VM_DIR/bootstrap.partial mirror suite keyring fallback
    local -a found
    lab_remove "$partial"
    mapfile -d '' -t found < <(bootstrap_source)
    wait "$!"
    mirror=${found[0]} suite=${found[1]} keyring=${found[2]} fallback=${found[3]}
    mkdir -p -- "$VM_DIR/cache/packages"
    bootstrap_run "$partial" "$mirror" "$suite" "$keyring" "${GUEST_PACKAGES[@]}" "${GUEST_PACKAGES_IF_THERE[@]}"
    rm -rf -- "$partial/var/cache/apt/archives"/*.deb
    lab_remove "$VM_DIR/cache/packages"
    rm -f -- "$VM_DIR/bootstrap.json"
    result_replace "$partial" "$VM_DIR/bootstrap"
    jq -n --arg suite "$suite" --arg mirror "$mirror" --arg keyring "$keyring" \
        --arg version "$(<"$VM_DIR/bootstrap/etc/debian_version")" --argjson fallback "$fallback" \
        '{suite: $suite, version: $version, mirror: $mirror, keyring: $keyring, fallback: $fallback}' |
        write_file "$VM_DIR/bootstrap.json"
}

# bootstrap_run FOLDER MIRROR SUITE KEYRING PACKAGE...: runs debootstrap, and once more without those of GUEST_PACKAGES_IF_THERE that the
# suite lacks, which it finds out before it fetches any.
bootstrap_run() {
    local folder=$1 mirror=$2 suite=$3 keyring=$4 output status=0 lacking
    local -a packages=("${@:5}") left=()
    output=$(mktemp)
    step_says "Bootstrapping $suite from $mirror"
    # In namespaces of its own: what debootstrap mounts and starts in the tree goes with it, however it ends.
    unshare --mount --pid --fork --kill-child=KILL -- \
        debootstrap --arch=amd64 --variant=minbase --merged-usr --keyring="$keyring" \
        --cache-dir="$VM_DIR/cache/packages" --include="$(IFS=,; echo "${packages[*]}")" \
        "$suite" "$folder" "$mirror" "$(bootstrap_script "$suite")" 2>&1 | tee "$output" || status=$?
    ((status != 0)) || return 0
    lacking=$(sed -n "s/^E: Couldn't find these debs: *//p" "$output")
    mapfile -t left < <(bootstrap_without "$lacking" "${packages[@]}")
    if ((${#left[@]} == 0)); then
        # What failed within the tree is told nowhere else.
        if grep -q '^W: Failure trying to run' "$output"; then
            tail -n 30 -- "$folder/debootstrap/debootstrap.log" || true
        fi
        die "debootstrap of $suite from $mirror failed with status $status (see above)"
    fi
    step_says "Without $lacking, which $suite does not have"
    lab_remove "$folder"
    bootstrap_run "$folder" "$mirror" "$suite" "$keyring" "${left[@]}"
}

# bootstrap_without LACKING PACKAGE...: prints the packages that are left without those; nothing if it does not do to go
# on without them.
bootstrap_without() {
    local lacking=$1 name
    local -a left=()
    for name in "${@:2}"; do
        if [[ " $lacking " != *" $name "* ]]; then
            left+=("$name")
        elif [[ " ${GUEST_PACKAGES_IF_THERE[*]} " != *" $name "* ]]; then
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
        status=0
        mapfile -t printed < <(suite_keyring "$mirror" "$DEBIAN_SUITE")
        wait "$!" || status=$?
        case $status in
        0)
            printf '%s\0' "$mirror" "$DEBIAN_SUITE" "${printed[0]}" false
            return
            ;;
        "$FETCH_NOT_THERE") ;;
        "$FETCH_NO_ROOM") die "cannot write to ${TMPDIR:-/tmp} (see above): make room there" ;;
        "$FETCH_WRONG") die "Debian $DEBIAN_SUITE at $mirror is not to be trusted (see above)" ;;
        *) reached=no ;;
        esac
    done
    [[ $reached == no ]] || die "there is no Debian $DEBIAN_SUITE at $mirror: set DEBIAN_SUITE to one that" \
        "there is, or DEBIAN_MIRROR to a mirror that has it"
    bootstrap_source_host "$mirror" "$host"
}
BOOTSTRAP_NO_MIRROR=7

# bootstrap_source_host MIRROR HOST: the host's own suite from its own mirror (HOST, as host_mirror prints it), because MIRROR
# cannot be reached.
bootstrap_source_host() {
    local unreached=$1 mirror=${2% *} suite=${2#* } keyring
    [[ $ALLOW_FALLBACK == yes ]] || die "Debian $DEBIAN_SUITE cannot be had from $unreached, and" \
        "ALLOW_FALLBACK=no forbids another: name a mirror that has it with DEBIAN_MIRROR"
    if [[ -z $mirror ]]; then
        error "Debian $DEBIAN_SUITE cannot be had from $unreached, and the host's apt sources name" \
            "no Debian mirror to fall back to: name one with DEBIAN_MIRROR"
        exit "$BOOTSTRAP_NO_MIRROR"
    fi
    step_notice "Debian $DEBIAN_SUITE cannot be had from $unreached: taking $suite, the host's own," \
        "from the host's mirror instead"
    keyring=$(suite_keyring "$mirror" "$suite")
    printf '%s\0' "$mirror" "$suite" "$keyring" true
}

inputs_rootfs() {
    local guest prog bin ssh
    guest=$(content_sum guest)
    prog=$(content_sum prog)
    bin=$(LC_ALL=C && cat -- "$VM_DIR/bin/"__* | sha256sum | cut -c 1-16) # whose order would be the locale's
    ssh=$(cat -- "$VM_DIR/ssh/"{host,id}_ed25519.pub | sha256sum | cut -c 1-16)
    printf 'bootstrap=%s\n' "$(step_made bootstrap)"
    printf 'ROOT_PASSWORD=%s\n' "$(sha256sum <<<"$ROOT_PASSWORD" | cut -c 1-16)"
    printf 'guest=%s\nprog=%s\nbin=%s\nssh=%s\n' "$guest" "$prog" "$bin" "$ssh"
}

present_rootfs() {
    [[ -d $VM_DIR/rootfs/etc ]]
}

step_rootfs() {
    local root=$VM_DIR/rootfs.partial
    lab_remove "$root"
    step_says 'Copying the bootstrapped tree'
    [[ -d $VM_DIR/bootstrap ]] || die "there is no bootstrapped tree in $VM_DIR: ./setup.sh bootstrap makes it"
    cp -a --reflink=auto -- "$VM_DIR/bootstrap" "$root"
    rootfs_system "$root"
    rootfs_login "$root"
    rootfs_programs "$root"
    result_replace "$root" "$VM_DIR/rootfs"
}

# The files of guest/, and what a new machine must have or must not have.
rootfs_system() {
    local root=$1 unit
    step_says 'Laying guest/ over it'
    sources_tar guest | tar --extract --directory "$root" --strip-components=1 --keep-directory-symlink --same-owner
    # Also where the checkout has lost its x bits.
    find "$LAB_HOME/guest" -type f -path '*bin/*' -printf "$root/%P\\0" | xargs -0 -r chmod 755 --
    # The name comes from the kernel's command line, the name server from its DHCP client.
    rm -f -- "$root/etc/hostname" "$root/etc/resolv.conf"
    ln -s /proc/net/pnp "$root/etc/resolv.conf"
    printf '127.0.0.1\tlocalhost\n' >"$root/etc/hosts"
    # Each guest makes its own at its first boot (machine-id(5)).
    : >"$root/etc/machine-id"
    # Socket activation: the first connection starts the server.
    in_root "$root" systemctl disable ssh.service
    in_root "$root" systemctl enable ssh.socket acpid.service serial-getty@ttyS0.service lab-ready.service \
        lab-doorbell.service sys-kernel-debug.automount
    # Mounted when somebody looks (guest/etc/systemd/system/sys-kernel-debug.automount), and not at boot.
    rm -f -- "$root/lib/systemd/system/sysinit.target.wants/sys-kernel-debug.mount"
    for unit in "${GUEST_MASKED[@]}"; do
        ln -sfn /dev/null "$root/etc/systemd/system/$unit"
    done
    mkdir -p -- "$root/etc/systemd/system-generators"
    for unit in "${GUEST_MASKED_GENERATORS[@]}"; do
        ln -sfn /dev/null "$root/etc/systemd/system-generators/systemd-$unit-generator"
    done
}

# in_root FOLDER COMMAND...: TMPDIR is a folder of the host's.
in_root() {
    env -u TMPDIR chroot "$@"
}

# Keys, and root's password.
rootfs_login() {
    local root=$1
    step_says 'Installing the keys'
    rm -f -- "$root"/etc/ssh/ssh_host_*
    install -m 600 -- "$VM_DIR/ssh/host_ed25519" "$root/etc/ssh/ssh_host_ed25519_key"
    install -m 644 -- "$VM_DIR/ssh/host_ed25519.pub" "$root/etc/ssh/ssh_host_ed25519_key.pub"
    install -d -m 700 -- "$root/root/.ssh"
    install -m 600 -- "$VM_DIR/ssh/id_ed25519.pub" "$root/root/.ssh/authorized_keys"
    case $ROOT_PASSWORD in
    '') in_root "$root" passwd --quiet --delete root ;;
    '!') in_root "$root" usermod --lock root ;;
    *) in_root "$root" chpasswd <<<"root:$ROOT_PASSWORD" ;;
    esac
}

# The programs, built static on the host, and their sources to change and build in the guest.
rootfs_programs() {
    local root=$1 jobs
    step_says 'Installing the programs'
    install -m 755 -- "$VM_DIR"/bin/__* "$root/usr/local/bin/"
    sources_tar prog | tar --extract --touch --directory "$root/root" --same-owner
    # Built once more by the guest's own compiler, which is quick here and slow under emulation: what is edited in the
    # guest then needs to be compiled, and no more.
    jobs=$(processors)
    in_root "$root" make -s -j "$jobs" -C /root/prog ||
        step_notice "the guest's own compiler cannot build /root/prog: the log $VM_DIR/log/rootfs.log says why"
}

# Units that cost boot time under emulation and serve nothing in a guest without udev, modules, swap, logind or a clock
# to set back; and timers, which would disturb a measurement. In a guest, `systemctl unmask NAME` brings one back.
GUEST_MASKED=(
    getty-static.service getty@tty1.service kmod-static-nodes.service modprobe@.service
    systemd-modules-load.service systemd-remount-fs.service systemd-repart.service systemd-pstore.service
    systemd-sysusers.service systemd-firstboot.service systemd-machine-id-commit.service systemd-sysctl.service
    systemd-random-seed.service systemd-update-utmp.service systemd-update-utmp-runlevel.service
    systemd-journal-flush.service systemd-binfmt.service proc-sys-fs-binfmt_misc.automount
    systemd-tmpfiles-setup-dev.service systemd-tmpfiles-setup-dev-early.service ldconfig.service
    systemd-journal-catalog-update.service systemd-update-done.service systemd-ask-password-console.path
    systemd-ask-password-wall.path
    sys-kernel-config.mount sys-fs-fuse-connections.mount sys-kernel-tracing.mount dev-hugepages.mount dev-mqueue.mount
    systemd-logind.service systemd-user-sessions.service e2scrub_reap.service systemd-timesyncd.service
    apt-daily.timer apt-daily-upgrade.timer e2scrub_all.timer fstrim.timer dpkg-db-backup.timer
    systemd-tmpfiles-clean.timer man-db.timer logrotate.timer
)

# systemd runs every one of these programs before it starts a single unit: 2.8 s of a boot of 9 s under emulation. The
# one for fstab stays. systemd.generator(7): a link to /dev/null in /etc masks one.
GUEST_MASKED_GENERATORS=(cryptsetup debug getty gpt-auto hibernate-resume integritysetup rc-local run ssh
    system-update sysv tpm2 veritysetup)
