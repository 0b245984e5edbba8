# shellcheck shell=bash disable=SC2016,SC2154 # code in quotes; what bats sets
# Shared by the tests that start and stop fake QEMU VMs (see fake-qemu) in real screen sessions.

setup() {
    begin
    make_lab
    mkdir -m 700 "$BATS_TEST_TMPDIR/screens"
    mkdir "$BATS_TEST_TMPDIR/bin" "$BATS_TEST_TMPDIR/fake"
    cp "$BATS_TEST_DIRNAME/fake-qemu" "$BATS_TEST_TMPDIR/bin/qemu-system-x86_64"
    cp "$BATS_TEST_DIRNAME/fake-qemu-qmp" "$BATS_TEST_TMPDIR/bin/qemu-system-x86_64-qmp"
    PATH=$BATS_TEST_TMPDIR/bin:$PATH
    export SCREENDIR=$BATS_TEST_TMPDIR/screens FAKE=$BATS_TEST_TMPDIR/fake
    export ACCEL=tcg SHMEM_SIZE=1M
    # Long enough for a busy machine.
    export START_TIMEOUT=60 STOP_TIMEOUT=60
}

# Ends the fakes that are left, by the pid that each has written, and removes their regions.
teardown() {
    teardown_fakes
}

teardown_fakes() {
    local pid
    while read -r pid; do
        ! is_fake "$pid" || kill -KILL "$pid"
    done < <(cat "$BATS_TEST_TMPDIR"/fake*/*.starts 2>/dev/null)
    end_background
    rm -f -- "$(VM_DIR=$BATS_TEST_TMPDIR/lab region)"{,-{2..9}} "$(VM_DIR=$BATS_TEST_TMPDIR/lab-2 region)"
}

is_fake() {
    grep -qaF "$BATS_TEST_TMPDIR/bin/qemu-system-x86_64" "/proc/$1/cmdline" 2>/dev/null
}

mode() {
    echo "$2" >"$FAKE/$1.mode"
}

# The pid of VM $1's process.
pid_of() {
    tail -n 1 "$FAKE/$1.starts"
}

# The number of starts of VM $1.
starts_of() {
    wc -l <"$FAKE/$1.starts"
}

runs() {
    is_fake "$(pid_of "$1")"
}

# The file of the region of lab $VM_DIR.
region() {
    local id
    id=$(printf %s "$VM_DIR" | cksum)
    echo "/dev/shm/ivshmem-${id%% *}"
}

# field FILTER: a field of the output of status.sh --json.
field() {
    ./status.sh --json | jq -r "$1"
}

sessions() {
    screen -ls | sed -n 's/^\t[0-9]*\.\([^\t]*\)\t.*/\1/p' | sort | paste -sd ' '
}
