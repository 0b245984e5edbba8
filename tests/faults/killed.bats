#!/usr/bin/env bats
# shellcheck disable=SC2016,SC2030,SC2031,SC2154 # code in quotes; what bats and background() set
# setup.sh is killed, and called again: at random points of real steps, and at those where it once went wrong.

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
    end_background
}

# Counts the calls of programs, in $POINTS/calls; at call number $POINTS/at, of what setup calls, it is killed: before the
# program begins, or so many seconds after that as $POINTS/after says.
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
wait
END
    chmod +x "$BATS_TEST_TMPDIR/counted"
}

@test "killed at 20 random points, and called again: the result is whole, and nothing is left" {
    local seed=${FAULTS_SEED:-$((SRANDOM % 100000))} n calls after
    echo "# FAULTS_SEED=$seed" >&3
    RANDOM=$seed
    count_calls
    echo '1000000 0' >"$POINTS/at"
    rm -r "$VM_DIR/ssh"
    setup_succeeds --force
    calls=$(wc -l <"$POINTS/calls")
    ((calls > 50)) || failure "only $calls calls are counted"
    for ((n = 1; n <= 20; n++)); do
        # Between two programs, or in the middle of one.
        after=0
        ((n % 2)) || after=0.$((RANDOM % 3))$((RANDOM % 10))
        echo "seed $seed, point $n: at call $((RANDOM % calls + 1)) of $calls, after $after s" >"$POINTS/name"
        sed -E 's/.*call ([0-9]+) .*after (.*) s/\1 \2/' "$POINTS/name" >"$POINTS/at"
        killed_there "$n" || failure "$(<"$POINTS/name")"
    done
}

# Kills a setup that has all to do at the point that is set, and calls it again.
killed_there() {
    local ended=0
    point "$1"
    ((n % 3)) || rm -rf "$VM_DIR/ssh"
    rm -rf "$POINTS/reached" "$POINTS/calls"
    bash -c 'echo $$ >"$POINTS/pid"; exec ./setup.sh --force $STEPS' >"$BATS_TEST_TMPDIR/out.killed" 2>&1 3>&- &
    wait "$!" || ended=$?
    [[ $ended == 137 || ! -e $POINTS/reached ]] || failure "setup ended with $ended" "$(<"$BATS_TEST_TMPDIR/out.killed")"
    setup_succeeds
}
