#!/usr/bin/env bats
# shellcheck disable=SC2154 # what bats sets
# __doorbell and the library's interrupts. Processes at the ivshmem server's socket take the place of VMs. A fake server breaks
# the protocol.

bats_require_minimum_version 1.5.0
load doorbell.bash

# --- Through the server -------------------------------------------------------

@test "ring and wait: the right peer, the right vector" {
    serve --vectors 3
    waits one 2 -t 30
    waits two 1 -t 30
    succeeds __doorbell -f server ring "$(id_of two)" 2 # nobody waits there
    succeeds __doorbell -f server ring "$(id_of two)" 1
    same '' "$output$stderr"
    background_ended two 0
    same 'vector 1: an interrupt' "$(<out.two)"
    kill -0 "$one"
    succeeds __doorbell -f server ring "$(id_of one)" 2
    background_ended one 0
    same 'vector 2: an interrupt' "$(<out.one)"
}

@test "ring -n, wait -n: the host's interrupts are counted, however they come" {
    serve
    waits one -n 1000 -t 30
    succeeds __doorbell -f server ring "$(id_of one)" -n 1000
    background_ended one 0
    same 1000 "$(sed 's/an interrupt/1 interrupts/' out.one | awk '{ sum += $3 } END { print sum }')"
}

@test "wait -t: status 3 when no interrupt comes, and when too few do" {
    serve
    fails 3 __doorbell -f server wait -t 0.1
    [[ $stderr == *'0 of 1 interrupts came within 0.1 s' ]]
    waits one -n 2 -t 2
    __doorbell -f server ring "$(id_of one)"
    background_ended one 3
    same 'vector 0: an interrupt' "$(<out.one)"
    grep '1 of 2 interrupts came within 2 s' err.one
}

@test "list: the connected peers, their names, and which of them this is" {
    serve --vectors 2
    waits one
    succeeds __doorbell -f server
    same '' "$stderr"
    same 'this is peer 1, each has 2 vectors' "${lines[0]}"
    same '   id  name' "${lines[1]}"
    same "$(id_of one) -" "$(xargs <<<"${lines[2]}")"
    same '1 - this one' "$(xargs <<<"${lines[3]}")"
    same 4 "${#lines[@]}"
    kill -9 "$one"
    wait_until peer_left 0
    succeeds __doorbell -f server list
    same 3 "${#lines[@]}"
}

# peer_left ID: it is not in the list?
peer_left() {
    ! __doorbell -f server --json | jq -e "select(.id == $1)" >/dev/null
}

@test "--json: a record each" {
    serve
    waits one --json
    __doorbell -f server --json | jq -se 'map(select(.record == "peer" and .program == "__doorbell")) |
        length == 2 and .[0].id == 0 and .[0].this_one == false and .[0].name == null and
        .[1].this_one and .[1].name == null and (map(.vectors == 8) | all)'
    __doorbell -f server --json ring 0 | jq -e '.record == "rung" and .peer == 0 and .vector == 0 and .count == 1'
    await one
    jq -e '.record == "interrupt" and .vector == 0 and .count == 1' out.one
}

# vm NAME: a QEMU of that name joins, without a guest.
vm() {
    background qemu qemu-system-x86_64 -name "$1" -M pc,accel=tcg -S -m 16 -nodefaults -display none \
        -chardev socket,path=server,id=server -device ivshmem-doorbell,chardev=server,vectors=2 </dev/null
    wait_until grep -q " $qemu\$" peers
}

@test "VMs have the names of their QEMU: list, ring by name, a name of two VMs" {
    command -v qemu-system-x86_64 >/dev/null || skip 'qemu-system-x86_64 is not installed'
    serve --vectors 2
    vm vm7
    succeeds __doorbell -f server
    same '0 vm7' "$(xargs <<<"${lines[2]}")"
    succeeds __doorbell -f server ring vm7 1
    succeeds __doorbell -f server --json ring vm7
    jq -e '.peer == 0' <<<"$output"
    vm vm7
    complains 1 'are both named vm7; give the number' __doorbell -f server ring vm7
    succeeds __doorbell -f server ring 0
}

@test "ring: an absent peer, an unknown name, an absent vector" {
    serve --vectors 2
    complains 1 'no peer 77 is connected; to list the peers: __doorbell list' __doorbell -f server ring 77
    complains 1 'no peer vm9 is connected' __doorbell -f server ring vm9
    waits one
    waits two
    complains 1 'there is no vector 2: the device has 2, from 0 to 1' __doorbell -f server ring "$(id_of two)" 2
    complains 1 'there is no vector 2' __doorbell -f server wait 2
}

@test "a server that ends: connected peers still ring each other" {
    serve
    waits one -n 2 -t 30
    background test1 __doorbell -f server test -n 20000
    background test2 __doorbell -f server test -n 20000
    until [ "$(word region $((0xf080)))" != 0000000000000000 ]; do sleep .01; done
    kill "$server"
    await server
    background_ended test1 0
    grep 'none was lost' out.test1
    background_ended test2 0
    wait_until_said err.one 'has ended: connected peers can still ring'
    complains 1 'cannot open server: No such file or directory; is the ivshmem server running?' __doorbell -f server
}

# --- Wake-ups -----------------------------------------------------------------

@test "test: thousands of interrupts, none lost, counted on both sides" {
    serve
    background one __doorbell -f server test -n 3000 --json
    background two __doorbell -f server test -n 3000 --json
    ends one 0
    ends two 0
    cat out.one out.two | jq -se 'length == 2 and all(.record == "doorbell-test" and .lost == 0 and
        .interrupts >= 3000 and .exchanges >= .interrupts and .rings >= 3000)'
    background one "$STATIC/__doorbell" -f server test -n 20000
    background two "$STATIC/__doorbell" -f server test -n 20000
    ends one 0
    ends two 0
    grep -xE '[0-9]+ wake-ups by interrupt in .* s; [0-9]+ exchanges needed none, [0-9]+ interrupts were slow, none was lost' out.one
}

@test "test --inject skip, order: a wake-up that is lost is noticed" {
    serve
    for fault in skip order; do
        background one __doorbell -f server test -n 1000000
        background two __doorbell -f server test -n 1000000 --inject $fault
        ends one 1 'a wake-up was LOST: number '
        grep '1 was LOST$' out.one
        ends two 6 'the other side gave up'
    done
}

# notice_replaced NOTICE: is that notice on neither seat any more? Nobody rang, so the sleeper's deadline has passed.
notice_replaced() {
    [ "$(word region $((0xf100)))" != "$1" ] && [ "$(word region $((0xf280)))" != "$1" ]
}

@test "test: a peer that is stopped before it looks for the notice still finds it later, and rings" {
    serve
    background one __doorbell -f server test -n 300
    background two __doorbell -f server test -n 300 --inject stop
    wait_until_said err.two 'stopping now'
    wait_until notice_replaced "$(sed -n 's/.*under notice //p' err.two)"
    kill -CONT "$two"
    ends one 0
    background_ended two 0
    grep -E ' [1-9][0-9]* interrupts were slow, none was lost$' out.one
}

@test "test: a peer that is stopped there for good has died, and no wake-up was lost" {
    serve
    background one __doorbell -f server test
    background two __doorbell -f server test --inject stop
    ends one 4 'the other side died'
}

@test "test: a side that dies, a side that gives up, a side that stays alone" {
    serve
    background one __doorbell -f server test
    background two __doorbell -f server test --inject die
    ends one 4 'the other side died'
    background_ended two 137
    complains 3 'no other side came within 0.1 s' __doorbell -f server test -t 0.1
}

# --- Every program takes a socket ---------------------------------------------

@test "the other programs take the socket for a region, too" {
    serve
    succeeds __read_write -f server 'through the server'
    succeeds __read_write -f region
    same "Read from shmem: 'through the server'" "${lines[1]}"
    succeeds __shmem -f server
    same 'file      server, 1024 KiB' "${lines[0]}"
    background one __latency -f server -n 200
    succeeds __latency -f region -n 200
    background_ended one 0
}

# --- Hostile servers ----------------------------------------------------------

@test "a server that sends rubbish before we have the memory, with every program" {
    truncate -s 4096 tiny
    mkfifo pipe
    while IFS='|' read -r messages expected; do
        for command in '__doorbell' '__read_write'; do
            # shellcheck disable=SC2086 # words
            fake $messages
            # shellcheck disable=SC2086 # words
            complains 1 "$expected" $command -f server
            await fake
        done
    done <<'END'
1|another version of the protocol
-1|another version of the protocol
0=event|another version of the protocol
0 -1|an id for us that no peer can have
0 65536|an id for us that no peer can have
0 3=event|an id for us that no peer can have
0 3 -1|something other than the memory after the id
0 3 7=region|something other than the memory after the id
0 3 -1=two|more descriptors than there was room for
0 3 -1=event|gave something that is not memory
0 3 -1=pipe|gave something that is not memory
0 3 -1=tiny|has 4096 bytes; a region is whole pages
0 half end|closed the connection before all was set up
end|closed the connection before all was set up
END
}

@test "a server that sends rubbish about peers" {
    while IFS='|' read -r messages expected; do
        # shellcheck disable=SC2086 # words
        fake 0 3 -1=region $messages
        complains 1 "$expected" __doorbell -f server
        await fake
    done <<'END'
-1|an id that no peer can have
65536=event|an id that no peer can have
-9223372036854775808|an id that no peer can have
3|the departure of our own id
4=region|a descriptor for a vector that is not an eventfd
3=region|a descriptor for a vector that is not an eventfd
3=two|more descriptors than there was room for
3=event 2049*4=event|more vectors than a device can have
4=event end|closed the connection before all was set up
END
}

@test "a server that says too little: not for ever" {
    local i messages
    local -a silences=('0 3' '0 3 half' '0 3 -1=region 4=event')
    for i in "${!silences[@]}"; do
        read -ra messages <<<"${silences[i]}"
        background "fake$i" fake-server "server$i" "${messages[@]}"
        wait_until_said "out.fake$i" listening
        background "asks$i" __doorbell -f "server$i"
    done
    for i in "${!silences[@]}"; do
        ends "asks$i" 1 'within 5 s; is it an ivshmem server?'
        await "fake$i"
    done
}

@test "a server of another kind: no table, peers of more vectors, one that leaves" {
    fake 0 3 -1=region 4=event 4=event 5=event 5 9 100*3=event
    succeeds __doorbell -f server
    same 'this is peer 3, each has 64 vectors' "${lines[0]}"
    says 'this server keeps no table of peers, or it has ended; use ids'
    await fake
    for peer in 5 9; do
        fake 0 3 -1=region 4=event 4=event 5=event 5 9 100*3=event
        fails 1 __doorbell -f server ring $peer
        says "cannot look whether peer $peer is connected"
        [[ $stderr == *"peer $peer is not connected any more, or has no vector 0" ]]
        await fake
    done
    fake 0 3 -1=region 4=event 4=event 100*3=event
    succeeds __doorbell -f server ring 4 1
    await fake
    fake 0 3 -1=region 4=event 100*3=event
    complains 1 'cannot look up the name vm1: this server keeps no table of peers, or it has ended; use an id' __doorbell -f server ring vm1
    await fake
    same 0000000000000000 "$(word region $((0xfc0)))" # nobody wants the table any more
}

@test "a foreign server: peers ring and wait by id, test and the other programs work, its own data stay" {
    seq 100000 | head -c 4000 | put region $((0x2000))
    cp region before
    foreign 4
    waits one 3 -t 30
    same 0 "$(id_of one)"
    succeeds __doorbell -f server ring 0 3
    says 'cannot look whether peer 0 is connected'
    background_ended one 0
    same 'vector 3: an interrupt' "$(<out.one)"
    succeeds __doorbell -f server
    prints 'each has 4 vectors'
    cmp before region
    background one __doorbell -f server test -n 1000
    background two __doorbell -f server test -n 1000
    ends one 0
    ends two 0
    succeeds __read_write -f server 'through a foreign server'
    succeeds __read_write -f region
    same "Read from shmem: 'through a foreign server'" "${lines[1]}"
}

@test "a server that pauses while it hands out our vectors: the rest is learnt of" {
    fake 0 3 -1=region 4=event 3*3=event wait=go 5*3=event
    background waiter __doorbell -f server wait 5 -t 30
    sleep .5 # nothing is awaited: the waiter gets time to go wrong
    touch go
    wait_until_said err.waiter 'waiting for vector 5'
    kill "$waiter"
    await waiter
    await fake

    rm go
    answer region # as the lab's server does
    fake 0 3 -1=region 4=event 3*3=event wait=go 5*3=event
    background list __doorbell -f server
    sleep .5
    touch go
    background_ended list 0
    same 'this is peer 3, each has 8 vectors' "$(head -n 1 out.list)"
    await fake

    le64 64 | put region $((0xfc8)) # a wrong number
    fake 0 3 -1=region 2*3=event
    succeeds __doorbell -f server
    same 'this is peer 3, each has 2 vectors' "${lines[0]}"
    await fake

    le64 65 | put region $((0xfc8)) # an impossible one
    fake 0 3 -1=region 2*3=event
    succeeds __doorbell -f server
    same 'this is peer 3, each has 2 vectors' "${lines[0]}"
    await fake
}

@test "a socket without a server, a path that is too long, a file: one line each" {
    serve
    kill -9 "$server"
    await server
    complains 1 'cannot connect to server: Connection refused; is the ivshmem server running' __doorbell -f server
    long=$(printf 'l%.0s' {1..100})
    mkdir "$long"
    mv server "$long/server-at-the-end-of-a-long-path"
    complains 1 'the path of a socket must have less than 108 characters' __doorbell -f "$long/server-at-the-end-of-a-long-path"
    complains 1 'region is an ordinary file and has no interrupts' __doorbell -f region
}

# --- Command line -------------------------------------------------------------

@test "wrong command lines: one line, status 2" {
    while IFS='|' read -r arguments expected; do
        # shellcheck disable=SC2086 # words
        refuses "$expected" __doorbell -f server $arguments
    done <<'END'
knock|'knock' is not a command
ring|ring: which peer?
ring 1 2 3|unexpected argument '3'
wait 1 2|unexpected argument '2'
list all|unexpected argument 'all'
list -n 2|list takes no -n
name|'name' is not a command; the commands are list, ring, wait and test
ring 1 -t 1|ring takes no -t
wait --inject skip|wait takes no --inject
wait -n 0|-n 0: a whole number from 1
wait -t never|-t never: seconds are needed
END
    serve
    refuses "'x' is not the number of a vector" __doorbell -f server wait x
    refuses "'-1' is not the number of a vector" __doorbell -f server wait -- -1
}

@test "-h: an example, and the statuses" {
    succeeds __doorbell -h
    [[ $output == *'Usage: __doorbell '*'Exit status:'*'Example:'*'__doorbell ring vm1'* ]]
    (($(wc -L <<<"$output") <= 100))
}
