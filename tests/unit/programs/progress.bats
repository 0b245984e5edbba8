#!/usr/bin/env bats
# shellcheck disable=SC2154 # what bats sets
# The line of progress of the programs that may be silent for long. Terminals are script's pseudo-terminals.

load stream.bash

ERASE=$'\r\e[K' ERASE_RE=$'\r\e\\[K' # the second for grep

setup_file() {
    build_programs
    build_server
}

setup() {
    begin_region 4M
}

teardown() {
    [[ -z ${keys:-} ]] || exec {keys}>&-
    end_background
}

# in_terminal NAME COMMAND: runs the line of shell in the background with a terminal of its own, as 'background NAME' does.
# What is typed into the terminal comes from $keys.
in_terminal() {
    mkfifo "keys.$1"
    exec {keys}<>"keys.$1"
    background "$1" script -qefc "$2" /dev/null <&"$keys"
}

# on_terminal COMMAND: the same, waits for its end, and prints what appeared.
on_terminal() {
    script -qefc "$1" /dev/null </dev/null
}

# remains FILE: prints what is still to be seen of the terminal's lines after all that was erased.
remains() {
    sed -e 's/\r$//' -e 's/.*\r\x1b\[K//' "$1"
}

# drawn FILE REGEX: the terminal has had a line of progress that begins so, none of the first two seconds, and nothing remains
# of it.
drawn() {
    grep -qE -- "$ERASE_RE$2" "$1" || failure "no line '$2' in $1:" "$(cat -v "$1")"
    refuted grep -E ': [01] s' "$1"
    refuted grep -E -- "$2" <(remains "$1")
}

# interrupted NAME: Ctrl-C ends the program in that terminal, and the shell goes on in a clean line.
interrupted() {
    printf '\003' >&"$keys"
    background_ended "$1" 0
    grep -qx 'status [0-9]*' <(remains "out.$1") || failure "no clean line after Ctrl-C:" "$(cat -v "out.$1")"
}

@test "__bandwidth: a long run shows its progress on a terminal, and erases it; files get nothing of it" {
    # Filling 48 MiB takes 2.4 s then.
    local slow='__bandwidth -f region --local -s 48M -r 2 --inject slow'
    on_terminal "$slow >out" >terminal
    for text in 'memcpy, blocks of 49152 KiB, warming up: ' 'memcpy, blocks of 49152 KiB, sample 1: '; do
        drawn terminal "$text"
    done
    [[ $(<terminal) == *"$ERASE" ]] # nothing after it
    grep -qx 'memcpy bandwidth within the VM: [0-9.]* MB/s' out
    # shellcheck disable=SC2086 # words
    succeeds $slow
    same '' "$stderr"
    prints_not $'\e'
}

@test "__bandwidth --sweep: the line of progress leaves the rows of the table whole" {
    on_terminal '__bandwidth -f region --local -k memcpy --sweep -s 16M -r 2 --inject slow' >terminal
    drawn terminal 'memcpy, blocks of 16384 KiB, sample 1: '
    same 7 "$(remains terminal | grep -cE '^ *[0-9]+ KiB +[0-9.]+ +[0-9.]+ %( !)?$')"
}

@test "__stress: on a terminal, with its record in a file" {
    background other __stress -f region -t 3
    on_terminal '__stress -f region -t 3 --json >out' >terminal
    ends other 0
    drawn terminal '[0-9]+ times through all checks: [0-9]+ s'
    jq -e '.record == "stress"' out
    refuted grep $'\e' out err.other
}

@test "__stream: both sides" {
    in_terminal recv '__stream recv -f region --json'
    in_terminal send '__stream send -f region -t 4'
    background_ended send 0
    background_ended recv 0
    drawn out.send 'messages of 65536 bytes, '
    drawn out.recv 'messages of 65536 bytes, '
    remains out.send | grep '^sent to receiver, messages of 65536 bytes: median '
    remains out.recv | jq -e '.record == "stream"'
}

@test "__latency: before the round trips, whose time it tells" {
    in_terminal one '__latency -f region -t 2.2'
    in_terminal two '__latency -f region -t 2.2'
    background_ended one 0
    background_ended two 0
    cat out.one out.two >terminal
    same 2 "$(grep -oE "${ERASE_RE}[^ ]+ measures to [^ ]+" terminal | wc -l)"
    same 2 "$(grep -oF ' for about 2 s' terminal | wc -l)"
    drawn terminal '[^ ]+ measures to '
    remains terminal | grep '^round trip in us: '
}

@test "__latency: a run that will be short has none" {
    background other __latency -f region -n 100
    on_terminal '__latency -f region -n 100' >terminal
    background_ended other 0
    refuted grep $'\e' terminal
}

@test "__latency --matrix: the pair, also of a VM that waits for its turn" {
    in_terminal one '__latency -f region --matrix 3 -t 2.2'
    background two __latency -f region --matrix 3 -t 2.2
    background three __latency -f region --matrix 3 -t 2.2
    for name in one two three; do background_ended "$name" 0; done
    for pair in 1 2 3 4 5 6; do
        drawn out.one "pair $pair of 6: "
    done
    same 2 "$(remains out.one | grep -cE '^  [^ ]+ \(seat [0-2]\) ')"
}

@test "__latency --cpus: the pair, and Ctrl-C" {
    (($(nproc) >= 2)) || skip 'this machine has one CPU'
    in_terminal cpus 'trap : INT; __latency --cpus -t 1000; echo "status $?"'
    wait_until_said out.cpus 'pair 1 of '
    interrupted cpus
    drawn out.cpus 'pair 1 of '
}

@test "__doorbell test, and Ctrl-C" {
    serve
    background other __doorbell -f server test -n 1000000000
    in_terminal test 'trap : INT; __doorbell -f server test -n 1000000000; echo "status $?"'
    wait_until_said out.test ' wake-ups by interrupt of 1000000000: '
    interrupted test
    drawn out.test '[0-9]+ wake-ups by interrupt of 1000000000: '
    background_ended other 6 # we gave up our seat
}

@test "__chaos, and Ctrl-C: then the summary" {
    in_terminal chaos 'trap : INT; __chaos -f region -t 1000 channel:0; echo "status $?"'
    wait_until_said out.chaos ' acts: 2 s'
    interrupted chaos
    drawn out.chaos '[0-9]+ acts: '
    remains out.chaos | grep '^[0-9]* acts in channel:0 '
}

@test "a line that is wider than the terminal is cut" {
    on_terminal 'stty cols 20; __stress -f region -n 1 -t 3' >terminal
    tr '\r' '\n' <terminal | sed -n 's/^\x1b\[K\(.*times thro.*\)/\1/p' >drawn
    grep -xE '[0-9]+ times throug?h?.*' drawn
    refuted grep -E '.{20}' drawn
}

@test "a program in the background of a terminal has none" {
    on_terminal "bash -c 'set -m; __stress -f region -n 1 -t 3 & wait'" >terminal
    grep -F 'goes on for 3 s' terminal
    refuted grep $'\e' terminal
}

@test "a program that Ctrl-Z stopped erases nothing in the shell's lines" {
    in_terminal stress "bash -c 'set -m; __stress -f region -n 1 -t 1000; echo stopped; bg; kill %1; wait'"
    wait_until_said out.stress ' times through all checks: 2 s'
    printf '\032' >&"$keys"
    background_ended stress 0
    grep -F stopped out.stress
    refuted grep $'\e' <(sed '1,/stopped/d' out.stress)
}
