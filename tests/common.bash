# shellcheck shell=bash disable=SC2034,SC2154 # what the tests use; what bats sets
# The words of all tests: what must hold, waiting, and processes in the background. The helpers of each folder source this
# file.

bats_require_minimum_version 1.5.0

REPO=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd -P)

# Has bats show $output and $stderr below a test that failed: as its option --print-output-on-failure does.
BATS_PRINT_OUTPUT_ON_FAILURE=1

# --- What must hold. A word that fails says what was there instead.

# failure TEXT...: ends the test, with these lines and the status of the last command; bats adds its outputs.
failure() {
    printf '%s\n' "$@" "status: ${status:-}" >&2
    return 1
}

# succeeds COMMAND...: with its outputs in $output and $stderr.
succeeds() {
    run --separate-stderr "$@"
    ((status == 0)) || failure "failed: $*"
}

# fails STATUS COMMAND...: with its outputs in $output and $stderr.
fails() {
    local expected=$1
    shift
    run --separate-stderr "$@"
    ((status == expected)) || failure "ended with $status instead of $expected: $*"
}

# complains STATUS TEXT COMMAND...: fails, and says one line on stderr: the name of a program in COMMAND, a colon, and
# something that holds TEXT.
complains() {
    local text=$2
    fails "$1" "${@:3}"
    ((${#stderr_lines[@]} == 1)) || failure "not one line on stderr: ${*:3}"
    [[ $stderr == *"$text"* ]] || failure "does not say '$text': ${*:3}"
    speaks_as "${@:3}" || failure "does not begin with the program's name: ${*:3}"
}

# speaks_as COMMAND...: stderr of the last command begins with the name of a program in COMMAND and a colon? Words that are no
# programs do not count.
speaks_as() {
    local word
    local -a words
    read -ra words -d '' <<<"$*" || true # also those of bash -c '...'
    for word in "${words[@]}"; do
        # The lab's programs, __NAME, need not be on this host: they may run in a VM.
        if [[ $stderr == "${word##*/}: "* ]] && { [[ $word == __* || -x $word ]] || type -P -- "$word" >/dev/null; }; then
            return
        fi
    done
    return 1
}

# refuses TEXT COMMAND...: complains with status 2, and prints nothing to stdout.
refuses() {
    complains 2 "$@"
    [[ -z $output ]] || failure "printed to stdout: ${*:2}"
}

# says TEXT...: stderr of the last command holds each.
says() {
    local text
    for text; do
        [[ $stderr == *"$text"* ]] || failure "stderr does not say '$text'"
    done
}

says_not() {
    [[ $stderr != *"$1"* ]] || failure "stderr says '$1'"
}

# prints TEXT...: stdout of the last command holds each.
prints() {
    local text
    for text; do
        [[ $output == *"$text"* ]] || failure "stdout does not say '$text'"
    done
}

prints_not() {
    [[ $output != *"$1"* ]] || failure "stdout says '$1'"
}

# same EXPECTED ACTUAL: prints where they differ, if they do.
same() {
    [[ $1 == "$2" ]] || failure "not the same:" "$(diff <(printf "%s\n" "$1") <(printf "%s\n" "$2"))"
}

# refuted COMMAND...: it fails. (A ! before a command is nothing that a test could fail by.)
refuted() {
    if "$@"; then
        failure "succeeded, but should not have: $*"
    fi
}

# --- Waiting

# Seconds until a test gives up waiting. They are for a busy machine: what is waited for takes milliseconds.
PATIENCE=300

# Tries a command until it succeeds.
wait_until() {
    local deadline=$((SECONDS + PATIENCE))
    until "$@"; do
        ((SECONDS < deadline)) || failure "never came true: $*" || return
        read -r -t 0.05 <> <(:) || true
    done
}

# wait_until_said FILE TEXT: until FILE holds TEXT.
wait_until_said() {
    wait_until grep -qsF -- "$2" "$1" || failure "$1 holds:" "$(cat -- "$1")"
}

# gone PID: no process has that number?
gone() {
    ! kill -0 "$1" 2>/dev/null
}

# --- Processes in the background

# Where background() puts stderr: no, into out.NAME too; yes, into a file of its own, err.NAME.
SEPARATE_STDERR=no

# background NAME COMMAND...: in the background, as an interactive shell would start it. Its pid is then in $NAME, its output
# in out.NAME. It has stdin, stdout and stderr only, so that a pipe that this shell closes is closed.
background() {
    local out=$BATS_TEST_TMPDIR/out.$1 err=$BATS_TEST_TMPDIR/err.$1 fd
    : >"$out" # so that nobody reads the output of an earlier one of that name
    [[ $SEPARATE_STDERR == no ]] || : >"$err"
    (
        exec >"$out" 2>&1
        [[ $SEPARATE_STDERR == no ]] || exec 2>"$err"
        for fd in /proc/self/fd/*; do
            fd=${fd##*/}
            ((fd <= 2)) || exec {fd}>&-
        done
        exec env --default-signal "${@:2}"
    ) <&0 &
    printf -v "$1" %d $!
    STARTED[$!]=$1
}
declare -gA STARTED

# await NAME: waits for it. Its status is then in $status, its outputs in $output and $stderr.
await() {
    status=0 stderr=
    wait "${!1}" 2>/dev/null || status=$?
    unset "STARTED[${!1}]"
    output=$(tr -d '\0' <"$BATS_TEST_TMPDIR/out.$1")
    [[ $SEPARATE_STDERR == no ]] || stderr=$(tr -d '\0' <"$BATS_TEST_TMPDIR/err.$1")
}

# background_ended NAME STATUS: waits for it, and looks whether it ended with that status.
background_ended() {
    await "$1"
    ((status == $2)) || failure "background command $1 ended with $status instead of $2"
}

# Ends what background() started; for teardown.
end_background() {
    local pid
    for pid in "${!STARTED[@]}"; do
        kill -KILL "$pid" || true
        wait "$pid" || true
        unset "STARTED[$pid]"
    done
} 2>/dev/null
