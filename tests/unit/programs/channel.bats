#!/usr/bin/env bats
# shellcheck disable=SC2154 # what bats sets
# channel.h: what a program sees that sends and receives. talker.c obeys lines.

load channel.bash

# In the page of channel 0 (see struct shmem_channel_words).
WRITTEN_AT=$((0x20080)) READ_AT=$((0x20100)) ACCEPTED_AT=$((0x201c8))

# opened CHANNEL [WAIT]: a sender and a receiver, both open.
opened() {
    talks sender "$1" send "${@:2}"
    talks receiver "$1" recv "${@:2}"
    answers sender 'ok open'
    answers receiver 'ok open'
}

# hang_up: kills both.
hang_up() {
    kill -9 "$sender" "$receiver"
    await sender
    await receiver
    rm sender.in receiver.in
}

# --- Messages -----------------------------------------------------------------

@test "a channel by number and by name: messages arrive once, whole and in order" {
    for channel in 3 news; do
        opened "$channel"
        for text in 'hello' 'to you'; do
            tell sender "say $text"
            answers sender ok
        done
        tell receiver hear
        answers receiver 'ok hello'
        tell receiver hear
        answers receiver 'ok to you'
        tell sender 'say '
        tell receiver hear
        answers sender ok
        answers receiver ok
        tell sender close
        answers sender ok
        tell receiver hear
        answers receiver 'left: the sender gave up'
        hang_up
    done
}

@test "messages of all lengths, with the ring full again and again, and every way to wait" {
    for wait in adaptive spin sleep; do
        opened lengths "$wait"
        tell sender flood 3000
        tell receiver drain 3000
        answers receiver ok
        answers sender ok
        hang_up
    done
}

@test "asleep on the doorbell: messages of all lengths, and a poll that the sender ends" {
    truncate -s 16M region
    serve
    export FILE=server
    for wait in adaptive sleep; do
        opened 2 "$wait"
        tell sender flood 300
        tell receiver drain 300
        answers receiver ok
        answers sender ok
        tell receiver poll 3
        for text in one two three; do
            tell sender "say $text"
            answers sender ok
        done
        answers receiver 'ok*'
        hang_up
    done
}

@test "poll(2) without a doorbell, too" {
    opened 0
    tell receiver poll 2
    tell sender say one
    answers sender ok
    tell sender say two
    answers sender ok
    answers receiver 'ok polled'
    tell receiver poll 1
    kill -9 "$sender"
    answers receiver 'died: the sender died: it gave no sign of life for 3 s'
}

@test "in place: made in the ring, looked at there, seen again until released" {
    opened place
    tell sender make first
    answers sender ok
    tell sender make second
    answers sender ok
    for _ in 1 2; do
        tell receiver peek
        answers receiver 'ok first'
    done
    tell receiver release
    answers receiver ok
    tell receiver peek
    answers receiver 'ok second'
}

@test "the longest message: just below half of the ring; a longer one is refused, and nothing is sent" {
    opened long
    tell sender longest
    answers sender 'ok 2032'
    tell sender size 2033
    answers sender 'failed: a message of 2033 bytes: the longest of channel long has 2032'
    tell sender size 2032
    answers sender ok
    tell receiver hear 2031
    answers receiver 'failed: a message of 2032 bytes came, and there is room for 2031'
    tell receiver hear 2032
    answers receiver 'ok*'
}

@test "a deadline: nothing has happened, and the next call is as good as the first" {
    opened slow
    tell receiver hear-soon
    answers receiver 'late: '
    for _ in 1 2; do
        tell sender size 2032
        answers sender ok
    done
    tell sender say-soon "$(printf '%0100d' 0)" # the ring is full
    answers sender 'late: '
    tell sender flush
    answers sender 'late: '
    for _ in 1 2; do
        tell receiver hear
        answers receiver 'ok*'
    done
    tell sender say-soon at last
    answers sender ok
    tell receiver hear
    answers receiver 'ok at last'
}

@test "the receiver's number reaches the sender" {
    opened 1
    tell sender accepted 0
    tell receiver accept 17
    answers receiver ok
    answers sender 'ok 17, *'
    tell sender accepted 17
    tell receiver accept 18
    answers receiver ok
    answers sender 'ok 18, *'
}

# --- Ends -----------------------------------------------------------------------

@test "a deadline at the end of the ring's memory: nothing has happened there either" {
    opened small
    for bytes in 2032 1000; do
        tell sender size $bytes
        answers sender ok
    done
    tell sender size-soon 2032 # not in the last 1000 bytes, nor before the first message is read
    answers sender 'late: '
    for _ in 1 2; do
        tell receiver hear
        answers receiver ok*
    done
    tell sender close
    answers sender ok
}

@test "a sender without a doorbell, and a receiver that sleeps on one: late, but as long as they like" {
    truncate -s 16M region
    serve
    talks sender 2 send
    FILE=server talks receiver 2 recv sleep
    answers sender 'ok open'
    answers receiver 'ok open'
    for number in {1..25}; do
        tell receiver hear
        wait_until sleeps_on 1
        tell sender say "$number"
        answers receiver "ok $number"
        answers sender ok
    done
}

# sleeps_on SEAT: the notice of that side of channel 2 is up.
sleeps_on() {
    [[ $(word region $((0x22200 + $1 * 128))) != 0000000000000000 ]]
}

@test "asleep on the doorbell, after a flush that was late: the receiver's number still rings" {
    local number unrung
    truncate -s 16M region
    serve
    FILE=server opened 2 sleep
    tell sender say unread
    answers sender ok
    for number in 1 2 3 4 5; do
        tell sender flush
        answers sender 'late: '
        tell sender accepted $((number - 1))
        wait_until sleeps_on 0
        tell receiver accept $number
        answers sender "ok $number, unrung *"
    done
    # One may come too late for a sender that just looks by itself; all may not.
    unrung=$(sed -n '$s/.*unrung //p' out.sender)
    ((unrung < 5)) || failure "$unrung of 5 numbers did not ring"
}

@test "one that looks rarely, without waiting, is not taken for dead" {
    opened glances
    tell sender accepted 0
    tell receiver glance 40
    answers receiver 'late: '
    tell receiver accept 7
    answers receiver ok
    answers sender 'ok 7, *'
}

@test "one that dies, one that leaves, one that comes back" {
    opened 0
    tell receiver hear
    kill -9 "$sender"
    answers receiver 'died: the sender died: it gave no sign of life for 3 s'
    hang_up

    opened 0
    tell sender say the last one
    answers sender ok
    kill "$sender"
    ends sender 143
    tell receiver hear
    answers receiver 'ok the last one'
    tell receiver hear
    answers receiver 'left: the sender gave up'
    rm sender.in

    talks sender 0 send
    wait_until_said err.sender 'waiting for channel 0'
    tell receiver hear
    answers receiver 'back: the sender gave up, and a program is there again'
}

@test "one that meets, lives, and never gets ready" {
    talks receiver 4 sit
    talks sender 4 send
    answers receiver 'ok open'
    answers sender 'late: ' # not before ten seconds have passed, but long before its patience ends
}

@test "rubbish: impossible counts, and frames of another session or length" {
    table=( # the side that notices, the offset, the word there, what it says
        "receiver|$WRITTEN_AT|$((1 << 40))|it claims to have written more than the ring holds"
        "receiver|$WRITTEN_AT|8|a part of a header"
        "receiver|$WRITTEN_AT|64|a header without this session's number"
        "sender|$READ_AT|$((1 << 40))|it claims to have read what was never written"
    )
    for row in "${table[@]}"; do
        IFS='|' read -r who offset word text <<<"$row"
        echo "$row"
        fresh region 16M
        opened 0
        if [ "$who" = receiver ]; then
            put region $((0x100000)) < <(le64 0)
            put region "$offset" < <(le64 "$word")
            tell receiver hear
        else
            put region "$offset" < <(le64 "$word")
            tell sender flood 100000
        fi
        answers "$who" "rubbish: the *, or a program that overwrote its bytes, sent rubbish: $text"
        hang_up
    done
}

@test "a word that is overwritten once, with an earlier value: neither side waits for ever" {
    table=( # the side that wrote it, its offset
        "sender|$WRITTEN_AT"
        "receiver|$READ_AT"
        "receiver|$ACCEPTED_AT"
    )
    for row in "${table[@]}"; do
        IFS='|' read -r who offset <<<"$row"
        echo "$row"
        fresh region 16M
        opened 0
        tell sender say hello
        answers sender ok
        if [ "$who" = receiver ]; then
            tell receiver hear
            answers receiver 'ok hello'
            tell receiver accept 17
            answers receiver ok
        fi
        put region "$offset" < <(le64 0)
        tell receiver hear
        tell sender accepted "$([ "$offset" = "$READ_AT" ] && echo 17 || echo 0)"
        answers "$who" "rubbish: another program overwrote what we wrote for the * of channel 0"
        hang_up
    done
}

@test "a word that is overwritten once: one that looks without waiting notices, too" {
    opened 0
    put region "$READ_AT" < <(le64 1)
    tell receiver glance 40
    answers receiver "rubbish: another program overwrote what we wrote for the sender of channel 0"
}

@test "the seat is taken, nobody comes, a name that is none: one line" {
    opened taken
    for row in send:sending recv:receiving; do
        PATIENCE=2000 talks third taken "${row%:*}"
        answers third "failed: another program is ${row#*:} on channel taken; choose another channel"
        rm third.in
    done
    export PATIENCE=100
    talks third alone recv
    answers third 'late: '
    rm third.in
    talks third 'two words' send
    answers third "failed: area 'two words': a name has *"
}
