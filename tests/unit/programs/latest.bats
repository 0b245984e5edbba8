#!/usr/bin/env bats
# shellcheck disable=SC2154 # what bats sets
# A value that one publishes and others read: latest.h, called through latest.c.

load prog.bash

VALUE=$((0x3000)) # the sequence; the words of the value follow

setup_file() {
    build_programs
    compile_sanitized __latest latest.c
    # gcc warns that this sanitizer does not know fences. The words are atomic, so it needs none to find no race.
    compile __races latest.c "$PROG/lib/latest.c" -fsanitize=thread -Wno-tsan "$STATIC/libshmem.a"
}

# each_way: prints the options for a value in one cache line and in several ones, each with the fences of each mapping.
each_way() {
    printf '%s\n' '-s 40' '-s 1001' '-n -s 40' '-n -s 1001'
}

@test "latest: no value is torn, and none older than the one before, while another program publishes all the time" {
    while read -ra way; do
        fresh region
        background writer __latest -f region "${way[@]}" write
        background one __latest -f region "${way[@]}" read 5000
        background two __latest -f region "${way[@]}" read 5000
        for reader in one two; do
            ends "$reader" 0
            same '5000 values' "$output"
        done
        kill -0 "$writer"
        end_background
    done < <(each_way)
}

@test "latest: there is no data race between threads" {
    while read -ra way; do
        fresh region
        succeeds __races -f region "${way[@]}" threads 500
        same '500 values each' "$output"
    done < <(each_way)
}

@test "latest: a value that was never published, the first, and the next" {
    succeeds __latest -f region once
    same 'none 0' "$output"
    for number in 1 2 3; do
        succeeds __latest -f region publish $((700 + number))
        same "$number" "$output"
        for _ in 1 2; do
            succeeds __latest -f region once
            same "read $number: $((700 + number))" "$output"
        done
    done
}

@test "latest: a writer that died in the middle is told from none, and the next value repairs it" {
    while read -ra way; do
        fresh region
        succeeds __latest -f region "${way[@]}" publish 701
        fails 137 __latest -f region "${way[@]}" die 9
        same 0909090909090909 "$(word region $((VALUE + 8)))" # it had begun
        for _ in 1 2; do
            succeeds __latest -f region "${way[@]}" once
            same 'unfinished 2' "$output"
        done
        fails 137 __latest -f region "${way[@]}" die 9
        succeeds __latest -f region "${way[@]}" once
        same 'unfinished 3' "$output"
        succeeds __latest -f region "${way[@]}" publish 702
        same 4 "$output"
        succeeds __latest -f region "${way[@]}" once
        same 'read 4: 702' "$output"
    done < <(each_way)
}

@test "latest: a value is published over any sequence that is there, and nothing outside the value is written" {
    for sequence in 1 -1 -2 $((1 << 62)); do
        fresh region
        le64 "$sequence" | put region "$VALUE"
        succeeds __latest -f region -s 1001 publish 702
        succeeds __latest -f region -s 1001 once
        [[ $output == 'read '*': 702' ]]
        untouched 0 "$VALUE"
        untouched $((VALUE + 8 + 1008)) "$MIB"
    done
}
