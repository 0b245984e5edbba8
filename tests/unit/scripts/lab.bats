#!/usr/bin/env bats
# shellcheck disable=SC2016,SC2030,SC2031,SC2154 # code in quotes; what bats and background() set
# The lab's folder: its mark, its lock, and the safety of removals.

load helpers

setup() {
    begin
    # ./call FUNCTION ARGUMENT...: calls a function of the kit.
    script call <<'END'
config_load
"$@"
END
}

teardown() {
    end_background
}

# --- The mark

@test "lab_create makes a lab in a new or an empty folder, and a second call changes nothing" {
    succeeds ./call lab_create
    succeeds ./call lab_require
    rm -r "$VM_DIR"
    mkdir "$VM_DIR"
    succeeds ./call lab_create
    succeeds ./call lab_require
    echo mine >"$VM_DIR/file"
    succeeds ./call lab_create
    same mine "$(<"$VM_DIR/file")"
}

@test "a folder with files but without the mark is refused and left unchanged" {
    local before name
    for name in file .hidden $'new\nline'; do
        rm -rf "$VM_DIR"
        mkdir "$VM_DIR"
        echo precious >"$VM_DIR/$name"
        before=$(everything)
        fails 1 ./call lab_create
        says 'no lab' "$VM_DIR" 'does not touch it'
        fails 1 ./call lab_require
        says 'there is no lab in'
        same "$before" "$(everything)"
    done
}

@test "a folder that cannot be created is named" {
    ((EUID != 0)) || skip 'root can make it anywhere'
    mkdir -m 500 "$BATS_TEST_TMPDIR/closed"
    VM_DIR=$BATS_TEST_TMPDIR/closed/lab fails 1 ./call lab_create
    says "$BATS_TEST_TMPDIR/closed/lab" VM_DIR
}

# --- Removing

@test "lab_remove removes whole folders of the lab" {
    make_lab
    mkdir -p "$VM_DIR/a/b" "$VM_DIR/c"
    echo x >"$VM_DIR/a/b/file"
    succeeds ./call lab_remove "$VM_DIR/a" "$VM_DIR/c" "$VM_DIR/none"
    [[ ! -e $VM_DIR/a && ! -e $VM_DIR/c && -e $VM_DIR/kernel ]]
}

@test "lab_remove refuses paths outside of the lab, and the lab itself" {
    local path before
    make_lab
    mkdir "$BATS_TEST_TMPDIR/other" "$VM_DIR-2"
    echo precious >"$BATS_TEST_TMPDIR/other/file"
    cd "$BATS_TEST_TMPDIR"
    before=$(everything)
    for path in "$BATS_TEST_TMPDIR/other" "$VM_DIR" "$VM_DIR/" "$VM_DIR-2" "$VM_DIR/../other" "$VM_DIR/kernel/../../other" \
        other lab/kernel / ''; do
        fails 1 "$KIT/call" lab_remove "$path"
        says 'will not remove'
    done
    same "$before" "$(everything)"
}

@test "lab_remove does not follow a link out of the lab" {
    make_lab
    mkdir "$BATS_TEST_TMPDIR/other"
    echo precious >"$BATS_TEST_TMPDIR/other/file"
    ln -s "$BATS_TEST_TMPDIR/other" "$VM_DIR/link"
    succeeds ./call lab_remove "$VM_DIR/link"
    [[ ! -L $VM_DIR/link && -s $BATS_TEST_TMPDIR/other/file ]]
}

@test "lab_remove refuses in a folder without the mark" {
    mkdir -p "$VM_DIR/a"
    fails 1 ./call lab_remove "$VM_DIR/a"
    [[ -e $VM_DIR/a ]]
}

# --- The lock

# Starts a command that holds the lock until the test writes to its pipe.
hold_lock() {
    mkfifo "$BATS_TEST_TMPDIR/go"
    script holder <<'END'
config_load
lab_lock 60
read -r _ <"$1"
END
    background holder ./holder "$BATS_TEST_TMPDIR/go"
    wait_until grep -qs holder "$VM_DIR/lock"
}

@test "a second command waits for the lock, says who holds it, and continues when it is free" {
    make_lab
    hold_lock
    background second ./stop.sh
    wait_until grep -q 'Waiting for' "$BATS_TEST_TMPDIR/out.second"
    grep -q "holder, process $holder" "$BATS_TEST_TMPDIR/out.second"
    grep -qF "$VM_DIR" "$BATS_TEST_TMPDIR/out.second"
    kill -0 "$second"
    echo go >"$BATS_TEST_TMPDIR/go"
    background_ended second 0
    background_ended holder 0
}

@test "a command that has waited too long for the lock says who holds it and ends" {
    make_lab
    hold_lock
    fails 1 ./call lab_lock 0
    says "holder, process $holder" 'still has the lock' "$VM_DIR"
}

@test "the lock of a killed command is free" {
    make_lab
    hold_lock
    kill -KILL "$holder"
    background_ended holder 137
    succeeds ./stop.sh
    says_not Waiting
}

@test "two labs have separate locks" {
    make_lab
    hold_lock
    export VM_DIR=$VM_DIR-2
    make_lab
    succeeds ./stop.sh
    says_not Waiting
}

@test "status.sh does not wait for the lock" {
    make_lab
    hold_lock
    succeeds timeout 300 ./status.sh
    kill -0 "$holder"
}

# --- Basic helpers

@test "write_file writes the whole file or nothing" {
    mkdir "$BATS_TEST_TMPDIR/files"
    echo before >"$BATS_TEST_TMPDIR/files/one"
    succeeds ./call write_file "$BATS_TEST_TMPDIR/files/one" <<<after
    same after "$(<"$BATS_TEST_TMPDIR/files/one")"
    same one "$(ls -A "$BATS_TEST_TMPDIR/files")"
    succeeds ./call write_file "$BATS_TEST_TMPDIR/files/secret" 600 <<<x
    same 600 "$(stat -c %a "$BATS_TEST_TMPDIR/files/secret")"
    mkdir "$BATS_TEST_TMPDIR/files/folder"
    fails 1 ./call write_file "$BATS_TEST_TMPDIR/files/folder" <<<x
    same 'folder one secret' "$(find "$BATS_TEST_TMPDIR/files" -mindepth 1 -printf '%f\n' | sort | paste -sd ' ')"
}

# Starts a peer that answers one connection to the socket $PEER with the output of the stub `peer`.
qmp_peer() {
    PEER=$BATS_TEST_TMPDIR/socket
    rm -f "$PEER"
    background peer socat "UNIX-LISTEN:$PEER" EXEC:peer
    wait_until test -S "$PEER"
}

@test "qmp prints the reply to our command, whatever comes before it" {
    stub peer <<'END'
echo '{"QMP": {}}'
read -r _
echo '{"return": {"of": "capabilities"}}'
echo '{"event": "SOMETHING", "data": {"id": "lab"}}'
read -r _
echo '{"return": {"status": "running"}, "id": "lab"}'
END
    qmp_peer
    succeeds ./call qmp "$PEER" query-status
    same '{"status":"running"}' "$output"
}

@test "qmp fails when QEMU reports an error, does not answer, or is not there" {
    stub peer <<'END'
read -r _
read -r _
echo '{"error": {"class": "CommandNotFound", "desc": "no such command"}, "id": "lab"}'
END
    qmp_peer
    refuted ./call qmp "$PEER" bogus
    stub peer <<<'echo "{\"QMP\": {}}"'
    qmp_peer
    refuted timeout 300 ./call qmp "$PEER" query-status
    refuted ./call qmp "$BATS_TEST_TMPDIR/none" query-status
}
