#!/usr/bin/env bats
# Kernel modules of the user's own, and KERNEL_CONFIG. Uses the lab that 2_programs.bats left; afterwards it has another kernel.
# bats file_tags=e2e

load helpers

setup_file() {
    export VM_COUNT=2
    continue_on_lab
}

teardown_file() {
    stop_lab
}

setup() {
    cd "$KIT"
}

# module TEXT: makes the folder hello, with a module that logs TEXT when it is loaded.
module() {
    mkdir -p "$BATS_TEST_TMPDIR/hello"
    cd "$BATS_TEST_TMPDIR/hello"
    printf 'obj-m := hello-there.o\n' >Makefile
    cat >hello-there.c <<END
#include <linux/module.h>
static int __init hello_init(void) { pr_info("$1\n"); return 0; }
static void __exit hello_exit(void) { pr_info("goodbye\n"); }
module_init(hello_init);
module_exit(hello_exit);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("Says hello");
END
    cd "$KIT"
}

@test "run.sh module driver: /dev/uio0 in both VMs" {
    succeeds ./run.sh module driver
    succeeds ./run.sh --all lab-driver
    [ "$(grep -c ' ivshmem_uio /dev/uio0$' <<<"$output")" -eq 2 ]
}

@test "run.sh module builds a module and loads it in all VMs; called again it unloads the old one first" {
    module 'one'
    succeeds ./run.sh module "$BATS_TEST_TMPDIR/hello"
    [ "$(grep -cE '^vm[12]: \[.*\] one$' <<<"$output")" -eq 2 ]
    module 'two'
    succeeds ./run.sh module "$BATS_TEST_TMPDIR/hello" vm1
    same 'goodbye two' "$(sed -n 's/^vm1: \[.*\] //p' <<<"$output" | paste -sd ' ')"
    succeeds ./run.sh vm1 lsmod
    prints hello_there
}

@test "run.sh module shows the compiler's errors, and loads nothing" {
    module 'three'
    echo 'int wrong = ' >>"$BATS_TEST_TMPDIR/hello/hello-there.c"
    fails 1 ./run.sh module "$BATS_TEST_TMPDIR/hello"
    says 'hello-there.c:' 'does not build'
    same '' "$output"
}

@test "make builds the module in the guest, through /lib/modules/RELEASE/build" {
    module 'four'
    tar -C "$BATS_TEST_TMPDIR" -c hello/Makefile hello/hello-there.c | ./run.sh vm2 tar -C /root -x
    succeeds ./run.sh vm2 sh -c 'make -C /lib/modules/$(uname -r)/build M=/root/hello modules && rmmod hello_there && insmod /root/hello/hello-there.ko && dmesg | tail -n 1'
    prints '] four'
}

@test "KERNEL_CONFIG=kernel/memory.config: the region has struct pages" {
    ./stop.sh
    KERNEL_CONFIG=kernel/memory.config ./setup.sh
    ./start.sh
    cp -r tests/e2e/pages "$BATS_TEST_TMPDIR"
    succeeds ./run.sh module "$BATS_TEST_TMPDIR/pages" vm1
    prints 'of a device: 1'
    same 'written through a struct page' "$(./run.sh host sh -c 'tail -c +12289 "$SHMEM_FILE" | head -c 29')"
}
