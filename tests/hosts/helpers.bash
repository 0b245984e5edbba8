# shellcheck shell=bash disable=SC2016,SC2034 # code in quotes; what the tests use
# A Debian host in a VM that runs the lab's VMs under KVM: QEMU's TCG emulates AMD-V with nested paging
# (QEMU: target/i386/tcg/sysemu/svm_helper.c). It shows that things work, not how fast they are.

: "${HOST_SUITE:?is not set: call tests/run hosts}"

# shellcheck source=tests/e2e/helpers.bash
source "$BATS_TEST_DIRNAME/../e2e/helpers.bash"

HOST_CPU=max,+svm,+npt
HOST_MEMORY=4G
HOST_DISK=16G

# The packages of the host: enough to boot the suite's own kernel, log in by ssh, use sudo, and clone the kit with git.
HOST_SYSTEM=(systemd-sysv udev kmod linux-image-amd64 openssh-server sudo git iproute2)

# Prints the reason why no such host can run here, or nothing.
host_impossible() {
    if ((EUID != 0)); then
        echo 'only root can make the host'"'"'s root file system'
    elif ! timeout 20 qemu-system-x86_64 -nodefaults -machine q35 -accel tcg -cpu "$HOST_CPU,enforce" -display none -S -monitor stdio \
        <<<quit >/dev/null 2>&1; then
        echo 'this QEMU does not emulate AMD-V with nested paging (-cpu max,+svm,+npt)'
    fi
}

# kit COMMAND...: runs a function from the kit's scripts.
kit() {
    bash -c 'set -euo pipefail; shopt -s inherit_errexit
        source "$1/lib/load.sh"; source "$1/setup/load.sh"; config_load; proxies_settle; "${@:2}"' - "$KIT" "$@"
}

kit_packages() {
    kit eval 'printf "%s\n" "${HOST_PACKAGES[@]}"'
}

# Makes HOST/tree: Debian HOST_SUITE from this host's mirror, with the packages that the kit needs.
host_bootstrap() {
    local mirror keyring script=/usr/share/debootstrap/scripts/$HOST_SUITE
    local -a packages
    mirror=$(kit host_mirror)
    mirror=${mirror% *}
    keyring=$(kit suite_keyring "$mirror" "$HOST_SUITE")
    mapfile -t packages < <(printf '%s\n' "${HOST_SYSTEM[@]}"; kit_packages)
    [[ -e $script ]] || script=/usr/share/debootstrap/scripts/sid
    # Separate namespaces: debootstrap's mounts in the tree vanish when it ends.
    unshare --mount --pid --fork --kill-child=KILL -- \
        debootstrap --arch=amd64 --variant=minbase --keyring="$keyring" \
        --include="$(IFS=,; echo "${packages[*]}")" "$HOST_SUITE" "$HOST/tree" "$mirror" "$script"
    rm -rf -- "$HOST/tree/var/cache/apt/archives"/*.deb
}

# Configures the tree: a host name, network by DHCP, and user lab, who may use sudo and KVM and logs in with a key.
host_configure() {
    local tree=$HOST/tree
    echo "$HOST_SUITE" >"$tree/etc/hostname"
    printf '127.0.0.1 localhost %s\n' "$HOST_SUITE" >"$tree/etc/hosts"
    echo '/dev/vda / ext4 defaults 0 1' >"$tree/etc/fstab"
    echo 'nameserver 10.0.2.3' >"$tree/etc/resolv.conf" # QEMU's user network has it there
    printf '%s\n' '[Match]' 'Name=en* eth*' '[Network]' 'DHCP=yes' >"$tree/etc/systemd/network/host.network"
    chroot "$tree" groupadd --system --force kvm
    chroot "$tree" useradd --create-home --shell /bin/bash --groups sudo,kvm lab
    echo 'lab ALL=(ALL) NOPASSWD:ALL' >"$tree/etc/sudoers.d/lab"
    ssh-keygen -q -t ed25519 -N '' -f "$HOST/key"
    mkdir -- "$tree/home/lab/.ssh"
    cp -- "$HOST/key.pub" "$tree/home/lab/.ssh/authorized_keys"
    git -C "$BATS_TEST_DIRNAME/../.." bundle create "$tree/home/lab/kit.bundle" HEAD 2>&1
    chroot "$tree" chown -R lab:lab /home/lab
    systemctl --root="$tree" --quiet enable systemd-networkd ssh
    # These timers would fire in the middle of a test.
    systemctl --root="$tree" --quiet mask apt-daily.timer apt-daily-upgrade.timer man-db.timer
}

# host_lab PATTERN...: copies the lab that was built on this host, without the files that match the patterns.
host_lab() {
    local lab=$HOST/tree/home/vms-x86_64
    mkdir -- "$lab"
    tar --create --sparse --directory "$VM_DIR" "${@/#/--exclude=./}" . | tar --extract --sparse --directory "$lab"
    chroot "$HOST/tree" chown -R lab:lab "${lab#"$HOST/tree"}"
}

host_image() {
    cp -- "$HOST"/tree/boot/vmlinuz-* "$HOST/vmlinuz"
    cp -- "$HOST"/tree/boot/initrd.img-* "$HOST/initrd"
    mke2fs -q -t ext4 -E lazy_itable_init=1,lazy_journal_init=1 -d "$HOST/tree" "$HOST/disk.img" "$HOST_DISK"
    rm -rf --one-file-system -- "$HOST/tree"
}

# Boots the host and waits until user lab can log in. HOST/pid has QEMU's pid, HOST/console the console's output.
host_boot() {
    qemu-system-x86_64 -name "$HOST_SUITE" -no-user-config -nodefaults -display none -no-reboot -daemonize \
        -machine q35 -accel tcg,thread=multi -cpu "$HOST_CPU" -smp 2 -m "$HOST_MEMORY" \
        -kernel "$HOST/vmlinuz" -initrd "$HOST/initrd" -append 'root=/dev/vda rw console=ttyS0 mitigations=off panic=-1' \
        -drive "if=virtio,format=raw,file=$HOST/disk.img" -device virtio-rng-pci \
        -netdev user,id=net,hostfwd=tcp:127.0.0.1:0-:22 -device virtio-net-pci,netdev=net \
        -serial "file:$HOST/console" -qmp "unix:$HOST/qmp.sock,server=on,wait=off" -pidfile "$HOST/pid" 3>&-
    host_port >"$HOST/port"
    wait_until on true
}

# Prints the port of this host that is forwarded to ssh in the VM.
host_port() {
    printf '%s\n' '{"execute": "qmp_capabilities"}' \
        '{"execute": "human-monitor-command", "arguments": {"command-line": "info usernet"}}' |
        socat -t 5 - "UNIX-CONNECT:$HOST/qmp.sock" | jq -r '.return | strings' |
        awk '/HOST_FORWARD/ { for (i = 1; i < NF; i++) if ($i == "127.0.0.1") { print $(i + 1); exit } }'
}

# For setup_file: host_begin PATTERN... does all of the above. For setup: host_needed skips the test if no host can run here.
host_begin() {
    export HOST=$E2E_DIR/$HOST_SUITE HOST_IMPOSSIBLE
    HOST_IMPOSSIBLE=$(host_impossible)
    [[ -z $HOST_IMPOSSIBLE ]] || return 0
    rm -rf --one-file-system -- "$HOST"
    mkdir -- "$HOST"
    host_bootstrap >"$HOST/bootstrap.log" 2>&1 || { tail -n 20 "$HOST/bootstrap.log" >&2; return 1; }
    host_configure
    host_lab "$@"
    host_image
    host_boot
    on git clone -q kit.bundle kit
}

host_needed() {
    [[ -z $HOST_IMPOSSIBLE ]] || skip "$HOST_IMPOSSIBLE"
    ! host_crashed || host_boot
}

# For teardown. The host's own kernel sometimes panics in KVM's exit path, with bookworm's more often than with trixie's: then
# TCG has emulated AMD-V wrongly, and the test says nothing. bats tries it again (BATS_TEST_RETRIES, bats-core 1.8), on the
# host that host_needed boots again.
host_forgive() {
    if [[ -z $HOST_IMPOSSIBLE ]] && host_crashed && ((BATS_TEST_TRY_NUMBER <= HOST_CRASHES_MOST)); then
        echo "# the host's kernel panicked under TCG: trying again" >&3
        BATS_TEST_RETRIES=$HOST_CRASHES_MOST
    fi
}
HOST_CRASHES_MOST=3

# Has the host ended by a panic of its own kernel?
host_crashed() {
    [[ -f $HOST/console ]] && grep -qa 'Kernel panic' "$HOST/console" && wait_until host_gone # panic=-1 and -no-reboot
}

host_gone() {
    ! grep -qaF -- "$HOST/pid" "/proc/$(cat "$HOST/pid" 2>/dev/null || echo 0)/cmdline" 2>/dev/null
}

host_end() {
    local pid
    [[ -n ${HOST:-} && -d $HOST ]] || return 0
    if ! host_gone; then
        pid=$(<"$HOST/pid")
        kill -TERM "$pid"
        wait_until gone "$pid"
    fi
    rm -f -- "$HOST/disk.img"
}

# on COMMAND...: runs a command as user lab on the host, in the kit's folder if that exists.
on() {
    local words
    printf -v words '%q ' "$@"
    ssh -q -i "$HOST/key" -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o BatchMode=yes \
        -o ConnectTimeout=10 -p "$(<"$HOST/port")" lab@127.0.0.1 "cd kit 2>/dev/null; $words" </dev/null
}

# on_two COMMAND1 COMMAND2: runs shell commands in the host's vm1 and vm2 at once; both must succeed. Sets out1 and out2 to
# their output.
on_two() {
    local first=0 second=0
    on ./run.sh vm1 sh -c "$1" >"$BATS_TEST_TMPDIR/1" 2>"$BATS_TEST_TMPDIR/1.err" &
    on ./run.sh vm2 sh -c "$2" >"$BATS_TEST_TMPDIR/2" 2>"$BATS_TEST_TMPDIR/2.err" || second=$?
    wait "$!" || first=$?
    out1=$(<"$BATS_TEST_TMPDIR/1") out2=$(<"$BATS_TEST_TMPDIR/2")
    ((first == 0 && second == 0)) || failure "ended with $first and $second: $1, $2" "$(tail -n 50 "$BATS_TEST_TMPDIR"/[12]*)"
}

# Succeeds if VM $1 of the host is in state $2.
host_vm_is() {
    [[ $(on ./status.sh --json | jq -r --arg name "$1" '.vms[] | select(.name == $name) | .state') == "$2" ]]
}

# Fails if the kernel of vm1 has logged a warning. Ignores the warning about the XSAVE area of TCG's CPU: the lab does not
# cause it.
guest_complaints() {
    succeeds on ./run.sh vm1 dmesg --level=emerg,alert,crit,err,warn
    output=$(awk '/XSAVE consistency problem/ { within = 1; held = "" }
        within { within = !/end trace/; next }
        held { print held; held = "" }
        /cut here/ { held = $0; next }
        /vfio-noiommu/ { next } # what the lab takes the interrupts by, and the kernel taints itself for
        !/CPUID\[0d, /' <<<"$output")
    same '' "$output"
}

# vms [NAME=VALUE...]: both VMs of the host run, with these knobs if they are started now.
vms() {
    succeeds on env "$@" ./start.sh
}
