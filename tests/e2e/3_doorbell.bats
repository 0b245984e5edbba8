#!/usr/bin/env bats
# SHMEM_MODE=doorbell in real VMs. Goes on where 2_programs.bats ended.
# bats file_tags=e2e

load helpers

setup_file() {
    export KIT=$E2E_DIR/kit VM_DIR=$E2E_DIR/lab ACCEL=tcg SCREENDIR=$E2E_DIR/screens SHMEM_MODE=doorbell
    cd "$KIT"
    ./stop.sh --set STOP_TIMEOUT=10 >&2
    ./start.sh >&2
}

teardown_file() {
    cd "$KIT" && ./stop.sh --set STOP_TIMEOUT=10 >&2 || true
}

setup() {
    cd "$KIT"
}

# The id by which the server knows VM $1.
id_of() {
    ./status.sh --json | jq -r --arg name "$1" '.server.peers[] | select(.vm == $name) | .id'
}

# waits WHERE [OPTION...]: __doorbell wait there in the background; returns when it listens.
waits() {
    ./run.sh "$1" __doorbell wait -t 60 "${@:2}" >"$BATS_TEST_TMPDIR/$1" 2>"$BATS_TEST_TMPDIR/$1.err" </dev/null &
    waiter=$!
    wait_for 30 grep -q 'waiting for vector' "$BATS_TEST_TMPDIR/$1.err"
}

@test "status.sh shows the server, and both VMs as its peers" {
    run ./status.sh
    echo "$output"
    [ "$status" -eq 0 ]
    grep -qE '^Server   process [0-9]+, 8 vectors a peer; peers: [01] vm[12], [01] vm[12]$' <<<"$output"
    [ "$(id_of vm1)" != "$(id_of vm2)" ]
}

@test "each VM, and the host, sees who is connected, by name" {
    run ./run.sh vm1 __doorbell list
    echo "$output"
    grep -qE "^ +$(id_of vm1) +vm1 +this one$" <<<"$output"
    grep -qE "^ +$(id_of vm2) +vm2$" <<<"$output"
    run ./run.sh host __doorbell list
    echo "$output"
    grep -qE "^ +$(id_of vm1) +vm1$" <<<"$output"
}

@test "a VM is rung by the other one, by name, at the vector that was meant" {
    waits vm2 5
    ./run.sh vm1 __doorbell ring vm2 4
    ./run.sh vm1 __doorbell ring vm2 5
    wait "$waiter"
    [ "$(<"$BATS_TEST_TMPDIR/vm2")" == 'vector 5: an interrupt' ]
}

@test "the host rings a VM, and a VM the host" {
    waits vm1
    ./run.sh host __doorbell ring vm1
    wait "$waiter"
    waits host
    ./run.sh vm2 __doorbell ring "$(sed -n 's/.*this is peer \([0-9]*\)$/\1/p' "$BATS_TEST_TMPDIR/host.err")"
    wait "$waiter"
}

@test "a second program that waits in one VM is told that vfio gives a device to one" {
    waits vm1
    run ./run.sh vm1 __doorbell wait -t 5
    echo "$output"
    [ "$status" -eq 1 ]
    [ "${#lines[@]}" -eq 1 ]
    ./run.sh vm2 __doorbell ring vm1
    wait "$waiter"
}

@test "what works in plain works here: the experiment, and the three mappings" {
    run --separate-stderr ./run.sh demo
    echo "$output"
    [ "$status" -eq 0 ]
    [[ $output == *"Read from shmem: 'Other VM says hello world!'"* ]]
    for kind in uc wc wb; do
        ./run.sh vm1 __read_write -m "$kind" "by $kind"
        run --separate-stderr ./run.sh vm2 __read_write -m "$kind"
        [ "${lines[1]}" == "Read from shmem: 'by $kind'" ]
    done
    run --separate-stderr ./run.sh vm1 __shmem
    grep -qE '^wb +write-back ' <<<"$output"
    # The host has the same bytes.
    run --separate-stderr ./run.sh host __read_write
    [ "${lines[1]}" == "Read from shmem: 'by wb'" ]
}

@test "100,000 interrupts, and none is lost" {
    ./run.sh vm1 __doorbell test -n 100000 >"$BATS_TEST_TMPDIR/1" 2>&1 </dev/null &
    run ./run.sh vm2 __doorbell test -n 100000
    echo "$output"
    wait "$!"
    cat "$BATS_TEST_TMPDIR/1"
    [ "$status" -eq 0 ]
    [[ $output == *'none was lost'* ]]
    [ "$(sed -n 's/ wake-ups by interrupt.*//p' "$BATS_TEST_TMPDIR/1")" -ge 100000 ]
}

@test "a VM that is killed leaves, and comes back with a new id" {
    before=$(id_of vm2)
    kill -KILL "$(pid_of vm2)"
    wait_for 30 sh -c "! ./run.sh vm1 __doorbell list | grep -q vm2"
    ./start.sh
    [ "$(id_of vm2)" != "$before" ]
    wait_for 30 sh -c "./run.sh vm1 __doorbell list | grep -q vm2"
    waits vm2
    ./run.sh vm1 __doorbell ring vm2
    wait "$waiter"
}

@test "the server dies: the memory is still shared, status.sh says so, and stop and start bring the doorbells back" {
    ./run.sh vm1 __read_write 'before'
    kill -KILL "$(./status.sh --json | jq .server.pid)"
    wait_for 30 sh -c './status.sh | grep -q "^Server   dead"'
    run --separate-stderr ./run.sh vm2 __read_write
    [ "${lines[1]}" == "Read from shmem: 'before'" ]
    running vm1
    ./stop.sh
    ./start.sh
    waits vm2
    ./run.sh vm1 __doorbell ring vm2
    wait "$waiter"
}

@test "stop.sh ends the server, and leaves nothing of it" {
    server=$(./status.sh --json | jq .server.pid)
    ./stop.sh
    run grep -aqs ivshmem-server "/proc/$server/cmdline"
    [ "$status" -ne 0 ]
    [ ! -e "$VM_DIR/server/socket" ]
}
