# shellcheck shell=bash
# Step rootfs: a copy of the bootstrapped tree, with the lab's files, keys and programs laid over it.

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
