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
    [[ -d $VM_DIR/bootstrap/etc ]] && ! fallback_unwanted "$VM_DIR/bootstrap.json"
}

step_bootstrap() {
    local partial=$VM_DIR/bootstrap.partial status=0
    lab_remove "$partial"
    bootstrap_source
    mkdir -p -- "$VM_DIR/cache/packages"
    bootstrap_run "$partial" "${GUEST_PACKAGES[@]}" "${GUEST_PACKAGES_IF_THERE[@]}" || status=$?
    ((status == 0)) || die "debootstrap of $BOOTSTRAP_SUITE from $BOOTSTRAP_MIRROR failed with status $status"
    rm -rf -- "$partial/var/cache/apt/archives"/*.deb
    lab_remove "$VM_DIR/bootstrap" "$VM_DIR/cache/packages"
    mv -T -- "$partial" "$VM_DIR/bootstrap"
    jq -n --arg suite "$BOOTSTRAP_SUITE" --arg mirror "$BOOTSTRAP_MIRROR" --arg keyring "$BOOTSTRAP_KEYRING" \
        --arg version "$(<"$VM_DIR/bootstrap/etc/debian_version")" --argjson fallback "$BOOTSTRAP_FALLBACK" \
        '{suite: $suite, version: $version, mirror: $mirror, keyring: $keyring, fallback: $fallback}' |
        write_file "$VM_DIR/bootstrap.json"
}

# bootstrap_run FOLDER PACKAGE...: runs debootstrap, and once more without those of GUEST_PACKAGES_IF_THERE that the
# suite lacks, which it finds out before it fetches any.
bootstrap_run() {
    local folder=$1 output status=0 name lacking
    local -a packages=("${@:2}") left=()
    output=$(mktemp)
    # In namespaces of its own: what debootstrap mounts and starts in the tree goes with it, however it ends.
    unshare --mount --pid --fork --kill-child=KILL -- \
        debootstrap --arch=amd64 --variant=minbase --merged-usr --keyring="$BOOTSTRAP_KEYRING" \
        --cache-dir="$VM_DIR/cache/packages" --include="$(IFS=,; echo "${packages[*]}")" \
        "$BOOTSTRAP_SUITE" "$folder" "$BOOTSTRAP_MIRROR" "$(bootstrap_script)" 2>&1 | tee "$output" || status=$?
    lacking=$(sed -n "s/^E: Couldn't find these debs: *//p" "$output")
    rm -f -- "$output"
    [[ -n $lacking ]] || return "$status"
    for name in "${packages[@]}"; do
        if [[ " $lacking " != *" $name "* ]]; then
            left+=("$name")
        elif [[ " ${GUEST_PACKAGES_IF_THERE[*]} " != *" $name "* ]]; then
            return "$status"
        fi
    done
    ((${#left[@]} < ${#packages[@]})) || return "$status"
    echo "Without $lacking, which $BOOTSTRAP_SUITE does not have"
    lab_remove "$folder"
    bootstrap_run "$folder" "${left[@]}"
}

# debootstrap's script for a suite that it does not know by name: all of today's are alike.
bootstrap_script() {
    local script=/usr/share/debootstrap/scripts/$BOOTSTRAP_SUITE
    [[ -e $script ]] || script=/usr/share/debootstrap/scripts/sid
    printf '%s' "$script"
}

# Where the packages come from: sets BOOTSTRAP_MIRROR, _SUITE, _KEYRING, and _FALLBACK to true if the suite is not the
# one that was asked for.
bootstrap_source() {
    local host status reached=yes
    host=$(host_mirror) || host=''
    BOOTSTRAP_SUITE=$DEBIAN_SUITE BOOTSTRAP_FALLBACK=false
    for BOOTSTRAP_MIRROR in ${DEBIAN_MIRROR:-${host% *} $DEBIAN_ARCHIVE}; do
        echo "Looking for $DEBIAN_SUITE at $BOOTSTRAP_MIRROR"
        status=0
        BOOTSTRAP_KEYRING=$(suite_keyring "$BOOTSTRAP_MIRROR" "$DEBIAN_SUITE") || status=$?
        case $status in
        0) return ;;
        "$FETCH_NOT_THERE") ;;
        "$FETCH_WRONG") die "Debian $DEBIAN_SUITE at $BOOTSTRAP_MIRROR is not to be trusted (see above)" ;;
        *) reached=no ;;
        esac
    done
    [[ $reached == no ]] || die "there is no Debian $DEBIAN_SUITE at $BOOTSTRAP_MIRROR: set DEBIAN_SUITE to one that" \
        "there is, or DEBIAN_MIRROR to a mirror that has it"
    [[ $ALLOW_FALLBACK == yes ]] || die "Debian $DEBIAN_SUITE cannot be had from $BOOTSTRAP_MIRROR, and" \
        "ALLOW_FALLBACK=no forbids another: name a mirror that has it with DEBIAN_MIRROR"
    [[ -n $host ]] || die "Debian $DEBIAN_SUITE cannot be had from $BOOTSTRAP_MIRROR, and the host's apt sources name" \
        "no Debian mirror to fall back to: name one with DEBIAN_MIRROR"
    step_notice "Debian $DEBIAN_SUITE cannot be had from $BOOTSTRAP_MIRROR: taking ${host#* }, the host's own," \
        "from the host's mirror instead"
    BOOTSTRAP_MIRROR=${host% *} BOOTSTRAP_SUITE=${host#* } BOOTSTRAP_FALLBACK=true
    BOOTSTRAP_KEYRING=$(suite_keyring "$BOOTSTRAP_MIRROR" "$BOOTSTRAP_SUITE")
}

inputs_rootfs() {
    printf 'bootstrap=%s\n' "$(stat -c %Y -- "$VM_DIR/bootstrap.json" 2>/dev/null || echo none)"
    printf 'ROOT_PASSWORD=%s\n' "$(sha256sum <<<"$ROOT_PASSWORD" | cut -c 1-16)"
    printf 'guest=%s\n' "$(content_sum guest)"
    printf 'prog=%s\n' "$(content_sum prog)"
    printf 'ssh=%s\n' "$(cat -- "$VM_DIR/ssh/"*.pub | sha256sum | cut -c 1-16)"
}

present_rootfs() {
    [[ -d $VM_DIR/rootfs/etc ]]
}

step_rootfs() {
    local root=$VM_DIR/rootfs.partial
    lab_remove "$root"
    echo 'Copying the bootstrapped tree'
    cp -a --reflink=auto -- "$VM_DIR/bootstrap" "$root"
    rootfs_system "$root"
    rootfs_login "$root"
    rootfs_programs "$root"
    lab_remove "$VM_DIR/rootfs"
    mv -T -- "$root" "$VM_DIR/rootfs"
}

# The files of guest/, and what a new machine must have or must not have.
rootfs_system() {
    local root=$1 unit
    echo 'Laying guest/ over it'
    # As root's, whoever owns the checkout; a folder's own owner and mode stay as they are in Debian.
    tar --create --directory "$LAB_HOME/guest" --owner=0 --group=0 --mode=u=rwX,go=rX . |
        tar --extract --directory "$root" --no-overwrite-dir --keep-directory-symlink --same-owner
    # Also where the checkout has lost its x bits.
    find "$LAB_HOME/guest" -type f -path '*bin/*' -printf "$root/%P\\0" | xargs -0 -r chmod 755 --
    # The name comes from the kernel's command line, the name server from its DHCP client.
    rm -f -- "$root/etc/hostname" "$root/etc/resolv.conf"
    ln -s /proc/net/pnp "$root/etc/resolv.conf"
    printf '127.0.0.1\tlocalhost\n' >"$root/etc/hosts"
    # Each guest makes its own at its first boot (machine-id(5)).
    : >"$root/etc/machine-id"
    # Socket activation: the first connection starts the server.
    chroot "$root" systemctl disable ssh.service
    chroot "$root" systemctl enable ssh.socket acpid.service serial-getty@ttyS0.service lab-ready.service \
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

# Keys, and root's password.
rootfs_login() {
    local root=$1
    echo 'Installing the keys'
    rm -f -- "$root"/etc/ssh/ssh_host_*
    install -m 600 -- "$VM_DIR/ssh/host_ed25519" "$root/etc/ssh/ssh_host_ed25519_key"
    install -m 644 -- "$VM_DIR/ssh/host_ed25519.pub" "$root/etc/ssh/ssh_host_ed25519_key.pub"
    install -d -m 700 -- "$root/root/.ssh"
    install -m 600 -- "$VM_DIR/ssh/id_ed25519.pub" "$root/root/.ssh/authorized_keys"
    case $ROOT_PASSWORD in
    '') chroot "$root" passwd --quiet --delete root ;;
    '!') chroot "$root" usermod --lock root ;;
    *) chroot "$root" chpasswd <<<"root:$ROOT_PASSWORD" ;;
    esac
}

# The programs, built static on the host, and their sources to change and build in the guest.
rootfs_programs() {
    local root=$1
    echo 'Installing the programs'
    install -m 755 -- "$VM_DIR"/bin/__* "$root/usr/local/bin/"
    rm -rf -- "$root/root/prog"
    cp -r --no-preserve=ownership -- "$LAB_HOME/prog" "$root/root/prog"
    rm -rf -- "$root/root/prog/build"
    # Built once more by the guest's own compiler, which is quick here and slow under emulation: what is edited in the
    # guest then needs to be compiled, and no more.
    chroot "$root" make -s -j "$(processors)" -C /root/prog ||
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
