#!/usr/bin/env bats
# The lab under KVM on a Debian host in a VM, run by an ordinary user with sudo from a clone of the repository. Kernel
# and images come from the lab that 1_lab.bats built. Times measured here mean nothing.
# bats file_tags=hosts

load helpers

setup_file() {
    export KIT=$E2E_DIR/kit VM_DIR=$E2E_DIR/lab
    make_kit
    (cd "$KIT" && ACCEL=tcg ./setup.sh --reset-disks) >&2
    host_begin 'vm*' 'accel-*' bootstrap packages rootfs cache log kernel/source
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

# Each test starts the VMs, unless they run. All programs work in SHMEM_MODE=doorbell. The tests of VM_CPUS=2 and ACCEL=tcg below use SHMEM_MODE=plain.
@test "ACCEL=auto finds KVM, and both VMs become ready" {
    succeeds on sudo dmesg
    prints 'Nested Paging enabled'
    vms SHMEM_MODE=doorbell
    says 'under KVM'
    succeeds on ./status.sh
    [ "$(grep -cE '^vm[12] +ready +[0-9]+ +[0-9]+ s +kvm ' <<<"$output")" -eq 2 ]
}

@test "the guests' kernel uses KVM's paravirtual features and logs no warnings" {
    vms SHMEM_MODE=doorbell
    succeeds on ./run.sh vm1 dmesg
    prints 'Hypervisor detected: KVM' 'Switched to clocksource kvm-clock' 'kvm-guest: APIC: eoi() replaced' \
        'kvm-guest: KVM setup pv remote TLB flush'
    guest_complaints
    succeeds on ./run.sh vm1 cat /proc/interrupts
    grep -q 'IO-APIC .*ttyS0$' <<<"$output"
    grep -q 'PCI-MSIX-.*virtio0-req.0$' <<<"$output"
}

@test "run.sh demo prints the transcript of spec.md" {
    vms SHMEM_MODE=doorbell
    succeeds on ./run.sh demo
    prints "Written to shmem: 'Other VM says hello world!'; run this program again on another VM"
    prints "Read from shmem: 'Other VM says hello world!'"
    grep -qE 'memcpy bandwidth: [0-9]+\.[0-9][0-9] MB/s$' <<<"$output"
}

@test "__shmem and __bandwidth work with every mapping" {
    vms SHMEM_MODE=doorbell
    succeeds on ./run.sh vm1 __shmem
    for kind in uc wc wb; do
        grep -q "^$kind " <<<"$output"
    done
    for kind in uc wc wb; do
        succeeds on ./run.sh vm1 __bandwidth -m "$kind" -s 1M
        grep -qE '^memcpy bandwidth: [0-9]+\.[0-9][0-9] MB/s$' <<<"$output"
    done
}

@test "__latency works by polling, by interrupt and adaptively" {
    vms SHMEM_MODE=doorbell
    for how in '' --interrupt --adaptive; do
        on_two "__latency -t 1 $how --json" "__latency -t 1 $how --json"
        jq -es 'map(select(.record == "latency")) | length == 1 and (.[0] | .count > 10 and .accelerator == "kvm")' <<<"$out1$out2"
    done
}

@test "__stream works in both directions, polling and with --sleep" {
    vms SHMEM_MODE=doorbell
    for option in '' --sleep; do
        on_two "__stream send -n 4M $option" "__stream recv $option"
        [[ $out2 == *' 4194304 bytes verified'* ]]
        on_two "__stream recv $option" "__stream send -n 4M $option"
        [[ $out1 == *' 4194304 bytes verified'* ]]
    done
}

@test "20,000 interrupts arrive through irqfd, none is lost" {
    vms SHMEM_MODE=doorbell
    on_two '__doorbell test -n 20000' '__doorbell test -n 20000'
    [[ $out1$out2 == *'none was lost'* ]]
}

@test "the lab's driver takes the device: 10,000 interrupts arrive, none is lost; vfio-pci gets it back" {
    vms SHMEM_MODE=doorbell
    succeeds on ./run.sh --all lab-driver uio
    [ "$(grep -c ' ivshmem_uio /dev/uio0' <<<"$output")" -eq 2 ]
    on_two '__doorbell test -n 10000' '__doorbell test -n 10000'
    [[ $out1$out2 == *'none was lost'* ]]
    succeeds on ./run.sh --all lab-driver vfio
}

@test "a module builds on this host and loads in the VMs; a second region takes what the first one does" {
    on ./stop.sh
    vms SHMEM_MORE=64M
    succeeds on ./run.sh module driver
    [ "$(grep -c 'ivshmem_uio .*: 65536 KiB, 0 vectors$' <<<"$output")" -eq 2 ]
    succeeds on ./run.sh vm1 ls /dev/uio0 /dev/uio1
    succeeds on ./run.sh vm1 __read_write -m wb -d 00:08.0 'in the second region'
    succeeds on ./run.sh vm2 __read_write -m wb -d 00:08.0
    prints "Read from shmem: 'in the second region'"
    succeeds on ./stop.sh
}

@test "__stress finds no violation" {
    vms SHMEM_MODE=doorbell
    on_two '__stress -t 10' '__stress -t 10'
    [[ $out1$out2 == *@('no violation'|inconclusive)* ]]
}

@test "bench.sh --quick: no figure is doubted or fails" {
    vms SHMEM_MODE=doorbell
    succeeds on ./bench.sh --quick "results-$BATS_TEST_TRY_NUMBER"
    says_not ' failed in round '
    on jq -e '.complete and .accelerator == "kvm"' "results-$BATS_TEST_TRY_NUMBER/host.json"
    succeeds on cat "results-$BATS_TEST_TRY_NUMBER/report.md"
    prints_not '**doubted**'
    prints_not '**failed**'
}

@test "a killed VM starts again" {
    vms SHMEM_MODE=doorbell
    pid=$(on ./status.sh --json | jq '.vms[] | select(.name == "vm2") | .pid')
    on kill -KILL "$pid"
    vms SHMEM_MODE=doorbell
    succeeds on ./run.sh vm2 true
}

@test "poweroff in a guest stops that VM, stop.sh stops the other" {
    vms SHMEM_MODE=doorbell
    on ./run.sh vm1 poweroff || true # the connection may end before its answer
    wait_until host_vm_is vm1 stopped
    succeeds on ./stop.sh
    host_vm_is vm2 stopped
}

@test "VM_CPUS=2 works in SHMEM_MODE=plain" {
    on ./stop.sh
    vms VM_CPUS=2
    [ "$(on ./run.sh vm1 nproc)" -eq 2 ]
    succeeds on ./run.sh demo
    prints "Read from shmem: 'Other VM says hello world!'"
    guest_complaints
    succeeds on ./stop.sh
}

@test "ACCEL=tcg works on this host too" {
    on ./stop.sh
    vms ACCEL=tcg START_TIMEOUT=900
    succeeds on ./status.sh
    [ "$(grep -cE '^vm[12] +ready +[0-9]+ +[0-9]+ s +tcg ' <<<"$output")" -eq 2 ]
    succeeds on ./run.sh demo
    prints "Read from shmem: 'Other VM says hello world!'"
    succeeds on ./stop.sh
}
