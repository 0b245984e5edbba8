#!/usr/bin/env bats
# shellcheck disable=SC2154 # what background() and bats set
# Other people's programs, QEMUs and servers beside the lab's, in real VMs with SHMEM_MODE=doorbell.
# bats file_tags=e2e

load helpers

setup_file() {
    export SHMEM_MODE=doorbell FOREIGN=$E2E_DIR/foreign
    begin_on_built_lab
    export VM_COUNT=2
    mkdir -p "$FOREIGN"
    gcc -std=gnu11 -D_GNU_SOURCE -Wall -Wextra -Werror -o "$FOREIGN/server" "$KIT/tests/foreign-server.c"
}

teardown_file() {
    stop_lab
    rm -rf -- "$FOREIGN"
}

setup() {
    cd "$KIT"
}

teardown() {
    end_background
}

# lab [NAME=VALUE...]: restarts the VMs with these knobs. They then hold for all scripts of this test.
lab() {
    ./stop.sh --set STOP_TIMEOUT=10
    (($# == 0)) || export "${@?}"
    ./start.sh
}

region() {
    ./status.sh --json | jq -r .region.path
}

id_of() {
    ./status.sh --json | jq -r --arg name "$1" '.server.peers[] | select(.vm == $name) | .id'
}

# waits WHERE [OPTION...]: starts __doorbell wait there as background process waiter, and returns once it waits.
waits() {
    background waiter ./run.sh "$1" __doorbell wait -t 60 "${@:2}" </dev/null
    wait_until_said "$BATS_TEST_TMPDIR/err.waiter" 'waiting for vector'
}

# The id of that waiter.
waiter_id() {
    sed -n 's/.*this is peer \([0-9]*\)$/\1/p' "$BATS_TEST_TMPDIR/err.waiter"
}

@test "a region full of a program's data is unchanged while VMs start, are killed, come back and stop, and the server dies" {
    local file sum pattern=$BATS_TEST_TMPDIR/pattern
    ./stop.sh --set STOP_TIMEOUT=10
    ./start.sh vm1
    file=$(region)
    seq 100000000 | head -c "$(stat -c %s "$file")" >"$pattern"
    dd if="$pattern" of="$file" bs=1M conv=notrunc status=none
    sum=$(sha256sum <"$file")
    ./start.sh vm2
    same "$sum" "$(sha256sum <"$file")"
    kill -KILL "$(pid_of vm2)"
    ./start.sh vm2
    ./stop.sh vm1
    ./start.sh vm1
    same "$sum" "$(sha256sum <"$file")"
    # A program of the lab wants the table: its page and the server's line change, and nothing else.
    succeeds ./run.sh vm1 __doorbell
    prints ' vm1 ' ' vm2'
    cmp -n $((0xfc0)) "$pattern" "$file"
    cmp -i $((0xfd0)) -n $((0x2000 - 0xfd0)) "$pattern" "$file"
    cmp -i $((0x3000)) "$pattern" "$file"
    # From then on the region is again the users'.
    dd if="$pattern" of="$file" bs=4096 count=3 conv=notrunc status=none
    kill -KILL "$(pid_of vm2)"
    ./start.sh vm2
    kill -KILL "$(./status.sh --json | jq .server.pid)"
    same "$sum" "$(sha256sum <"$file")"
}

@test "a QEMU that somebody starts by hand joins, rings a VM and is rung; it may have fewer vectors" {
    lab
    mkfifo "$BATS_TEST_TMPDIR/qtest"
    exec {gate}<>"$BATS_TEST_TMPDIR/qtest"
    # Without a guest: qtest reads and writes as one would. BAR 0 at 0xfebf0000, the MSI-X table at 0xfebe0000.
    background stranger qemu-system-x86_64 -name stranger -M pc,accel=tcg -S -m 16 -nodefaults -display none -qtest stdio -qtest-log none \
        -chardev "socket,path=$VM_DIR/server/socket,id=c" -device ivshmem-doorbell,chardev=c,vectors=2,addr=4 <"$BATS_TEST_TMPDIR/qtest"
    printf '%s\n' 'outl 0xcf8 0x80002010' 'outl 0xcfc 0xfebf0000' 'outl 0xcf8 0x80002014' 'outl 0xcfc 0xfebe0000' \
        'outl 0xcf8 0x80002004' 'outw 0xcfc 2' 'outl 0xcf8 0x80002040' 'outw 0xcfe 0x8000' >&"$gate"
    wait_until bash -c './run.sh vm1 __doorbell | grep -q stranger'
    # It knows two vectors of each peer, as many as it has itself (ivshmem-spec).
    waits vm1 1
    wait_until rings "$(id_of vm1)" 1
    background_ended waiter 0
    prints 'vector 1: '
    succeeds ./run.sh vm2 __doorbell ring stranger 1
    wait_until has_pending 0x0000000000000002
    kill "$stranger"
    await stranger
    wait_until bash -c '! ./run.sh vm1 __doorbell | grep -q stranger'
}

# rings ID VECTOR: the stranger rings that peer. Has the waiter heard it?
rings() {
    printf 'writel 0xfebf000c %d\n' $(($1 << 16 | $2)) >&"$gate"
    [[ -s $BATS_TEST_TMPDIR/out.waiter ]]
}

has_pending() {
    echo 'readl 0xfebe0800' >&"$gate"
    grep -qx "OK $1" "$BATS_TEST_TMPDIR/out.stranger"
}

@test "SERVER_VECTORS: with 64, the last one rings; with 1, the only one" {
    local vectors
    for vectors in 64 1; do
        lab SERVER_VECTORS=$vectors
        succeeds ./run.sh vm1 __doorbell
        prints "each has $vectors vectors" ' vm1 ' ' vm2'
        waits vm2 $((vectors - 1))
        ./run.sh vm1 __doorbell ring vm2 $((vectors - 1))
        background_ended waiter 0
        prints "vector $((vectors - 1)): an interrupt"
    done
    complains 1 'there is no vector 1: the device has 1' ./run.sh vm1 __doorbell ring vm2 1
}

@test "a server of the user's own serves the VMs: QEMU_ARGS adds its device, -d names it" {
    local device=0000:00:10.0
    truncate -s 16M "$FOREIGN/memory"
    background foreign "$FOREIGN/server" "$FOREIGN/socket" "$FOREIGN/memory" 4 </dev/null
    wait_until_said "$BATS_TEST_TMPDIR/out.foreign" ready
    lab "QEMU_ARGS=-chardev socket,id=mine,path=$FOREIGN/socket -device ivshmem-doorbell,chardev=mine,vectors=4,addr=0x10"

    # Nobody keeps a table there, and the VMs still find each other by id.
    succeeds ./run.sh vm1 __doorbell -d $device
    prints 'each has 4 vectors'
    says 'this server keeps no table of peers, or it has ended; use ids'
    waits vm2 3 -d $device
    succeeds ./run.sh vm1 __doorbell -d $device ring "$(waiter_id)" 3
    background_ended waiter 0
    same 'vector 3: an interrupt' "$output"
    background one ./run.sh vm1 __doorbell -d $device test -n 1000 </dev/null
    background two ./run.sh vm2 __doorbell -d $device test -n 1000 </dev/null
    background_ended one 0
    prints 'none was lost'
    background_ended two 0

    # The memory is the server's.
    ./run.sh vm1 __read_write -d $device 'through a foreign server'
    succeeds ./run.sh vm2 __read_write -d $device
    same "Read from shmem: 'through a foreign server'" "${lines[1]}"
    succeeds "$VM_DIR/bin/__read_write" -f "$FOREIGN/memory"
    same "Read from shmem: 'through a foreign server'" "${lines[1]}"

    # Programs on the host are its peers, too.
    background host "$VM_DIR/bin/__doorbell" -f "$FOREIGN/socket" wait -t 60 </dev/null
    wait_until_said "$BATS_TEST_TMPDIR/err.host" 'waiting for vector'
    ./run.sh vm1 __doorbell -d $device ring "$(sed -n 's/.*this is peer \([0-9]*\)$/\1/p' "$BATS_TEST_TMPDIR/err.host")"
    background_ended host 0
}
