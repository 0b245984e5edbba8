# shellcheck shell=bash
# KVM or TCG? An existing /dev/kvm that can be opened proves nothing: on some hosts that are VMs, no kernel boots under it.
# So we boot the lab's own kernel under KVM, with a short deadline, and look for its banner.

# Prints what ACCEL means on this host: kvm or tcg, a space, and the reason.
accel_choose() {
    if [[ $ACCEL != auto ]]; then
        printf '%s %s' "$ACCEL" "ACCEL=$ACCEL"
    else
        accel_recall || accel_try
    fi
}

# Prints what the verdict depends on: this boot of the host, the user and its access to /dev/kvm, the kernel, and QEMU.
accel_key() {
    local boot access=closed
    if [[ -r /dev/kvm && -w /dev/kvm ]]; then
        access=open
    fi
    boot=$(</proc/sys/kernel/random/boot_id)
    printf '%s %s %s %s %s' "$boot" "$EUID" "$access" "$(stat -c %Y -- "$VM_DIR/kernel/vmlinux")" \
        "$(stat -Lc %Y -- "$(command -v qemu-system-x86_64)")"
}

# Prints the cached verdict. Fails if there is none for accel_key.
accel_recall() {
    local key accel reason now
    {
        read -r key && read -r accel && read -r reason
    } 2>/dev/null <"$VM_DIR/accel-$EUID" || return 1
    now=$(accel_key)
    [[ $key == "$now" && $accel =~ ^(kvm|tcg)$ ]] || return 1
    printf '%s %s' "$accel" "$reason"
}

# Tries KVM, prints the verdict and caches it.
accel_try() {
    local accel=kvm reason
    reason=$(accel_try_kvm) || accel=tcg
    printf '%s\n' "$(accel_key)" "$accel" "$reason" | write_file "$VM_DIR/accel-$EUID"
    lab_own "$VM_DIR/accel-$EUID"
    printf '%s %s' "$accel" "$reason"
}

# Boots the lab's kernel under KVM. It has no disk, so it prints its banner, panics and ends. Prints the result.
accel_try_kvm() {
    local output
    if [[ ! -e /dev/kvm ]]; then
        echo 'there is no /dev/kvm (is virtualisation enabled in the firmware, or nested virtualisation if this host is a VM?)'
        return 1
    fi
    if [[ ! -r /dev/kvm || ! -w /dev/kvm ]]; then
        echo "$(id -un) may not open /dev/kvm (sudo adduser $(id -un) kvm, then log in again)"
        return 1
    fi
    output=$(timeout 5 qemu-system-x86_64 -no-user-config -nodefaults -display none -no-reboot \
        -machine pc -accel kvm -cpu host -m 256M -serial stdio \
        -kernel "$VM_DIR/kernel/vmlinux" -append 'console=ttyS0 panic=-1' </dev/null 2>&1 | tr -d '\0\r') || true
    if [[ $output == *'Linux version '* ]]; then
        echo "the lab's kernel boots under KVM"
        return
    fi
    output=$(grep -m 1 -i -E 'error|fail|kvm' <<<"$output" || true)
    echo "/dev/kvm is there, but the lab's kernel does not boot under it${output:+ ($output)}"
    return 1
}
