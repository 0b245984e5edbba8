# shellcheck shell=bash disable=SC2034 # what the tests use
# For the end-to-end tests: a copy of the checkout with a lab of its own, and its real VMs.

# shellcheck source=tests/common.bash
source "$BATS_TEST_DIRNAME/../common.bash"

PATIENCE=600 SEPARATE_STDERR=yes
: "${E2E_DIR:?is not set: call tests/run e2e}"

# Copies the checkout to KIT: tests may edit the copy, and a user who is not root can read it.
make_kit() {
    rm -rf "$KIT"
    mkdir -p "$KIT"
    git -C "$REPO" ls-files -z --cached --others --exclude-standard |
        (cd "$REPO" && xargs -0 tar --create --mode=u=rwX,go=rX) | tar --extract --directory "$KIT"
}

# For setup_file: a fresh copy of the checkout, on the lab that 1_lab.bats built, with new disks.
begin_on_built_lab() {
    export KIT=$E2E_DIR/kit VM_DIR=$E2E_DIR/lab ACCEL=tcg SCREENDIR=$E2E_DIR/screens VM_COUNT=3
    mkdir -p "$SCREENDIR"
    chmod 700 "$SCREENDIR"
    cd "$BATS_TEST_DIRNAME" || return
    make_kit
    cd "$KIT" || return
    ./setup.sh --reset-disks >&2
}

# type_into NAME TEXT: types into the console of that VM, as a user in its screen session would. TEXT has no $, ^ or \: screen
# expands those.
type_into() {
    screen -S "$1" -p 0 -X stuff "$2"
}

# console_shows NAME REGEX: the console of that VM has shown a line that matches? The codes for the terminal do not count.
console_shows() {
    sed 's/\r//g; s/\x1b\[[?0-9;]*[a-zA-Z]//g' "$VM_DIR/$1/console.log" | grep -aqE -- "$2"
}

running() {
    ./status.sh --json | jq -e --arg name "$1" '.vms[] | select(.name == $name) | .state == "ready"' >/dev/null
}

pid_of() {
    ./status.sh --json | jq -r --arg name "$1" '.vms[] | select(.name == $name) | .pid'
}

# A user of the host who is not root.
as_nobody() {
    runuser -u nobody -- env HOME=/tmp VM_DIR="$VM_DIR" SCREENDIR="$E2E_DIR/nobody-screens" "$@"
}
