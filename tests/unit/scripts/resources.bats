#!/usr/bin/env bats
# shellcheck disable=SC2016,SC2154 # code in quotes; what bats sets
# Processors, memory and huge pages that are available, also in a container.

load helpers

setup() {
    begin
    GROUPS_ROOT=$BATS_TEST_TMPDIR/cgroup
    POOL=$BATS_TEST_TMPDIR/pools/hugepages-2048kB
    mkdir -p "$GROUPS_ROOT" "$POOL"
    # ./call FUNCTION: runs it with fake control groups and huge pages, on a host with 8 processors.
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

# group FOLDER FILE=CONTENT...: makes a control group.
group() {
    local file
    mkdir -p "$GROUPS_ROOT/$1"
    for file in "${@:2}"; do
        echo "${file#*=}" >"$GROUPS_ROOT/$1/${file%%=*}"
    done
}

@test "cgroup v2: the tightest limit on the path to the root counts, for processors and memory" {
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

@test "cgroup v1: limits count, also where the path is that of the host" {
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

@test "without limits, or if none can be read, the host's own resources count" {
    : >"$BATS_TEST_TMPDIR/ours"
    same 8 "$(./call processors)"
    same 8 "$(rm "$BATS_TEST_TMPDIR/ours" && : >"$BATS_TEST_TMPDIR/ours" && ./call processors)"
    (($(./call memory_available) > 0))
}

@test "the number of jobs of make depends on processors and memory" {
    echo '0::/' >"$BATS_TEST_TMPDIR/ours"
    group . cpu.max='200000 100000' memory.max=max
    same 3 "$(./call build_jobs)"
    group . memory.max=536870912 memory.current=0
    same 2 "$(./call build_jobs)"
    group . memory.max=104857600
    same 1 "$(./call build_jobs)"
}

@test "--check compares the VMs' memory with the container's limit" {
    echo '0::/' >"$BATS_TEST_TMPDIR/ours"
    group . memory.max=536870912 memory.current=0
    succeeds ./call check_memory
    prints 'obstacle' '512 MB available, 1152 MB needed'
}

# pool NR FREE RESERVED: sets the host's huge pages.
pool() {
    echo "$1" >"$POOL/nr_hugepages"
    echo "$2" >"$POOL/free_hugepages"
    echo "$3" >"$POOL/resv_hugepages"
}

@test "huge pages: the remedy adds the missing pages to the pool, and never shrinks it" {
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

@test "huge pages of 1 GiB are an obstacle if the region is smaller" {
    export SHMEM_HUGEPAGES=yes PAGE=1073741824
    mkdir "${POOL%/*}/hugepages-1048576kB"
    POOL=${POOL%/*}/hugepages-1048576kB pool 2 2 0
    succeeds env SHMEM_SIZE=128M ./call check_hugepages hugetlbfs
    prints obstacle 'are 1024 MB, more than SHMEM_SIZE=128M' pagesize=2M
    succeeds env SHMEM_SIZE=2G ./call check_hugepages hugetlbfs
    prints_not obstacle
}

@test "huge pages are an obstacle if VM_OWNER cannot write to their folder" {
    ((EUID == 0)) || skip 'needs root'
    export SHMEM_HUGEPAGES=yes VM_OWNER=nobody
    pool 600 600 0
    succeeds ./call check_hugepages hugetlbfs
    prints obstacle 'nobody cannot write to' 'chmod 1777'
}
