# shellcheck shell=bash
# KVM or TCG? A /dev/kvm that can be opened proves nothing: on some hosts that are VMs, no kernel boots under it.
# So we boot the lab's own kernel under KVM, with a short timeout, and look for its banner.

# accel_choose ACCEL REASON CPU: what the knob ACCEL means on this host. Sets ACCEL to kvm or tcg, REASON to why, and CPU to QEMU's
# CPU model with all features that this accelerator offers.
accel_choose() {
    local -a found=(tcg '' "$ACCEL_TCG_CPU")
    [[ $ACCEL == tcg ]] || lines_of found accel_verdict
    case $ACCEL:${found[0]} in
    auto:*) ;;
    kvm:tcg) found=(kvm ACCEL=kvm "${ACCEL_KVM_CPUS[0]}") ;;
    *) found[1]="ACCEL=$ACCEL" ;;
    esac
    printf -v "$1" %s "${found[0]}"
    printf -v "$2" %s "${found[1]}"
    printf -v "$3" %s "${found[2]}"
}

# Prints what this host offers, a line each: kvm or tcg, the reason, and the CPU model.
accel_verdict() {
    accel_recall || accel_try
}

ACCEL_TCG_CPU=max

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

# Prints the cached verdict. Fails if there is none for accel_key.
accel_recall() {
    local now
    local -a lines
    now=$(accel_key)
    [[ -r $VM_DIR/accel-$EUID ]] || return 1
    mapfile -t lines <"$VM_DIR/accel-$EUID"
    [[ ${#lines[@]} == 4 && ${lines[0]} == "$now" && ${lines[1]} =~ ^(kvm|tcg)$ ]] || return 1
    printf '%s\n' "${lines[@]:1}"
}

# Tries KVM, prints the verdict and caches it.
accel_try() {
    local key verdict
    key=$(accel_key)
    verdict=$(accel_try_kvm)
    printf '%s\n' "$key" "$verdict" | write_file "$VM_DIR/accel-$EUID"
    lab_own "$VM_DIR/accel-$EUID"
    printf '%s\n' "$verdict"
}

# accel_no_kvm REASON: prints the verdict when KVM does not work.
accel_no_kvm() {
    printf '%s\n' tcg "$1" "$ACCEL_TCG_CPU"
}

# Boots the lab's kernel under KVM, and prints the verdict. The kernel has no disk, so it prints its banner, panics and ends.
# The CPU model is the first of ACCEL_KVM_CPUS that works.
accel_try_kvm() {
    local output cpu status
    if [[ ! -e /dev/kvm ]]; then
        accel_no_kvm 'there is no /dev/kvm (is virtualisation enabled in the firmware, or nested virtualisation if this host is a VM?)'
        return
    fi
    if [[ ! -r /dev/kvm || ! -w /dev/kvm ]]; then
        accel_no_kvm "$(id -un) may not open /dev/kvm (sudo adduser $(id -un) kvm, then log in again)"
        return
    fi
    for cpu in "${ACCEL_KVM_CPUS[@]}"; do
        status=0
        output=$(timeout 5 qemu-system-x86_64 -no-user-config -nodefaults -display none -no-reboot \
            -machine pc -accel kvm -cpu "$cpu" -m 256M -serial stdio \
            -kernel "$VM_DIR/kernel/vmlinux" -append 'console=ttyS0 panic=-1' </dev/null 2>&1 | tr -d '\0\r') || status=$?
        if [[ $output == *'Linux version '* ]]; then
            printf '%s\n' kvm "the lab's kernel boots under KVM" "$cpu"
            return
        fi
        ((status != 124)) || break # timeout(1): it hangs, and would with any CPU
    done
    output=$(grep -m 1 -i -E 'error|fail|kvm' <<<"$output" || true)
    accel_no_kvm "/dev/kvm is there, but the lab's kernel does not boot under it${output:+ ($output)}"
}
