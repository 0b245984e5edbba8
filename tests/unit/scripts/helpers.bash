# shellcheck shell=bash disable=SC2016,SC2154 # code in quotes; what bats sets
# Shared by the unit tests of the scripts. Each test works on a copy of the checkout in its own temporary folder. Every
# process that a test starts ends with it.

# shellcheck source=tests/common.bash
source "$(dirname -- "${BASH_SOURCE[0]}")/../../common.bash"

# --- A place to work

# Copies the scripts and works in the copy. VM_DIR is a folder that does not exist yet. The environment has only the
# knobs that a test sets.
begin() {
    local knob
    KIT=$BATS_TEST_TMPDIR/kit
    mkdir "$KIT" "$BATS_TEST_TMPDIR/tmp"
    cp -r -- "$REPO"/*.sh "$REPO"/{lib,setup,bench,run,kernel,guest,driver} "$KIT"
    mkdir "$KIT/docs" && cp -- "$REPO/docs/figures.md" "$KIT/docs"
    rm -f -- "$KIT/config.local.sh"
    cd "$KIT" || return
    for knob in $(knobs) FAKE; do
        unset "$knob"
    done
    export VM_DIR=$BATS_TEST_TMPDIR/lab TMPDIR=$BATS_TEST_TMPDIR/tmp NO_COLOR=1
}

# Prints the names of all knobs.
knobs() {
    sed -n 's/^: "${\([A-Z_0-9]*\):=.*/\1/p' "$REPO/config.sh"
}

# Makes VM_DIR look as setup.sh leaves it, with a base image of 1 MiB.
make_lab() {
    mkdir -p -- "$VM_DIR"/{kernel,modules,images,ssh,steps,log}
    echo 'a lab' >"$VM_DIR/.ivshmem-lab"
    echo 'a kernel' >"$VM_DIR/kernel/vmlinux"
    echo 'its disk' >"$VM_DIR/modules/disk.ext4"
    truncate -s 1M "$VM_DIR/images/base-1.ext4"
    ln -sfn base-1.ext4 "$VM_DIR/images/base"
}

# stub NAME <<'END': puts a command in front of PATH, a bash script read from stdin.
stub() {
    mkdir -p "$BATS_TEST_TMPDIR/bin"
    [[ $PATH == "$BATS_TEST_TMPDIR/bin:"* ]] || PATH=$BATS_TEST_TMPDIR/bin:$PATH
    { echo '#!/usr/bin/env bash' && cat; } >"$BATS_TEST_TMPDIR/bin/$1"
    chmod +x "$BATS_TEST_TMPDIR/bin/$1"
}

# script NAME <<'END': writes ./NAME, a script that loads all functions of the kit and then runs the commands from stdin.
script() {
    {
        echo '#!/usr/bin/env bash'
        echo 'set -euo pipefail; shopt -s inherit_errexit'
        # shellcheck disable=SC2016 # for the script
        echo 'for room in lib setup bench run; do source "$(dirname -- "$(readlink -f -- "$0")")/$room/load.sh"; done'
        cat
    } >"$KIT/$1"
    chmod +x "$KIT/$1"
}

# everything [FOLDER]: lists all files in FOLDER, by default the test's folder, with sizes and times, except bats' own
# files. Compare two lists to see that nothing was touched.
everything() {
    find "${1:-$BATS_TEST_TMPDIR}" -mindepth 1 ! -name 'separate-stderr-*' -printf '%p %y %m %s %T@ %l\n' | sort
}
