#!/usr/bin/env bats
# GUEST_PACKAGES and apt in real VMs. Uses the lab that 1_lab.bats built; all VMs are stopped at the start.
# bats file_tags=e2e

load helpers

setup_file() {
    begin_on_built_lab
    export VM_COUNT=2
}

# Leaves the lab without GUEST_PACKAGES, as the other files expect it.
teardown_file() {
    cd "$KIT" && ./stop.sh --set STOP_TIMEOUT=10 >&2 && ./setup.sh --reset-disks >&2
}

setup() {
    cd "$KIT"
}

@test "GUEST_PACKAGES in a finished lab: setup runs what it must, and a disk that was not written to has the package" {
    succeeds ./setup.sh --set GUEST_PACKAGES=hello
    says 'packages   starts (changed: GUEST_PACKAGES)' 'rootfs     starts (changed: packages)' Ready
    for step in host kernel bootstrap programs keys; do
        grep -qE "^$step +nothing to do" <<<"$stderr" || failure "step $step ran"
    done
    GUEST_PACKAGES=hello succeeds ./start.sh vm1
    succeeds ./run.sh vm1 hello
    same 'Hello, world!' "$output"
}

@test "one more: it alone is installed; vm1, which has booted, keeps its disk until --reset-disks" {
    ./stop.sh >&2
    export GUEST_PACKAGES='tree hello'
    fails 1 ./setup.sh
    says 'packages   done' 'the base image has changed, but guests have written to the disks of vm1' --reset-disks
    grep -q '^==> Installing tree$' "$VM_DIR/log/packages.log" || failure "$(<"$VM_DIR/log/packages.log")"
    succeeds ./setup.sh --reset-disks
    for step in host kernel bootstrap packages programs keys rootfs images; do
        grep -qE "^$step +nothing to do" <<<"$stderr" || failure "step $step ran"
    done
    succeeds ./start.sh
    succeeds ./run.sh vm2 sh -c 'hello && tree --version'
    prints 'Hello, world!' 'tree v'
}

@test "a package that does not exist: one line names it, and the lab stays as it was" {
    GUEST_PACKAGES='tree hello no-such-package' fails 1 ./setup.sh
    says 'has no package no-such-package: correct GUEST_PACKAGES'
    GUEST_PACKAGES='tree hello' succeeds ./setup.sh packages
    [[ -x $VM_DIR/packages/tree/usr/bin/hello ]] || failure 'the old tree is gone'
}

@test "a guest installs packages by itself from the host's mirror, also one with a service" {
    # No service starts in the tree on the host; in the guest, systemd runs.
    succeeds ./run.sh vm1 sh -c 'apt-get update && apt-get install --yes --no-install-recommends jq rsyslog'
    succeeds ./run.sh vm1 sh -c 'echo "{\"a\": 17}" | jq .a && systemctl is-active rsyslog'
    same $'17\nactive' "$output"
}

@test "the guests have kmod" {
    succeeds ./run.sh vm2 insmod --version
    prints kmod
}
