#!/usr/bin/env bats
# shellcheck disable=SC2016,SC2030,SC2031,SC2154 # code in quotes; what bats and background() set
# SHMEM_MODE=doorbell in start.sh, stop.sh and status.sh: the real server with fake QEMU VMs.

load helpers
load fake

setup_file() {
    make -s -C "$BATS_TEST_DIRNAME/../../../server" O="$BATS_FILE_TMPDIR/server"
    make -s -C "$BATS_TEST_DIRNAME/../../../prog" O="$BATS_FILE_TMPDIR/prog" "$BATS_FILE_TMPDIR/prog/__read_write"
}

# Adds the server to the lab that the setup of fake.bash has made.
with_server() {
    mkdir "$VM_DIR/bin"
    cp "$BATS_FILE_TMPDIR/server/ivshmem-server" "$BATS_FILE_TMPDIR/prog/__read_write" "$VM_DIR/bin"
    export SHMEM_MODE=doorbell
}

# The tests end their servers themselves, unless they fail.
teardown() {
    local server
    server=$(cat "$BATS_TEST_TMPDIR/lab/server/pid" 2>/dev/null) || server=''
    if [[ $server && $(readlink "/proc/$server/exe") == "$BATS_TEST_TMPDIR/"* ]]; then
        kill -KILL "$server"
    fi
    teardown_fakes
}

peers_are() {
    same "$1" "$(field '.server.peers | length')"
}

@test "start.sh starts the server, status.sh shows it and its peers, stop.sh ends it" {
    local server
    with_server
    succeeds ./start.sh
    same doorbell "$(field .mode)"
    server=$(field .server.pid)
    kill -0 "$server"
    wait_until peers_are 2
    succeeds ./status.sh
    prints "Server   process $server, 8 vectors a peer" 'of the host'
    succeeds ./stop.sh vm1
    wait_until peers_are 1
    succeeds ./stop.sh
    refuted grep -qsa ivshmem-server "/proc/$server/cmdline"
    refuted test -e "$(region)"
    same '' "$(find "$VM_DIR/server" -name socket -o -name pid -o -name peers)"
    same null "$(field .server)"
}

@test "SHMEM_MODE=plain has no server" {
    with_server
    succeeds env SHMEM_MODE=plain ./start.sh
    same plain "$(field .mode)"
    same null "$(SHMEM_MODE=plain field .server)"
    refuted test -e "$VM_DIR/server"
}

@test "the server dies: VMs and memory stay; status.sh says so and how to get the doorbells back" {
    with_server
    succeeds ./start.sh vm1
    kill -KILL "$(field .server.pid)"
    wait_until same null "$(field .server.pid)"
    runs vm1
    succeeds ./status.sh
    prints 'Server   dead' 'the memory is still shared' './stop.sh, then ./start.sh'
    [[ -e $(region) ]]
    fails 1 ./start.sh vm2
    says 'the ivshmem server of vm1 has died' './stop.sh, then ./start.sh'
    fails 1 ./start.sh vm1
    says 'the ivshmem server of vm1 has died' './stop.sh, then ./start.sh'
    prints 'screen -r vm1'
    fails 1 ./run.sh host __read_write
    says 'the ivshmem server of vm1 has died'
    succeeds ./stop.sh
    succeeds ./start.sh vm1
    kill -0 "$(field .server.pid)"
}

@test "a server is killed as it starts: one line says so, and no region is left" {
    with_server
    printf '#!/bin/sh\nkill -KILL $$\n' >"$VM_DIR/bin/ivshmem-server"
    fails 1 ./start.sh vm1
    says 'did not start: it was killed'
    same 1 "${#stderr_lines[@]}"
    [[ ! -e $(region) ]]
}

@test "after root has started the lab once, its files belong to the owner, who can start it" {
    ((EUID == 0)) || skip 'needs root, to be two users'
    with_server
    chown -R nobody: "$VM_DIR"
    succeeds ./start.sh vm1
    succeeds ./stop.sh
    same nobody "$({ find "$VM_DIR"/{server,ssh} -printf "%u\n"; stat -c %U "$VM_DIR"/{lock,vm1}; } | sort -u)"
}

@test "a user's own device at another server is not treated as our doorbell" {
    succeeds env QEMU_ARGS="-chardev socket,id=server,path=/tmp/other -device ivshmem-doorbell,chardev=server" ./start.sh vm1
    same plain "$(field .mode)"
    succeeds ./start.sh vm2
}

@test "no mention of an ivshmem device in QEMU_ARGS is taken for the lab's own" {
    local args
    with_server
    for args in "-chardev socket,id=server,path=$VM_DIR/server/socket -device ivshmem-doorbell,chardev=server,vectors=8,addr=4" \
        "-device ivshmem-doorbell,chardev=mine,addr=9 -chardev socket,id=mine,path=$VM_DIR/server/socket" \
        '-fw_cfg name=opt/x,string=-device -fw_cfg name=opt/y,string=ivshmem-doorbell,'; do
        # The fake would connect to a server of that name.
        SHMEM_MODE=plain QEMU_ARGS=$args succeeds ./start.sh vm1
        same plain "$(field .mode)"
        SHMEM_MODE=plain succeeds ./start.sh vm2
        succeeds ./stop.sh
    done
    for args in '-object memory-backend-ram,id=m,size=1M,share=on -device ivshmem-plain,memdev=m' '-device ivshmem-plain,memdev=shmem'; do
        QEMU_ARGS=$args succeeds ./start.sh vm1
        same doorbell "$(field .mode)"
        succeeds ./start.sh vm2
        succeeds ./stop.sh
    done
}

@test "run.sh host gives any program SHMEM_SOCKET with doorbells, and with them alone" {
    with_server
    succeeds ./start.sh vm1
    succeeds ./run.sh host bash -c 'echo "$SHMEM_SOCKET $SHMEM_FILE $SHMEM_SIZE"'
    same "$VM_DIR/server/socket $(region) 1048576" "$output"
    succeeds ./stop.sh
    SHMEM_MODE=plain succeeds ./start.sh vm1
    SHMEM_SOCKET=/of/another/lab succeeds ./run.sh host bash -c 'echo "${SHMEM_SOCKET-not set}"'
    same 'not set' "$output"
}

@test "a VM of one mode cannot join running VMs of the other mode" {
    with_server
    succeeds env SHMEM_MODE=plain ./start.sh vm1
    fails 1 ./start.sh vm2
    says 'vm1 run with SHMEM_MODE=plain' './stop.sh first'
    refuted runs vm2
}

@test "SERVER_VECTORS: the server, the VMs and status.sh agree; another number must wait until the lab is stopped" {
    with_server
    succeeds env SERVER_VECTORS=3 ./start.sh vm1
    grep -qF 'chardev=server,vectors=3,' "$VM_DIR/vm1/command"
    same 3 "$(field .server.vectors)"
    succeeds ./status.sh --set SERVER_VECTORS=5
    prints '3 vectors a peer'
    for vectors in 1 5 8; do
        fails 1 ./start.sh vm2 --set SERVER_VECTORS=$vectors
        says "vm1 run with SERVER_VECTORS=3: to change it to $vectors, run ./stop.sh first"
        refuted runs vm2
    done
    succeeds ./start.sh vm2 --set SERVER_VECTORS=3
    kill -KILL "$(field .server.pid)"
    wait_until same null "$(field .server.pid)"
    same null "$(field .server.vectors)"
    succeeds ./stop.sh
    succeeds env SERVER_VECTORS=64 ./start.sh
    same 64 "$(field .server.vectors)"
    succeeds ./stop.sh
    # It means nothing without a server.
    succeeds env SHMEM_MODE=plain SERVER_VECTORS=3 ./start.sh vm1
    succeeds env SHMEM_MODE=plain ./start.sh vm2
}

@test "no server was built, or it does not start: start.sh says so, and no VM starts" {
    export SHMEM_MODE=doorbell
    fails 1 ./start.sh vm1
    says 'there is no' 'bin/ivshmem-server' './setup.sh'
    mkdir -p "$VM_DIR/bin"
    printf '#!/bin/sh\necho "server: it is raining" >&2; exit 1\n' >"$VM_DIR/bin/ivshmem-server"
    chmod +x "$VM_DIR/bin/ivshmem-server"
    fails 1 ./start.sh vm1
    says 'did not start: server: it is raining' "$VM_DIR/server/log"
    [[ ! -e $FAKE/vm1.starts ]]
}

# --- run.sh host

@test "run.sh host runs a program of the lab on the VMs' region" {
    with_server
    export SHMEM_MODE=plain
    fails 1 ./run.sh host __read_write
    says 'no VM is running'
    succeeds ./start.sh vm1
    succeeds ./run.sh host __read_write -- 'from the host'
    succeeds ./run.sh host __read_write
    prints "Read from shmem: 'from the host'"
    refuses 'host needs a command' ./run.sh host
    refuses 'no such program' ./run.sh host ../__read_write
}
