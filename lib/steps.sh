# shellcheck shell=bash
# The steps of setup: which are due, running them side by side, and what is seen of it.
#
# A step NAME is three functions: inputs_NAME prints what its result depends on, a line each; present_NAME succeeds if
# its result is still there; step_NAME does the work, in a process of its own, with its output in log/NAME.log.

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

# Runs the named steps side by side, those that are due. Ends the program if one fails.
steps_run() {
    local step reason
    local -a due=()
    for step; do
        if reason=$(step_due "$step"); then
            say "$(step_label "$step") starts ($reason)"
            due+=("$step")
        else
            say "$(step_label "$step") nothing to do"
        fi
    done
    ((${#due[@]} == 0)) || steps_start_and_watch "${due[@]}"
}

steps_start_and_watch() {
    local step
    STEP_STARTED=$SECONDS STEP_FAILED=()
    STEP_PIDS=()
    for step; do
        step_start "$step"
    done
    steps_watch "$@"
    if ((${#STEP_FAILED[@]})); then
        for step in "${STEP_FAILED[@]}"; do
            step_error "$step"
        done
        exit 1
    fi
}

# Starts step $1 in a process group of its own, so that all that it starts can be ended with it.
step_start() {
    local log=$VM_DIR/log/$1.log inputs
    inputs=$("inputs_$1")
    rm -f -- "$VM_DIR/steps/$1"
    set -m
    (
        trap - EXIT INT TERM
        "step_$1"
        printf '%s\n' "$inputs" | write_file "$VM_DIR/steps/$1"
    ) </dev/null >"$log" 2>&1 {LAB_LOCK}>&- &
    set +m
    STEP_PIDS[$1]=$!
}
declare -A STEP_PIDS=()

# Shows a live line for each of the running steps until all have ended; fills STEP_FAILED.
steps_watch() {
    local step status
    local -a running=("$@") left
    while ((${#running[@]})); do
        left=()
        for step in "${running[@]}"; do
            if kill -0 "${STEP_PIDS[$step]}" 2>/dev/null; then
                left+=("$step")
                continue
            fi
            status=0
            wait "${STEP_PIDS[$step]}" || status=$?
            unset "STEP_PIDS[$step]"
            live_clear
            step_ended "$step" "$status"
        done
        running=("${left[@]}")
        live_clear
        live_show "${running[@]}"
        pause 0.2
    done
}

step_ended() {
    local took
    took=$(clock $((SECONDS - STEP_STARTED)))
    if (($2 == 0)); then
        say "$(step_label "$1") ${GREEN}done${PLAIN} in $took"
        sed -n 's/^notice: //p' "$VM_DIR/log/$1.log" | while read -r line; do
            warn "$line"
        done
    else
        say "$(step_label "$1") ${RED}failed${PLAIN} after $took"
        STEP_FAILED+=("$1")
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
    for step; do
        line=$(tail -c 400 -- "$VM_DIR/log/$step.log" | tr -d '\r\033' | tr '\t' ' ' | tail -n 1)
        line=$(printf '%-10s %s  %s' "$step" "$(clock $((SECONDS - STEP_STARTED)))" "$line")
        printf '%s\n' "${line:0:width-1}" >&2
    done
    LIVE_LINES=$#
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
