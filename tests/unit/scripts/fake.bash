# shellcheck shell=bash disable=SC2016,SC2154 # code in quotes; what bats sets
# What the tests share that start and stop VMs of a fake QEMU (see fake-qemu) in real screen sessions.

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
    # Long enough for a busy machine, where a test waits for what comes.
    export START_TIMEOUT=60 STOP_TIMEOUT=60
}

# Ends what fakes are left, each by the pid that it wrote down, and removes their regions.
teardown() {
    teardown_fakes
}

teardown_fakes() {
    local pid
    while read -r pid; do
        ! is_fake "$pid" || kill -KILL "$pid"
    done < <(cat "$BATS_TEST_TMPDIR"/fake*/*.starts 2>/dev/null)
    end_background
    rm -f -- "$(VM_DIR=$BATS_TEST_TMPDIR/lab region)" "$(VM_DIR=$BATS_TEST_TMPDIR/lab-2 region)"
}

is_fake() {
    grep -qaF "$BATS_TEST_TMPDIR/bin/qemu-system-x86_64" "/proc/$1/cmdline" 2>/dev/null
}

mode() {
    echo "$2" >"$FAKE/$1.mode"
}

# The pid of the process that VM $1 is.
pid_of() {
    tail -n 1 "$FAKE/$1.starts"
}

# How often VM $1 was started.
starts_of() {
    wc -l <"$FAKE/$1.starts"
}

runs() {
    is_fake "$(pid_of "$1")"
}

# The region's file of the lab VM_DIR.
region() {
    local id
    id=$(printf %s "$VM_DIR" | cksum)
    echo "/dev/shm/ivshmem-${id%% *}"
}

# A field of what status.sh --json prints.
field() {
    ./status.sh --json | jq -r "$1"
}

sessions() {
    screen -ls | sed -n 's/^\t[0-9]*\.\([^\t]*\)\t.*/\1/p' | sort | paste -sd ' '
}
