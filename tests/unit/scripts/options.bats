#!/usr/bin/env bats
# shellcheck disable=SC2016,SC2030,SC2031,SC2154 # code in quotes; what bats and background() set
# The command lines of the scripts.

load helpers

SCRIPTS=(setup start stop run status bench)

setup() {
    begin
}

@test "-h and --help print the usage to stdout" {
    local script option
    for script in "${SCRIPTS[@]}"; do
        for option in -h --help; do
            succeeds "./$script.sh" "$option"
            prints "Usage: ./$script.sh" --set --help
            same '' "$stderr"
        done
    done
    [[ ! -e $VM_DIR ]]
}

@test "the usage has an example, and it calls only scripts that exist" {
    local script line
    for script in "${SCRIPTS[@]}"; do
        succeeds "./$script.sh" --help
        prints $'\nExample:\n'
        mapfile -t lines < <(sed -n '/^Example:$/,/^$/{/^ /p}' <<<"$output")
        [[ "${lines[*]}" == *" ./$script.sh"* ]] || failure "no example calls $script.sh"
        for line in "${lines[@]}"; do
            [[ ! $line =~ \./[a-z.]+ || -x ${BASH_REMATCH[0]} ]] || failure "no such script: $line"
        done
    done
}

@test "start.sh --help names the file with QEMU's command line" {
    succeeds ./start.sh --help
    prints "$VM_DIR/vm1/command"
}

@test "the usage shows the current values of the knobs" {
    local script
    for script in "${SCRIPTS[@]}"; do
        succeeds "./$script.sh" --help
        prints "VM_DIR=$VM_DIR"
    done
    succeeds env SHMEM_SIZE=64M ./start.sh --help --set VM_COUNT=7
    prints SHMEM_SIZE=64M VM_COUNT=7
    succeeds env STOP_TIMEOUT=17 ./stop.sh -h
    prints STOP_TIMEOUT=17
    succeeds ./setup.sh -h --set KERNEL_VERSION=6.9.1 --set DEBIAN_SUITE=trixie
    prints 'Linux 6.9.1' 'Debian trixie'
}

@test "the usage shows the defaults when nothing is set" {
    succeeds env -u VM_DIR ./setup.sh --help
    prints VM_DIR=/home/vms-x86_64 VM_COUNT=2 KERNEL_VERSION=6.10.11 DEBIAN_SUITE=buster
}

@test "an unknown option is an error that names it, with status 2" {
    local script
    make_lab
    for script in "${SCRIPTS[@]}"; do
        refuses "'--bogus'" "./$script.sh" --bogus
        refuses "'z'" "./$script.sh" -z
        says "$script.sh --help"
        refuses '--help' "./$script.sh" --help=yes
        refuses '--bo' "./$script.sh" $'--bo\ngus'
    done
}

@test "--set without a name or a value is an error" {
    local script
    for script in "${SCRIPTS[@]}"; do
        refuses "'--set'" "./$script.sh" --set
        refuses '--set VM_COUNT' "./$script.sh" --set VM_COUNT
        refuses '--set =3' "./$script.sh" --set =3
        refuses "--set ''" "./$script.sh" --set ''
    done
}

@test "an unknown step of setup.sh is an error that lists the steps" {
    local word
    for word in bogus '' 'host kernel' '*' $'host\n'; do
        refuses '(there are host, kernel, bootstrap, packages, programs, keys, modules, rootfs and images)' ./setup.sh "$word"
    done
    refuses 'no such step: bogus' ./setup.sh host bogus
    [[ ! -e $VM_DIR ]]
}

@test "an unknown VM is an error that lists the VMs" {
    local word
    make_lab
    mkdir "$VM_DIR/vm1" "$VM_DIR/vm2"
    for word in vm9 vm '' 'vm1 vm2' ../vm1 '*' $'vm1\nvm2' 1; do
        refuses 'no such VM' ./start.sh "$word"
        says vm1 vm2
        refuses 'no such VM' ./stop.sh "$word"
        says vm1 vm2
    done
    refuses 'no such VM: vm9' ./stop.sh vm1 vm9
    refuses 'no such VM: vm9' ./run.sh vm9 true
    refuses 'no such VM: vm9' ./run.sh push vm9
}

@test "start.sh accepts only VMs up to VM_COUNT" {
    make_lab
    mkdir "$VM_DIR/vm3"
    refuses 'no such VM: vm3 (there are vm1 and vm2)' ./start.sh vm3
}

@test "run.sh without a VM or a command says what is missing" {
    make_lab
    mkdir "$VM_DIR/vm1"
    refuses 'vm1' ./run.sh
    refuses '--all needs a command' ./run.sh --all
    refuses 'demo takes no arguments' ./run.sh demo vm1
}

@test "run.sh fails if no VM runs" {
    make_lab
    mkdir "$VM_DIR/vm1"
    fails 1 ./run.sh vm1 true
    says 'vm1 is not running' ./start.sh
    fails 1 ./run.sh --all true
    says 'no VM is running'
    fails 1 ./run.sh demo
    says 'no VM is running'
    fails 1 ./run.sh push
    says 'no VM is running'
}

@test "status.sh takes no arguments" {
    make_lab
    refuses 'vm1' ./status.sh vm1
}

@test "without a lab, each script says what to do" {
    local script
    for script in start stop run; do
        fails 1 "./$script.sh"
        ((${#stderr_lines[@]} == 1))
        says "$VM_DIR" ./setup.sh
    done
    succeeds ./status.sh
    prints ./setup.sh
    succeeds ./status.sh --json
    jq -e '.set_up == false and (.vms | length == 2 and all(.set_up == false))' <<<"$output"
    [[ ! -e $VM_DIR ]]
}

@test "the scripts run from any folder and through a symbolic link" {
    local script
    ln -s "$KIT/status.sh" "$BATS_TEST_TMPDIR/show"
    mkdir "$BATS_TEST_TMPDIR/elsewhere"
    cd "$BATS_TEST_TMPDIR/elsewhere"
    succeeds "$BATS_TEST_TMPDIR/show" --help
    for script in "${SCRIPTS[@]}"; do
        succeeds "../kit/$script.sh" --help
    done
}

# --- Unusual checkouts and shells

@test "scripts called with sh continue with bash" {
    local script
    for script in "${SCRIPTS[@]}"; do
        succeeds sh "$script.sh" --help
        prints "Usage: ./$script.sh"
        same '' "$stderr"
        refuses 'is not a user' sh "$script.sh" --set 'VM_OWNER=nobody-of-that-name'
    done
    if have dash; then
        succeeds dash setup.sh --help
    fi
}

have() {
    command -v "$1" >/dev/null
}

@test "scripts that are not executable run with bash, and setup.sh makes them executable first" {
    local script
    chmod -x ./*.sh
    for script in "${SCRIPTS[@]}"; do
        succeeds bash "$script.sh" --help
    done
    ((EUID == 0)) || skip 'setup.sh needs root'
    # Makes setup.sh end right after that.
    sed -i 's/^lab_create() {/&\n    exit 17/' lib/lab.sh
    stub df <<<'printf "Avail\n90000000M\n"'
    run --separate-stderr bash setup.sh
    same 17 "$status"
    for script in "${SCRIPTS[@]}"; do
        [[ -x $script.sh ]] || failure "$script.sh is not executable"
    done
}

@test "setup.sh reports a checkout with Windows line ends in one line, however it is called" {
    local call
    find . -type f -exec sed -i 's/$/\r/' {} +
    for call in ./setup.sh 'bash setup.sh' 'sh setup.sh'; do
        # shellcheck disable=SC2086 # words
        fails 1 $call
        says 'end with CRLF, as on Windows' 'get the files again'
        same 1 "${#stderr_lines[@]}"
        same '' "$output"
    done
}

@test "setup.sh --check names a single file with Windows line ends" {
    sed -i 's/$/\r/' kernel/lab.config
    fails 1 ./setup.sh --check
    prints 'lines end with CRLF' kernel/lab.config
}

@test "the scripts find programs in sbin even if PATH lacks it, as after su" {
    script where <<<'command -v mke2fs chroot'
    succeeds env PATH="${PATH//sbin/none}" bash ./where
    prints /mke2fs /chroot
}
