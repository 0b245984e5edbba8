#!/usr/bin/env bats
# shellcheck disable=SC2016,SC2154 # code in quotes; what bats sets
# run.sh on running VMs, with a fake QEMU and a fake ssh that runs the command on the host.

load helpers
load fake

# Starts two VMs in the lab that setup of fake.bash made. In the "guest", $GUEST is the VM's name.
two_vms() {
    stub ssh <<'END'
while [[ $1 != -- ]]; do shift; done
export GUEST=$2
eval "$3"
END
    succeeds ./start.sh
}

@test "run.sh passes arguments, stdin and the exit status through" {
    two_vms
    succeeds ./run.sh vm2 printf '<%s>' 'a b' '$HOME *' "it's"
    prints "<a b><\$HOME *><it's>"
    succeeds ./run.sh vm1 tr a-z A-Z <<<'in and out'
    prints 'IN AND OUT'
    fails 3 ./run.sh vm1 bash -c 'exit 3'
}

@test "run.sh --all prefixes each line with the VM's name, and never mixes lines" {
    two_vms
    # Both VMs print lines longer than a pipe's buffer at once.
    ./run.sh --all bash -c 'line=$(printf "%70000s" "" | tr " " "${GUEST#vm}"); for i in {1..50}; do echo "$line$GUEST"; done' |
        awk '{ print length, substr($0, 1, 6), substr($0, length - 3) }' | sort | uniq -c >"$BATS_TEST_TMPDIR/lines"
    same '     50 70008 vm1: 1 1vm1
     50 70008 vm2: 2 2vm2' "$(cat "$BATS_TEST_TMPDIR/lines")"
}

@test "run.sh --all exits with the first non-zero status, and names the VM" {
    two_vms
    fails 4 ./run.sh --all bash -c '[[ $GUEST == vm1 ]] || exit 4; echo done'
    prints 'vm1: done'
    says 'vm2: exit status 4'
}

@test "run.sh module: a path that make cannot take is refused, and nothing is built" {
    local name
    two_vms
    mkdir -p "$VM_DIR/kernel/build/include/config" mine
    echo 6.12 >"$VM_DIR/kernel/build/include/config/kernel.release"
    touch "$VM_DIR/kernel/build/Module.symvers"
    echo 'obj-m := mine.o' >mine/Makefile
    stub make <<<'echo called >>"$TMPDIR/calls"; exit 2'
    for name in 'a b' 'a:b' 'a%b' 'a$b' 'a#b'; do
        cp -r mine "$name"
        fails 1 ./run.sh module "$name"
        says 'cannot build a module in' 'copy the folder'
    done
    [[ ! -e $TMPDIR/calls ]]
    mv mine 'für~1'
    fails 1 ./run.sh module 'für~1'
    says 'für~1 does not build'
}
