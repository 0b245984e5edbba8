#!/usr/bin/env bats
# setup.sh on a Debian host in a VM, run by an ordinary user with sudo. It runs all steps except the kernel build, which
# would take an hour under emulation: the kernel comes from the lab that 1_lab.bats built. By hand: tests/run hosts full
# bats file_tags=hosts

load helpers

setup_file() {
    export KIT=$E2E_DIR/kit VM_DIR=$E2E_DIR/lab
    make_kit
    (cd "$KIT" && ACCEL=tcg ./setup.sh --reset-disks) >&2
    host_begin 'vm*' 'accel-*' bootstrap rootfs cache log kernel/source images ssh bin server manifest.json bootstrap.json \
        steps/host steps/bootstrap steps/packages steps/programs steps/keys steps/rootfs steps/images
}

setup() {
    host_needed
}

teardown() {
    host_forgive
}

teardown_file() {
    host_end
}

@test "setup.sh --check finds no obstacle" {
    succeeds on ./setup.sh --check
}

@test "setup.sh builds the lab with the existing kernel" {
    succeeds on ./setup.sh
    grep -qE '^kernel +nothing to do$' <<<"$stderr"
    says 'Ready: 2 VMs in /home/vms-x86_64 (kvm: '
    succeeds on ./setup.sh
    same 7 "$(grep -c 'nothing to do' <<<"$stderr")"
}

@test "the lab's VMs run under KVM" {
    succeeds on ./start.sh
    succeeds on ./run.sh demo
    prints "Read from shmem: 'Other VM says hello world!'"
    succeeds on ./stop.sh
}
