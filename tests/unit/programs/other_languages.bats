#!/usr/bin/env bats
# shellcheck disable=SC2154 # what bats sets
# docs/other-languages.md: its sender in Python and its receiver in C, and its numbers.

load page.bash

PAGE=$REPO/docs/other-languages.md

# Words of channel 0.
SEAT=$((0x20000)) WRITTEN=$((0x20000 + 128))

setup_file() {
    build_page "$PAGE"
    compile layout_words layout_words.c "$STATIC/libshmem.a"
}

setup() {
    begin_region 16M
}

@test "each program in the page has a test here" {
    same 'send.py recv.c' "$(programs "$PAGE" | xargs)"
}

# Lists the tables' rows with a number: its name, and the number as a decimal one.
numbers() {
    local name number
    while IFS='|' read -r name number; do
        printf '%s %u\n' "$name" "$number"
    done < <(sed -nE 's/^\| `([^`]+)` \| ([0-9a-fx]+) \|.*/\1|\2/p' "$PAGE")
}

@test "the numbers in the page are those of the headers" {
    same "$(layout_words)" "$(numbers)"
}

# arrives TEXT [CHANNEL]: sends it, with a receiver that starts first.
arrives() {
    background receiver recv -f region "${2:-0}"
    wait_until_said err.receiver 'waiting for channel'
    succeeds send.py region "${2:-0}" "$1"
    ends receiver 0
    same "$1" "$output"
}

@test "a text arrives, whichever side starts first" {
    arrives 'hello from the host'
    fresh region 16M
    background sender send.py region 0 'hello from the host'
    background receiver recv -f region 0
    ends receiver 0
    same 'hello from the host' "$output"
    ends sender 0
}

@test "a sender that takes its seat first is met too" {
    arrives 'makes the header'
    background sender send.py region 0 hello
    wait_until other_word "$SEAT" 0000000000000000
    background receiver recv -f region 0
    ends receiver 0
    same hello "$output"
    ends sender 0
}

@test "texts follow each other, on each channel and in regions of each size" {
    for size in 4M 8M 16M 64M; do
        fresh region "$size"
        for channel in 0 1 7 0; do
            arrives "a text in $size on channel $channel" "$channel"
        done
    done
}

@test "an empty text arrives, and one that is no ASCII, in any locale" {
    arrives ''
    for LC_ALL in C C.UTF-8; do
        export LC_ALL
        arrives 'Grüße, 世界'
        arrives $'no UTF-8: \xff\xfe'
    done
}

@test "the longest text arrives; a longer one is refused" {
    fresh region 4M
    text=$(printf '%065520d' 0)
    arrives "$text"
    complains 1 'a text of 65521 bytes: the longest message has 65520' send.py region 0 "${text}0"
}

@test "a receiver that is killed, or gives up, ends the sender, which says so" {
    mkfifo full
    while read -r signal status text; do
        background receiver sh -c 'exec recv -f region 0 1<>full' # nobody reads: it hangs in a text of more than 64 KiB
        background sender send.py region 0 "$(printf '%0100000d' 0)"
        wait_until other_word "$WRITTEN" 0000000000000000
        kill -s "$signal" "$receiver"
        ends sender "$status" "send.py: the receiver $text"
        same 0000000000000000 "$(word region "$SEAT")"
        await receiver
        fresh region 16M
    done <<END
        KILL 4 died
        TERM 6 gave up
END
}

# impatient: makes a sender that waits for a tenth of a second only.
impatient() {
    mkdir impatient
    sed 's/3000, 60000 /3000, 100 /' "$BATS_FILE_TMPDIR/send.py" >impatient/send.py
    refuted cmp -s impatient/send.py "$BATS_FILE_TMPDIR/send.py"
    chmod +x impatient/send.py
}

@test "nobody comes: neither into a fresh region, nor into one with a header" {
    impatient
    complains 3 'no receiver came to channel 0 within 60 s' impatient/send.py region 0 hello
    arrives 'makes the header'
    complains 3 'no receiver came to channel 0 within 60 s' impatient/send.py region 0 hello
    same 0000000000000000 "$(word region "$SEAT")"
}

@test "a region that is too small, of another layout or size, or no file is refused" {
    refuses 'usage: send.py REGION CHANNEL TEXT' send.py region 0
    refuses 'usage: send.py REGION CHANNEL TEXT' send.py region 8 hello
    complains 1 'No such file' send.py none 0 hello
    fresh small 2M
    complains 1 'the region has 2097152 bytes, but 4 MiB are needed' send.py small 0 hello
    fresh small 0
    complains 1 'cannot mmap an empty file' send.py small 0 hello
    version=$(sed -n 's/^enum { SHMEM_LAYOUT_VERSION = \([0-9]*\) };$/\1/p' "$PROG/layout.h")
    for header in 0x9d7cfff000001000 0x9d7c002000002000; do # of another version, of another size
        le64 "$header" | put region $((0xf80))
        complains 1 "the region is not one of layout $version and 16777216 bytes" send.py region 0 hello
    done
}

@test "a living sender keeps its seat; that of a dead one is taken over" {
    impatient
    arrives 'makes the header'
    background sender send.py region 0 hello
    wait_until other_word "$SEAT" 0000000000000000
    complains 1 'another program is sending on channel 0' impatient/send.py region 0 hello
    kill -KILL "$sender"
    await sender
    arrives 'the seat of a dead one'
}

# intrude: takes the sender's seat. True when the sender has said something. A beat may overwrite a single try.
intrude() {
    le64 0x1234567890ab0007 | put region "$SEAT"
    [[ -s err.sender ]]
}

@test "a sender that loses its seat ends, and leaves it to the new holder" {
    arrives 'makes the header'
    background sender send.py region 0 hello
    wait_until other_word "$SEAT" 0000000000000000
    wait_until intrude
    ends sender 1 'send.py: another program has taken our seat; run this one again'
    same 1234567890ab0007 "$(word region "$SEAT")"
}

@test "of two that take the seat at once, one says that it has lost it; the text of the other arrives" {
    arrives 'makes the header'
    mkdir late
    sed '/self.mine = (int/s/^ */&input("looked"); /' "$BATS_FILE_TMPDIR/send.py" >late/send.py
    chmod +x late/send.py
    mkfifo go_on
    background late late/send.py region 0 late <>go_on # it has seen a free seat
    wait_until_said out.late looked
    background early send.py region 0 early
    wait_until other_word "$SEAT" 0000000000000000
    echo >go_on
    wait_until grep -qF 'another program has taken our seat' err.early err.late
    background receiver recv -f region 0
    ends receiver 0
    text=$output
    ends "$text" 0
    loser=early
    [[ $text == late ]] || loser=late
    background_ended "$loser" 1
}

@test "Ctrl-C gives the seat back" {
    arrives 'makes the header'
    background sender send.py region 0 hello
    wait_until other_word "$SEAT" 0000000000000000
    kill -s INT "$sender"
    await sender
    same 0000000000000000 "$(word region "$SEAT")"
}
