#!/usr/bin/env bats
# SHMEM_MODE=doorbell in real VMs. Uses the lab that 2_programs.bats left.
# bats file_tags=e2e

load helpers

setup_file() {
    export SHMEM_MODE=doorbell
    continue_on_lab
}

teardown_file() {
    stop_lab
}

setup() {
    cd "$KIT"
}

# Prints the server's peer id of VM $1.
id_of() {
    ./status.sh --json | jq -r --arg name "$1" '.server.peers[] | select(.vm == $name) | .id'
}

teardown() {
    end_background
}

# waits WHERE [OPTION...]: starts __doorbell wait there as background process waiter, and returns once it waits.
waits() {
    background waiter ./run.sh "$1" __doorbell wait -t 60 "${@:2}" </dev/null
    wait_until_said "$BATS_TEST_TMPDIR/err.waiter" 'waiting for vector'
}

@test "status.sh shows the server with both VMs as its peers" {
    succeeds ./status.sh
    grep -qE '^Server   process [0-9]+, 8 vectors a peer; peers: [01] vm[12], [01] vm[12]$' <<<"$output"
    refuted test "$(id_of vm1)" = "$(id_of vm2)"
}

@test "__doorbell list shows the peers by name, in a VM and on the host" {
    succeeds ./run.sh vm1 __doorbell list
    grep -qE "^ +$(id_of vm1) +vm1 +this one$" <<<"$output"
    grep -qE "^ +$(id_of vm2) +vm2$" <<<"$output"
    succeeds ./run.sh host __doorbell list
    grep -qE "^ +$(id_of vm1) +vm1$" <<<"$output"
}

@test "a VM rings another by name and vector" {
    waits vm2 5
    ./run.sh vm1 __doorbell ring vm2 4
    ./run.sh vm1 __doorbell ring vm2 5
    background_ended waiter 0
    same 'vector 5: an interrupt' "$output"
}

@test "the host rings a VM, and a VM rings the host" {
    waits vm1
    ./run.sh host __doorbell ring vm1
    background_ended waiter 0
    waits host
    ./run.sh vm2 __doorbell ring "$(sed -n 's/.*this is peer \([0-9]*\)$/\1/p' "$BATS_TEST_TMPDIR/err.waiter")"
    background_ended waiter 0
}

@test "a second waiting program in one VM fails: vfio gives a device to one process" {
    waits vm1
    complains 1 '' ./run.sh vm1 __doorbell wait -t 5
    same '' "$output"
    ./run.sh vm2 __doorbell ring vm1
    background_ended waiter 0
}

@test "the demo and the three mappings work as in SHMEM_MODE=plain" {
    succeeds ./run.sh demo
    prints "Read from shmem: 'Other VM says hello world!'"
    for kind in uc wc wb; do
        ./run.sh vm1 __read_write -m "$kind" "by $kind"
        succeeds ./run.sh vm2 __read_write -m "$kind"
        same "Read from shmem: 'by $kind'" "${lines[1]}"
    done
    succeeds ./run.sh vm1 __shmem
    grep -qE '^wb +write-back ' <<<"$output"
    # The host sees the same bytes.
    succeeds ./run.sh host __read_write
    same "Read from shmem: 'by wb'" "${lines[1]}"
}

@test "100,000 interrupts arrive, none is lost" {
    background one ./run.sh vm1 __doorbell test -n 100000 </dev/null
    background two ./run.sh vm2 __doorbell test -n 100000 </dev/null
    background_ended two 0
    prints 'none was lost'
    background_ended one 0
    same yes "$(awk '/ wake-ups by interrupt/ { print ($1 >= 100000 ? "yes" : $0) }' <<<"$output")"
}

@test "a killed VM leaves the list of peers, and comes back with a new id" {
    before=$(id_of vm2)
    kill -KILL "$(pid_of vm2)"
    wait_until sh -c "! ./run.sh vm1 __doorbell list | grep -q vm2"
    ./start.sh
    refuted test "$(id_of vm2)" = "$before"
    wait_until sh -c "./run.sh vm1 __doorbell list | grep -q vm2"
    waits vm2
    ./run.sh vm1 __doorbell ring vm2
    background_ended waiter 0
}

@test "after the server dies, memory stays shared, status.sh says so, and stop and start bring doorbells back" {
    ./run.sh vm1 __read_write 'before'
    kill -KILL "$(./status.sh --json | jq .server.pid)"
    wait_until sh -c './status.sh | grep -q "^Server   dead"'
    succeeds ./run.sh vm2 __read_write
    same "Read from shmem: 'before'" "${lines[1]}"
    running vm1
    ./stop.sh
    ./start.sh
    waits vm2
    ./run.sh vm1 __doorbell ring vm2
    background_ended waiter 0
}

@test "stop.sh ends the server and removes its socket" {
    server=$(./status.sh --json | jq .server.pid)
    ./stop.sh
    refuted grep -aqs ivshmem-server "/proc/$server/cmdline"
    refuted test -e "$VM_DIR/server/socket"
}
