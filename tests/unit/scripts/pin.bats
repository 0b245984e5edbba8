#!/usr/bin/env bats
# shellcheck disable=SC2016,SC2154 # code in quotes; what bats sets
# VM_PIN: the choice of CPUs, and the pinning of the vCPUs.

load helpers
load fake.bash

# topology LINE...: makes lscpu --parse=CPU,CORE,SOCKET,CACHE print these lines, and allows all of their CPUs.
topology() {
    printf '# CPU,Core,Socket,,L1d,L1i,L2,L3\n' >"$TMPDIR/topology"
    printf '%s\n' "$@" >>"$TMPDIR/topology"
    stub lscpu <<<'cat "$TMPDIR/topology"'
    script order <<'END'
cpus_allowed() { sed -n 's/^\([0-9]*\),.*/\1/p' "$TMPDIR/topology"; }
cpus_by_distance | paste -sd ' '
END
}

allowed() {
    sed -n 's/^Cpus_allowed_list:[[:space:]]*//p' "/proc/$1/status"
}

@test "auto: cores of the cache that most cores share come first, SMT siblings last" {
    # Two sockets of four cores with two threads. One core of the first socket is missing.
    topology 0,0,0,,0,0,0,0 1,1,0,,1,1,1,0 2,2,0,,2,2,2,0 3,3,1,,3,3,3,1 4,4,1,,4,4,4,1 5,5,1,,5,5,5,1 6,6,1,,6,6,6,1 \
        7,0,0,,0,0,0,0 8,1,0,,1,1,1,0 9,3,1,,3,3,3,1
    succeeds ./order
    same '3 4 5 6 0 1 2 9 7 8' "$output"
}

@test "auto: if lscpu lists no caches, the socket decides" {
    topology 0,0,0 1,1,1 2,2,1
    succeeds ./order
    same '1 2 0' "$output"
}

@test "no vCPU is pinned by default" {
    succeeds ./start.sh
    same "$(allowed $$)" "$(allowed "$(pid_of vm1)")"
    same "$(allowed $$)" "$(field '.vms[0].cpus[0]')"
}

@test "each vCPU runs on its CPU of the list, in the list's order, and status.sh shows it" {
    local -a cpus
    mapfile -t cpus < <(allowed $$ | tr ',' '\n' | awk -F- '{ for (i = $1; i <= $NF; i++) print i }')
    ((${#cpus[@]} >= 2)) || skip 'this machine has one CPU'
    VM_PIN=${cpus[1]},${cpus[0]} succeeds ./start.sh
    same "${cpus[1]} ${cpus[0]}" "$(allowed "$(pid_of vm1)") $(allowed "$(pid_of vm2)")"
    succeeds ./status.sh
    prints "vCPUs    vm1 on ${cpus[1]}; vm2 on ${cpus[0]}"
    ./stop.sh vm1
    VM_PIN=${cpus[1]},${cpus[0]} succeeds ./start.sh vm1
    same "${cpus[1]}" "$(allowed "$(pid_of vm1)")"
}

@test "auto gives each vCPU its own CPU" {
    (($(nproc) >= 2)) || skip 'this machine has one CPU'
    VM_PIN=auto succeeds ./start.sh
    [[ $(allowed "$(pid_of vm1)") =~ ^[0-9]+$ && $(allowed "$(pid_of vm2)") =~ ^[0-9]+$ ]] || failure 'not pinned'
    [[ $(allowed "$(pid_of vm1)") != "$(allowed "$(pid_of vm2)")" ]] || failure 'pinned to the same'
}

@test "start.sh warns if there are too few CPUs, and pins no vCPU" {
    VM_PIN=9998,9999 succeeds ./start.sh
    says 'warning: VM_PIN=9998,9999 names 0 CPUs that can be used here' 'none is pinned'
    same "$(allowed $$)" "$(allowed "$(pid_of vm1)")"
}

@test "a VM_PIN that is not a list of CPUs is an error" {
    local value
    for value in yes '1,' 1-2- -1 '1,,2' 0x1; do
        VM_PIN=$value refuses VM_PIN ./start.sh
    done
}
