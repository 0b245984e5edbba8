#!/usr/bin/env bats
# shellcheck disable=SC2034,SC2154,SC2164 # what server.bash uses; what bats sets
# What the ivshmem server writes into the region, and what it does not; and its list of peers in a file.

bats_require_minimum_version 1.5.0
load server.bash

# --- The table and the listing

@test "the listing, and the table when it is wanted, list the connected peers" {
    tr '\0' '\377' </dev/zero | head -c 4096 | put region $TABLE # as another program may have left it
    serve
    refuted test -s peers
    start_client
    tell 'connect a' 'connect b' 'connect c' 'until a 1 2' 'id a' 'close b' 'until c 0' 'id c'
    wait_until_said out.client 2
    same "$(lines "0 $client" "2 $client")" "$(cat peers)"
    want_table
    same '1 0 3 0' "$(connected 0) $(connected 1) $(connected 2) $(connected 3)"
    same 0000000000000008 "$(word region $((LINE + 8)))"
    same '' "$(name_of 0)"
    cmp -n $((ENTRY * 125)) -i $((TABLE + ENTRY * 3)):0 region /dev/zero

    # Once for each time that it is wanted.
    tell 'close c' 'until a' 'connect d' 'until d 0' 'id d'
    wait_until_said out.client 3
    same '1 0 3 0' "$(connected 0) $(connected 1) $(connected 2) $(connected 3)"
    want_table
    same '1 0 0 4' "$(connected 0) $(connected 1) $(connected 2) $(connected 3)"
    served
    same '1 0 0 4' "$(connected 0) $(connected 1) $(connected 2) $(connected 3)"
}

@test "what guests write into the table changes nothing but the table" {
    serve
    start_client
    tell 'connect a' 'connect b' 'until a 1' 'id a'
    wait_until_said out.client 0
    tr '\0' '\377' </dev/zero | head -c 4096 | put region $TABLE
    tell 'connect c' 'until c 0 1' 'id c'
    wait_until_said out.client 2
    same "$(lines 0 1 2)" "$(cut -d ' ' -f 1 peers)"
    want_table
    same '1 2 3 0' "$(connected 0) $(connected 1) $(connected 2) $(connected 3)"
    served
}

@test "the table has the names of the VMs, as QEMU's -name gives them" {
    local expected word id
    local -a words
    long=$(printf 'n%.0s' {1..28})
    serve
    while IFS='|' read -r expected word; do
        read -ra words <<<"$word"
        start_client "${words[@]//\~/ }"
        tell 'connect a' 'handshake a' 'id a'
        wait_until test -s out.client
        id=$(<out.client)
        want_table
        same $((id + 1)) "$(connected "$id")"
        same "$expected" "$(name_of "$id")"
        kill -KILL "$client"
        await client
    done <<END
vm1|-name vm1
vm1|-m 16 --name vm1 -S
vm1|-name vm1,debug-threads=on
vm1|-name guest=vm1,process=p
vm1|-name debug-threads=on,guest=vm1
a,b|-name a,,b,process=p
two|-name one -name guest=two
one|-name one -name process=p
guest|-name guest
$long|-name $long
|-name n$long
|-name two~words
|-name ümlaut
|-name $(printf 'v\033[1m')
|-name process=p
|-name guests=vm1
|-name guest=
|-name
|-names vm1
END
    served
}

# --- The region is the users'

# patterned: fills the region with bytes that differ from place to place; the file 'before' has a copy.
patterned() {
    seq 1000000 | head -c $MIB | put region 0
    cp region before
}

@test "no byte of the region changes while peers come, go, and are killed, and when the server ends" {
    patterned
    serve
    cmp before region
    start_client -name vm1
    tell 'connect a' 'connect b' 'until a 1' 'until b 0' 'close b' 'until a' 'id a'
    wait_until_said out.client 0
    cmp before region
    peers <<<'churn 300'
    kill -KILL "$client"
    await client
    wait_until grep -qF 'peer 0 left' err.server
    cmp before region
    served
    cmp before region

    serve
    start_client
    tell 'connect a' 'handshake a' 'id a'
    wait_until_said out.client 0
    kill -KILL "$server"
    await server
    cmp before region
}

@test "words that are nearly the wish for the table are left alone, too" {
    patterned
    for word in $((WANTED + 1)) $((WANTED ^ 1 << 63)) 0 -1 $((0x${ANSWER}0001)); do
        le64 "$word" | put region $LINE
        le64 $WANTED | put region $((LINE + 8)) # the right word at a wrong place
        cp region before
        serve
        peers <<<'churn 50'
        peers <<<'crowd 10'
        served
        cmp before region
    done
}

@test "when a program wants the table, only its page and the server's line change" {
    patterned
    serve
    start_client -name vm1
    tell 'connect a' 'handshake a' 'id a'
    wait_until_said out.client 0
    want_table
    peers <<<'churn 100'
    served
    cmp -n $LINE before region
    cmp -i $((LINE + 16)) -n $((TABLE - LINE - 16)) before region
    cmp -i $((TABLE + 4096)) before region
    same 'vm1' "$(name_of 0)"
}

@test "a file of the region that another program cuts short does not end the server" {
    serve
    start_client
    tell 'connect a' 'handshake a' 'id a'
    wait_until_said out.client 0
    for size in 0 $((LINE + 4)); do
        truncate -s "$size" region
        peers <<<'churn 20'
    done
    # There is room for the line, and none for the table.
    truncate -s 4096 region
    le64 $WANTED | put region $LINE
    peers <<<'churn 20'
    truncate -s $MIB region
    wait_until is_answered
    same '1 0' "$(connected 0) $(connected 1)"
    served
}
