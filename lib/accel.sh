# shellcheck shell=bash
# KVM or TCG? That /dev/kvm exists and opens proves nothing: on some hosts that are VMs themselves it does and no kernel
# boots. So the lab's own kernel is booted under it, with a short deadline, and must print its banner.

# Prints what ACCEL means on this host: kvm or tcg, a space, and the reason.
accel_choose() {
    if [[ $ACCEL != auto ]]; then
        printf '%s %s' "$ACCEL" "ACCEL=$ACCEL"
    else
        accel_recall || accel_try
    fi
}

# The verdict holds for this boot of the host, this user and what access there is, this kernel and this QEMU.
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

# Boots the lab's kernel under KVM, without a disk: it prints its banner, panics and ends. Prints what came of it.
accel_try_kvm() {
    local output
    if [[ ! -e /dev/kvm ]]; then
        echo 'there is no /dev/kvm (is virtualisation on in the firmware, or nested virtualisation on this host?)'
        return 1
    fi
    if [[ ! -r /dev/kvm || ! -w /dev/kvm ]]; then
        echo "/dev/kvm is closed to $(id -un) (sudo adduser $(id -un) kvm, then log in again)"
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
