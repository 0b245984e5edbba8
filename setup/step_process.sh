# shellcheck shell=bash
# The process of a step: how it starts, what it writes to its log, how it ends.
#
# setup may be killed at any moment, even by SIGKILL. No process of a step may then go on working beside the next setup:
#
# - Every process of a step inherits setup's lock, LAB_LOCK. The next setup waits until the last of them is gone.
# - A guard in the step's process group kills that group when setup is gone. It reads from a pipe, the lifeline. Only setup
#   holds the writing end, and never writes: the kernel closes it however setup ends, and the guard reads end of file.

# Opens the lifeline: LIFELINE is the writing end, LIFELINE_READ the reading end.
lifeline_open() {
    local both
    exec {both}<> <(:)
    # Opening a pipe through /proc/self/fd gives one end of it (proc(5), on /proc/PID/fd).
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

# All of a step: the guard, a folder for temporary files, the work, and the stamp at the end. It runs in the C locale, so
# that programs report faults in words that step_reason knows.
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

# Writes to the log that command $2 ended the step with status $1: the command itself may have printed nothing.
step_failing() {
    printf '\n%s: status %d of: %s\n' "$PROGRAM" "$1" "${2%%$'\n'*}" >&2
}

# Starts the guard of process group $1. It is a shell of its own, because `pkill -9 setup.sh` kills setup and the shells that
# it forked, but not this one. It does not inherit the lock, because the next setup need not wait for a guard.
step_guard() {
    # shellcheck disable=SC2016 # for the other shell
    sh -c 'read -r _; kill -s KILL -- "-$1"' guard "$1" <&"$LIFELINE_READ" >/dev/null 2>&1 {LAB_LOCK}>&- &
    exec {LIFELINE_READ}<&-
}

# Writes the stamp of step $1: it is done, with the inputs that it had before ($2). An input that has changed since then is
# left out, because the result may be made from either value. The next setup finds it missing, and does the step again.
step_stamp() {
    local now
    now=$("inputs_$1")
    {
        grep -xF -f <(printf '%s\n' "$now") <<<"$2" || true
        printf 'made=%s\n' "$(date +%s.%N)"
    } | write_file "$VM_DIR/steps/$1"
}

# result_replace NEW OLD: puts the new result in place of the old one. At any moment $2 is one of them, whole, or missing.
result_replace() {
    lab_remove "$2.old"
    [[ ! -e $2 ]] || mv -T -- "$2" "$2.old"
    mv -T -- "$1" "$2"
    lab_remove "$2.old"
}

# Writes to the log what the step does next. Faults above this line did not end the step, so step_reason ignores them.
step_says() {
    printf '==> %s\n' "$*" >&2
}

# The same, for a warning that the user gets when the step has succeeded.
step_notice() {
    printf 'notice: %s\n' "$*" >&2
}

# Kills step $1 and everything that it started, and keeps its status in STEP_STATUS. SIGKILL does no harm at any moment: a
# result without a stamp does not count.
step_end() {
    local pid=${STEP_PIDS[$1]}
    STEP_STATUS[$1]=0
    kill -KILL -- "-$pid" 2>/dev/null || true
    { wait "$pid" || STEP_STATUS[$1]=$?; } 2>/dev/null # bash would say "Killed"
    unset "STEP_PIDS[$1]"
}
