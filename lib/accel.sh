# shellcheck shell=bash
# KVM or TCG? A /dev/kvm that can be opened proves nothing: on some hosts that are VMs, no kernel boots under it.
# So we boot the lab's own kernel under KVM, with a short timeout, and look for its banner.

# Prints what ACCEL means on this host: kvm or tcg, a space, and the reason.
accel_choose() {
    local found
    [[ $ACCEL == tcg ]] || found=$(accel_recall || accel_try) # accel_try also finds the CPU model
    if [[ $ACCEL == auto ]]; then
        printf '%s' "$found"
    else
        printf '%s %s' "$ACCEL" "ACCEL=$ACCEL"
    fi
}

# Prints QEMU's CPU model with all features that accelerator $1 offers. Call accel_choose before.
accel_cpu() {
    local cpu=''
    if [[ $1 == tcg ]]; then
        printf max
        return
    fi
    cpu=$(sed -n 4p "$VM_DIR/accel-$EUID" 2>/dev/null) || true
    printf '%s' "${cpu:-${ACCEL_KVM_CPUS[0]}}"
}

# CPU models, the best first: the host's CPU with the host's caches (glibc chooses how to copy by their sizes); without this
# option, for a QEMU that does not have it; and without PMU, for KVM in a VM whose hypervisor has none.
ACCEL_KVM_CPUS=('host,host-cache-info=on' 'host' 'host,pmu=off')

# Prints what the result depends on: this boot of the host, the user and its access to /dev/kvm, the kernel, and QEMU.
accel_key() {
    local boot access=closed
    if [[ -r /dev/kvm && -w /dev/kvm ]]; then
        access=open
    fi
    boot=$(</proc/sys/kernel/random/boot_id)
    printf '%s %s %s %s %s' "$boot" "$EUID" "$access" "$(stat -c %Y -- "$VM_DIR/kernel/vmlinux")" \
        "$(stat -Lc %Y -- "$(command -v qemu-system-x86_64)")"
}

# Prints the cached result. Fails if there is none for accel_key.
accel_recall() {
    local key accel reason now
    {
        read -r key && read -r accel && read -r reason
    } 2>/dev/null <"$VM_DIR/accel-$EUID" || return 1
    now=$(accel_key)
    [[ $key == "$now" && $accel =~ ^(kvm|tcg)$ ]] || return 1
    printf '%s %s' "$accel" "$reason"
}

# Tries KVM, prints the result and caches it.
accel_try() {
    local accel=kvm result
    result=$(accel_try_kvm) || accel=tcg
    printf '%s\n' "$(accel_key)" "$accel" "$result" | write_file "$VM_DIR/accel-$EUID"
    lab_own "$VM_DIR/accel-$EUID"
    printf '%s %s' "$accel" "${result%%$'\n'*}"
}

# Boots the lab's kernel under KVM. It has no disk, so it prints its banner, panics and ends. Prints the reason for the
# result and, on a second line, the CPU model that it booted with: the first of ACCEL_KVM_CPUS that works.
accel_try_kvm() {
    local output cpu status
    if [[ ! -e /dev/kvm ]]; then
        echo 'there is no /dev/kvm (is virtualisation enabled in the firmware, or nested virtualisation if this host is a VM?)'
        return 1
    fi
    if [[ ! -r /dev/kvm || ! -w /dev/kvm ]]; then
        echo "$(id -un) may not open /dev/kvm (sudo adduser $(id -un) kvm, then log in again)"
        return 1
    fi
    for cpu in "${ACCEL_KVM_CPUS[@]}"; do
        status=0
        output=$(timeout 5 qemu-system-x86_64 -no-user-config -nodefaults -display none -no-reboot \
            -machine pc -accel kvm -cpu "$cpu" -m 256M -serial stdio \
            -kernel "$VM_DIR/kernel/vmlinux" -append 'console=ttyS0 panic=-1' </dev/null 2>&1 | tr -d '\0\r') || status=$?
        if [[ $output == *'Linux version '* ]]; then
            printf '%s\n' "the lab's kernel boots under KVM" "$cpu"
            return
        fi
        ((status != 124)) || break # timeout(1): it hangs, and would with any CPU
    done
    output=$(grep -m 1 -i -E 'error|fail|kvm' <<<"$output" || true)
    echo "/dev/kvm is there, but the lab's kernel does not boot under it${output:+ ($output)}"
    return 1
}
