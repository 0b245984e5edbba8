#!/usr/bin/env bats
# shellcheck disable=SC2154 # what bats sets
# The programs in docs/library.md: each is built with the installed library alone, and does what the page says.

load page.bash

PAGE=$REPO/docs/library.md

setup_file() {
    alone make -s -C "$PROG" O="$STATIC" WERROR=1 "$STATIC/__chaos"
    build_server
    build_page "$PAGE"
}

setup() {
    begin_region 16M
}

@test "each program in the page has a test here" {
    same 'log.c board.c toss.cpp draw.cpp pour.c events.cpp sums.c drowse.c pattern.c tick.c' "$(programs "$PAGE" | xargs)"
}

@test "log: each run adds a line; a full log and an impossible length begin it again" {
    succeeds log -f region 'vm1 was here'
    succeeds log -f region 'vm2 was here'
    same $'vm1 was here\nvm2 was here' "$output"
    for length in 3990 4001 -1; do
        le64 "$length" | put region $((0x500000))
        succeeds log -f region 'a line of 20 letters'
        same 'a line of 20 letters' "$output"
    done
    refuses 'a LINE of less than 4000 bytes' log -f region
}

@test "log, pattern: each waits for the holder of its claim, and takes over from a dead one" {
    log -f region 'makes the area'
    for claim in $((0xe040)) $((64 * 33)); do # of the first area, and SHMEM_CLAIM_FREE + 1 of layout.h
        le64 $((0x123456780001)) | put region "$claim"
    done
    succeeds log -f region 'a line'
    says 'log: took over the log: its holder gave no sign of life'
    succeeds pattern -f region write
    says 'pattern: took over the pattern: its holder gave no sign of life'
}

@test "board: the latest text and its number; none, and one that is not finished, are said" {
    complains 3 'nobody has published anything yet' board -f region
    for number in 1 2; do
        succeeds board -f region "text $number"
        succeeds board -f region
        same "$number: text $number" "$output"
    done
    le64 5 | put region $((0x500000))
    complains 4 'text 3 is not finished: its writer died or is paused' board -f region
    succeeds board -f region "$(printf %0100d 0)"
    succeeds board -f region
    same "4: $(printf %079d 0)" "$output"
    head -c 4096 /dev/zero | tr '\0' x | put region $((0x500000))
    succeeds board -f region
    same "4340410370284600380: $(printf %080d 0 | tr 0 x)" "$output"
}

@test "draw: three meet, and all know the same winners" {
    for _ in 1 2; do
        for i in 1 2 3; do background "vm$i" draw -f region 3; done
        for i in 1 2 3; do
            ends "vm$i" 0
            same "$(<out.vm1)" "$output"
        done
        same 3 "$(grep -cE '^seat [0-2] wins with [0-9]{1,2}$' out.vm1)"
    done
    refuses 'a whole number from 1 to 16 is needed' draw -f region
}

@test "toss: two meet, throw the ball and catch it; another run does too" {
    for run in first second; do
        background "one_$run" toss -f region
        background "two_$run" toss -f region
        for name in "one_$run" "two_$run"; do
            ends "$name" 0
            [[ $output =~ ^'1000 tosses, '[0-9]+' ns each'$ ]]
        done
    done
}

@test "pour: the bytes come out of the other end, also none and the most" {
    for size in 0 1 8192 300000 1048576; do
        head -c "$size" /dev/urandom >bytes
        background receiver pour -f region recv
        background sender pour -f region send <bytes
        ends sender 0
        background_ended receiver 0
        cmp bytes out.receiver
    done
    refuses 'one of send, recv is needed' pour -f region
}

@test "events: any number of senders, one after the other and at once" {
    background listener events -f region
    for event in 'vm2 is up' 'vm3 is up'; do
        succeeds events -f region "$event"
        wait_until_said out.listener "$event"
    done
    for event in one two three four five six; do
        background "teller_$event" events -f region "event $event"
    done
    for event in one two three four five six; do
        ends "teller_$event" 0
        wait_until_said out.listener "event $event"
    done
    grep -xE 'lane [0-3]: vm2 is up' out.listener
    same 8 "$(wc -l <out.listener)"
    same '' "$(grep -v 'waiting for' err.listener)"
}

@test "sums: a call and its reply; the server ends with its client" {
    background server sums -f region
    succeeds sums -f region 1 2 39
    same 42 "$output"
    ends server 6 'the sender gave up'
}

@test "drowse: two sleep until the other has thrown" {
    serve
    background one drowse -f server
    background two drowse -f server
    for name in one two; do
        ends "$name" 0
        [[ $output =~ ^'1000 tosses, '[1-9][0-9]*' sleeps, '[0-9]+' us each'$ ]]
    done
}

# endless NAME: the same program with so many tosses that it does not end by itself.
endless() {
    sed -i -E 's/(tosses|TOSSES) = 1000/\1 = 2000000000/' "$BATS_FILE_TMPDIR/$1"
    build "$1"
}

@test "toss, drowse: a side that gives up or is killed ends the other, which says so" {
    endless toss.cpp
    endless drowse.c
    serve
    while read -r program file seats signal status text; do
        background staying "$program" -f "$file"
        background leaving "$program" -f "$file"
        wait_until other_word "$((seats + 128))" 0000000000000000 # the ball in the first hand
        kill -s "$signal" "$leaving"
        ends staying "$status" "the other side $text"
        await leaving
        head -c 512 /dev/zero | put region "$seats"
    done <<END
        toss region $((0x5000)) TERM 6 gave up
        toss region $((0x5000)) KILL 4 died: it gave no sign of life for 3 s
        drowse server $((0x9000)) TERM 6 gave up
        drowse server $((0x9000)) KILL 4 died: it gave no sign of life for 3 s
END
}

@test "pattern: what was written is whole; a byte that changed is found" {
    succeeds pattern -f region write
    same written "$output"
    succeeds pattern -f region check
    same whole "$output"
    printf x | put region $((0xb000 + 8 + 9 * 8))
    complains 5 'damaged: word 9 is the first wrong one' pattern -f region check
}

# ticks COUNT: the count has reached that?
ticks() {
    (($(sed -n '$s/^tick //p' out.daemon) >= $1))
}

@test "tick: goes on after errors: no region yet, and rubbish in it" {
    rm region
    background daemon tick -f region
    wait_until_said err.daemon 'no tick (1): cannot open region: No such file or directory'
    truncate -s 16M whole
    mv whole region
    wait_until ticks 2
    le64 1 | put region $((0xe028)) # where the area begins
    wait_until_said err.daemon 'no tick (5): the directory of areas has an impossible entry'
    le64 $((0x500000)) | put region $((0xe028))
    count=$(sed -n '$s/^tick //p' out.daemon)
    wait_until ticks $((count + 2))
    kill "$daemon"
    await daemon
}

# transcript: the first one of the page's last section.
transcript() {
    sed '1,/^## Test your protocol/d' "$PAGE" | awk '/^```/ { blocks++; next } blocks == 1'
}

@test "what __chaos does to log is what the page shows" {
    local line
    ln -s "$BATS_FILE_TMPDIR/log" "$STATIC/__chaos" .
    while read -r line; do
        echo "\$ $line"
        PATH=.:$PATH eval "$line"
    done < <(transcript | sed -n 's/^\$ //p') >shown
    diff <(transcript) shown
}
