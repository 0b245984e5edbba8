# shellcheck shell=bash disable=SC2016,SC2154 # code in quotes; what bats sets
# What the unit tests of the scripts share. Each test works on a copy of the checkout, in its own temporary folder, and
# nothing that it starts outlives it.

bats_require_minimum_version 1.5.0

REPO=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/../../.." && pwd -P)

# --- A place to work

# Makes a copy of the scripts and works there; VM_DIR is a folder that does not exist yet. Only knobs that a test sets
# are in the environment.
begin() {
    local knob
    KIT=$BATS_TEST_TMPDIR/kit
    mkdir "$KIT" "$BATS_TEST_TMPDIR/tmp"
    cp -r -- "$REPO"/*.sh "$REPO"/{lib,setup,bench,kernel,guest} "$KIT"
    rm -f -- "$KIT/config.local.sh"
    cd "$KIT" || return
    for knob in $(knobs) FAKE; do
        unset "$knob"
    done
    export VM_DIR=$BATS_TEST_TMPDIR/lab TMPDIR=$BATS_TEST_TMPDIR/tmp NO_COLOR=1
}

# The names of all knobs.
knobs() {
    sed -n 's/^: "${\([A-Z_0-9]*\):=.*/\1/p' "$REPO/config.sh"
}

# Makes VM_DIR look like what setup leaves behind, with a base image of 1 MiB.
make_lab() {
    mkdir -p -- "$VM_DIR"/{kernel,images,ssh,steps,log}
    echo 'a lab' >"$VM_DIR/.ivshmem-lab"
    echo 'a kernel' >"$VM_DIR/kernel/vmlinux"
    truncate -s 1M "$VM_DIR/images/base-1.ext4"
    ln -sfn base-1.ext4 "$VM_DIR/images/base"
}

# Puts a command in front of PATH: stub NAME <<'END' (a bash script).
stub() {
    mkdir -p "$BATS_TEST_TMPDIR/bin"
    [[ $PATH == "$BATS_TEST_TMPDIR/bin:"* ]] || PATH=$BATS_TEST_TMPDIR/bin:$PATH
    { echo '#!/usr/bin/env bash' && cat; } >"$BATS_TEST_TMPDIR/bin/$1"
    chmod +x "$BATS_TEST_TMPDIR/bin/$1"
}

# Writes a script that has all functions of the kit and runs stdin: script NAME <<'END'. Run it as ./NAME.
script() {
    {
        echo '#!/usr/bin/env bash'
        echo 'set -euo pipefail; shopt -s inherit_errexit'
        # shellcheck disable=SC2016 # for the script
        echo 'for room in lib setup bench; do source "$(dirname -- "$(readlink -f -- "$0")")/$room/load.sh"; done'
        cat
    } >"$KIT/$1"
    chmod +x "$KIT/$1"
}

# everything [FOLDER]: all that is in the test's folder, or in that one, with sizes and times: to see that nothing was
# touched. Not what bats itself keeps there.
everything() {
    find "${1:-$BATS_TEST_TMPDIR}" -mindepth 1 ! -name 'separate-stderr-*' -printf '%p %y %m %s %T@ %l\n' | sort
}

# --- What must be so. Each says what was there instead.

failure() {
    {
        printf '%s\n' "$*" "status: ${status:-}" "stdout: ${output:-}" "stderr: ${stderr:-}"
    } >&2
    return 1
}

# succeeds COMMAND...: with its outputs in $output and $stderr.
succeeds() {
    run --separate-stderr "$@"
    ((status == 0)) || failure "failed: $*"
}

# fails STATUS COMMAND...
fails() {
    local expected=$1
    shift
    run --separate-stderr "$@"
    ((status == expected)) || failure "ended with $status instead of $expected: $*"
}

# refuses TEXT COMMAND...: with status 2 and one line on stderr that holds TEXT; nothing on stdout.
refuses() {
    local text=$1
    shift
    fails 2 "$@"
    [[ -z $output ]] || failure "printed to stdout: $*"
    ((${#stderr_lines[@]} == 1)) || failure "not one line on stderr: $*"
    [[ $stderr == *"$text"* ]] || failure "does not say '$text': $*"
}

# says TEXT...: stderr of the last command holds each.
says() {
    local text
    for text; do
        [[ $stderr == *"$text"* ]] || failure "stderr does not say '$text'"
    done
}

says_not() {
    [[ $stderr != *"$1"* ]] || failure "stderr says '$1'"
}

# prints TEXT...: stdout of the last command holds each.
prints() {
    local text
    for text; do
        [[ $output == *"$text"* ]] || failure "stdout does not say '$text'"
    done
}

prints_not() {
    [[ $output != *"$1"* ]] || failure "stdout says '$1'"
}

# same EXPECTED ACTUAL: prints where they differ, if they do.
same() {
    [[ $1 == "$2" ]] || failure "not the same:" "$(diff <(printf "%s\n" "$1") <(printf "%s\n" "$2"))"
}

# refuted COMMAND...: it fails. (A ! before a command is nothing that a test could fail by.)
refuted() {
    if "$@"; then
        failure "succeeded, but should not have: $*"
    fi
}

# --- Waiting

# Tries a command until it succeeds. A minute is for a busy machine; it takes milliseconds.
wait_until() {
    local deadline=$((SECONDS + 60))
    until "$@"; do
        ((SECONDS < deadline)) || failure "never came true: $*" || return
        read -r -t 0.05 <> <(:) || true
    done
}

gone() {
    ! kill -0 "$1" 2>/dev/null
}

# --- Processes of the test's own

# Runs a command in the background: background NAME COMMAND...; its pid is then in $NAME, its output in out.NAME.
background() {
    local name=$1
    shift
    env --default-signal=INT "$@" >"$BATS_TEST_TMPDIR/out.$name" 2>&1 3>&- &
    printf -v "$name" %d $!
    STARTED+=($!)
}

# background_ended NAME STATUS: waits for it, and looks whether it ended with that status.
background_ended() {
    local ended=0
    wait "${!1}" || ended=$?
    output=$(<"$BATS_TEST_TMPDIR/out.$1")
    ((ended == $2)) || failure "background command $1 ended with $ended instead of $2"
}
STARTED=()

# Ends what background() started; for teardown.
end_background() {
    local pid
    for pid in "${STARTED[@]}"; do
        kill -KILL "$pid" || true
        wait "$pid" || true
    done 2>/dev/null
}
