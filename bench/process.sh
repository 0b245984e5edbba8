# shellcheck shell=bash
# What bench.sh starts, and how all of it ends with bench.sh.

# Runs a command or function in a process group of its own, which can be ended as a whole, and waits for it: while bash
# waits for something in the foreground, it hears no signal. Sets CHILD_STATUS. errexit is on in the function.
bench_child() {
    CHILD_STATUS=0
    set -m
    (
        trap '' TTOU # a terminal set to tostop stops what writes from the background
        [[ -z ${LAB_LOCK:-} ]] || exec {LAB_LOCK}>&-
        "$@"
    ) </dev/null &
    set +m
    wait "$!" || CHILD_STATUS=$?
}

# bench_into OUT SAID COMMAND...: a command with its output in files. For bench_child: a redirection of bench_child itself would
# also be one of the EXIT trap, when a signal ends the program in it.
bench_into() {
    "${@:3}" >"$1" 2>"$2"
}

# Ends what bench_child has running, with all that it started. From the shell's list of jobs, which has no moment in which
# a new one is missing; the connections to the guests are among them, and end last.
bench_stop() {
    local pid
    for pid in $(jobs -p); do
        [[ " ${BENCH_MASTERS[*]} " == *" $pid "* ]] || process_group_end "$pid"
    done
}

# Ends process group $1: asked to, and after 10 s killed.
process_group_end() {
    local deadline=$((SECONDS + 10))
    kill -TERM -- "-$1" || return 0
    while kill -0 -- "-$1" && ((SECONDS < deadline)); do
        pause 0.05
    done
    kill -KILL -- "-$1" || true
    wait "$1" || true
} 2>/dev/null

# bench_bounded SECONDS COMMAND...: as bench_child, for the end of the program: silent, and ended after so many seconds.
bench_bounded() {
    local deadline=$((SECONDS + $1)) pid
    set -m
    ("${@:2}") </dev/null >/dev/null 2>&1 &
    pid=$!
    set +m
    while kill -0 "$pid" 2>/dev/null && ((SECONDS < deadline)); do
        pause 0.05
    done
    process_group_end "$pid"
}

# The last line of file $1, which is mostly the reason of a failure.
last_words() {
    awk 'NF { line = $0 } END { print line == "" ? "nothing was said" : line }' "$1"
}
