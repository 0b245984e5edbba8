#!/usr/bin/env bats
# shellcheck disable=SC2016,SC2030,SC2031,SC2154 # code in quotes; what bats and background() set
# How start.sh, stop.sh, status.sh and run.sh handle VMs that are neither ready nor stopped, and things that were
# interrupted, killed, moved or removed. With a fake QEMU.

load helpers
load fake

# qemu_says NAME STATE: makes the fake QEMU of VM NAME answer query-status with STATE; see fake-qemu-qmp.
qemu_says() {
    echo "$2" >"$FAKE/$1.state"
}

state_is() {
    same "$1" "$(field '.vms[0].state')"
}

# was_asked NAME COMMAND: succeeds if VM NAME received COMMAND over QMP.
was_asked() {
    cat "$FAKE/$1".*.qmp | grep -x "$2"
}

config_knows() {
    grep -qx 'Host \*' "$VM_DIR/ssh/config" || failure "$VM_DIR/ssh/config is torn"
    same "$*" "$(sed -n 's/^Host \(vm[0-9]*\)$/\1/p' "$VM_DIR/ssh/config" | paste -sd ' ')"
}

# --- What QEMU says

@test "status.sh and run.sh report a paused VM, start.sh resumes it" {
    succeeds ./start.sh vm1
    qemu_says vm1 paused
    state_is paused
    succeeds ./status.sh
    prints 'vm1 is paused (paused): ./start.sh resumes it'
    fails 1 ./run.sh vm1 true
    says 'vm1 is paused'
    succeeds ./start.sh vm1
    says 'resuming it'
    was_asked vm1 cont
    state_is ready
}

@test "stop.sh resumes a paused VM, so that its guest can write" {
    succeeds ./start.sh vm1
    qemu_says vm1 paused
    succeeds ./stop.sh
    says 'resuming it' 'vm1 is powered down'
    says_not 'did not power down'
    was_asked vm1 cont
}

@test "a VM whose disk is full is never killed, and continues once there is room" {
    succeeds ./start.sh vm1
    qemu_says vm1 io-error
    touch "$FAKE/vm1.full"
    state_is io-error
    fails 1 ./run.sh --all true
    says 'vm1 is paused' 'make room'
    fails 1 ./start.sh vm1
    says 'make room'
    fails 1 ./stop.sh --set STOP_TIMEOUT=1
    says 'make room' "kill $(pid_of vm1)"
    runs vm1
    [[ -e $(region) ]]
    rm "$FAKE/vm1.full"
    succeeds ./start.sh vm1
    state_is ready
    succeeds ./stop.sh
    refuted runs vm1
}

@test "a guest that halted or crashed is shown, and stop.sh ends it without waiting" {
    local state
    for state in halted internal-error guest-panicked shutdown; do
        rm -f "$FAKE/vm1.state"
        succeeds ./start.sh vm1
        qemu_says vm1 "$state"
        [[ $(field '.vms[0].state') == @(halted|crashed) ]]
        fails 1 ./start.sh vm1
        says './stop.sh vm1 ends it'
        succeeds ./stop.sh
        says 'ending it'
        says_not 'did not power down'
        refuted runs vm1
    done
}

@test "a QEMU stopped by SIGSTOP shows as hung, and stop.sh continues it" {
    succeeds ./start.sh vm1
    kill -STOP "$(pid_of vm1)"
    wait_until state_is hung
    succeeds ./status.sh
    prints "kill -CONT $(pid_of vm1)"
    fails 1 ./start.sh vm1
    says 'vm1 hangs'
    fails 1 ./run.sh vm1 true
    says 'vm1 hangs'
    succeeds ./stop.sh
    says 'vm1 is powered down'
}

@test "a QEMU that does not answer shows as hung, and every wait for it has a timeout" {
    succeeds ./start.sh vm1
    qemu_says vm1 silent
    state_is hung
    fails 1 ./start.sh vm1
    says 'does not answer' 'qmp.sock'
    succeeds ./stop.sh --set STOP_TIMEOUT=1
    says 'is lost'
    refuted runs vm1
}

# --- What the guest says

@test "a guest in which a unit of the lab failed is not ready, but run.sh works" {
    mode vm1 degraded
    fails 1 ./start.sh vm1
    says 'lab-driver.service failed' './run.sh vm1 systemctl status lab-driver.service'
    says_not 'vm1 is ready'
    state_is degraded
    stub ssh <<<'exit 0'
    succeeds ./run.sh vm1 true
}

@test "start.sh warns if a guest found fewer CPUs than it was given" {
    mode vm1 one-cpu
    succeeds ./start.sh vm1
    says_not CPUs
    succeeds ./stop.sh
    succeeds ./start.sh --set VM_CPUS=2 vm1
    says 'vm1 found 1 of its 2 CPUs'
}

# --- VMs that end

@test "a killed QEMU is reported once, with memory as a possible cause, and without bash's own message" {
    mode vm1 killed
    fails 1 ./start.sh vm1
    says 'vm1 ended before it was ready (it was killed' memory
    says_not Killed
    [[ ! -e $(region) ]]
    fails 1 ./run.sh vm1 true
    says 'vm1 is not running' memory
}

@test "start.sh does not wait for a VM whose end could not be recorded, as on a full disk" {
    mode vm1 vanish
    fails 1 ./start.sh vm1
    says 'vm1 ended before it was ready'
}

@test "a VM whose disk cannot be made does not start: one message, and the region is removed" {
    stub qemu-img <<<'echo "qemu-img: it is raining" >&2; exit 1'
    fails 1 ./start.sh vm1
    says 'cannot start vm1: qemu-img: it is raining'
    same 2 "${#stderr_lines[@]}" # with the line that announces the start
    [[ ! -e $FAKE/vm1.starts && ! -e $(region) ]]
}

@test "no region stays behind if all VMs end during start.sh" {
    mode vm1 fail
    mode vm2 die
    fails 1 ./start.sh
    [[ ! -e $(region) ]]
}

# --- Interrupted and killed

@test "after Ctrl-C, SIGTERM or SIGHUP in start.sh, ssh/config is complete and lists both VMs" {
    local signal
    for signal in INT TERM HUP; do
        mode vm1 hang
        background start ./start.sh
        wait_until grep -qs 'vm2 login' "$VM_DIR/vm2/console.log"
        kill -"$signal" "$start"
        background_ended start $((128 + $(kill -l "$signal")))
        config_knows vm1 vm2
        mode vm1 ''
        runs vm1
        succeeds ./stop.sh
        config_knows
        rm "$VM_DIR/vm2/console.log"
    done
}

@test "after Ctrl-C in stop.sh, ssh/config lists the VMs that still run" {
    mode vm2 deaf
    succeeds ./start.sh
    background stop ./stop.sh
    wait_until grep -q 'vm1 is powered down' "$BATS_TEST_TMPDIR/out.stop"
    kill -INT "$stop"
    background_ended stop 130
    config_knows vm2
    [[ -e $(region) ]]
}

@test "after start.sh was killed, the next start.sh waits for the VM and writes ssh/config" {
    mode vm1 hang
    background start ./start.sh vm1
    wait_until test -S "$VM_DIR/vm1/qmp.sock"
    kill -KILL "$start"
    background_ended start 137
    fails 1 ./run.sh vm1 true
    says 'vm1 is still starting'
    background start ./start.sh vm1
    wait_until grep -q 'not ready yet' "$BATS_TEST_TMPDIR/out.start"
    echo ready >"$VM_DIR/vm1/ready"
    background_ended start 0
    config_knows vm1
    same 1 "$(starts_of vm1)"
}

@test "run.sh finds the ssh port even if ssh/config is wrong, and repairs ssh/config" {
    succeeds ./start.sh vm1
    stub ssh <<<'exit 0'
    local content
    for content in '' 'Host *' $'Host vm1\n    Port 22\nHost *'; do
        echo "$content" >"$VM_DIR/ssh/config"
        succeeds ./run.sh vm1 true
        config_knows vm1
        grep -qx '    Port 34567' "$VM_DIR/ssh/config"
    done
}

@test "ssh to a VM that does not run fails, and does not reach the host's own ssh server" {
    succeeds ./start.sh vm1
    fails 255 ssh -F "$VM_DIR/ssh/config" vm2 true
    says 'no VM of this name'
    same 'port 34567' "$(ssh -F "$VM_DIR/ssh/config" -G vm1 | grep '^port ')"
}

# The stub acts like sshd: it is the parent of the command, which has its own session, and ends with the connection.
ssh_like_sshd() {
    stub ssh <<'END'
while [[ $1 != -- ]]; do shift; done
setsid env --default-signal=INT,QUIT bash -c "$3" <&0 &
trap 'exit 255' TERM
wait "$!"
END
}

@test "a signal to run.sh ends the command in the guest and its children" {
    local signal form
    ssh_like_sshd
    succeeds ./start.sh vm1
    for form in vm1 --all; do
        for signal in INT TERM HUP; do
            rm -f "$BATS_TEST_TMPDIR/pid"
            background run ./run.sh "$form" bash -c 'echo $$ >"$1.new"; mv "$1.new" "$1"; timeout 100 sleep 100; :' - "$BATS_TEST_TMPDIR/pid"
            wait_until test -s "$BATS_TEST_TMPDIR/pid"
            wait_until pgrep -P "$(<"$BATS_TEST_TMPDIR/pid")" timeout
            kill -"$signal" "$run"
            background_ended run $((128 + $(kill -l "$signal")))
            wait_until gone "$(<"$BATS_TEST_TMPDIR/pid")"
            wait_until refuted pgrep -f "timeout 100 sleep 100; : - $BATS_TEST_TMPDIR/pid"
        done
    done
}

@test "run.sh's wrapper does not affect a command: stdin, bytes, status, signals, builtins" {
    ssh_like_sshd
    succeeds ./start.sh vm1
    head -c 100000 /dev/urandom >"$BATS_TEST_TMPDIR/data"
    ./run.sh vm1 cat <"$BATS_TEST_TMPDIR/data" | cmp - "$BATS_TEST_TMPDIR/data"
    fails 7 ./run.sh vm1 bash -c 'exit 7'
    succeeds ./run.sh vm1 bash -c 'trap "echo heard; exit" INT; kill -INT $$'
    prints heard
    succeeds ./run.sh vm1 type cd
    refuted ./run.sh vm1 no-such-command
}

# --- Ownership

@test "a running VM is found without its pid file" {
    succeeds ./start.sh vm1
    rm "$VM_DIR/vm1/pid"
    state_is ready
    same "$(pid_of vm1)" "$(field '.vms[0].pid')"
    succeeds ./start.sh vm1
    says 'already running'
    succeeds ./stop.sh
    refuted runs vm1
}

@test "another user's VM is shown, but not stopped, and its region stays" {
    ((EUID == 0)) || skip 'needs root, to be two users'
    local folder=$BATS_TEST_TMPDIR
    succeeds ./start.sh vm1
    until [[ $folder == / ]]; do
        chmod o+x "$folder"
        folder=$(dirname "$folder")
    done
    chmod 600 "$VM_DIR/vm1/pid"
    fails 1 as_nobody ./start.sh vm2
    says 'belongs to root, not to you (nobody)' VM_OWNER=nobody
    chmod -R o+rwX "$VM_DIR" "$FAKE"
    chmod 600 "$VM_DIR/vm1/pid"
    same ready "$(as_nobody ./status.sh --json | jq -r '.vms[0].state')"
    fails 1 as_nobody ./stop.sh
    says "process $(pid_of vm1)" 'of root'
    fails 1 as_nobody ./start.sh vm2
    says 'vm1 run as root' "$(region)"
    runs vm1
    [[ -e $(region) ]]
}

as_nobody() {
    setpriv --reuid nobody --regid nogroup --clear-groups env HOME=/nonexistent TMPDIR=/tmp "$@"
}

@test "a region that another process uses is not removed, and the process is named" {
    succeeds ./start.sh vm1
    background user tail -f "$(region)"
    succeeds ./stop.sh
    says 'the region is kept' "$user (tail"
    [[ -e $(region) ]]
    fails 1 ./start.sh
    says "process $user (tail"
}

@test "status.sh and run.sh report a region that was removed while VMs use it" {
    mkdir -p "$VM_DIR/bin"
    printf '#!/bin/sh\n' >"$VM_DIR/bin/__fake"
    chmod +x "$VM_DIR/bin/__fake"
    succeeds ./start.sh vm1
    succeeds ./run.sh host __fake
    rm "$(region)"
    succeeds ./status.sh
    prints 'Region   removed'
    same true "$(field .region.removed)"
    fails 1 ./run.sh host __fake
    says 'was removed while VMs use it' './stop.sh, then ./start.sh'
}

@test "start.sh reports a disk in use because a lab with a running VM was moved; the VM's files stay" {
    succeeds ./start.sh vm1
    succeeds ./stop.sh
    # qemu-io holds its locks once it has read. (A check with qemu-img before could keep it from getting them.)
    background user stdbuf -oL qemu-io -c 'read 0 512' -c 'sleep 1000000' "$VM_DIR/vm1/disk.qcow2"
    wait_until grep -q 'read 512' "$BATS_TEST_TMPDIR/out.user"
    touch "$VM_DIR/vm1/pid" "$VM_DIR/vm1/qmp.sock"
    fails 1 ./start.sh vm1
    says 'cannot start vm1' 'is in use by process' "$user" 'move it back'
    [[ -e $VM_DIR/vm1/pid && -e $VM_DIR/vm1/qmp.sock ]]
    same 1 "$(starts_of vm1)"
}

# --- The session

@test "the user's own ~/.screenrc and TERM have no effect" {
    export HOME=$BATS_TEST_TMPDIR/home
    mkdir "$HOME"
    echo quit >"$HOME/.screenrc"
    TERM=no-such-terminal succeeds ./start.sh vm1
    same vm1 "$(sessions)"
}

@test "start.sh says what to do if there is no folder for screen's sockets" {
    SCREENDIR=$BATS_TEST_TMPDIR/none/screens fails 1 ./start.sh vm1
    says 'cannot start vm1: cannot make a screen session' "$BATS_TEST_TMPDIR/none/screens" SCREENDIR=
    [[ ! -e $(region) ]]
}

# --- Huge pages

@test "the remedy for huge pages keeps the pages that others use" {
    local pools=$BATS_TEST_TMPDIR/pools size pages
    size=$(stat -f -c %S "$BATS_TEST_TMPDIR")
    pages=$(((1 << 20) / size))
    mkdir -p "$pools/hugepages-$((size >> 10))kB"
    echo 100 >"$pools/hugepages-$((size >> 10))kB/nr_hugepages"
    echo 10 >"$pools/hugepages-$((size >> 10))kB/free_hugepages"
    echo 4 >"$pools/hugepages-$((size >> 10))kB/resv_hugepages"
    script remedy <<'END'
config_load
HUGE_FOLDER=$1 HUGE_POOLS=$2
hugepages_remedy
END
    succeeds ./remedy "$BATS_TEST_TMPDIR" "$pools"
    # 6 pages are free and not reserved.
    prints "echo $((100 + pages - 6)) | sudo tee $pools/"
}
