#!/usr/bin/env bats
# shellcheck disable=SC2016,SC2030,SC2031,SC2154 # code in quotes; what bats and background() set
# setup.sh is killed and called again: at random points of real steps, and at points where it once failed.

load helpers

setup() {
    ((EUID == 0)) || skip 'only root can set up a lab'
    begin
    small_lab
    succeeds ./setup.sh $STEPS
    EXPECTED=$(tree "$VM_DIR/rootfs")
    grep -q 'usr/share/many/299' <<<"$EXPECTED"
    grep -q 'root/prog/made' <<<"$EXPECTED"
    whole
}

teardown() {
    local pid _
    end_background
    # A failed test may leave processes. They belong to the test's own lab.
    processes | while read -r pid _; do
        kill -KILL "$pid" || true
    done
    unmount_all
    # bats shows this only if the test fails.
    cat "$BATS_TEST_TMPDIR/points/name" "$BATS_TEST_TMPDIR/out.killed" 2>/dev/null || true
}

# Counts the calls of programs in $POINTS/calls. $POINTS/at contains the number of a call, and seconds. At that call the
# setup whose pid is in $POINTS/pid is killed: before the program starts, or that many seconds later. $POINTS/order gets,
# for each call in a step, the name of its setup.
count_calls() {
    local name
    export POINTS=$BATS_TEST_TMPDIR/points
    mkdir "$POINTS"
    for name in rm mkdir mv cp ln tar install make gcc mke2fs ssh-keygen jq chmod sync cat sha256sum mktemp date grep qemu-img flock; do
        stub "$name" <<END
exec '$BATS_TEST_TMPDIR/counted' '$(PATH=${PATH#*:} command -v "$name")' "\$@"
END
    done
    cat >"$BATS_TEST_TMPDIR/counted" <<'END'
#!/bin/sh
case ${TMPDIR:-} in
*.tmp) step=yes; echo "$RUN" >>"$POINTS/order" ;;
*) step=no ;;
esac
[ "$RUN" != next ] || exec "$@"
echo >>"$POINTS/calls"
read -r at after <"$POINTS/at"
if [ "$(/usr/bin/wc -l <"$POINTS/calls")" -lt "$at" ] || ! /usr/bin/mkdir "$POINTS/reached" 2>/dev/null; then
    exec "$@"
fi
read -r pid <"$POINTS/pid"
if [ "$after" != 0 ]; then
    exec 3<&0
    "$@" <&3 &
    sleep "$after"
fi
kill -KILL "$pid"
# If the step is still there in spite of this, it goes on when the next setup is in the middle of its work.
[ "$step" = no ] || sleep 1
[ "$after" = 0 ] || exec /usr/bin/true
exec "$@"
END
    chmod +x "$BATS_TEST_TMPDIR/counted"
}

@test "setup is killed at 20 random points and called again: the result is whole, and nothing is left" {
    local seed=${FAULTS_SEED:-$((SRANDOM % 100000))} n calls after
    echo "# FAULTS_SEED=$seed" >&3
    RANDOM=$seed
    count_calls
    echo '1000000 0' >"$POINTS/at"
    export RUN=first
    rm -r "$VM_DIR/ssh"
    setup_succeeds --force
    calls=$(wc -l <"$POINTS/calls")
    ((calls > 50)) || failure "only $calls calls are counted"
    for ((n = 1; n <= 20; n++)); do
        # Between two programs, or while one runs.
        after=0
        ((n % 2)) || after=0.$((RANDOM % 3))$((RANDOM % 10))
        echo "seed $seed, point $n: at call $((RANDOM % calls + 1)) of $calls, after $after s" >"$POINTS/name"
        sed -E 's/.*call ([0-9]+) .*after (.*) s/\1 \2/' "$POINTS/name" >"$POINTS/at"
        killed_there "$n"
    done
}

# killed_there N: kills a complete setup at the point in $POINTS/at, and calls it again.
killed_there() {
    local ended=0
    point "$1"
    ((n % 3)) || rm -rf "$VM_DIR/ssh"
    rm -rf "$POINTS/reached" "$POINTS/calls" "$POINTS/order"
    RUN=killed bash -c 'echo $$ >"$POINTS/pid"; exec ./setup.sh --force $STEPS' >"$BATS_TEST_TMPDIR/out.killed" 2>&1 3>&- &
    wait "$!" || ended=$?
    [[ $ended == 137 || ! -e $POINTS/reached ]] || failure "setup ended with $ended" "$(<"$BATS_TEST_TMPDIR/out.killed")"
    RUN=next setup_succeeds
    LC_ALL=C sort -c "$POINTS/order" || failure 'two setups worked at the same time'
}

# --- Points where it once failed

# hold PROGRAM: its first call in a step creates $WORLD/PROGRAM and waits until the test ends.
hold() {
    export WORLD=$BATS_TEST_TMPDIR/world
    mkdir -p "$WORLD"
    mkfifo "$WORLD/never"
    stub "$1" <<END
if [[ \${TMPDIR:-} == *.tmp ]] && mkdir '$WORLD/$1' 2>/dev/null; then
    read -r _ <'$WORLD/never'
fi
exec '$(command -v "$1")' "\$@"
END
}

# start_and_hold PROGRAM: starts ./setup.sh in the background, as $first, and waits until PROGRAM is held.
start_and_hold() {
    hold "$1"
    background first ./setup.sh --force $STEPS
    wait_until test -e "$WORLD/$1"
}

@test "setup is killed while it copies the tree and is called again at once: the tree is whole" {
    start_and_hold cp
    kill -KILL "$first"
    setup_succeeds
}

@test "setup is killed while mke2fs runs and is called again at once: the image is whole" {
    start_and_hold mke2fs
    kill -KILL "$first"
    setup_succeeds
}

@test "setup is killed together with its step's shell: the step's other processes are ended, too" {
    local leader
    start_and_hold cp
    leader=$(pgrep -P "$first" | head -n 1)
    kill -KILL "$first" "$leader"
    setup_succeeds
}

@test "a process of a killed setup has left its step's process group: the next setup waits for it and says so" {
    hold cp
    stub cp <<END
mkdir '$WORLD/cp' 2>/dev/null || exec '$(PATH=${PATH#*:} command -v cp)' "\$@"
exec setsid bash -c 'echo "\$\$" >"$WORLD/left"; read -r _ <"$WORLD/never"; touch "$WORLD/went"' "$VM_DIR"
END
    background first ./setup.sh --force $STEPS
    wait_until test -s "$WORLD/left"
    kill -KILL "$first"
    background next ./setup.sh $STEPS
    wait_until grep -q "Waiting for a process that setup.sh, process $first, left running" "$BATS_TEST_TMPDIR/out.next"
    refuted grep -q starts "$BATS_TEST_TMPDIR/out.next"
    echo >"$WORLD/never"
    background_ended next 0
    [[ -e $WORLD/went ]]
    whole
}

@test "two setups at once in a new lab: one waits for the other, and both succeed" {
    mv "$VM_DIR" "$VM_DIR.made"
    background left ./setup.sh keys programs
    background right ./setup.sh keys programs
    background_ended left 0
    background_ended right 0
    cat "$BATS_TEST_TMPDIR/out.left" "$BATS_TEST_TMPDIR/out.right" | grep -c 'nothing to do' | grep -qx 2
    same '' "$(find "$VM_DIR" -name '*.partial')"
}

@test "setup's output pipe breaks: nothing is left running, and the next setup succeeds, even with stderr closed" {
    ./setup.sh --force $STEPS 2>&1 | head -n 1
    wait_until no_processes
    setup_succeeds
    point 7
    ./setup.sh $STEPS 2>&-
    whole
}

@test "setup works with a missing or full TMPDIR" {
    point 8
    TMPDIR=$BATS_TEST_TMPDIR/nowhere setup_succeeds_there
    small_disk "$BATS_TEST_TMPDIR/full" 64K
    cat /dev/zero >"$BATS_TEST_TMPDIR/full/zeros" 2>/dev/null || true
    point 9
    TMPDIR=$BATS_TEST_TMPDIR/full setup_succeeds_there
}

setup_succeeds_there() {
    succeeds ./setup.sh $STEPS
    TMPDIR=$BATS_TEST_TMPDIR/tmp whole
}

@test "a source is changed while its step runs, and changed back later: the step runs again" {
    start_and_hold make
    point 11
    echo >"$WORLD/never"
    background_ended first 0
    point 0
    succeeds ./setup.sh $STEPS
    says 'programs   starts (changed: prog)'
    whole
}

@test "the disk is full at any step: the last line gives the reason; with free space setup completes the lab" {
    local kept=$BATS_TEST_TMPDIR/kept free
    mv "$VM_DIR" "$kept"
    small_disk "$VM_DIR" 64M
    cp -a "$kept/." "$VM_DIR"
    point 12
    # With less free space each time, the disk becomes full at a different point.
    for free in 4000 1000 200 20 0; do
        head -c 100M /dev/zero >"$VM_DIR/filling" 2>/dev/null || true
        truncate -s "-${free}K" "$VM_DIR/filling"
        fails 1 ./setup.sh --force $STEPS
        ends_with 'failed: ' ./setup.sh
        [[ ${stderr_lines[-1]} == *'No space left on device'* || ${stderr_lines[-1]} == *'MB are free'* ]] ||
            failure "no reason: ${stderr_lines[-1]}"
        rm "$VM_DIR/filling"
    done
    setup_succeeds
    unmount_all
}
