#!/usr/bin/env bats
# shellcheck disable=SC2016,SC2030,SC2031,SC2154 # code in quotes; what bats and background() set
# start.sh, stop.sh and status.sh with a fake QEMU (see fake-qemu) in real screen sessions.

load helpers
load fake

# --- start and stop

@test "start.sh starts each VM in its own screen session, and says how to attach" {
    succeeds ./start.sh
    runs vm1
    runs vm2
    says 'vm1 is ready' 'vm2 is ready'
    same $'vm1: screen -r vm1\nvm2: screen -r vm2' "$output"
    same 'vm1 vm2' "$(sessions)"
    same 1 "$(starts_of vm1)"
}

@test "a second start.sh reports that the VMs are running, and leaves them alone" {
    succeeds ./start.sh
    succeeds ./start.sh
    says 'vm1 is already running' 'vm2 is already running'
    prints 'screen -r vm1' 'screen -r vm2'
    same 1 "$(starts_of vm1)"
    same 1 "$(starts_of vm2)"
}

@test "start.sh starts only the named VMs, and without names only the stopped ones" {
    succeeds ./start.sh vm2
    prints_not vm1
    [[ ! -e $FAKE/vm1.starts ]]
    succeeds ./start.sh
    says 'vm2 is already running' 'vm1 is ready'
    same 1 "$(starts_of vm2)"
}

@test "start.sh starts a VM once if it is named twice" {
    succeeds ./start.sh vm1 vm1
    same 1 "$(starts_of vm1)"
    runs vm1
}

@test "stop.sh powers the VMs down; a second stop.sh reports that they are not running" {
    succeeds ./start.sh
    succeeds ./stop.sh
    says 'vm1 is powered down' 'vm2 is powered down'
    refuted runs vm1
    refuted runs vm2
    succeeds ./stop.sh
    says 'vm1 is not running' 'vm2 is not running'
    wait_until same '' "$(sessions)"
}

@test "stop.sh stops only the named VM" {
    succeeds ./start.sh
    succeeds ./stop.sh vm1
    refuted runs vm1
    runs vm2
    says_not vm2
}

@test "stop.sh also stops a VM beyond VM_COUNT" {
    succeeds ./start.sh
    succeeds ./stop.sh --set VM_COUNT=1
    refuted runs vm2
}

@test "the screen session shows the console" {
    succeeds ./start.sh vm1
    console_shows() {
        screen -S vm1 -X hardcopy "$BATS_TEST_TMPDIR/screenful" && grep -q "$1" "$BATS_TEST_TMPDIR/screenful"
    }
    wait_until console_shows 'vm1 login:'
}

@test "the console is logged, and the log of the previous start is kept" {
    succeeds ./start.sh vm1
    grep -q 'vm1 login:' "$VM_DIR/vm1/console.log"
    echo 'the last words' >>"$VM_DIR/vm1/console.log"
    succeeds ./stop.sh
    succeeds ./start.sh vm1
    refuted grep -q 'the last words' "$VM_DIR/vm1/console.log"
    grep -q 'the last words' "$VM_DIR/vm1/console.log.old"
}

# --- What goes wrong

@test "start.sh names a VM whose QEMU fails; the other VM keeps running" {
    mode vm1 fail
    fails 1 ./start.sh
    says 'vm1 ended before it was ready' 'the fake was told to fail' "$VM_DIR/vm1" 'vm2 is ready'
    says_not 'vm2 ended'
    same 'vm2: screen -r vm2' "$output"
    runs vm2
    same stopped "$(field '.vms[0].state')"
}

@test "start.sh shows the end of the console of a guest that panics, and the next start works" {
    mode vm2 die
    fails 1 ./start.sh
    says 'vm2 ended before it was ready' 'Kernel panic' 'vm1 is ready'
    runs vm1
    mode vm2 ''
    succeeds ./start.sh
    says 'vm1 is already running' 'vm2 is ready'
}

@test "start.sh names a guest that is not ready in time, and shows the end of its console" {
    succeeds ./start.sh vm1
    mode vm2 hang
    fails 1 ./start.sh --set START_TIMEOUT=4
    says 'vm2 was not ready within START_TIMEOUT=4 s' 'console of vm2' 'screen -r vm2' './stop.sh'
    runs vm1
    same starting "$(field '.vms[1].state')"
    succeeds ./stop.sh
    refuted runs vm2
}

@test "stop.sh ends only the guest that ignores the power button, after STOP_TIMEOUT" {
    mode vm1 deaf
    succeeds ./start.sh
    succeeds ./stop.sh --set STOP_TIMEOUT=1 vm1
    says 'vm1 did not power down within STOP_TIMEOUT=1 s' "$(pid_of vm1)"
    grep -q send-key "$FAKE"/vm1.*.qmp # it was asked first
    refuted runs vm1
    runs vm2
}

@test "stop.sh kills a QEMU that ignores SIGTERM" {
    mode vm1 stubborn
    succeeds ./start.sh vm1
    succeeds ./stop.sh --set STOP_TIMEOUT=1
    refuted runs vm1
}

@test "a killed VM shows as stopped, and can be started again" {
    succeeds ./start.sh
    kill -KILL "$(pid_of vm1)"
    wait_until gone "$(pid_of vm1)"
    [[ -e $VM_DIR/vm1/pid ]] || failure 'the test itself: there must be a stale pid file'
    same stopped "$(field '.vms[0].state')"
    succeeds ./start.sh
    says 'vm1 is ready' 'vm2 is already running'
    same 2 "$(starts_of vm1)"
    same 1 "$(starts_of vm2)"
}

@test "a stale pid file with the pid of another process: that process is left alone" {
    local content
    background other cat "$(mkfifo "$BATS_TEST_TMPDIR/fifo" && echo "$BATS_TEST_TMPDIR/fifo")"
    mkdir "$VM_DIR/vm1"
    for content in "$other" -1 '' "$other garbage"; do
        echo "$content" >"$VM_DIR/vm1/pid"
        succeeds ./stop.sh
        says 'vm1 is not running'
        same stopped "$(field '.vms[0].state')"
    done
    echo "$other" >"$VM_DIR/vm1/pid"
    succeeds ./start.sh vm1
    says 'vm1 is ready'
    succeeds ./stop.sh
    kill -0 "$other"
}

@test "a pid file with the pid of another VM of the lab: that VM is left alone" {
    succeeds ./start.sh vm2
    mkdir -p "$VM_DIR/vm1"
    cp "$VM_DIR/vm2/pid" "$VM_DIR/vm1/pid"
    same 'stopped ready' "$(field '[.vms[].state] | join(" ")')"
    succeeds ./stop.sh vm1
    says 'vm1 is not running'
    runs vm2
}

@test "start.sh without disks says that setup has not finished" {
    rm "$VM_DIR/images/base"
    fails 1 ./start.sh
    says 'setup has not finished' ./setup.sh
    [[ ! -e $(region) ]]
    make_lab
    : >"$VM_DIR/kernel/vmlinux"
    fails 1 ./start.sh
    says 'setup has not finished'
}

@test "start.sh reports that screen fails" {
    stub screen <<<'echo "no screen for you" >&2; exit 1'
    fails 1 ./start.sh
    says 'screen session'
}

# --- The region

@test "the region has the right size, is private to the user, and is removed after the last stop" {
    succeeds ./start.sh
    same '600 1048576' "$(stat -c '%a %s' "$(region)")"
    # All its memory is allocated before a guest touches it.
    same 1048576 $(($(stat -c '%b * %B' "$(region)")))
    succeeds ./stop.sh vm1
    [[ -e $(region) ]]
    succeeds ./stop.sh vm2
    [[ ! -e $(region) ]]
}

@test "the first VM gets an empty region, and the region stays while a VM runs" {
    echo 'of yesterday' >"$(region)"
    succeeds ./start.sh vm1
    cmp -n 1048576 "$(region)" /dev/zero
    printf message | dd of="$(region)" conv=notrunc status=none
    succeeds ./start.sh vm2
    same message "$(head -c 7 "$(region)")"
}

@test "start.sh does not follow a symbolic link in the region's place" {
    echo precious >"$BATS_TEST_TMPDIR/file"
    ln -s "$BATS_TEST_TMPDIR/file" "$(region)"
    succeeds ./start.sh vm1
    same precious "$(cat "$BATS_TEST_TMPDIR/file")"
    [[ ! -L $(region) ]]
}

@test "start.sh refuses another SHMEM_SIZE while a VM runs, and changes nothing" {
    succeeds ./start.sh vm1
    fails 1 ./start.sh --set SHMEM_SIZE=2M
    says vm1 1048576 2097152 ./stop.sh
    same 1048576 "$(stat -c %s "$(region)")"
    [[ ! -e $FAKE/vm2.starts ]]
    runs vm1
}

@test "start.sh refuses SHMEM_HUGEPAGES=yes while VMs share a region without huge pages" {
    SHMEM_SIZE=2M succeeds ./start.sh vm1
    SHMEM_SIZE=2M fails 1 ./start.sh --set SHMEM_HUGEPAGES=yes
    says vm1 "$(region)" /dev/hugepages ./stop.sh
    [[ ! -e $FAKE/vm2.starts ]]
}

@test "start.sh makes no second region if the first was removed while a VM uses it" {
    succeeds ./start.sh vm1
    rm "$(region)"
    fails 1 ./start.sh
    says 'vm1' removed ./stop.sh
    [[ ! -e $(region) && ! -e $FAKE/vm2.starts ]]
}

@test "start.sh says what to do if the region does not fit" {
    fails 1 ./start.sh --set SHMEM_SIZE=1T
    says 'no room for the region of 1T' 'lower SHMEM_SIZE'
    [[ ! -e $(region) && ! -e $FAKE/vm1.starts ]]
}

# --- status

@test "status.sh --json prints one JSON object with the whole state" {
    succeeds ./start.sh vm1
    succeeds ./status.sh --json
    jq -es 'length == 1 and (.[0] | type == "object")' <<<"$output"
    same "$(pid_of vm1)" "$(jq .vms[0].pid <<<"$output")"
    jq -e --arg dir "$VM_DIR" --arg region "$(region)" '
        .vm_dir == $dir and .region == {path: $region, bytes: 1048576, removed: false} and (.vms | length == 2) and
        (.vms[0] | .name == "vm1" and .set_up and .running and .state == "ready" and .accel == "tcg" and
            .ssh_port == 34567 and .session == "vm1" and .attach == "screen -r vm1" and (.uptime_s | type == "number") and
            .console_log == $dir + "/vm1/console.log") and
        (.vms[1] | .name == "vm2" and (.set_up | not) and (.running | not) and .state == "absent" and
            .pid == null and .ssh_port == null and .attach == null and .uptime_s == null)' <<<"$output" || failure 'not so'
}

@test "status.sh prints the same as text" {
    cat >"$VM_DIR/manifest.json" <<'END'
{"kernel": {"release": "6.12.3", "source": "Debian package linux-source-6.12", "fallback": true},
 "debian": {"suite": "bookworm", "version": "12.5", "fallback": false}}
END
    succeeds ./start.sh vm1
    succeeds ./status.sh
    prints "$VM_DIR" "$(region), 1 MiB" '6.12.3, Debian package linux-source-6.12 (fallback)' 'bookworm 12.5' \
        "$(pid_of vm1)" tcg 34567 'screen -r vm1' ready absent
    prints_not '12.5 (fallback)'
}

@test "status.sh works on an unfinished lab where no VM runs" {
    succeeds ./status.sh
    prints 'not finished: run ./setup.sh' 'none: no VM runs' vm1 vm2 absent
    same '' "$stderr"
    same 'null null false' "$(field '"\(.region) \(.manifest) \(.set_up)"')"
}

@test "status.sh changes nothing" {
    local before
    succeeds ./start.sh vm1
    before=$(everything "$VM_DIR")
    succeeds ./status.sh
    succeeds ./status.sh --json
    same "$before" "$(everything "$VM_DIR")"
}

# --- Side by side

@test "two labs run at once, and stopping one does not affect the other" {
    local other=$VM_DIR-2
    (VM_DIR=$other && make_lab)
    succeeds ./start.sh vm1
    VM_DIR=$other FAKE=$BATS_TEST_TMPDIR/fake2
    mkdir "$FAKE"
    succeeds ./start.sh vm1
    # Two sessions are named vm1: each lab prints its own session unambiguously.
    [[ $output =~ ^vm1:\ screen\ -r\ [0-9]+\.vm1$ ]] || failure 'not an unambiguous session'
    same "$(field .vms[0].attach)" "${output#vm1: }"
    succeeds ./stop.sh
    refuted runs vm1
    FAKE=$BATS_TEST_TMPDIR/fake VM_DIR=${VM_DIR%-2}
    runs vm1
    same ready "$(field .vms[0].state)"
    [[ -e $(region) ]]
}

@test "two start.sh at once start each VM once" {
    background first ./start.sh
    background second ./start.sh
    background_ended first 0
    background_ended second 0
    same 1 "$(starts_of vm1)"
    same 1 "$(starts_of vm2)"
    runs vm1
    runs vm2
}

@test "start.sh leaves no process behind that holds the lock" {
    succeeds ./start.sh
    flock --nonblock "$VM_DIR/lock" true || failure 'something still has the lock'
    succeeds ./stop.sh
    flock --nonblock "$VM_DIR/lock" true
}
