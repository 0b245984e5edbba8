#!/usr/bin/env bats
# shellcheck disable=SC2154 # what bats sets
# __read_write, and the claim on the message, which a program of the tests holds (holder.c).

load prog.bash

setup_file() {
    build_programs
    compile_sanitized __holder holder.c
}

# --- Who holds the claim ------------------------------------------------------

# hold: starts a program that holds the claim on the message until let_go.
hold() {
    mkfifo commands
    exec {gate}<>commands
    background holder __holder -f region <commands
    wait_until_said out.holder held
}

# renew TIMES: has the holder renew the claim, for the TIMES-th time.
renew() {
    echo >&"$gate"
    wait_until renewed "$1"
}

# renewed TIMES: the holder has renewed it that many times?
renewed() {
    [ "$(grep -c renewed out.holder)" -eq "$1" ]
}

# let_go: the holder gives the claim back and ends.
let_go() {
    exec {gate}>&-
}

# wait_until_waiting NAME: until that program says that it waits for the holder.
wait_until_waiting() {
    wait_until_said "err.$1" 'waiting for the message, which another VM holds'
}

# --- __read_write -------------------------------------------------------------

@test "__read_write: the first writes, the others read, to the letter" {
    for folder in "$SANITIZED" "$STATIC"; do
        fresh region
        succeeds "$folder/__read_write" -f region
        same "$WRITTEN" "$output"
        same '' "$stderr"
        for _ in 1 2; do
            succeeds "$folder/__read_write" -f region
            same "$READ" "$output"
            same '' "$stderr"
        done
    done
}

@test "__read_write TEXT: replaces what is there; -c clears it" {
    __read_write -f region 'a rather long first message'
    succeeds __read_write -f region short
    same "Written to shmem: 'short'; run this program again on another VM" "${lines[1]}"
    succeeds __read_write -f region
    same "Read from shmem: 'short'" "${lines[1]}"
    succeeds __read_write -f region -c
    same 2 "${#lines[@]}"
    [[ ${lines[1]} == Cleared* ]]
    succeeds __read_write -f region
    same "$WRITTEN" "$output"
}

@test "__read_write: a text of any bytes comes out on one line, unambiguously" {
    __read_write -f region -- $'-\n\e[31m\x7f\xc3\xa4\\n\'~ '
    succeeds __read_write -f region
    same "Read from shmem: '-\\x0a\\x1b[31m\\x7f\\xc3\\xa4\\\\n'~ '" "${lines[1]}"
    same 2 "${#lines[@]}"
}

@test "__read_write: the longest text passes whole, a longer one not at all" {
    longest=$(printf '%4072s' '' | tr ' ' '\1')
    __read_write -f region "$longest" >/dev/null
    succeeds __read_write -f region
    same "Read from shmem: '${longest//$'\1'/\\x01}'" "${lines[1]}"
    cp region before
    refuses '4073 bytes' __read_write -f region "${longest}x"
    cmp region before
}

@test "__read_write: of two at once one writes, the other reads" {
    hold # until both have found no message: neither may write before
    background one __read_write -f region
    background two __read_write -f region
    wait_until_waiting one
    wait_until_waiting two
    let_go
    ends one 0
    ends two 0
    same "$(printf '%s\n%s\n' "$WRITTEN" "$READ" | sort -u)" "$(sort -u out.one out.two)"
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
    same 0000000000000002 "$(word good 4096)"

    table=( # what: the offset, the words to write there
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
        succeeds __read_write -f region
        same "$WRITTEN" "$output"
        same '' "$stderr"
        succeeds __read_write -f region
        same "$READ" "$output"
    done
}

@test "__read_write --json: a record and nothing else, the text byte for byte" {
    succeeds __read_write -f region --json
    same 1 "${#lines[@]}"
    jq -e --arg text "$GREETING" '.record == "message" and .program == "__read_write" and .action == "written" and
        .text == $text' <<<"$output"
    __read_write -f region "$(printf "$(printf '\\x%02x' {1..255})x")" >/dev/null
    succeeds __read_write -f region --json
    same 1 "${#lines[@]}"
    jq -e '.action == "read"' <<<"$output"
    jq -je .text <<<"$output" | iconv -f UTF-8 -t LATIN1 >text
    printf "$(printf '\\x%02x' {1..255})x" | cmp text -
    succeeds __read_write -f region --json -c
    same 1 "${#lines[@]}"
    jq -e '.action == "cleared" and .text == null' <<<"$output"
}

# --- Claims -------------------------------------------------------------------

@test "claim: a region of random bytes is taken over" {
    head -c 1M /dev/urandom >region
    succeeds __read_write -f region
    same "$WRITTEN" "$output"
    says '__read_write: took over the message: its holder gave no sign of life'
    same 0000000000000000 "$(word region 0)"
    succeeds __read_write -f region
    same "$READ" "$output"
    same '' "$stderr"
}

@test "claim: reading a message waits for nobody" {
    __read_write -f region >/dev/null
    hold
    succeeds __read_write -f region
    same "$READ" "$output"
    same '' "$stderr"
}

@test "claim: a waiter says so, and goes on when the holder drops it" {
    hold
    background waiter __read_write -f region
    wait_until_waiting waiter
    let_go
    ends waiter 0
    same "$WRITTEN" "$(<out.waiter)"
    same 1 "$(wc -l <err.waiter)"
}

@test "claim: a holder that renews keeps it" {
    hold
    background waiter __read_write -f region
    for times in {1..45}; do
        renew "$times"
        sleep .1 # nothing is awaited: the waiter gets time to go wrong
    done
    kill -0 "$waiter" # still waiting
    let_go
    ends waiter 0
    same "$WRITTEN" "$(<out.waiter)"
    refuted grep 'took over' err.waiter
}

@test "claim: a killed holder's is taken over" {
    hold
    kill -9 "$holder"
    succeeds __read_write -f region
    same "$WRITTEN" "$output"
    says 'took over the message'
}

@test "claim: a paused holder whose claim was taken over learns of it" {
    hold
    kill -STOP "$holder"
    succeeds __read_write -f region
    same "$WRITTEN" "$output"
    kill -CONT "$holder"
    echo >&"$gate"
    let_go
    ends holder 1 '__holder: another VM took over the message'
    same 0000000000000000 "$(word region 0)"
}

@test "claim: Ctrl-C and the like, and an end of its own, give it back at once" {
    mkfifo silence
    exec {gate}<>silence
    for signal in INT TERM HUP QUIT PIPE; do
        background one __holder -f region <silence
        wait_until_said out.one held
        refuted test "$(word region 0)" = 0000000000000000
        kill -s $signal "$one"
        await one
        ((status > 128))
        same 0000000000000000 "$(word region 0)"
    done
    exec {gate}>&-
    fails 1 __bandwidth -f region -s 64K -r 1 --inject lost
    same 0000000000000000 "$(word region 64)"
}

@test "claim: waiting for one whose holder lives ends, and says why" {
    le64 77 | put region 64
    background waiter __bandwidth -f region -s 64K -w 0.8
    while [ -e "/proc/$waiter/exe" ]; do
        le64 $((0x123456780000 + RANDOM)) | put region 64 # a holder renews its claim
    done
    ends waiter 1 'another VM holds the area of __bandwidth, and is still alive after 0.8 s; wait until it has finished, or end its program'
}
