# shellcheck shell=bash
# The process of a step: how it starts, what it says, how it ends.
#
# setup may be killed at any moment, by SIGKILL too, and then nothing of a step may work on beside the next setup. So
# every process of a step inherits setup's lock, LAB_LOCK: the next setup waits until the last of them is gone. And a
# guard in the step's process group ends that group when setup is gone. It learns that from a pipe, the lifeline, whose
# only writing end setup holds and never writes to: the kernel closes it however setup ends.

# Sets LIFELINE to the writing end and LIFELINE_READ to the other.
lifeline_open() {
    local both
    exec {both}<> <(:)
    # To open a pipe's descriptor once more opens one end of it (proc(5), on /proc/PID/fd).
    exec {LIFELINE}>"/proc/self/fd/$both"
    exec {LIFELINE_READ}<"/proc/self/fd/$both" {both}>&-
}

# Starts step $1 in a process group of its own.
step_start() {
    set -m
    step_process "$1" </dev/null >"$VM_DIR/log/$1.log" 2>&1 {LIFELINE}>&- &
    set +m
    STEP_PIDS[$1]=$!
    STEP_BEGAN[$1]=$SECONDS
}

# The step as a whole: guarded, with a folder for temporary files that is gone afterwards, in a locale in which programs
# say what step_reason knows, and with a stamp at the end.
step_process() {
    local inputs
    trap - EXIT HUP INT TERM
    step_guard "$BASHPID"
    set -o errtrace
    trap 'step_failing "$?" "$BASH_COMMAND"' ERR
    export LC_ALL=C TMPDIR=$VM_DIR/$1.tmp
    inputs=$("inputs_$1")
    rm -f -- "$VM_DIR/steps/$1"
    lab_remove "$TMPDIR"
    mkdir -p -- "$TMPDIR"
    "step_$1"
    lab_remove "$TMPDIR"
    step_stamp "$1" "$inputs"
}

# For the log: command $2 ended the step by its status $1. It may not have said why.
step_failing() {
    printf '\n%s: status %d of: %s\n' "$PROGRAM" "$1" "${2%%$'\n'*}" >&2
}

# Guards process group $1. A shell of its own, and not of this script: `pkill -9 setup.sh` ends setup and the step's shell, but not the guard. Without
# the lock, because a guard alone is nothing to wait for.
step_guard() {
    # shellcheck disable=SC2016 # for the other shell
    sh -c 'read -r _; kill -s KILL -- "-$1"' guard "$1" <&"$LIFELINE_READ" >/dev/null 2>&1 {LAB_LOCK}>&- &
    exec {LIFELINE_READ}<&-
}

# Notes that step $1 is done, with its inputs as they were before it ($2). One that has changed meanwhile is left out:
# nobody knows which of its values the result is made of, and the next call sees that there is one more.
step_stamp() {
    local now
    now=$("inputs_$1")
    {
        grep -xF -f <(printf '%s\n' "$now") <<<"$2" || true
        printf 'made=%s\n' "$(date +%s.%N)"
    } | write_file "$VM_DIR/steps/$1"
}

# Puts the new result, $1, in the place of the old, $2: at any moment one of them is there whole, or none.
result_replace() {
    lab_remove "$2.old"
    [[ ! -e $2 ]] || mv -T -- "$2" "$2.old"
    mv -T -- "$1" "$2"
    lab_remove "$2.old"
}

# For the log of a step: what it does next. What went wrong before and did not end the step is no reason of a failure.
step_says() {
    printf '==> %s\n' "$*" >&2
}

# The same, for what the user must be told when the step has ended well.
step_notice() {
    printf 'notice: %s\n' "$*" >&2
}

# Ends step $1 with everything that it started; notes its status. Without mercy: a step can be ended at any
# moment, since its result only counts when it has a stamp.
step_end() {
    local pid=${STEP_PIDS[$1]}
    STEP_STATUS[$1]=0
    kill -KILL -- "-$pid" 2>/dev/null || true
    { wait "$pid" || STEP_STATUS[$1]=$?; } 2>/dev/null # bash would say "Killed"
    unset "STEP_PIDS[$1]"
}
