#!/usr/bin/env bats
# shellcheck disable=SC2154 # what bats sets
# What the region says of itself, and its named areas.

load prog.bash

setup_file() {
    build_programs
    compile_sanitized __kit kit.c
}

# --- The header ---------------------------------------------------------------

VERSION=$(sed -n 's/^enum { SHMEM_LAYOUT_VERSION = \([0-9]*\) };$/\1/p' "$PROG/layout.h")

@test "the region's header: a program for another size says who has which, and changes nothing" {
    succeeds __read_write -f region
    truncate -s 2M region
    cp region before
    for line in '__kit -f region --meet 2' '__read_write -f region hello'; do
        read -ra command <<<"$line"
        complains 1 "in use for 1048576 bytes, layout $VERSION, by programs of $(hostname), but this one is for 2097152 bytes, \
layout $VERSION" "${command[@]}"
        says './run.sh clear'
    done
    cmp region before
    truncate -s 1M region
    succeeds __read_write -f region hello
}

@test "the region's header: a program of another layout" {
    succeeds __read_write -f region
    header=$(word region 0xf80)
    le64 $((16#$header + (1 << 36))) | put region $((0xf80))
    complains 1 "layout $((VERSION + 1)), by programs of" __read_write -f region hello
    fresh region
    succeeds __read_write -f region
    same "$header" "$(word region 0xf80)"
}

@test "the region's header: data of others in its place is overwritten, and its name is not trusted" {
    head -c 64 /dev/urandom | tr '\000-\377' '\001\033' | put region $((0xf80))
    succeeds __read_write -f region
    header=$(word region 0xf80)
    le64 $((16#$header + 1)) | put region $((0xf80))
    printf '\033[31m%056d' 0 | tr 0 '\033' | put region $((0xf88))
    complains 1 'by programs of another VM' __read_write -f region hello
}

# --- Named areas --------------------------------------------------------------

# area NAME SIZE [OPTION...]: runs __kit on that area, and holds its claim for a moment.
area() {
    __kit -f region --size "$2" "${@:3}" --area "$1" </dev/null
}

# no_area TEXT NAME SIZE: there is none, and the message says so.
no_area() {
    fails 1 area "${@:2}"
    says "$1"
}

@test "areas: a name is the same room for all, another name is other room" {
    truncate -s 16M region
    for line in 'one 100 5242880 0' 'two 1M 5246976 0' 'one 100 5242880 1' 'three 1 6295552 0' 'two 1M 5246976 1'; do
        read -r name size offset byte <<<"$line"
        succeeds area "$name" "$size"
        same "at $offset, $(numfmt --from=iec "$size") bytes, $byte" "${lines[1]}"
    done
    untouched 0x100000 0x500000
    untouched $((8 * MIB)) $((16 * MIB))
}

@test "areas: each has a claim of its own" {
    truncate -s 16M region
    mkfifo pipe
    background one bash -c '__kit -f region --size 1 --area one <pipe'
    exec {gate}>pipe
    wait_until_said out.one 'at 5242880'
    succeeds area two 1
    no_area 'another VM holds one' one 1 # does not wait for long
    exec {gate}>&-
    background_ended one 0
    succeeds area one 1
}

@test "areas: another size, no room, no name" {
    truncate -s 16M region
    succeeds area one 1M
    no_area "area 'one' has 1048576 bytes already, not 4096" one 4K
    no_area "area 'two': 2097153 bytes do not fit, 2097152 are left" two 2097153
    no_area "area 'two': 18446744073709551615 bytes do not fit" two 18446744073709551615
    succeeds area two 2M
    no_area "area 'three': 1 bytes do not fit, 0 are left" three 1
    no_area '1 to 39 printable characters' 'a b' 1
    no_area '1 to 39 printable characters' "$(printf '%040d' 0)" 1
    fresh region 8M
    no_area 'a region of 8 MiB has no room for areas; set SHMEM_SIZE=16M' one 1
}

@test "areas: 31 of them, then no more" {
    truncate -s 16M region
    for i in {1..31}; do succeeds area "name$i" 1; done
    no_area 'the region has 31 areas, and room for no more' name32 1
    succeeds area name31 1
    same 1 "${lines[1]##* }"
}

@test "areas: what another program wrote into the directory is checked" {
    truncate -s 16M region
    for entry in '8388609 4096' '8388608 1' '5242881 1' '4096 1' '5242880 3145729' '18446744073709547520 8192'; do
        read -r offset size <<<"$entry"
        { printf '%-40s' one | tr ' ' '\0'; le64 "$offset" "$size"; } | put region $((0xe000))
        fails 5 area one "$size"
        says 'an impossible entry'
    done
}
