#!/usr/bin/env bats
# shellcheck disable=SC2016,SC2154 # code in quotes; what bats sets
# Processors, memory and huge pages: what a container leaves of the host's.

load helpers

setup() {
    begin
    GROUPS_ROOT=$BATS_TEST_TMPDIR/cgroup
    POOL=$BATS_TEST_TMPDIR/pools/hugepages-2048kB
    mkdir -p "$GROUPS_ROOT" "$POOL"
    # ./call FUNCTION: in control groups and with huge pages of the test's own, on a host of 8 processors.
    script call <<END
CGROUP_ROOT='$GROUPS_ROOT' CGROUP_OURS='$BATS_TEST_TMPDIR/ours' HUGE_POOLS='${POOL%/*}' HUGE_FOLDER='$BATS_TEST_TMPDIR'
config_load
CHECK_LISTED=yes
"\$@"
END
    stub nproc <<<'echo 8'
    stub stat <<'END'
case $* in
'-f -c %S '*) echo "${PAGE:-2097152}" ;;
*) exec /usr/bin/stat "$@" ;;
esac
END
}

# group FOLDER FILE=CONTENT...: a control group.
group() {
    local file
    mkdir -p "$GROUPS_ROOT/$1"
    for file in "${@:2}"; do
        echo "${file#*=}" >"$GROUPS_ROOT/$1/${file%%=*}"
    done
}

@test "processors and memory under control groups, version 2: the narrowest of all above counts" {
    echo '0::/user.slice/unit' >"$BATS_TEST_TMPDIR/ours"
    group user.slice/unit cpu.max='max 100000' memory.max=max memory.current=0
    same 8 "$(./call processors)"
    group user.slice cpu.max='250000 100000' memory.max=1073741824 memory.current=536870912 memory.stat='inactive_file 104857600'
    same 3 "$(./call processors)"
    same 612 "$(./call memory_available)"
    group user.slice/unit cpu.max='50000 100000' memory.max=268435456 memory.current=1048576
    same 1 "$(./call processors)"
    same 255 "$(./call memory_available)"
}

@test "the same under version 1, and where the path is the host's" {
    printf '%s\n' '4:memory:/docker/abc' '1:cpu,cpuacct:/docker/abc' '0::/' >"$BATS_TEST_TMPDIR/ours"
    group cpu cpu.cfs_quota_us=-1 cpu.cfs_period_us=100000
    same 8 "$(./call processors)"
    group cpu cpu.cfs_quota_us=200000
    group memory memory.limit_in_bytes=36700160 memory.usage_in_bytes=10485760 memory.stat=$'cache 1\ntotal_inactive_file 5242880'
    same 2 "$(./call processors)"
    same 30 "$(./call memory_available)"
    group memory memory.limit_in_bytes=9223372036854771712
    (($(./call memory_available) > 30))
}

@test "no limits, or nothing that could be read: what the host has" {
    : >"$BATS_TEST_TMPDIR/ours"
    same 8 "$(./call processors)"
    same 8 "$(rm "$BATS_TEST_TMPDIR/ours" && : >"$BATS_TEST_TMPDIR/ours" && ./call processors)"
    (($(./call memory_available) > 0))
}

@test "make runs as many jobs as there are processors and memory for" {
    echo '0::/' >"$BATS_TEST_TMPDIR/ours"
    group . cpu.max='200000 100000' memory.max=max
    same 3 "$(./call build_jobs)"
    group . memory.max=536870912 memory.current=0
    same 2 "$(./call build_jobs)"
    group . memory.max=104857600
    same 1 "$(./call build_jobs)"
}

@test "--check compares what the VMs need with what the container has" {
    echo '0::/' >"$BATS_TEST_TMPDIR/ours"
    group . memory.max=536870912 memory.current=0
    succeeds ./call check_memory
    prints 'obstacle' '512 MB available, 1152 MB needed'
}

# pool NR FREE PROMISED: the huge pages that the host has.
pool() {
    echo "$1" >"$POOL/nr_hugepages"
    echo "$2" >"$POOL/free_hugepages"
    echo "$3" >"$POOL/resv_hugepages"
}

@test "huge pages: the remedy adds to the pool what is missing, and never shrinks it" {
    export SHMEM_HUGEPAGES=yes SHMEM_SIZE=128M
    pool 600 10 4
    succeeds ./call check_hugepages hugetlbfs
    prints obstacle '6 huge pages of 2 MB are free' "echo 658 | sudo tee $POOL/nr_hugepages"
    pool 600 64 0
    succeeds ./call check_hugepages hugetlbfs
    prints_not obstacle
    pool 600 10 4
    succeeds ./call shmem_room_remedy /dev/hugepages/x
    prints 'echo 658'
}

@test "huge pages of 1 GiB: too large for the region, unless that is as large" {
    export SHMEM_HUGEPAGES=yes PAGE=1073741824
    mkdir "${POOL%/*}/hugepages-1048576kB"
    POOL=${POOL%/*}/hugepages-1048576kB pool 2 2 0
    succeeds env SHMEM_SIZE=128M ./call check_hugepages hugetlbfs
    prints obstacle 'are 1024 MB, more than SHMEM_SIZE=128M' pagesize=2M
    succeeds env SHMEM_SIZE=2G ./call check_hugepages hugetlbfs
    prints_not obstacle
}

@test "huge pages that the lab's user may not write to" {
    ((EUID == 0)) || skip 'needs root'
    export SHMEM_HUGEPAGES=yes VM_OWNER=nobody
    pool 600 600 0
    succeeds ./call check_hugepages hugetlbfs
    prints obstacle 'nobody cannot write to' 'chmod 1777'
}
