#!/usr/bin/env bats
# shellcheck disable=SC2016,SC2034,SC2154 # what perl and other shells expand; what stream.bash uses; what bats sets
# __shmem watch: it sees what the programs do in the region, and changes nothing there.

load stream.bash

# In the region: the seats of channel 0, the words of its session, and of its sleeps (struct shmem_channel_words); the server's line.
SENDER_AT=$((0x20000)) AGREED_AT=$((0x20008)) RECEIVER_AT=$((0x20040)) RECEIVER_AGREED_AT=$((0x20048))
SENDER_READY_AT=$((0x20180)) RECEIVER_READY_AT=$((0x201c0)) SEND_NOTICE_AT=$((0x20200)) RECV_NOTICE_AT=$((0x20280))
SERVER_AT=$((0xfc0))

# Its answer that the table of peers is there; a session number; the notice of peer 0's seventh sleep, on vector 0.
ANSWER=0x7ac5930f1d8e0001 SESSION=0x1234567800000000 NOTICE=0x700000000

setup_file() {
    build_programs
    build_server
    compile_sanitized holder holder.c
}

# --- Helpers ------------------------------------------------------------------

# watching ARGUMENT...: watches in the background; its records go to out.watch.
watching() {
    background watch __shmem watch --json "$@"
}

# last_record: the last one that is whole.
last_record() {
    sed '/}$/!d' out.watch | tail -n 1
}

# seen FILTER: it holds for the last record? (jq -e of Debian 12 succeeds if there is none.)
seen() {
    [ "$(jq "$1" <<<"$(last_record)" 2>&1)" = true ]
}

# sees FILTER...: each comes to hold for a record.
sees() {
    local filter
    for filter; do
        wait_until seen "$filter"
    done
}

# shows -f FILE LINE: the text comes to have a line that matches.
shows() {
    background text __shmem watch -f "$2"
    wait_until grep -qE -- "$3" out.text
    kill "$text"
    ends text 143
    is_plain
}

# play OFFSET...: somebody sits or holds there: the beats move. $beats is its pid.
play() {
    background beats perl -e 'open my $region, "+<:unix", "region" or die;
        for (my $beat = 1; ; $beat = $beat % 60000 + 1, select undef, undef, undef, 0.02) {
            for (@ARGV) { sysseek $region, $_, 0; syswrite $region, pack "Q<", 0xabcdef0000 | $beat }
        }' "$@"
}

# session WRITTEN READ [ACCEPTED]: both sides of channel 0 have opened a session, and these are its counts.
session() {
    local at
    for at in "$AGREED_AT" "$RECEIVER_AGREED_AT" "$SENDER_READY_AT" "$RECEIVER_READY_AT"; do
        le64 "$SESSION" | put region "$at"
    done
    le64 "$1" | put region "$WRITTEN_AT"
    le64 "$2" | put region "$READ_AT"
    le64 "${3:-0}" | put region "$ACCEPTED_AT"
}

# sleeper NOTICE_AT [NOTICE WANTED]: a side of that session sleeps; without a notice, it is awake.
sleeper() {
    le64 "${2:-0}" "${3:-0}" "$SESSION" | put region "$1"
}

# start_blocked OPTION...: a stream of user data, whose receiver waits until somebody reads its output.
start_blocked() {
    mkfifo unread
    exec {gate}<>unread
    background recv bash -c 'exec __stream recv "$@" >unread' - "$@"
    background send __stream send "$@" </dev/zero
}

# is_plain: each line of the last output is printable, and has at most 79 columns.
is_plain() {
    refuted grep -P '[^ -~]' <<<"$output"
    (($(wc -L <<<"$output") <= 79))
}

random64() {
    printf 0x
    od -An -tx8 -N 8 /dev/urandom | tr -d ' \n'
}

# --- Channels -----------------------------------------------------------------

@test "a stream that flows: its rate, its bytes, and that both sides live" {
    watching -f region
    start_flowing
    sees '.channels[0] | .verdict == "flows" and .mb_per_s > 0 and .sender.state == "held" and
        .receiver.state == "held" and .agreed and .possible and .ring_bytes <= .ring_size and .ring_size == 131072 and
        .read <= .written and .accepted <= .read and .accepted > 0'
    sees '.channels | length == 1'
}

@test "a receiver that lives, but does not read: its output waits for a reader" {
    watching -f region
    start_blocked -f region
    sees '.channels[0] | .verdict == "receiver does not read" and .mb_per_s == 0 and .ring_bytes > 0 and
        .sender.state == "held" and .receiver.state == "held"'
}

@test "a receiver that is stopped: nobody reads" {
    watching -f region
    start_flowing
    kill -STOP "$recv"
    sees '.channels[0] | .verdict == "nobody reads: seat stale" and .receiver.state == "stale" and .receiver.still_s >= 3'
    shows -f region '^   receiver stale [0-9]+ s +no +nobody reads: seat stale$'
}

@test "a receiver that sleeps at the real server: its peer, its vector, and its name if the table is there" {
    local id
    serve
    SEND=(__stream send -f server --sleep) RECV=(__stream recv -f server --sleep)
    start_gated
    wait_until other_word "$RECV_NOTICE_AT" 0000000000000000
    id=$((0x$(word region "$RECV_NOTICE_AT") >> 16 & 0xffff))
    watching -f server
    sees ".channels[0] | .verdict == \"sender does not write\" and .receiver.asleep and .receiver.peer == $id and
        .receiver.vector == 0 and .receiver.peer_name == null and (.sender.asleep | not)"
    { printf '%b' "\\x$(printf %02x $((id + 1)))\\0\\0\\0"; printf 'vm\e[7%023d' 1; } | put region $((0x2000 + 32 * id))
    le64 "$ANSWER" | put region "$SERVER_AT"
    sees '.channels[0].receiver.peer_name == "vm?[700000000000000000000001"'
    shows -f server "^   receiver held         $id.0 vm\\?\\[7000 +sender does not write$"
}

@test "a sender that sleeps: how many bytes must be read until it is rung" {
    serve
    watching -f server
    start_blocked -f server --sleep
    sees '.channels[0] | .verdict == "receiver does not read" and .sender.asleep and .sender.missing > 0 and
        .sender.missing <= .ring_size and .sender.wanted == .read + .sender.missing'
    shows -f server '^ 0 sender   held         [0-9]+\.0 \+[0-9]+ '
}

@test "each verdict about the words of a session" {
    local verdict counts receiver sender
    watching -f region
    play "$SENDER_AT" "$RECEIVER_AT"
    sees '.channels[0].verdict == "no session yet"'
    while IFS='|' read -r verdict counts receiver sender; do
        # shellcheck disable=SC2086 # several numbers
        {
            session $counts
            sleeper "$RECV_NOTICE_AT" $receiver
            sleeper "$SEND_NOTICE_AT" $sender
        }
        sees ".channels[0].verdict == \"$verdict\""
    done <<END
sender does not write|1000 1000
receiver does not read|1000 999
receiver asleep, not rung|1000 999|$NOTICE 0
sender does not write|1000 1000|$NOTICE 0|$NOTICE 1001
sender asleep, not rung|1000 1000||$NOTICE 1000
impossible|1000 1001
sender does not write|1000 1000
impossible|$((1000 + 131073)) 1000
sender does not write|1000 1000
impossible|1000 1000 1001
sender does not write|1000 1000
impossible|1000 1000||1 0
sender does not write|1000 1000
impossible|1000 1000||$((NOTICE | 64)) 0
sender does not write|1000 1000
impossible|1000 1000||$NOTICE $((1000 + 131073))
sender does not write|1000 1000
END
}

@test "each verdict about the seats" {
    watching -f region
    session 1000 1000
    sees '.channels[0].verdict == "idle"'
    play "$SENDER_AT"
    sees '.channels[0] | .verdict == "no receiver there" and .sender.state == "held"'
    le64 $((3 << 20 | 1)) | put region "$RECEIVER_AT"
    sees '.channels[0].verdict == "nobody reads: seat stale"'
    kill -9 "$beats"
    await beats
    sees '.channels[0].verdict == "both seats stale"'
    play "$RECEIVER_AT"
    sees '.channels[0].verdict == "nobody writes: seat stale"'
    le64 0 | put region "$SENDER_AT"
    sees '.channels[0].verdict == "no sender there"'
    le64 $((3 << 20)) | put region "$SENDER_AT" # a beat of 0
    sees '.channels[0] | .verdict == "impossible" and .sender.state == "impossible"'
}

@test "counts that move faster than any memory are impossible: no rate, and no bytes" {
    watching -f region
    play "$SENDER_AT" "$RECEIVER_AT"
    session 0 0
    sees '.channels[0] | .verdict == "sender does not write" and .mb_per_s == 0'
    background faster perl -e 'open my $region, "+<:unix", "region" or die;
        for (my $count = 1; ; $count += 1 << 40, select undef, undef, undef, 0.2) {
            for (@ARGV) { sysseek $region, $_, 0; syswrite $region, pack "Q<", $count }
        }' "$WRITTEN_AT" "$READ_AT"
    sees '.channels[0] | .verdict == "impossible" and .mb_per_s == null and (has("ring_bytes") | not)'
}

# --- Claims and meetings --------------------------------------------------------

@test "a claim: free, held while its holder's beat moves, stale after that was killed, free again" {
    watching -f region
    sees '[.claims[] | .name, .state] == ["message", "free", "bandwidth", "free", "example", "free", "areas", "free"]'
    mkfifo renewals
    background renewer perl -e '$| = 1; open STDOUT, ">", "renewals" or die;
        for (;;) { print "x"; select undef, undef, undef, 0.05 }'
    background holder holder -f region <renewals
    sees '.claims[0] | .state == "held" and .still_s == 0'
    kill -9 "$holder"
    sees '.claims[0] | .state == "stale" and .still_s >= 3'
    shows -f region '^claims: message stale [0-9]+ s, bandwidth free,'
    __read_write -f region
    sees '.claims[0].state == "free"'
}

@test "claims without a name, and rows of seats: what is taken, and whether it agrees" {
    local seat
    watching -f region
    le64 $((5 << 20 | 1)) | put region $((40 * 64))
    sees '.claims[] | select(.claim == 40) | .name == null and .state == "stale"'
    play $((0x40000)) $((0x40040))
    sees '.meetings | length == 1' '.meetings[0] | .name == "__stress" and (.agreed | not)'
    for seat in 0 1; do le64 "$SESSION" | put region $((0x40008 + 64 * seat)); done
    sees '.meetings[0] | .agreed and [.seats[].state][0:3] == ["held", "held", "free"] and (.seats | length) == 16'
    shows -f region '^        claim 40 stale [0-9]+ s$'
    shows -f region '^__stress           14 free, 2 held, in one session$'
}

@test "the seats are where the programs sit" {
    local name
    watching -f region
    background stress __stress -f region -w 1000 -n 3
    background latency __latency -f region -w 1000
    background matrix __latency -f region -w 1000 --matrix 3
    sees '[.meetings[] | select(.seats[0].state == "held") | .name] == ["__latency", "__latency --matrix", "__stress"]'
    for name in stress latency matrix; do
        kill "${!name}"
        await "$name"
    done
    sees '.meetings == []'
    serve
    background doorbell __doorbell -f server test -t 1000
    sees '[.meetings[] | .name, .seats[0].state] == ["__doorbell test", "held"]'
}

# --- Hostile words, and what it must not do --------------------------------------

@test "random bytes all over: 24 printable lines of at most 79 columns" {
    for _ in 1 2 3; do
        head -c 4M /dev/urandom >region
        le64 "$ANSWER" | put region "$SERVER_AT"
        succeeds __shmem watch -f region -t 0.3
        same '' "$stderr"
        is_plain
        same 24 "${#lines[@]}"
    done
}

@test "random counts and notices in a session: impossible" {
    play "$SENDER_AT" "$RECEIVER_AT"
    for _ in 1 2 3 4 5; do
        head -c 4K /dev/urandom | put region $((0x2000))
        session "$(random64)" "$(random64)" "$(random64)"
        sleeper "$SEND_NOTICE_AT" "$(random64)" "$(random64)"
        sleeper "$RECV_NOTICE_AT" "$(random64)" "$(random64)"
        le64 "$ANSWER" | put region "$SERVER_AT"
        succeeds __shmem watch -f region -t 0.3
        same '' "$stderr"
        is_plain
        grep -qE '^ 0 sender   .* impossible +- +-$' <<<"$output"
        grep -qE '^   receiver .* impossible$' <<<"$output"
    done
}

@test "it changes no byte, and could not: the mapping is for reading only" {
    head -c 4M /dev/urandom >region
    cp region before
    watching -f region
    sees '.channels | length == 8'
    serve
    background through __shmem watch -f server
    wait_until_said out.through 'both seats stale'
    for pid in "$watch" "$through"; do
        grep -qE ' r--s .*/region$' "/proc/$pid/maps"
        refuted grep -E ' .w.. .*/region$' "/proc/$pid/maps"
    done
    cmp region before
}

@test "a region that is too small for streams, and a device" {
    fresh region 3M
    succeeds __shmem watch -f region -t 0.1
    same 'region of 3072 KiB, mapping file, rings of 0 bytes, watched for 0 s' "${lines[0]}"
    same 2 "${#lines[@]}"
    ivshmem 0000:00:04.0 0xf0000000 $((4 * MIB))
    succeeds __shmem watch -d 0000:00:04.0 -t 0.1
    prints 'region of 4096 KiB, mapping uc,'
}

# --- Command line and output -----------------------------------------------------

@test "-t ends it; without a terminal, block after block and no escape codes" {
    succeeds __shmem watch -f region -t 0.5
    same 'region of 4096 KiB, mapping file, rings of 131072 bytes, watched for 0 s
claims: message free, bandwidth free, example free, areas free' "$output"
    shows -f region ', watched for 2 s$'
    same 'claims: message free, bandwidth free, example free, areas free' "$(sort -u <<<"$output" | grep -v '^region' | xargs)"
}

@test "--json: a record each time, of the region and of the time" {
    succeeds __shmem -f region --json -t 0.5 watch
    jq -e '.record == "watch" and .region_bytes == 4194304 and .meetings == [] and .channels == [] and .watched_s > 0' \
        <<<"$output"
    watching -f region
    sees '.watched_s > 0'
    first=$(last_record | jq .watched_s)
    sees ".watched_s > $first"
}

@test "on a terminal: one screen that is redrawn; q ends it, and gives the terminal back" {
    mkfifo keys
    exec {gate}<>keys
    background screen script -qec '__shmem watch -f region; echo "status $?"; stty -a' /dev/null <keys
    wait_until_said out.screen $'\e[H\e[Jregion of 4096 KiB'
    printf q >keys
    wait_until_said out.screen 'status 0'
    wait_until_said out.screen ' icanon '
    wait_until_said out.screen ' echo '
}

@test "on a terminal: Ctrl-C ends it, leaves the screen, and gives the terminal back" {
    mkfifo keys
    exec {gate}<>keys
    background screen script -qec 'trap : INT; __shmem watch -f region; echo "status $?"; stty -a' /dev/null <keys
    wait_until_said out.screen 'areas free'
    printf '\003' >keys
    wait_until_said out.screen 'status 130'
    wait_until_said out.screen ' icanon '
    [[ $(tr -d '\r' <out.screen) == *$'areas free\nstatus 130\n'* ]]
}

@test "a wrong command line: one line, status 2" {
    refuses_each <<'END'
        'look' is not watch
            __shmem -f region look
        -t is for watch
            __shmem -f region -t 1
        -t 0: seconds are needed
            __shmem -f region watch -t 0
        --inject is not for watch
            __shmem -f region watch --inject loads
        unexpected argument 'more'
            __shmem -f region watch more
END
    complains 1 'cannot open absent' __shmem watch -f absent
}
