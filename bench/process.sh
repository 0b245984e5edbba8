# shellcheck shell=bash
# The processes that bench.sh starts. All of them end with bench.sh.

# bench_child STATUS COMMAND...: runs a command or function in a process group of its own, waits for it, and sets STATUS. The group
# can be ended as a whole. While bash waits for a process in the background, it hears signals. errexit is on in the function.
bench_child() {
    printf -v "$1" 0
    set -m
    (
        trap '' TTOU # with `stty tostop`, a terminal stops background processes that write
        [[ -z ${LAB_LOCK:-} ]] || exec {LAB_LOCK}>&-
        "${@:2}"
    ) </dev/null &
    set +m
    wait "$!" || printf -v "$1" %d "$?"
}

# bench_into OUT SAID COMMAND...: a command with stdout and stderr in files. For bench_child: a redirection of bench_child itself
# would also hold for the EXIT trap, when a signal ends the program in it.
bench_into() {
    "${@:3}" >"$1" 2>"$2"
}

# Ends what bench_child runs, with all that it started. The shell's list of jobs has every process from its first moment. The
# connections to the guests are in it too; bench_disconnect ends them.
bench_stop() {
    local pid
    for pid in $(jobs -p); do
        [[ " ${BENCH_MASTERS[*]} " == *" $pid "* ]] || process_group_end "$pid"
    done
}

# Ends process group $1: by SIGTERM, and after 10 s by SIGKILL.
process_group_end() {
    local deadline=$((SECONDS + 10))
    kill -TERM -- "-$1" || return 0
    while kill -0 -- "-$1" && ((SECONDS < deadline)); do
        pause 0.05
    done
    kill -KILL -- "-$1" || true
    wait "$1" || true
} 2>/dev/null

# bench_bounded SECONDS COMMAND...: like bench_child, for the end of the program: silent, and ended after SECONDS.
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

# Prints the last line of file $1, which is mostly the reason of a failure.
last_words() {
    awk 'NF { line = $0 } END { print line == "" ? "no message" : line }' "$1"
}

# Is stderr a terminal that understands escape sequences?
bench_on_terminal() {
    [[ -t 2 && ${TERM:-dumb} != dumb ]]
}
