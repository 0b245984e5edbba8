# shellcheck shell=bash
# For the end-to-end tests: a copy of the checkout with a lab of its own, and its real VMs.

bats_require_minimum_version 1.5.0
: "${E2E_DIR:?is not set: call tests/run e2e}"

# A copy, so that tests may edit it, and so that a user who is not root can read it.
make_kit() {
    local root=$BATS_TEST_DIRNAME/../..
    rm -rf "$KIT"
    mkdir -p "$KIT"
    git -C "$root" ls-files -z --cached --others --exclude-standard |
        (cd "$root" && xargs -0 tar --create --mode=u=rwX,go=rX) | tar --extract --directory "$KIT"
}

# For setup_file: a fresh copy of the checkout, with the lab that 1_lab.bats built, all its disks as new.
begin_on_built_lab() {
    export KIT=$E2E_DIR/kit VM_DIR=$E2E_DIR/lab ACCEL=tcg SCREENDIR=$E2E_DIR/screens VM_COUNT=3
    mkdir -p "$SCREENDIR"
    chmod 700 "$SCREENDIR"
    cd "$BATS_TEST_DIRNAME" || return
    make_kit
    cd "$KIT" || return
    ./setup.sh --reset-disks >&2
}

# wait_for SECONDS COMMAND...: until the command succeeds. Fails after that time.
wait_for() {
    local deadline=$((SECONDS + $1))
    shift
    until "$@"; do
        ((SECONDS < deadline)) || return 1
        sleep 0.2
    done
}

# Types into the console of VM $1, as a user in its screen session would. Not $, ^ and \: screen expands those.
type_into() {
    screen -S "$1" -p 0 -X stuff "$2"
}

# Has the console of VM $1 shown a line that matches $2? Without what the guest's bash tells the terminal.
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
