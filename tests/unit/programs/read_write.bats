#!/usr/bin/env bats
# shellcheck disable=SC2154 # what bats sets
# __read_write, and the claim on the message, which another program holds.

load prog.bash

setup_file() {
    build_programs
    build_helper holder
}

teardown() {
    [ -z "${holder:-}" ] || end_holder
    end_all
}

# --- Who holds the claim ------------------------------------------------------

# Holds the message's claim until its stdin, ${HOLDER[1]}, is closed.
hold() {
    coproc HOLDER { exec __holder -f region 2>holder.err 3>&-; }
    holder=$HOLDER_PID
    expect held
}

# Returns when a program has said on this stderr that it waits for the holder.
says_waiting() {
    until_said "$1" 'waiting for the message, which another VM holds'
}

# The holder gives the claim back and ends.
let_go() {
    # shellcheck disable=SC2093,SC1083 # a descriptor that an array's element names
    exec {HOLDER[1]}>&-
}

end_holder() {
    kill -9 "$holder" || true
    wait "$holder" || true # also takes bash's own 'Killed' message
} 2>/dev/null

expect() {
    local line
    read -r -t 30 line <&"${HOLDER[0]}"
    [ "$line" = "$1" ]
}

# --- __read_write -------------------------------------------------------------

@test "__read_write: the first writes, the others read, to the letter" {
    for folder in "$SANITIZED" "$STATIC"; do
        fresh region
        try "$folder/__read_write" -f region
        [ "$status" -eq 0 ]
        [ "$output" = "$WRITTEN" ]
        [ -z "$stderr" ]
        for _ in 1 2; do
            try "$folder/__read_write" -f region
            [ "$status" -eq 0 ]
            [ "$output" = "$READ" ]
            [ -z "$stderr" ]
        done
    done
}

@test "__read_write TEXT: replaces what is there; -c clears it" {
    __read_write -f region 'a rather long first message'
    try __read_write -f region short
    [ "${lines[1]}" = "Written to shmem: 'short'; run this program again on another VM" ]
    try __read_write -f region
    [ "${lines[1]}" = "Read from shmem: 'short'" ]
    try __read_write -f region -c
    [ "$status" -eq 0 ]
    [ "${#lines[@]}" -eq 2 ]
    [[ ${lines[1]} == Cleared* ]]
    try __read_write -f region
    [ "$output" = "$WRITTEN" ]
}

@test "__read_write: a text of any bytes comes out on one line, unambiguously" {
    __read_write -f region -- $'-\n\e[31m\x7f\xc3\xa4\\n\'~ '
    try __read_write -f region
    [ "${lines[1]}" = "Read from shmem: '-\\x0a\\x1b[31m\\x7f\\xc3\\xa4\\\\n'~ '" ]
    [ "${#lines[@]}" -eq 2 ]
}

@test "__read_write: the longest text passes whole, a longer one not at all" {
    longest=$(printf '%4072s' '' | tr ' ' '\1')
    __read_write -f region "$longest" >/dev/null
    run __read_write -f region
    [ "${lines[1]}" = "Read from shmem: '${longest//$'\1'/\\x01}'" ]
    cp region before
    try __read_write -f region "${longest}x"
    fails 2 '4073 bytes'
    cmp region before
}

@test "__read_write: of two at once one writes, the other reads" {
    hold # so that both have found no message before either may write
    start one __read_write -f region
    start two __read_write -f region
    says_waiting one.err
    says_waiting two.err
    let_go
    ends one 0
    ends two 0
    run sort -u one.out two.out
    [ "$output" = "$(printf '%s\n%s\n' "$WRITTEN" "$READ" | sort -u)" ]
}

@test "__read_write: never reads a mixture of two messages" {
    a=$(printf '%3000s' '' | tr ' ' a) b=$(printf '%4000s' '' | tr ' ' b)
    __read_write -f region "$a" >/dev/null
    for _ in {1..15}; do
        __read_write -f region "$b" && __read_write -f region "$a"
    done >/dev/null 3>&- & writer=$!
    for _ in {1..30}; do
        __read_write -f region
    done | grep -v '^---' | sort -u >seen
    wait "$writer"
    grep -vxe "Read from shmem: '$a'" -e "Read from shmem: '$b'" seen && return 1
    [ -s seen ]
}

@test "__read_write: rubbish in the region is no message" {
    __read_write -f region 'a real message' >/dev/null
    cp region good
    [ "$(word good 4096)" = 0000000000000002 ]

    table=( # what: offset, then the words that are put there
        'sequence odd, as of a writer killed half-way: 4096 3'
        'length of 2^64-1: 4104 -1'
        'length of one more than fits: 4104 4073'
        'length of one byte less: 4104 13'
        'length of one byte more: 4104 15'
        'length 0: 4104 0'
        'length 0, checksum 0: 4104 0 0'
        'checksum wrong: 4112 1'
        'text altered: 4120 0'
        'no message, long ago: 4096 0 0 0'
        'everything at its maximum: 4096 -2 -1 -1 -1'
    )
    for row in "${table[@]}"; do
        echo "$row"
        read -ra words <<<"${row##*: }"
        cp good region
        le64 "${words[@]:1}" | put region "${words[0]}"
        try __read_write -f region
        [ "$output" = "$WRITTEN" ]
        [ -z "$stderr" ]
        try __read_write -f region
        [ "$output" = "$READ" ]
    done
}

@test "__read_write --json: a record and nothing else, the text byte for byte" {
    try __read_write -f region --json
    [ "${#lines[@]}" -eq 1 ]
    jq -e --arg text "$GREETING" '.record == "message" and .program == "__read_write" and .action == "written" and
        .text == $text' <<<"$output"
    __read_write -f region "$(printf "$(printf '\\x%02x' {1..255})x")" >/dev/null
    try __read_write -f region --json
    [ "${#lines[@]}" -eq 1 ]
    jq -e '.action == "read"' <<<"$output"
    jq -je .text <<<"$output" | iconv -f UTF-8 -t LATIN1 >text
    printf "$(printf '\\x%02x' {1..255})x" | cmp text -
    try __read_write -f region --json -c
    [ "${#lines[@]}" -eq 1 ]
    jq -e '.action == "cleared" and .text == null' <<<"$output"
}

# --- Claims -------------------------------------------------------------------

@test "claim: a region of random bytes is taken over" {
    head -c 1M /dev/urandom >region
    try __read_write -f region
    [ "$output" = "$WRITTEN" ]
    [[ $stderr == *'__read_write: took over the message: its holder gave no sign of life'* ]]
    [ "$(word region 0)" = 0000000000000000 ]
    try __read_write -f region
    [ "$output" = "$READ" ]
    [ -z "$stderr" ]
}

@test "claim: reading a message waits for nobody" {
    __read_write -f region >/dev/null
    hold
    try __read_write -f region
    [ "$output" = "$READ" ]
    [ -z "$stderr" ]
}

@test "claim: who waits says so, and goes on when it is dropped" {
    hold
    start waiter __read_write -f region
    says_waiting waiter.err
    let_go
    ends waiter 0
    [ "$(<waiter.out)" = "$WRITTEN" ]
    [ "$(wc -l <waiter.err)" -eq 1 ]
}

@test "claim: a holder that renews is not robbed" {
    hold
    start waiter __read_write -f region
    for _ in {1..45}; do
        echo >&"${HOLDER[1]}"
        expect renewed
        sleep .1 # no time to wait for anything, but for the waiter to go wrong
    done
    kill -0 "${PID[waiter]}" # still waiting
    let_go
    ends waiter 0
    [ "$(<waiter.out)" = "$WRITTEN" ]
    run ! grep 'took over' waiter.err
}

@test "claim: a killed holder's is taken over" {
    hold
    end_holder
    try __read_write -f region
    [ "$output" = "$WRITTEN" ]
    [[ $stderr == *'took over the message'* ]]
}

@test "claim: a holder that was paused and robbed learns of it" {
    hold
    kill -STOP "$holder"
    try __read_write -f region
    [ "$output" = "$WRITTEN" ]
    kill -CONT "$holder"
    echo >&"${HOLDER[1]}"
    let_go
    status=0
    wait "$holder" || status=$?
    [ "$status" -eq 1 ]
    grep '^__holder: another VM took over the message' holder.err
    [ "$(word region 0)" = 0000000000000000 ]
}

@test "claim: Ctrl-C and the like, and an end of its own, give it back at once" {
    mkfifo silence
    exec {gate}<>silence
    for signal in INT TERM HUP QUIT PIPE; do
        start one env --default-signal="$signal" __holder -f region <silence
        until_said one.out held
        [ "$(word region 0)" != 0000000000000000 ]
        kill -s $signal "${PID[one]}"
        ended one
        ((status > 128))
        [ "$(word region 0)" = 0000000000000000 ]
    done
    exec {gate}>&-
    try __bandwidth -f region -s 64K -r 1 --inject lost
    [ "$status" -eq 1 ]
    [ "$(word region 64)" = 0000000000000000 ]
}

@test "claim: waiting for one whose holder lives ends, and says why" {
    le64 77 | put region 64
    start waiter __bandwidth -f region -s 64K -w 0.8
    while [ -e "/proc/${PID[waiter]}/exe" ]; do
        le64 $((0x123456780000 + RANDOM)) | put region 64 # somebody shows life
    done
    ends waiter 1 'another VM holds the area of __bandwidth, and is still alive after 0.8 s; wait until it has finished, or end its program'
}
