# shellcheck shell=bash
# The steps of setup: which are due, running them side by side, and what is seen of it.
#
# A step NAME is three functions: inputs_NAME prints what its result depends on, a line each; present_NAME succeeds if
# its result is still there; step_NAME does the work, in a process of its own, with its output in log/NAME.log.

# What each step needs to be done before it, if that is asked for too; what needs nothing of another runs beside it.
declare -A STEP_NEEDS=()

# Prints why step $1 is due; fails if it is not.
step_due() {
    local stamp=$VM_DIR/steps/$1 changed
    if [[ " ${FORCED[*]} " == *" $1 "* ]]; then
        echo 'asked for with --force'
    elif [[ ! -f $stamp ]]; then
        echo 'not done yet'
    elif ! "present_$1"; then
        echo 'its result is gone, or not wanted'
    elif changed=$(diff --changed-group-format='%>' --unchanged-group-format='' "$stamp" <("inputs_$1")); then
        return 1
    else
        # Each input is NAME=VALUE: its name says what changed. What is only in the stamp left nothing to print.
        changed=$(cut -d = -f 1 <<<"$changed" | sort -u | paste -sd ' ')
        printf 'changed: %s\n' "${changed:-fewer inputs}"
    fi
}

# Runs the named steps, each when those that it needs (STEP_NEEDS) are done, and only those that are due. If one fails,
# the others that can end do so before the program ends.
steps_run() {
    local step
    STEPS_WAITING=("$@") STEPS_FAILED=()
    steps_start
    while ((${#STEP_PIDS[@]})); do
        live_show
        pause 0.2
        live_clear
        steps_reap
        steps_start
    done
    for step in "${STEPS_FAILED[@]}"; do
        step_error "$step"
    done
    ((${#STEPS_FAILED[@]} == 0)) || exit 1
}

# The pids of the running steps, and the second of this script in which each began.
declare -A STEP_PIDS=() STEP_BEGAN=()

# Starts each waiting step whose turn has come; what is not due has ended with that, and others may follow it.
steps_start() {
    local step reason changed=yes
    local -a waiting
    while [[ $changed == yes ]]; do
        changed=no waiting=()
        for step in "${STEPS_WAITING[@]}"; do
            if ! step_ready "$step"; then
                waiting+=("$step")
            elif reason=$(step_due "$step"); then
                say "$(step_label "$step") starts ($reason)"
                step_start "$step"
            else
                say "$(step_label "$step") nothing to do"
                changed=yes
            fi
        done
        STEPS_WAITING=("${waiting[@]}")
    done
}

# Is nothing that step $1 needs still to be done?
step_ready() {
    local need
    for need in ${STEP_NEEDS[$1]:-}; do
        [[ " ${STEPS_WAITING[*]} ${!STEP_PIDS[*]} ${STEPS_FAILED[*]} " != *" $need "* ]] || return 1
    done
}

# Starts step $1 in a process group of its own, so that all that it starts can be ended with it.
step_start() {
    local log=$VM_DIR/log/$1.log inputs
    inputs=$("inputs_$1")
    rm -f -- "$VM_DIR/steps/$1"
    set -m
    (
        trap - EXIT HUP INT TERM
        "step_$1"
        printf '%s\n' "$inputs" | write_file "$VM_DIR/steps/$1"
    ) </dev/null >"$log" 2>&1 {LAB_LOCK}>&- &
    set +m
    STEP_PIDS[$1]=$!
    STEP_BEGAN[$1]=$SECONDS
}

# Takes note of the steps that have ended.
steps_reap() {
    local step status
    for step in "${!STEP_PIDS[@]}"; do
        ! kill -0 "${STEP_PIDS[$step]}" 2>/dev/null || continue
        status=0
        wait "${STEP_PIDS[$step]}" || status=$?
        unset "STEP_PIDS[$step]"
        step_ended "$step" "$status"
    done
}

step_ended() {
    local took
    took=$(clock $((SECONDS - STEP_BEGAN[$1])))
    if (($2 == 0)); then
        say "$(step_label "$1") ${GREEN}done${PLAIN} in $took"
        sed -n 's/^notice: //p' "$VM_DIR/log/$1.log" | while read -r line; do
            warn "$line"
        done
    else
        say "$(step_label "$1") ${RED}failed${PLAIN} after $took"
        STEPS_FAILED+=("$1")
        say "--- the end of $VM_DIR/log/$1.log:"
        tail -n 15 -- "$VM_DIR/log/$1.log" | sed 's/^/    /' >&2
    fi
}

# The last line of all about a failed step.
step_error() {
    local log=$VM_DIR/log/$1.log reason
    reason=$(sed -n 's/^.*error:[^ ]* //p' "$log" | tail -n 1)
    error "step $1 failed${reason:+: $reason}. Its log is $log; mend the cause and call ./setup.sh again," \
        "which goes on from there"
}

step_label() {
    printf '%s%-10s%s' "$BOLD" "$1" "$PLAIN"
}

# On a terminal, the lines of running steps: elapsed time, and what the log says last, cut to the width.
live_show() {
    local step line width
    [[ -t 2 && ${TERM:-dumb} != dumb ]] || return 0
    width=$(tput cols 2>/dev/null || echo 80)
    for step in $(printf '%s\n' "${!STEP_PIDS[@]}" | sort); do
        line=$(tail -c 400 -- "$VM_DIR/log/$step.log" | tr -d '\r\033' | tr '\t' ' ' | tail -n 1)
        line=$(printf '%-10s %s  %s' "$step" "$(clock $((SECONDS - STEP_BEGAN[$step])))" "$line")
        printf '%s\n' "${line:0:width-1}" >&2
    done
    LIVE_LINES=${#STEP_PIDS[@]}
}
LIVE_LINES=0

# Takes the live lines away again.
live_clear() {
    ((LIVE_LINES == 0)) || printf '\e[%dA\e[J' "$LIVE_LINES" >&2
    LIVE_LINES=0
}

# Ends all running steps with what they started. For the EXIT trap.
steps_end() {
    local step
    live_clear
    for step in "${!STEP_PIDS[@]}"; do
        kill -TERM -- "-${STEP_PIDS[$step]}" 2>/dev/null || true
    done
    for step in "${!STEP_PIDS[@]}"; do
        group_wait_gone "${STEP_PIDS[$step]}" || kill -KILL -- "-${STEP_PIDS[$step]}" 2>/dev/null || true
        wait "${STEP_PIDS[$step]}" 2>/dev/null || true
        say "$(step_label "$step") stopped; ./setup.sh goes on from there"
    done
}

# Waits up to 10 s until no process of group $1 is left: debootstrap ends only after what it has just started.
group_wait_gone() {
    local deadline=$((SECONDS + 10))
    while kill -0 -- "-$1" 2>/dev/null; do
        ((SECONDS < deadline)) || return 1
        pause 0.1
    done
}

# For the log of a step: what the user must be told when it has ended well.
step_notice() {
    printf 'notice: %s\n' "$*"
}

# A checksum of files and folders, by content, name and mode.
content_sum() {
    (cd "$LAB_HOME" && find "$@" -printf '%p %m %l\n' -type f -exec sha256sum {} + | sort | sha256sum | cut -c 1-16)
}
