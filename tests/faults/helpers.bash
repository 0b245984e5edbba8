# shellcheck shell=bash disable=SC2016,SC2034,SC2154 # code in quotes; what bats sets, and what its tests read
# What the campaign shares beyond the unit tests' helpers: steps made up here, small file systems, and what must not be left.

# shellcheck source=../unit/helpers.bash
source "$BATS_TEST_DIRNAME/../unit/helpers.bash"

# Writes ./steps [--force] STEP...: runs steps as setup.sh does. The function of step NAME is in the file $WORLD/NAME.
script_steps() {
    export WORLD=$BATS_TEST_TMPDIR/world
    mkdir -p "$WORLD"
    script steps <<'END'
FORCED=()
for name; do
    eval "
        inputs_$name() { echo input=1; }
        present_$name() { [[ -e $VM_DIR/$name.result ]]; }
        step_$name() { $(<"$WORLD/$name")
        }"
done
signals_catch
config_load
lab_create
lab_lock 60 setup.lock
trap steps_end EXIT
mkdir -p "$VM_DIR/log" "$VM_DIR/steps"
steps_run "$@"
END
}

# The last line that the last command wrote to stderr holds each TEXT; it is what a user reads first.
ends_with() {
    local text
    for text; do
        [[ ${stderr_lines[-1]} == *"$text"* ]] || failure "the last line does not say '$text': ${stderr_lines[-1]}"
    done
}

# The processes that have to do with the test's folder, by what they are called, work in, or have open; not this test.
processes() {
    local dir pid
    for dir in /proc/[1-9]*; do
        pid=${dir#/proc/}
        [[ " $BASHPID $$ $PPID ${BATS_ROOT_PID:-} " != *" $pid "* ]] || continue
        ! grep -qs '^State:.*Z' "$dir/status" || continue
        if grep -qsaF "${VM_DIR:?}" "$dir/cmdline" || find "$dir/cwd" "$dir/fd" -lname "$VM_DIR*" 2>/dev/null | grep -q .; then
            printf '%d %s\n' "$pid" "$(tr '\0' ' ' <"$dir/cmdline")"
        fi
    done
}

# Nothing of the lab runs, is mounted, or has been left half done.
nothing_left() {
    wait_until no_processes || failure "still running: $(processes)"
    same '' "$(grep -F "$VM_DIR/" /proc/mounts)"
    same '' "$(find "$VM_DIR" -maxdepth 2 \( -name '*.partial' -o -name '*.old' -o -name '*.tmp' \))"
    same '' "$(ls -A "$TMPDIR")"
}

no_processes() {
    [[ -z $(processes) ]]
}

# small_disk FOLDER SIZE [OPTION...]: a tmpfs there, or the test is skipped. unmount_all is for teardown.
small_disk() {
    ((EUID == 0)) || skip 'only root can mount a small file system'
    mkdir -p "$1"
    mount -t tmpfs -o "size=$2${3:+,$3}" tmpfs "$1" 2>/dev/null || skip 'nothing can be mounted here'
    MOUNTED+=("$1")
}
MOUNTED=()

unmount_all() {
    local folder
    for folder in "${MOUNTED[@]}"; do
        umount "$folder" || umount --lazy "$folder"
    done
}
