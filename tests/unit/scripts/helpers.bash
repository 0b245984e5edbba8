# shellcheck shell=bash disable=SC2016,SC2154 # code in quotes; what bats sets
# What the unit tests of the scripts share. Each test works on a copy of the checkout, in its own temporary folder, and
# nothing that it starts outlives it.

# shellcheck source=tests/common.bash
source "$(dirname -- "${BASH_SOURCE[0]}")/../../common.bash"

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
