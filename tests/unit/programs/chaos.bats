#!/usr/bin/env bats
# shellcheck disable=SC2034,SC2154 # what stream.bash uses; what bats sets
# __chaos: it misbehaves where it was told to, and nowhere else.

load stream.bash

# In a region of 16 MiB: the first area, the words of channel 3, and its ring.
AREA_AT=$((0x500000)) AREA_SIZE=10001
WORDS_AT=$((0x23000)) WORDS_SIZE=$((0x1000)) RING3_AT=$((0x280000)) RING3_SIZE=$((0x80000))

setup_file() {
    build_programs
    compile_sanitized __kit kit.c
}

# Two areas side by side. These, and all from 1 MiB on, have 0x55 in each byte.
setup() {
    begin_region 16M
    area frames "$AREA_SIZE"
    area other 5000
    head -c 15M /dev/zero | tr '\0' U | put region "$MIB"
}

# area NAME SIZE: makes it, as a program of the user's does.
area() {
    __kit -f region --size "$2" --area "$1" </dev/null >/dev/null
}

# changed FROM SIZE: prints how many bytes of the region there are not as they were in the file 'before'.
changed() {
    cmp -l -i "$1" -n "$2" before region | wc -l
}

# changed_only FROM SIZE [FROM SIZE]: bytes were changed there, and none elsewhere.
changed_only() {
    local inside=0 all
    all=$(changed 0 $((16 * MIB)))
    while (($#)); do
        (($(changed "$1" "$2") > 0)) || failure "nothing was changed from $1 on"
        inside=$((inside + $(changed "$1" "$2")))
        shift 2
    done
    ((inside == all)) || failure "$((all - inside)) bytes elsewhere were changed"
}

# --- What it refuses ----------------------------------------------------------

@test "__chaos: without the name of an area, or with a wrong command line: status 2, nothing touched" {
    cp region before
    refuses_each <<'END_OF_LIST'
        name the AREA to write to, or channel:N
            __chaos -f region
        name the AREA to write to, or channel:N
            __chaos -f region -n 5 --seed 7
        channel: 8: a whole number from 0 to 7 is needed
            __chaos -f region channel:8
        channel: : a whole number from 0 to 7 is needed
            __chaos -f region channel:
        -n is a number of acts, -t a time: give one or the other
            __chaos -f region -n 5 -t 5 frames
        --only: 'frames' is an area, which has bits, counts and replay
            __chaos -f region --only beats,notices frames
        --only: 'frames' is an area, which has bits, counts and replay
            __chaos -f region --only beats channel:3 frames
        --only noise: one of bits, counts, beats, notices, replay is needed
            __chaos -f region --only bits,noise frames
        --only : one of bits, counts, beats, notices, replay is needed
            __chaos -f region --only bits, frames
        -n 0: a whole number from 1 to 1000000000000 is needed
            __chaos -f region -n 0 frames
        --rate 1000001: a whole number from 0 to 1000000 is needed
            __chaos -f region --rate 1000001 frames
        --seed -1: a whole number from 0 to 18446744073709551615 is needed
            __chaos -f region --seed -1 frames
END_OF_LIST
    cmp region before
}

@test "__chaos: an area that is not there is not made: status 1, nothing touched" {
    cp region before
    for name in absent frame frames2 '' "$(printf 'x%.0s' {1..100})"; do
        complains 1 "there is no area '$name'" __chaos -f region -n 5 "$name"
        complains 1 "there is no area '$name'" __chaos -f region -n 5 frames "$name"
    done
    cmp region before
    fresh empty 16M
    complains 1 "there is no area 'frames'" __chaos -f empty -n 5 frames
    fresh small 1M
    complains 1 "there is no area 'frames'" __chaos -f small -n 5 frames
    complains 1 'channel:3: the region has 1 MiB, but channels need 4 MiB' __chaos -f small -n 5 channel:3
    cmp -n "$MIB" small /dev/zero
    cmp -n "$((16 * MIB))" empty /dev/zero
}

@test "__chaos: a region of another size, or a directory with rubbish: nothing touched" {
    truncate -s 32M region
    cp region before
    complains 1 'the region is in use for 16777216 bytes' __chaos -f region -n 5 channel:3
    cmp region before
    truncate -s 16M region
    le64 $((0xf00000)) | put region $((0xe028)) # the offset of the first area
    cp region before
    complains 5 'the directory of areas has an impossible entry' __chaos -f region -n 5 frames
    le64 "$AREA_AT" 0 | put region $((0xe028))
    cp region before
    complains 5 "the area 'frames' has 0 bytes" __chaos -f region -n 5 frames
    le64 "$AREA_AT" 7 | put region $((0xe028))
    cp region before
    complains 1 "the area 'frames' has no room for a count" __chaos -f region -n 5 --only counts frames
    cmp region before
}

# --- Where it writes ----------------------------------------------------------

@test "__chaos AREA: changes bytes of that area, and none outside of it" {
    cp region before
    succeeds __chaos -f region --rate 0 -n 200000 frames
    changed_only "$AREA_AT" "$AREA_SIZE"
}

@test "__chaos channel:N: changes the words and the ring of that channel, and no byte outside" {
    cp region before
    succeeds __chaos -f region --rate 0 -n 20000 channel:3
    changed_only "$WORDS_AT" "$WORDS_SIZE" "$RING3_AT" "$RING3_SIZE"
}

@test "__chaos: several names: changes bytes of each, and no other" {
    cp region before
    succeeds __chaos -f region --rate 0 -n 20000 other channel:3
    changed_only $((AREA_AT + 0x3000)) 5000 "$WORDS_AT" "$WORDS_SIZE" "$RING3_AT" "$RING3_SIZE"
}

@test "__chaos: the smallest areas" {
    for size in 1 7 8 4097; do
        area "small$size" "$size"
    done
    cp region before
    succeeds __chaos -f region --rate 0 -n 5000 --seed 1 small1 small7 small8 small4097
    changed_only $((AREA_AT + 0x5000)) 1 $((AREA_AT + 0x6000)) 7 $((AREA_AT + 0x7000)) 8 $((AREA_AT + 0x8000)) 4097
}

@test "__chaos: waits for no claim" {
    # SHMEM_CLAIM_AREAS, and the area's own.
    le64 $((0x123456780001)) | tee >(put region $((64 * 3))) >(put region $((0xe040))) >/dev/null
    succeeds __chaos -f region -n 5 frames
    same '' "$stderr"
}

# --- What it does -------------------------------------------------------------

@test "__chaos: each kind occurs, and is counted; --only leaves out the others" {
    succeeds __chaos -f region -n 500 --rate 0 --json channel:3
    jq -se '.[1] | .record == "chaos" and .acts == 500 and .areas == ["channel:3"] and
        .bits > 0 and .counts > 0 and .beats > 0 and .notices > 0 and .replay > 0 and
        .bits + .counts + .beats + .notices + .replay == 500' <<<"$output"
    succeeds __chaos -f region -n 500 --rate 0 --json frames
    jq -se '.[1] | .bits > 0 and .counts > 0 and .replay > 0 and .bits + .counts + .replay == 500' <<<"$output"
    for kind in bits counts beats notices replay; do
        succeeds __chaos -f region -n 20 --rate 0 --json -v --only "$kind" channel:3
        jq -se --arg kind "$kind" '.[-1][$kind] == 20 and (map(select(.record == "act")) | length == 20 and
            all(.kind == $kind and .area == "channel:3"))' <<<"$output"
    done
    succeeds __chaos -f region -n 20 --rate 0 --only counts,replay channel:3
    [[ $output =~ '20 acts in channel:3 (seed '[0-9]+'): 0 bits, '[1-9][0-9]*' counts, 0 beats, 0 notices, '[1-9] ]]
}

@test "__chaos --only: counts, beats and notices are where a channel has them; all their values occur" {
    while read -r kind places values; do
        fresh region 16M
        succeeds __chaos -f region -n 2000 --rate 0 -v --seed 1 --only "$kind" channel:3
        same "${places//,/$'\n'}" "$(awk -v kind="$kind" '$2 == kind { print $1 }' <<<"$output" | sort -u)"
        for value in ${values//,/ }; do
            [[ $output =~ $kind\ $value($'\n'|$) ]] || failure "no value of $kind is like $value"
        done
    done <<'END_OF_LIST'
        counts 0x23008,0x23048,0x23080,0x23100,0x23180,0x23188,0x231c0,0x231c8,0x231d0,0x23208,0x23210,0x23218,0x23288,0x23290,0x23298 0x[0-9a-f]+.->.0x0{16},0x[0-9a-f]+.->.0x0{15}1,0x[0-9a-f]+.->.0xf{16},0x[0-9a-f]+.->.0x0{5}10{10},0xf{16}.->.0xf{15}e,0x0{15}1.->.0x0{15}2,0x0{16}.->.0x80{15},0x0{16}.->.0xf{12}[0-9a-e]{4}
        beats 0x23000,0x23040 0x0{16}.->.0x0{15}1,0x[0-9a-f]+.->.0x0{16},0x[0-9a-f]+.->.0x[1-9a-f][0-9a-f]{15}
        notices 0x23200,0x23280 0x[0-9a-f]+.->.0x0{16},0x[0-9a-f]+.->.0x[0-9a-f]{8}000[0-9a-f]000[0-7],0x[0-9a-f]+.->.0x0{8}[0-9a-f]{8}
END_OF_LIST
}

@test "__chaos --only bits: one byte at a time, and it changes" {
    cp region before
    succeeds __chaos -f region -n 200 --rate 0 -v --only bits frames
    refuted grep -vE '^0x50[0-9a-f]{4} bits 0x(..) -> 0x(..)$' < <(grep -e '->' <<<"$output")
    refuted grep -E 'bits 0x(..) -> 0x\1$' <<<"$output"
    (($(changed "$AREA_AT" "$AREA_SIZE") > 100))
}

# replayed: the area is no longer all zeros?
replayed() {
    ! cmp -s -i "$AREA_AT:0" -n "$AREA_SIZE" region /dev/zero
}

@test "__chaos --only replay: bytes come back as they were, and no others come" {
    cp region before
    background chaos __chaos -f region -t 1000 -v --only replay frames
    wait_until_said out.chaos replay
    same 0 "$(changed 0 $((16 * MIB)))"
    head -c "$AREA_SIZE" /dev/zero | put region "$AREA_AT"
    wait_until replayed
    kill "$chaos"
    ends chaos 0
    refuted grep -E -- '-> .*([^05]|05|50)' out.chaos
}

@test "__chaos --seed: the same acts in the same places; without it, others" {
    acts() { __chaos -f "$1" -n 300 --rate 0 -v "${@:2}" frames channel:3 channel:5; }
    places() { awk '/->/ { print $1, $2 }' "$1"; }
    cp region same
    cp region other
    head -c 100K /dev/urandom | put other "$AREA_AT"
    acts region --seed 7 >one
    acts same --seed 7 >two
    acts other --seed 7 >three
    acts same --seed 8 >four
    cmp one two
    cmp <(places one) <(places three)
    refuted cmp <(places one) <(places four)
    acts region >five
    acts region >six
    refuted cmp <(places five) <(places six)
    read -r _ seed <five
    cp other region
    acts region --seed "$seed" >seven
    cmp <(places five) <(places seven)
    same "$(head -n 1 five)" "$(head -n 1 seven)"
}

@test "__chaos -v: says what was there and what is there now; --json has the same" {
    cp region before
    succeeds __chaos -f region -n 1 --seed 3 -v --only counts frames
    read -r at kind before _ after <<<"${lines[2]}"
    same "0x$(word before "$at") 0x$(word region "$at")" "$before $after"
    succeeds __chaos -f region -n 1 --seed 3 -v --only bits --json frames
    jq -se '.[0].record == "seed" and .[0].seed == 3 and .[1].record == "act" and .[2].record == "chaos" and .[2].seed == 3' <<<"$output"
    at=$(jq -r 'select(.record == "act").offset' <<<"$output")
    same "0x$(od -An -tx1 -j "$at" -N 1 region | tr -d ' ')" "$(jq -r 'select(.record == "act").after' <<<"$output")"
}

@test "__chaos: Ctrl-C and SIGTERM end it, with what it did" {
    for signal in INT TERM; do
        background chaos __chaos -f region -t 1000 --seed 7 -v frames
        wait_until_said out.chaos ' counts '
        kill -s "$signal" "$chaos"
        ends chaos 0
        [[ $output =~ $'\n'[1-9][0-9]*' acts in frames (seed 7): '[0-9]+' bits, '[0-9]+' counts, 0 beats, 0 notices, '[0-9]+' replay'$ ]]
    done
}

# --- A protocol against it ----------------------------------------------------

# over NAME: the background process NAME has ended?
over() {
    [ ! -e "/proc/${!1}/exe" ]
}

# ends_as_documented NAME...: each ends by itself, with a status that __stream -h has.
ends_as_documented() {
    local name
    for name; do
        wait_until over "$name"
        await "$name"
        [[ $status =~ ^[013456]$ ]] || failure "$name ended with $status"
    done
}

# attack SEED: __chaos on channel 3, until it is ended.
attack() {
    background chaos __chaos -f region -t 1000 --seed "$1" channel:3
    wait_until_said out.chaos 'channel:3: words'
}

@test "__stream under attack ends as documented; one on another channel is not disturbed" {
    for seed in 1 2 3; do
        fresh region 16M
        for channel in 3 5; do
            background "recv$channel" __stream recv -f region -c "$channel"
            background "send$channel" __stream send -f region -c "$channel" -n 256M
            wait_until other_word $((0x201c8 + channel * 0x1000)) 0000000000000000 # accepted
        done
        attack "$seed"
        ends_as_documented send3 recv3
        ends send5 0
        prints '268435456 bytes verified'
        ends recv5 0
        kill -INT "$chaos"
        ends chaos 0
    done
}

@test "__stream that meets under attack ends as documented" {
    for seed in 4 5 6; do
        fresh region 16M
        attack "$seed"
        background recv __stream recv -f region -c 3 -w 1
        background send __stream send -f region -c 3 -w 1 -t 1000
        ends_as_documented send recv
        kill -INT "$chaos"
        ends chaos 0
    done
}
