# shellcheck shell=bash disable=SC2154 # what bats sets
# Loaded by channel.bats and gather.bats: programs that obey lines (talker.c), and what they say.

load prog.bash

setup_file() {
    build_programs
    build_server
    compile_sanitized talker talker.c
}

setup() {
    begin_region 16M
    FILE=region
}

# talks NAME CHANNEL ROLE [WAIT]: starts a talker. Its stdin is the pipe NAME.in.
talks() {
    local fd
    mkfifo "$1.in"
    exec {fd}<>"$1.in"
    INPUT[$1]=$fd
    HEARD[$1]=0
    background "$1" talker -f "$FILE" "${@:2}" <&"$fd"
}
declare -gA INPUT HEARD

teardown() {
    local name fd
    end_background
    for name in "${!INPUT[@]}"; do
        fd=${INPUT[$name]}
        exec {fd}>&-
    done
}

# tell NAME LINE: has it obey the line.
tell() {
    echo "${*:2}" >&"${INPUT[$1]}"
}

has_line() {
    (($(wc -l <"out.$1") >= $2))
}

# answers NAME PATTERN: its next line matches the pattern.
answers() {
    local line
    HEARD[$1]=$((HEARD[$1] + 1))
    wait_until has_line "$1" "${HEARD[$1]}"
    line=$(sed -n "${HEARD[$1]}p" "out.$1")
    # shellcheck disable=SC2053 # a pattern
    [[ $line == $2 ]] || failure "$1 says '$line', not '$2'" "$(<"err.$1")"
}
