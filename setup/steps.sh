# shellcheck shell=bash
# The engine of setup: finds out which steps are due, and runs them side by side.
#
# A step NAME is three functions. inputs_NAME prints what its result depends on, a line NAME=VALUE each. present_NAME
# succeeds if the result is still there. step_NAME does the work in a process of its own; its output goes to log/NAME.log.
# It works on NAME.partial, and puts the result in its place at the end, with result_replace.

# The steps that each step needs, separated by blanks. It waits for those that are asked for too; steps that do not need
# each other run side by side.
declare -A STEP_NEEDS=()

# The steps to do even if nothing has changed.
STEPS_FORCED=()

# steps_force STEP...
steps_force() {
    STEPS_FORCED=("$@")
}

# Prints why step $1 is due, or nothing if it is not due.
step_due() {
    local stamp=$VM_DIR/steps/$1 changed status=0
    if [[ " ${STEPS_FORCED[*]} " == *" $1 "* ]]; then
        echo 'asked for with --force'
    elif [[ ! -f $stamp ]]; then
        echo 'not done yet'
    elif ! "present_$1"; then
        echo 'its result is gone, or no longer wanted'
    else
        # Inputs that cannot be read do not end setup here: the step will fail, and say why.
        changed=$(diff --changed-group-format='%>' --unchanged-group-format='' \
            <(grep -v '^made=' "$stamp") <("inputs_$1" 2>/dev/null)) || status=$?
        ((status != 0)) || return 0
        # Names are enough to say what changed. An input that is only in the stamp printed nothing above.
        changed=$(cut -d = -f 1 <<<"$changed" | sort -u | paste -sd ' ')
        printf 'changed: %s\n' "${changed:-fewer inputs}"
    fi
}

# steps_find_due STEP...: finds out which of them are due, for due().
steps_find_due() {
    local step reason
    STEPS_DUE=' '
    for step; do
        reason=$(step_due "$step" 2>/dev/null)
        [[ -z $reason ]] || STEPS_DUE+="$step "
    done
}
STEPS_DUE=' '

# due STEP...: is one of them due?
due() {
    local step
    for step; do
        if [[ $STEPS_DUE == *" $step "* ]]; then
            return
        fi
    done
    return 1
}

# Prints an id of the result of step $1, as an input for a step that uses it. The id changes when the result is made again.
step_made() {
    if [[ -f $VM_DIR/steps/$1 ]]; then
        sha256sum <"$VM_DIR/steps/$1" | cut -c 1-16
    else
        echo none
    fi
}

# Runs the named steps that are due, each once the steps that it needs (STEP_NEEDS) are done. If a step fails, those that
# do not need it still run; then the program ends.
steps_run() {
    local step
    STEPS_WAITING=("$@") STEPS_FAILED=()
    OOM_KILLS=$(oom_kills)
    lifeline_open
    steps_start
    while ((${#STEP_PIDS[@]})); do
        live_show
        pause 0.2
        live_clear
        steps_reap
        steps_start
    done
    for step in "${STEPS_FAILED[@]}"; do
        error "step $step failed: ${STEP_REASON[$step]}. Its log is $VM_DIR/log/$step.log." \
            "Fix the cause and run ./setup.sh again: it continues from there"
    done
    ((${#STEPS_FAILED[@]} == 0)) || exit 1
}

# The state of the engine, a key for each step: the pid, while it runs; the value of SECONDS when it began; its exit status,
# once it has ended; and why it failed.
declare -A STEP_PIDS=() STEP_BEGAN=() STEP_STATUS=() STEP_REASON=()

# Starts the waiting steps that are ready. A step that is not due is done at once, and steps that need it may start too.
steps_start() {
    local step reason changed=yes
    local -a waiting
    while [[ $changed == yes ]]; do
        changed=no waiting=()
        for step in "${STEPS_WAITING[@]}"; do
            if ! step_ready "$step"; then
                waiting+=("$step")
                continue
            fi
            reason=$(step_due "$step")
            if [[ -n $reason ]]; then
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

# Is nothing that step $1 needs waiting, running or failed?
step_ready() {
    local need
    for need in ${STEP_NEEDS[$1]:-}; do
        [[ " ${STEPS_WAITING[*]} ${!STEP_PIDS[*]} ${STEPS_FAILED[*]} " != *" $need "* ]] || return 1
    done
}

# --- The end of steps

# Reports the steps that have ended. Ends their guards, and processes that they left running.
steps_reap() {
    local step
    for step in "${!STEP_PIDS[@]}"; do
        if ! kill -0 "${STEP_PIDS[$step]}" 2>/dev/null; then
            step_end "$step"
            step_report "$step"
        fi
    done
}

step_report() {
    local took log=$VM_DIR/log/$1.log status=${STEP_STATUS[$1]}
    took=$(clock $((SECONDS - STEP_BEGAN[$1])))
    if ((status == 0)); then
        say "$(step_label "$1") ${GREEN}done${PLAIN} in $took"
        sed -n 's/^notice: //p' "$log" | while read -r line; do
            warn "$line"
        done
    else
        say "$(step_label "$1") ${RED}failed${PLAIN} after $took"
        STEPS_FAILED+=("$1")
        STEP_REASON[$1]=$(step_reason "$1" "$status")
        say "--- the end of $log:"
        say "$(tail -n 15 -- "$log" | tr -d '\000-\010\013-\037' | sed 's/^/    /')"
    fi
}

# Ends all running steps. This is for the EXIT trap, so it first ends them all and only then prints.
steps_stop() {
    local step
    local -a ended=("${!STEP_PIDS[@]}")
    for step in "${ended[@]}"; do
        step_end "$step"
    done
    live_clear
    for step in "${ended[@]}"; do
        say "$(step_label "$step") stopped; ./setup.sh continues from there"
    done
}

# --- The terminal

step_label() {
    printf '%s%-10s%s' "$BOLD" "$1" "$PLAIN"
}

# On a terminal, shows a line for each running step: elapsed time and the last line of its log, cut to the width.
live_show() {
    local step line width
    [[ -t 2 && ${TERM:-dumb} != dumb ]] || return 0
    width=$(tput cols 2>/dev/null || echo 80)
    for step in $(printf '%s\n' "${!STEP_PIDS[@]}" | sort); do
        line=$(tail -c 400 -- "$VM_DIR/log/$step.log" | tr -d '\r\033' | tr '\t' ' ' | tail -n 1)
        line=$(printf '%-10s %s  %s' "$step" "$(clock $((SECONDS - STEP_BEGAN[$step])))" "${line#==> }")
        say "${line:0:width-1}"
    done
    LIVE_LINES=${#STEP_PIDS[@]}
}
LIVE_LINES=0

# Erases these lines.
live_clear() {
    ((LIVE_LINES == 0)) || printf '\e[%dA\e[J' "$LIVE_LINES" >&2 || true
    LIVE_LINES=0
}
