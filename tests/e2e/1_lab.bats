#!/usr/bin/env bats
# The whole kit with real VMs, in the order in which a user would use it. Each test starts from the state that the
# previous one left. tests/run sets E2E_DIR, the folder for all of it.
# bats file_tags=e2e

load helpers

setup_file() {
    export KIT=$E2E_DIR/kit VM_DIR=$E2E_DIR/lab ACCEL=tcg SCREENDIR=$E2E_DIR/screens
    mkdir -p "$SCREENDIR"
    chmod 700 "$SCREENDIR"
    # E2E_DIR may be kept between runs: remove what an earlier run left there.
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
    succeeds ./setup.sh
    says "Ready: 2 VMs in $VM_DIR"
    [ -s "$VM_DIR/vm1/disk.qcow2" ]
    [ -s "$VM_DIR/vm2/disk.qcow2" ]
}

@test "the manifest names the sources of the lab, and whether they are a fallback" {
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

@test "a second setup.sh has nothing to do" {
    succeeds ./setup.sh
    same "$(sed -n 's/^ALL_STEPS=(\(.*\))/\1/p' setup.sh | wc -w)" "$(grep -c 'nothing to do' <<<"$stderr")"
}

@test "setup.sh --check finds no obstacle and changes nothing" {
    before=$(find "$VM_DIR" -maxdepth 2 -printf '%p %T@\n' | sort)
    succeeds ./setup.sh --check
    [[ $output == *"ok"*"packages"*"all installed"* ]]
    same "$before" "$(find "$VM_DIR" -maxdepth 2 -printf '%p %T@\n' | sort)"
}

@test "setup.sh leaves no mount and no loop device" {
    fails 1 grep -F "$VM_DIR" /proc/mounts
    run losetup -a
    prints_not "$VM_DIR"
}

# --- Running

@test "start.sh starts both VMs and says how to attach" {
    succeeds ./start.sh
    same 'vm1: screen -r vm1' "${lines[0]}"
    same 'vm2: screen -r vm2' "${lines[1]}"
    running vm1
    running vm2
}

@test "a second start.sh leaves running VMs alone" {
    before=$(pid_of vm1)
    succeeds ./start.sh
    says "vm1 is already running" "vm2 is already running"
    same "$before" "$(pid_of vm1)"
}

@test "status.sh shows both VMs and the region" {
    succeeds ./status.sh
    [[ $output == *"/dev/shm/ivshmem-"*", 128 MiB"* ]]
    grep -qE '^vm1 +ready +[0-9]+ +[0-9]+ s +tcg +[0-9]+ +screen -r vm1$' <<<"$output"
    grep -qE '^vm2 +ready +[0-9]+ +[0-9]+ s +tcg +[0-9]+ +screen -r vm2$' <<<"$output"
}

@test "a user in the screen sessions sees the transcript of spec.md" {
    # The session's window shows the login prompt of the console.
    wait_until console_shows vm1 'vm1 login:'
    wait_until console_shows vm2 'vm2 login:'
    type_into vm1 $'root\r'
    type_into vm2 $'root\r'
    wait_until console_shows vm1 'root@vm1:~# *$'
    wait_until console_shows vm2 'root@vm2:~# *$'
    type_into vm1 $'__bandwidth\r'
    wait_until console_shows vm1 '^memcpy bandwidth: [0-9]+\.[0-9][0-9] MB/s$'
    type_into vm1 $'__read_write\r'
    wait_until console_shows vm1 "^Written to shmem: 'Other VM says hello world!'; run this program again on another VM$"
    type_into vm2 $'__read_write\r'
    wait_until console_shows vm2 "^Read from shmem: 'Other VM says hello world!'$"
    screen -S vm1 -p 0 -X hardcopy "$BATS_TEST_TMPDIR/screen"
    grep -q '^memcpy bandwidth: ' "$BATS_TEST_TMPDIR/screen"
    same 2 "$(grep -c '^--- mmap successful' "$BATS_TEST_TMPDIR/screen")"
}

@test "Ctrl-C in the screen session reaches the guest, not QEMU" {
    type_into vm1 $'sleep 10000\r'
    wait_until console_shows vm1 '# sleep 10000'
    wait_until ./run.sh vm1 pgrep -x sleep
    type_into vm1 $'\x03'
    type_into vm1 $'expr 40 + 2\r'
    wait_until console_shows vm1 '^42$'
    fails 1 ./run.sh vm1 pgrep -x sleep
    running vm1
}

@test "run.sh passes arguments, stdin and the exit status through" {
    succeeds ./run.sh vm1 printf '<%s>' 'a  b' "it's" '*' '$HOME' '' $'two\nlines'
    same $'<a  b><it\'s><*><$HOME><><two\nlines>' "$output"
    head -c 100000 /dev/urandom >"$BATS_TEST_TMPDIR/data"
    same "$(sha256sum <"$BATS_TEST_TMPDIR/data")" "$(./run.sh vm2 sha256sum <"$BATS_TEST_TMPDIR/data")"
    fails 7 ./run.sh vm2 sh -c 'exit 7'
}

@test "run.sh --all runs in both VMs and prefixes each line with the VM's name" {
    succeeds ./run.sh --all hostname
    same $'vm1: vm1\nvm2: vm2' "$(sort <<<"$output")"
    fails 1 ./run.sh --all sh -c '[ "$(hostname)" = vm1 ]'
    same '' "$output"
    same 'vm2: exit status 1' "$stderr"
}

@test "run.sh demo shows the experiment" {
    succeeds ./run.sh demo
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
    succeeds ./run.sh --all __bandwidth
    same 2 "$(grep -cE '^vm[12]: memcpy bandwidth: [0-9]+\.[0-9]{2} MB/s$' <<<"$output")"
    succeeds ./run.sh vm2 __read_write
    same "Read from shmem: 'from vm1 \\x1b[31m'" "${lines[1]}"
}

@test "__read_write -m maps the region uncached, write-combining and write-back" {
    for kind in uc wc wb; do
        ./run.sh vm1 __read_write -m "$kind" "by $kind"
        succeeds ./run.sh vm2 __read_write -m "$kind"
        same "Read from shmem: 'by $kind'" "${lines[1]}"
    done
}

@test "a program reports a PCI address without an ivshmem device" {
    complains 1 'no ivshmem device' ./run.sh vm1 __read_write -d 0000:00:02.0
    same '' "$output"
}

@test "the guests' clock source is the TSC: reading it causes no VM exit" {
    run ./run.sh --all cat /sys/devices/system/clocksource/clocksource0/current_clocksource
    same $'vm1: tsc\nvm2: tsc' "$(sort <<<"$output")"
}

@test "the guest has the tools and sources to change the programs" {
    succeeds ./run.sh vm1 sh -c 'gcc --version && make --version && vim --version && lspci -D -d 1af4:1110 2>&1'
    [[ $output == *"0000:00:04.0 "*"Inter-VM shared memory"* ]]
    ./run.sh vm1 test -f /root/prog/prog.h -a -f /root/prog/Makefile
}

@test "a program is built in a guest with the library that setup has installed there" {
    succeeds ./run.sh vm1 sh -c 'gcc -o /tmp/visit /root/prog/example.c -I/usr/local/include/shmem -lshmem && /tmp/visit'
    prints 'visit '
    succeeds ./run.sh vm1 cat /usr/local/lib/pkgconfig/shmem.pc
    prints prefix=/usr/local
}

@test "run.sh push installs an edited program in the guests" {
    sed -i 's/Other VM says hello world!/edited on the host/' prog/read_write.c
    succeeds ./run.sh push
    ./run.sh vm1 __read_write -c
    succeeds ./run.sh vm1 __read_write
    prints "Written to shmem: 'edited on the host'"
    succeeds ./run.sh vm2 __read_write
    prints "Read from shmem: 'edited on the host'"
}

# --- Stopping, starting, killing

@test "a guest's files survive stop and start, and no file system needs recovery" {
    ./run.sh vm1 sh -c 'echo kept >/root/file'
    succeeds ./stop.sh
    says "vm1 is powered down" "vm2 is powered down"
    succeeds ./stop.sh
    says "vm1 is not running"
    run ls /dev/shm
    prints_not "$(printf %s "$VM_DIR" | cksum | cut -d ' ' -f 1)"
    ./start.sh
    same kept "$(./run.sh vm1 cat /root/file)"
    run ./run.sh --all sh -c 'dmesg | grep -c "EXT4-fs.*recovery"'
    prints "vm1: 0" "vm2: 0"
}

@test "the region is empty after all VMs were stopped" {
    succeeds ./run.sh vm1 __read_write
    prints "Written to shmem"
}

@test "a killed VM shows as stopped, the other VM keeps running, and the killed one starts again" {
    kill -KILL "$(pid_of vm1)"
    wait_until sh -c "./status.sh | grep -qE '^vm1 +stopped'"
    running vm2
    succeeds ./start.sh
    says "vm2 is already running"
    running vm1
    # vm2 kept the region, and vm1 sees its message.
    succeeds ./run.sh vm1 __read_write
    prints "Read from shmem"
    same kept "$(./run.sh vm1 cat /root/file)"
}

@test "another VM needs no setup and at most 1 MiB of disk" {
    succeeds ./start.sh --set VM_COUNT=3 vm3
    ./stop.sh vm3
    qemu-img create -q -f qcow2 -F raw -b "$(readlink -f "$VM_DIR/images/base")" "$BATS_TEST_TMPDIR/disk"
    [ "$(du -k "$BATS_TEST_TMPDIR/disk" | cut -f 1)" -le 1024 ]
    succeeds ./start.sh --set VM_COUNT=3 --set VM_CPUS=2 vm3
    same 'vm3: screen -r vm3' "${lines[0]}"
    same 2 "$(./run.sh vm3 nproc)"
    succeeds ./run.sh vm3 __read_write
    prints "Read from shmem"
    ./stop.sh vm3
}

# --- Changing the base

@test "setup.sh does not discard the guests' changes without --reset-disks" {
    ./stop.sh
    fails 1 ./setup.sh
    [[ $stderr == *"vm1"*"--reset-disks"* ]]
    ./start.sh vm1
    same kept "$(./run.sh vm1 cat /root/file)"
    ./stop.sh
}

@test "setup.sh --reset-disks discards them, and VM_OWNER gives the lab to another user" {
    succeeds ./setup.sh --reset-disks --set VM_OWNER=nobody
    same nobody "$(stat -c %U "$VM_DIR" "$VM_DIR/vm1/disk.qcow2" | sort -u)"
}

@test "the lab's owner starts, uses and stops the VMs, and QEMU runs as that user" {
    mkdir -m 700 "$E2E_DIR/nobody-screens"
    chown nobody: "$E2E_DIR/nobody-screens"
    succeeds as_nobody ./start.sh
    same nobody "$(ps -o user= -p "$(pid_of vm1)")"
    succeeds as_nobody ./run.sh demo
    prints "Read from shmem: 'edited on the host'"
    fails 1 as_nobody ./run.sh vm1 test -e /root/file
    succeeds as_nobody ./stop.sh
    same '' "$(./status.sh --json | jq -r '.vms[] | select(.running) | .name')"
}

@test "the lab's owner runs the ivshmem server, without root" {
    succeeds as_nobody ./start.sh --set SHMEM_MODE=doorbell
    same nobody "$(ps -o user= -p "$(./status.sh --json | jq .server.pid)")"
    same 'nobody 600' "$(stat -c '%U %a' "$VM_DIR/server/socket")"
    run as_nobody ./run.sh vm1 __doorbell list
    prints vm2
    as_nobody ./stop.sh
}
