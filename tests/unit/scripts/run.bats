#!/usr/bin/env bats
# shellcheck disable=SC2016,SC2154 # code in quotes; what bats sets
# run.sh on running VMs: a fake QEMU, and an ssh that runs on the host what it would run in the guest.

load helpers
load fake

# After the setup of fake.bash, which makes the lab. In the "guest" $GUEST is the VM's name.
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

@test "run.sh --all marks each line, and no VM's line is cut by another's" {
    two_vms
    # Longer than a pipe takes in one piece, from both at once.
    ./run.sh --all bash -c 'line=$(printf "%70000s" "" | tr " " "${GUEST#vm}"); for i in {1..50}; do echo "$line$GUEST"; done' |
        awk '{ print length, substr($0, 1, 6), substr($0, length - 3) }' | sort | uniq -c >"$BATS_TEST_TMPDIR/lines"
    same '     50 70008 vm1: 1 1vm1
     50 70008 vm2: 2 2vm2' "$(cat "$BATS_TEST_TMPDIR/lines")"
}

@test "run.sh --all ends with the first status that is not 0, and says whose" {
    two_vms
    fails 4 ./run.sh --all bash -c '[[ $GUEST == vm1 ]] || exit 4; echo done'
    prints 'vm1: done'
    says 'vm2: exit status 4'
}
