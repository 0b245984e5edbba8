#!/usr/bin/env bats
# The whole kit with real VMs, in the order in which a user would go about it. Each test goes on where the one before
# it ended. tests/run says where: E2E_DIR.
# bats file_tags=e2e

load helpers

setup_file() {
    export KIT=$E2E_DIR/kit VM_DIR=$E2E_DIR/lab ACCEL=tcg SCREENDIR=$E2E_DIR/screens
    mkdir -p "$SCREENDIR"
    chmod 700 "$SCREENDIR"
    # What an earlier run left in an E2E_DIR that is kept.
    rm -rf "$VM_DIR"/vm* "$E2E_DIR/nobody-screens"
    chmod 755 "$E2E_DIR"
    cd "$BATS_TEST_DIRNAME"
    make_kit
}

teardown_file() {
    cd "$KIT" && ./stop.sh --set STOP_TIMEOUT=10 >&2 || true
}

setup() {
    cd "$KIT"
}

# --- Setting up

@test "setup.sh builds the lab" {
    run ./setup.sh
    echo "$output"
    [ "$status" -eq 0 ]
    [[ $output == *"Ready: 2 VMs in $VM_DIR"* ]]
    [ -s "$VM_DIR/vm1/disk.qcow2" ]
    [ -s "$VM_DIR/vm2/disk.qcow2" ]
}

@test "the manifest says what the lab was built from, and whether that is a fallback" {
    run jq -e '(.kernel.release | test("^[0-9]+\\.[0-9]+")) and (.kernel.sha256 | length == 64)
        and (.debian.suite | length > 0) and (.fallback | type == "boolean") and (.base_image | test("ext4$"))' \
        "$VM_DIR/manifest.json"
    [ "$status" -eq 0 ]
    release=$(jq -r .kernel.release "$VM_DIR/manifest.json")
    if jq -e '.kernel.fallback' "$VM_DIR/manifest.json"; then
        [[ $release != 6.10.11 ]]
        run ./status.sh
        [[ $output == *"Kernel   $release"*"(fallback)"* ]]
    else
        [[ $release == 6.10.11 ]]
    fi
}

@test "setup.sh again has nothing to do" {
    run ./setup.sh
    [ "$status" -eq 0 ]
    [ "$(grep -c 'nothing to do' <<<"$output")" -eq 7 ]
}

@test "setup.sh --check finds no obstacle and changes nothing" {
    before=$(find "$VM_DIR" -maxdepth 2 -printf '%p %T@\n' | sort)
    run ./setup.sh --check
    echo "$output"
    [ "$status" -eq 0 ]
    [[ $output == *"ok"*"packages"*"all there"* ]]
    [ "$(find "$VM_DIR" -maxdepth 2 -printf '%p %T@\n' | sort)" == "$before" ]
}

@test "all that setup.sh mounted and started is gone" {
    run grep -F "$VM_DIR" /proc/mounts
    [ "$status" -eq 1 ]
    run losetup -a
    [[ $output != *"$VM_DIR"* ]]
}

# --- Running

@test "start.sh starts both VMs and says how to attach" {
    run --separate-stderr ./start.sh
    echo "$stderr"
    [ "$status" -eq 0 ]
    [ "${lines[0]}" == 'vm1: screen -r vm1' ]
    [ "${lines[1]}" == 'vm2: screen -r vm2' ]
    running vm1
    running vm2
}

@test "start.sh again leaves them alone" {
    before=$(pid_of vm1)
    run ./start.sh
    [ "$status" -eq 0 ]
    [[ $output == *"vm1 is already running"* ]]
    [[ $output == *"vm2 is already running"* ]]
    [ "$(pid_of vm1)" == "$before" ]
}

@test "status.sh shows both VMs, the region and what it was built from" {
    run ./status.sh
    echo "$output"
    [ "$status" -eq 0 ]
    [[ $output == *"/dev/shm/ivshmem-"*", 128 MiB"* ]]
    grep -qE '^vm1 +ready +[0-9]+ +[0-9]+ s +tcg +[0-9]+ +screen -r vm1$' <<<"$output"
    grep -qE '^vm2 +ready +[0-9]+ +[0-9]+ s +tcg +[0-9]+ +screen -r vm2$' <<<"$output"
}

@test "a user in the screen sessions sees the transcript of spec.md" {
    # The session has a window that shows the console's login prompt.
    wait_for 60 console_shows vm1 'vm1 login:'
    wait_for 60 console_shows vm2 'vm2 login:'
    type_into vm1 $'root\r'
    type_into vm2 $'root\r'
    wait_for 60 console_shows vm1 'root@vm1:~# *$'
    wait_for 60 console_shows vm2 'root@vm2:~# *$'
    type_into vm1 $'__bandwidth\r'
    wait_for 120 console_shows vm1 '^memcpy bandwidth: [0-9]+\.[0-9][0-9] MB/s$'
    type_into vm1 $'__read_write\r'
    wait_for 60 console_shows vm1 "^Written to shmem: 'Other VM says hello world!'; run this program again on another VM$"
    type_into vm2 $'__read_write\r'
    wait_for 60 console_shows vm2 "^Read from shmem: 'Other VM says hello world!'$"
    screen -S vm1 -p 0 -X hardcopy "$BATS_TEST_TMPDIR/screen"
    grep -q '^memcpy bandwidth: ' "$BATS_TEST_TMPDIR/screen"
    [ "$(grep -c '^--- mmap successful' "$BATS_TEST_TMPDIR/screen")" -eq 2 ]
}

@test "Ctrl-C in the screen session reaches the guest, not QEMU" {
    type_into vm1 $'sleep 10000\r'
    wait_for 60 console_shows vm1 '# sleep 10000'
    wait_for 60 ./run.sh vm1 pgrep -x sleep
    type_into vm1 $'\x03'
    type_into vm1 $'expr 40 + 2\r'
    wait_for 60 console_shows vm1 '^42$'
    run ./run.sh vm1 pgrep -x sleep
    [ "$status" -eq 1 ]
    running vm1
}

@test "run.sh passes arguments, stdin and the exit status through" {
    run ./run.sh vm1 printf '<%s>' 'a  b' "it's" '*' '$HOME' '' $'two\nlines'
    [ "$status" -eq 0 ]
    [ "$output" == $'<a  b><it\'s><*><$HOME><><two\nlines>' ]
    head -c 100000 /dev/urandom >"$BATS_TEST_TMPDIR/data"
    [ "$(./run.sh vm2 sha256sum <"$BATS_TEST_TMPDIR/data")" == "$(sha256sum <"$BATS_TEST_TMPDIR/data")" ]
    run ./run.sh vm2 sh -c 'exit 7'
    [ "$status" -eq 7 ]
}

@test "run.sh --all runs in both VMs and marks each line" {
    run ./run.sh --all hostname
    [ "$status" -eq 0 ]
    [ "$(sort <<<"$output")" == $'vm1: vm1\nvm2: vm2' ]
    run ./run.sh --all sh -c '[ "$(hostname)" = vm1 ]'
    [ "$status" -eq 1 ]
    [ "$output" == 'vm2: exit status 1' ]
}

@test "run.sh demo shows the experiment" {
    run --separate-stderr ./run.sh demo
    echo "$output"
    [ "$status" -eq 0 ]
    [[ $output =~ ^'root@vm1:~# __bandwidth
--- mmap successful
memcpy bandwidth: '[0-9]+\.[0-9][0-9]' MB/s

root@vm1:~# __read_write
--- mmap successful
Written to shmem: '\''Other VM says hello world!'\''; run this program again on another VM

root@vm2:~# __read_write
--- mmap successful
Read from shmem: '\''Other VM says hello world!'\'$ ]]
}

@test "__bandwidth in both VMs at once leaves the message alone" {
    ./run.sh vm1 __read_write $'from vm1 \x1b[31m'
    run ./run.sh --all __bandwidth
    echo "$output"
    [ "$status" -eq 0 ]
    [ "$(grep -cE '^vm[12]: memcpy bandwidth: [0-9]+\.[0-9]{2} MB/s$' <<<"$output")" -eq 2 ]
    run --separate-stderr ./run.sh vm2 __read_write
    [ "${lines[1]}" == "Read from shmem: 'from vm1 \\x1b[31m'" ]
}

@test "the region is mapped uncached, write-combining and write-back, as asked" {
    for kind in uc wc wb; do
        ./run.sh vm1 __read_write -m "$kind" "by $kind"
        run --separate-stderr ./run.sh vm2 __read_write -m "$kind"
        [ "$status" -eq 0 ]
        [ "${lines[1]}" == "Read from shmem: 'by $kind'" ]
    done
}

@test "a program for no device says so" {
    run ./run.sh vm1 __read_write -d 0000:00:02.0
    echo "$output"
    [ "$status" -eq 1 ]
    [ "${#lines[@]}" -eq 1 ]
}

@test "the guest's clock is the TSC, which is read without leaving the VM" {
    run ./run.sh --all cat /sys/devices/system/clocksource/clocksource0/current_clocksource
    [ "$(sort <<<"$output")" == $'vm1: tsc\nvm2: tsc' ]
}

@test "the guest has what one needs to change the programs" {
    run ./run.sh vm1 sh -c 'gcc --version && make --version && vim --version && lspci -D -d 1af4:1110 2>&1'
    [ "$status" -eq 0 ]
    [[ $output == *"0000:00:04.0 "*"Inter-VM shared memory"* ]]
    ./run.sh vm1 test -f /root/prog/prog.h -a -f /root/prog/Makefile
}

@test "run.sh push brings an edited program into the guests" {
    sed -i 's/Other VM says hello world!/edited on the host/' prog/read_write.c
    run ./run.sh push
    echo "$output"
    [ "$status" -eq 0 ]
    ./run.sh vm1 __read_write -c
    run --separate-stderr ./run.sh vm1 __read_write
    [[ $output == *"Written to shmem: 'edited on the host'"* ]]
    run --separate-stderr ./run.sh vm2 __read_write
    [[ $output == *"Read from shmem: 'edited on the host'"* ]]
}

# --- Stopping, starting, killing

@test "what was written in a guest is there after stop and start, and no disk was left dirty" {
    ./run.sh vm1 sh -c 'echo kept >/root/file'
    run ./stop.sh
    echo "$output"
    [ "$status" -eq 0 ]
    [[ $output == *"vm1 is powered down"* ]]
    [[ $output == *"vm2 is powered down"* ]]
    run ./stop.sh
    [ "$status" -eq 0 ]
    [[ $output == *"vm1 is not running"* ]]
    run ls /dev/shm
    [[ $output != *"$(printf %s "$VM_DIR" | cksum | cut -d ' ' -f 1)"* ]]
    ./start.sh
    [ "$(./run.sh vm1 cat /root/file)" == kept ]
    run ./run.sh --all sh -c 'dmesg | grep -c "EXT4-fs.*recovery"'
    [[ $output == *"vm1: 0"* ]]
    [[ $output == *"vm2: 0"* ]]
}

@test "the region is fresh after all VMs were stopped" {
    run --separate-stderr ./run.sh vm1 __read_write
    [[ $output == *"Written to shmem"* ]]
}

@test "a killed VM is seen, the other one goes on, and it starts again" {
    kill -KILL "$(pid_of vm1)"
    wait_for 30 sh -c "./status.sh | grep -qE '^vm1 +stopped'"
    running vm2
    run ./start.sh
    echo "$output"
    [ "$status" -eq 0 ]
    [[ $output == *"vm2 is already running"* ]]
    running vm1
    # vm2 kept the region, and vm1 sees its message.
    run --separate-stderr ./run.sh vm1 __read_write
    [[ $output == *"Read from shmem"* ]]
    [ "$(./run.sh vm1 cat /root/file)" == kept ]
}

@test "a further VM costs no setup and at most 1 MiB" {
    run ./start.sh --set VM_COUNT=3 vm3
    echo "$output"
    [ "$status" -eq 0 ]
    ./stop.sh vm3
    qemu-img create -q -f qcow2 -F raw -b "$(readlink -f "$VM_DIR/images/base")" "$BATS_TEST_TMPDIR/disk"
    [ "$(du -k "$BATS_TEST_TMPDIR/disk" | cut -f 1)" -le 1024 ]
    run --separate-stderr ./start.sh --set VM_COUNT=3 --set VM_CPUS=2 vm3
    [ "${lines[0]}" == 'vm3: screen -r vm3' ]
    [ "$(./run.sh vm3 nproc)" -eq 2 ]
    run --separate-stderr ./run.sh vm3 __read_write
    [[ $output == *"Read from shmem"* ]]
    ./stop.sh vm3
}

# --- Changing the base

@test "setup.sh does not throw away what was written in the guests unasked" {
    ./stop.sh
    run ./setup.sh
    echo "$output"
    [ "$status" -eq 1 ]
    [[ $output == *"vm1"*"--reset-disks"* ]]
    ./start.sh vm1
    [ "$(./run.sh vm1 cat /root/file)" == kept ]
    ./stop.sh
}

@test "setup.sh --reset-disks does, and the lab goes to a user who is not root" {
    run ./setup.sh --reset-disks --set VM_OWNER=nobody
    echo "$output"
    [ "$status" -eq 0 ]
    [ "$(stat -c %U "$VM_DIR" "$VM_DIR/vm1/disk.qcow2" | sort -u)" == nobody ]
}

@test "that user starts, uses and stops the VMs, and QEMU runs as that user" {
    mkdir -m 700 "$E2E_DIR/nobody-screens"
    chown nobody: "$E2E_DIR/nobody-screens"
    run as_nobody ./start.sh
    echo "$output"
    [ "$status" -eq 0 ]
    [ "$(ps -o user= -p "$(pid_of vm1)")" == nobody ]
    run as_nobody ./run.sh demo
    echo "$output"
    [ "$status" -eq 0 ]
    [[ $output == *"Read from shmem: 'edited on the host'"* ]]
    run as_nobody ./run.sh vm1 test -e /root/file
    [ "$status" -eq 1 ]
    run as_nobody ./stop.sh
    echo "$output"
    [ "$status" -eq 0 ]
    [ -z "$(./status.sh --json | jq -r '.vms[] | select(.running) | .name')" ]
}

@test "that user's ivshmem server runs without root" {
    run as_nobody ./start.sh --set SHMEM_MODE=doorbell
    echo "$output"
    [ "$status" -eq 0 ]
    [ "$(ps -o user= -p "$(./status.sh --json | jq .server.pid)")" == nobody ]
    [ "$(stat -c '%U %a' "$VM_DIR/server/socket")" == 'nobody 600' ]
    run as_nobody ./run.sh vm1 __doorbell list
    [[ $output == *vm2* ]]
    as_nobody ./stop.sh
}
