# shellcheck shell=bash
# Step rootfs: a copy of the bootstrapped tree with the user's packages, and with the lab's files, keys and programs laid over it.

inputs_rootfs() {
    local guest prog bin ssh
    guest=$(content_sum guest)
    prog=$(content_sum prog)
    bin=$(LC_ALL=C && cat -- "$VM_DIR/bin/"__* | sha256sum | cut -c 1-16) # the shell sorts by locale
    ssh=$(cat -- "$VM_DIR/ssh/"{host,id}_ed25519.pub | sha256sum | cut -c 1-16)
    printf 'packages=%s\n' "$(step_made packages)"
    printf 'ROOT_PASSWORD=%s\n' "$(sha256sum <<<"$ROOT_PASSWORD" | cut -c 1-16)"
    printf 'guest=%s\nprog=%s\nbin=%s\nssh=%s\n' "$guest" "$prog" "$bin" "$ssh"
}

present_rootfs() {
    [[ -d $VM_DIR/rootfs/etc ]]
}

step_rootfs() {
    local root=$VM_DIR/rootfs.partial tree
    tree=$(packages_tree)
    lab_remove "$root"
    step_says 'Copying the bootstrapped tree'
    [[ -d $tree ]] || die "there is no bootstrapped tree in $VM_DIR: run ./setup.sh bootstrap packages"
    cp -a --reflink=auto -- "$tree" "$root"
    rootfs_system "$root"
    guest_apt "$root"
    rootfs_login "$root"
    rootfs_programs "$root"
    result_replace "$root" "$VM_DIR/rootfs"
}

# Installs the files of guest/, and sets up what each machine has for itself.
rootfs_system() {
    local root=$1 unit
    step_says 'Installing the files of guest/'
    sources_tar guest | tar --extract --directory "$root" --strip-components=1 --keep-directory-symlink --same-owner
    # A checkout may have lost its execute permissions.
    find "$LAB_HOME/guest" -type f -path '*bin/*' -printf "$root/%P\\0" | xargs -0 -r chmod 755 --
    # The host name comes from the kernel's command line, the name server from the kernel's DHCP client.
    rm -f -- "$root/etc/hostname" "$root/etc/resolv.conf"
    ln -s /proc/net/pnp "$root/etc/resolv.conf"
    printf '127.0.0.1\tlocalhost\n' >"$root/etc/hosts"
    # Each guest makes its own machine id at its first boot (machine-id(5)).
    : >"$root/etc/machine-id"
    # Socket activation: the first connection starts the server.
    in_root "$root" systemctl disable ssh.service
    in_root "$root" systemctl enable ssh.socket acpid.service serial-getty@ttyS0.service lab-ready.service \
        lab-driver.service sys-kernel-debug.automount usr-src-kernel.automount
    # debugfs is mounted at the first access (guest/etc/systemd/system/sys-kernel-debug.automount), and not at boot.
    rm -f -- "$root/lib/systemd/system/sysinit.target.wants/sys-kernel-debug.mount"
    for unit in "${GUEST_MASKED[@]}"; do
        ln -sfn /dev/null "$root/etc/systemd/system/$unit"
    done
    mkdir -p -- "$root/etc/systemd/system-generators"
    for unit in "${GUEST_MASKED_GENERATORS[@]}"; do
        ln -sfn /dev/null "$root/etc/systemd/system-generators/systemd-$unit-generator"
    done
}

# in_root FOLDER COMMAND...: runs a command in the guest's tree, where the host's TMPDIR does not exist.
in_root() {
    env -u TMPDIR chroot "$@"
}

# Installs the keys, and sets root's password.
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

# Installs the programs, which are linked statically on the host, and their sources, to edit and build in the guest.
rootfs_programs() {
    local root=$1 jobs
    step_says 'Installing the programs'
    install -m 755 -- "$VM_DIR"/bin/__* "$root/usr/local/bin/"
    sources_tar prog | tar --extract --touch --directory "$root/root" --same-owner
    # Build them once with the guest's own compiler: it is fast here and slow under emulation, and make in the guest then
    # compiles only what was edited. The library is installed from this build: one that the host's compiler has built may need a
    # newer C library than the guest's.
    jobs=$(processors)
    in_root "$root" make -s -j "$jobs" -C /root/prog all install-library ||
        step_notice "the guest's own compiler cannot build /root/prog, so libshmem is not installed; $VM_DIR/log/rootfs.log says why"
}

# Units that cost boot time under emulation and do nothing in a guest without udev, modules to load at boot, swap, logind and a
# clock that must be set; and timers, which would disturb measurements. `systemctl unmask NAME` in a guest brings a unit back.
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

# Generators, which systemd runs before it starts any unit: they took 2.8 s of a boot of 9 s under emulation. The generator
# for fstab stays. A link to /dev/null in /etc masks one (systemd.generator(7)).
GUEST_MASKED_GENERATORS=(cryptsetup debug getty gpt-auto hibernate-resume integritysetup rc-local run ssh
    system-update sysv tpm2 veritysetup)
