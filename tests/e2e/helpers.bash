# shellcheck shell=bash disable=SC2034 # what the tests use
# For the end-to-end tests: a copy of the checkout with its own lab and real VMs.

# shellcheck source=tests/common.bash
source "$BATS_TEST_DIRNAME/../common.bash"

PATIENCE=600 SEPARATE_STDERR=yes
: "${E2E_DIR:?is not set: call tests/run e2e}"

# Copies the checkout to KIT. Tests may edit the copy, and users other than root can read it.
make_kit() {
    rm -rf "$KIT"
    mkdir -p "$KIT"
    git -C "$REPO" ls-files -z --cached --others --exclude-standard |
        (cd "$REPO" && xargs -0 tar --create --mode=u=rwX,go=rX) | tar --extract --directory "$KIT"
}

# For setup_file: makes a fresh copy of the checkout that uses the lab of 1_lab.bats, with new disks.
begin_on_built_lab() {
    export KIT=$E2E_DIR/kit VM_DIR=$E2E_DIR/lab ACCEL=tcg SCREENDIR=$E2E_DIR/screens VM_COUNT=3
    mkdir -p "$SCREENDIR"
    chmod 700 "$SCREENDIR"
    cd "$BATS_TEST_DIRNAME" || return
    make_kit
    cd "$KIT" || return
    ./setup.sh --reset-disks >&2
}

# For setup_file: goes on with the copy and the lab that the file before left, and starts its VMs again, with the knobs that are
# exported now.
continue_on_lab() {
    export KIT=$E2E_DIR/kit VM_DIR=$E2E_DIR/lab ACCEL=tcg SCREENDIR=$E2E_DIR/screens
    cd "$KIT" || return
    ./stop.sh --set STOP_TIMEOUT=10 >&2
    ./start.sh >&2
}

# For teardown_file.
stop_lab() {
    "$KIT/stop.sh" --set STOP_TIMEOUT=10 >&2 || true
}

# type_into NAME TEXT: types TEXT into the console of VM NAME, like a user in its screen session. TEXT must not contain $, ^
# or \: screen expands them.
type_into() {
    screen -S "$1" -p 0 -X stuff "$2"
}

# console_shows NAME REGEX: succeeds if the console log of VM NAME has a line that matches, as a terminal shows it: without
# escape codes, and without what a program erased (a line of progress, which a slow machine gets and a fast one does not).
console_shows() {
    sed 's/.*\r\x1b\[K//; s/\r//g; s/\x1b\[[?0-9;]*[a-zA-Z]//g' "$VM_DIR/$1/console.log" | grep -aqE -- "$2"
}

running() {
    ./status.sh --json | jq -e --arg name "$1" '.vms[] | select(.name == $name) | .state == "ready"' >/dev/null
}

pid_of() {
    ./status.sh --json | jq -r --arg name "$1" '.vms[] | select(.name == $name) | .pid'
}

# Runs a command as user nobody.
as_nobody() {
    runuser -u nobody -- env HOME=/tmp VM_DIR="$VM_DIR" SCREENDIR="$E2E_DIR/nobody-screens" "$@"
}
