#!/usr/bin/env bats
# shellcheck disable=SC2154 # what bats sets
# The library of the C programs, called through kit.c: options, records, figures, meetings.

load prog.bash

setup_file() {
    build_programs
    compile_sanitized __kit kit.c
    compile __stepper stepper.c -static "$STATIC/libshmem.a"
}

# --- Options ------------------------------------------------------------------

@test "values of options: valid ones" {
    while read -r option value expected; do
        succeeds __kit "$option" "$value"
        same "$expected" "$output"
    done <<'END'
        --number 5 5
        --number 0x1f4 500
        --size 1 1
        --size 64K 65536
        --size 1M 1048576
        --size 3G 3221225472
        --size 18446744073709551615 18446744073709551615
        --seconds 10 10000000000
        --seconds 0.5 500000000
        --seconds 0.000000001 1
        --seconds 604800 604800000000000
        --choice red 0
        --choice green 1
END
}

@test "values of options: wrong ones: one line, status 2" {
    while read -r option value expected; do
        value=${value/EMPTY/}
        refuses "$expected" __kit "$option" "$value"
    done <<'END'
        --number 4 --number 4: a whole number from 5 to 500
        --number 501 a whole number
        --number 5x a whole number
        --number -5 a whole number
        --number EMPTY a whole number
        --number 99999999999999999999 a whole number
        --size 0 bytes from 1
        --size 1k bytes from 1
        --size 1KB bytes from 1
        --size 1.5M bytes from 1
        --size K bytes from 1
        --size 17179869184G bytes from 1
        --seconds 0 seconds are needed
        --seconds 0.0000000001 seconds are needed
        --seconds 1. seconds are needed
        --seconds .5 seconds are needed
        --seconds 1e3 seconds are needed
        --seconds -1 seconds are needed
        --seconds 604801 seconds are needed
        --seconds 604800.1 seconds are needed
        --choice blue --choice blue: one of red, green is needed
        --inject third there is no such fault
END
}

@test "long options: a wrong one is named as it was typed" {
    refuses_each <<'END'
        unknown option --fast
            __kit --fast
        unknown option --fast
            __kit --fast=yes
        option --size needs a value
            __kit --json --size
        option --json takes no value
            __kit --json=yes
        option --help takes no value
            __kit --help=size
        unknown option -x
            __kit --json -x
        unknown option -x
            __kit --json -xs
        unknown option --inject
            __read_write --inject first
END
}

@test "-h and --help say the same, and list the faults for --inject" {
    succeeds __kit -h
    short=$output
    prints '--json ' $'\n''                first        a fault'$'\n'
    succeeds __kit --help
    same "$short" "$output"
}

# --- Records ------------------------------------------------------------------

@test "a record is one object on one line, with all fields" {
    succeeds __kit -f region --inject second --record plain
    same 1 "${#lines[@]}"
    jq -e '.record == "test" and .program == "__kit" and (.version | type) == "string" and
        .mapping == "file" and .memory_type == null and .region_bytes == 1048576 and
        .text == "plain" and .nothing == null and .number == 1.5 and .infinite == null and .flag and
        .array == [1, [2, 3]] and .fault == 2' <<<"$output"
    jq -e --arg kernel "$(uname -r)" --arg host "$(uname -n)" '.kernel == $kernel and .host == $host' <<<"$output"
    jq -e '.time | sub("\\.[0-9]{3}Z$"; "Z") | fromdate | . > 0 and (. - now | fabs) < 3600' <<<"$output"
    grep -qF '"most":18446744073709551615,' <<<"$output"
}

@test "a record's texts may have any bytes" {
    every=$(printf "$(printf '\\x%02x' {1..255})x") # the x at the end: $() removes final newlines
    succeeds __kit -f region --record "$every"
    same 1 "${#lines[@]}"
    jq -je .text <<<"$output" | iconv -f UTF-8 -t LATIN1 >text
    printf %s "$every" | cmp text -
}

# --- Figures ------------------------------------------------------------------

@test "percentiles are samples, by nearest rank" {
    succeeds __kit --summary < <(seq 1000 | shuf)
    same '1000 1 500 990 999 1000' "$output"
    succeeds __kit --summary < <(seq 10000 | shuf)
    same '10000 1 5000 9900 9990 10000' "$output"
    succeeds __kit --summary <<<'7'
    same '1 7 7 7 7 7' "$output"
    succeeds __kit --summary <<<'4 1'
    same '2 1 1 4 4 4' "$output"
    succeeds __kit --summary <<<'3 1 2'
    same '3 1 2 3 3 3' "$output"
}

@test "a histogram agrees with the samples: exact below 128, within 1.6 % above" {
    succeeds __kit --histogram < <(seq 127 | shuf)
    same '127 1 64 126 127 127' "${lines[0]}"
    succeeds __kit --histogram < <(seq 100000 | shuf)
    read -r count min median p99 p999 max <<<"${lines[0]}"
    same '100000 1 100000' "$count $min $max"
    ((median >= 50000 && median <= 50800))
    ((p99 >= 99000 && p99 <= 100000))
    ((p999 >= 99900 && p999 <= 100000))
    succeeds __kit --histogram </dev/null
    same '0 0 0 0 0 0' "$output"
}

@test "a histogram of any samples fits on a screen, and no sample is missing from it" {
    samples=('5' '0' '0 18446744073709551615' '18446744073709551615' '1 1 1 1000000' '100 101 102 103 104 100000000000'
        "$(seq 300 | tr '\n' ' ')" "$(shuf -i 1-4000000000 -n 500 | tr '\n' ' ')" '127 128 255 256 65535 65536')
    for set in "${samples[@]}"; do
        succeeds __kit --histogram <<<"$set"
        ((${#lines[@]} >= 2 && ${#lines[@]} <= 24))
        same "$(wc -w <<<"$set")" "$(awk 'NR > 1 { n += $3 } END { print n }' <<<"$output")"
        awk 'NR > 2 && $1 <= last { exit 1 } { last = $1 }' < <(tail -n +2 <<<"$output")
    done
}

# --- CPUs ---------------------------------------------------------------------

# siblings CPU LIST: makes LIST the hardware threads of the core of that CPU.
siblings() {
    mkdir -p "$CPUS/cpu$1/topology"
    echo "$2" >"$CPUS/cpu$1/topology/thread_siblings_list"
}

# order MASK: the order in which these CPUs are used.
order() {
    __kit --cpus "$1"
}

@test "CPUs: cores first, hardware threads of the same core after them, all within the affinity" {
    same '0 1 2 3' "$(order 0xf)" # the kernel does not say which threads share a core
    siblings 0 0-1
    siblings 1 0-1
    siblings 2 2-3
    siblings 3 2-3
    same '0 2 1 3' "$(order 0xf)"
    same '1 2 3' "$(order 0xe)" # a thread whose sibling may not be used counts as a core
    same '1 3' "$(order 0xa)"
    same '0 1' "$(order 0x3)"
    for cpu in 0 1 2 3; do siblings $cpu "$((cpu % 2)),$((cpu % 2 + 2))"; done
    same '0 1 2 3' "$(order 0xf)"
    for cpu in 0 1 2 3; do siblings $cpu 0-3; done # four threads
    siblings 4 4-7
    same '0 4 1 2 3' "$(order 0x1f)"
    siblings 0 rubbish
    siblings 1 '0-'
    siblings 2 '1,,2'
    same 4 "$(wc -w < <(order 0xf))"
}

# --- Meetings -----------------------------------------------------------------

# meet NAME OPTION...: starts __kit with them. ask sends a line to it, and leave closes its stdin.
meet() {
    mkfifo "$1.in"
    exec {both}<>"$1.in" # so that opening either end does not block
    background "$1" __kit -f region "${@:2}" <"$1.in"
    exec {writer}>"$1.in" {both}>&-
    in[$1]=$writer
}
declare -gA in

# ask NAME: has it write about each of the others: lives, left or died.
ask() {
    echo >&"${in[$1]}"
}

leave() {
    local fd=${in[$1]}
    exec {fd}>&-
    unset "in[$1]"
    await "$1"
}

met() {
    grep -q '^met ' "out.$1"
}

session() {
    sed -n 's/^met [0-9]* //p' "out.$1"
}

# answers NAME TEXT: asks it. Is its last line TEXT?
answers() {
    ask "$1"
    sleep .02
    [ "$(tail -n 1 "out.$1")" = "$2" ]
}

@test "meeting: two find each other and agree on a session, a new one each time" {
    for round in 1 2 3; do
        meet one$round --meet 2
        meet two$round --meet 2
        wait_until met one$round
        wait_until met two$round
        same "$(session two$round)" "$(session one$round)"
        same $'0\n1' "$(cut -d ' ' -f 2 out.one$round out.two$round | sort)"
        leave one$round
        leave two$round
        same 0000000000000000 "$(word region $((0x3000)))"
        same 0000000000000000 "$(word region $((0x3040)))"
    done
    same 3 "$(for round in 1 2 3; do session one$round; done | sort -u | wc -l)"
}

@test "meeting: seats that were asked for, in either order" {
    meet one -s 1 --meet 2
    wait_until grep -q 'waiting for the test: run this program in another VM' err.one
    meet two -s 0 --meet 2
    wait_until met one
    wait_until met two
    [[ $(<out.one) == 'met 1 '* ]]
    [[ $(<out.two) == 'met 0 '* ]]
    same "$(session two)" "$(session one)"
}

@test "meeting: five at once" {
    for i in 1 2 3 4 5; do meet "peer$i" --meet 5; done
    for i in 1 2 3 4 5; do wait_until met "peer$i"; done
    same 1 "$(for i in 1 2 3 4 5; do session "peer$i"; done | sort -u | wc -l)"
    same '0 1 2 3 4' "$(cat out.peer{1..5} | cut -d ' ' -f 2 | sort | xargs)"
}

@test "meeting: nobody comes, and the seat is free again" {
    fails 2 __kit -f region --seconds .5x --meet 2
    succeeds __kit -f region --seconds 0.7 --meet 2
    same nobody "${lines[1]}"
    cmp region /dev/zero -n "$MIB" || [ "$(word region $((0x3000)))" = 0000000000000000 ]
}

@test "meeting: a peer that leaves is seen as left" {
    meet one --meet 2
    meet two --meet 2
    wait_until met one
    wait_until met two
    wait_until answers one "$(($(cut -d ' ' -f 2 out.two))) lives"
    leave two
    wait_until answers one "$(($(cut -d ' ' -f 2 out.two))) left"
}

@test "meeting: a killed one is noticed, and its seat taken over" {
    meet one -s 0 --meet 2
    meet two -s 1 --meet 2
    wait_until met one
    wait_until met two
    kill -9 "$two"
    wait_until answers one '1 died'
    kill -9 "$one"
    meet three -s 0 --meet 2
    meet four -s 1 --meet 2
    wait_until met three
    wait_until met four
    same "$(session four)" "$(session three)"
    refuted test "$(session three)" = "$(session one)"
    grep -q 'took over a seat of the test' err.three
    grep -q 'took over a seat of the test' err.four
}

@test "meeting: a seat that somebody holds is not taken" {
    meet one -s 0 --seconds 10 --meet 2
    wait_until grep -q waiting err.one
    succeeds __kit -f region -s 0 --seconds 4 --meet 2
    same taken "${lines[1]}"
    kill -0 "$one"
}

@test "meeting: a paused peer whose seat was taken over learns of it" {
    meet one -s 0 --meet 2
    meet two -s 1 --meet 2
    wait_until met one
    wait_until met two
    kill -STOP "$two"
    meet three -s 1 --seconds 20 --meet 2
    wait_until grep -q 'took over a seat' err.three
    kill -CONT "$two"
    ask two
    leave two
    same 1 "$status"
    grep -q '^__kit: another VM took over our seat' err.two
    wait_until answers one '1 left'
}

# is_stopped NAME: by SIGSTOP?
is_stopped() {
    [ T = "$(cut -d ' ' -f 3 "/proc/${!1}/stat")" ]
}

@test "ring: a writer whose seat was taken over while it copied counts nothing any more" {
    background one __kit -f region --stopped-in-ring
    meet two -s 1 --meet 2
    wait_until is_stopped one
    leave two
    meet three -s 1 --meet 2
    meet four -s 0 --meet 2
    wait_until met three # in the place of one, which is stopped
    wait_until met four
    kill -CONT "$one"
    ends one 0
    same lost "$output"
    same 0000000000000000 "$(word region $((0x4000)))"
}

@test "meeting: rubbish on the seats is no peer" {
    for rubbish in 5 -1 65536 65537; do
        fresh region
        for seat in 0 1 2 3; do le64 "$rubbish" "$rubbish" | put region $((0x3000 + 64 * seat)); done
        succeeds __kit -f region -s 0 --seconds 4 --meet 2
        same nobody "${lines[1]}"
    done
}

@test "meeting: a peer whose beat moves but who never agrees is none" {
    background one __kit -f region -s 0 --seconds 3 --meet 2 </dev/null
    while kill -0 "$one" 2>/dev/null; do
        le64 $((0x123456780000 + RANDOM)) "$RANDOM" | put region $((0x3040))
    done
    await one
    same nobody "$(tail -n 1 out.one)"
}

# --- However the program ends -------------------------------------------------

@test "a signal after any instruction of taking, renewing and giving back leaves no seat and no claim behind" {
    succeeds __stepper -f region
    [[ $output =~ ^'free after each of '[0-9]+' instructions'$ ]]
}

@test "Ctrl-C and the like, and a reader that goes away: the seat is free at once" {
    for signal in INT TERM HUP QUIT PIPE; do
        background one __stress -f region -n 2
        wait_until other_word $((0x40000)) 0000000000000000
        kill -s $signal "$one"
        await one
        ((status > 128))
        same 0000000000000000 "$(word region $((0x40000)))"
    done
}

# Lists the functions NAME for which the library has a shmem_try_NAME.
with_two_forms() {
    nm --defined-only --extern-only "$STATIC/libshmem.a" | sed -n 's/.* T shmem_try_\(.*\)/\1/p'
}

@test "libshmem: no function calls one that may end the program, so whoever calls shmem_try_ functions lives on" {
    local -a ends
    mapfile -t ends < <(with_two_forms)
    ((${#ends[@]} > 20))
    refuted grep -wF "${ends[@]/#/-eshmem_}" < <(nm --undefined-only "$STATIC/libshmem.a")
}

@test "libshmem: every external symbol begins with shmem_, so that it collides with none of a program" {
    succeeds nm --defined-only --extern-only "$STATIC/libshmem.a"
    [ "$(grep -c ' T shmem_' <<<"$output")" -gt 50 ]
    refuted grep -E ' [A-Z] ' <(grep -vE ' shmem_|^$|:$' <<<"$output")
}
