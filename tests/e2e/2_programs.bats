#!/usr/bin/env bats
# The measuring and checking programs in real VMs. Uses the lab that 1_lab.bats built; all VMs are stopped at the start.
# bats file_tags=e2e

load helpers

setup_file() {
    begin_on_built_lab
    ./start.sh >&2
}

teardown_file() {
    stop_lab
}

setup() {
    cd "$KIT"
}

teardown() {
    end_background
}

# in_two COMMAND1 COMMAND2: runs shell commands in vm1 and vm2 at once; both must succeed. $ONE and $TWO are the files with
# their output.
in_two() {
    background one ./run.sh vm1 sh -c "$1" </dev/null
    background two ./run.sh vm2 sh -c "$2" </dev/null
    background_ended one 0
    background_ended two 0
    ONE=$BATS_TEST_TMPDIR/out.one TWO=$BATS_TEST_TMPDIR/out.two
}

@test "__shmem distinguishes the three mappings, and says that TCG has no cache model" {
    succeeds ./run.sh vm1 __shmem
    grep -qE '^device +0000:00:04.0$' <<<"$output"
    grep -qE '^uc +uncached-minus .*no cache model under TCG$' <<<"$output"
    grep -qE '^wc +write-combining .*no cache model under TCG$' <<<"$output"
    grep -qE '^wb +write-back .*no cache model under TCG$' <<<"$output"
}

@test "__latency measures between two VMs, and its JSON record names the accelerator and the mapping" {
    in_two '__latency -t 1 --json' '__latency -t 1 --json'
    cat "$ONE" "$TWO" | jq -es 'map(select(.record == "latency")) | length == 1 and
        (.[0] | .median_us > 0 and .count > 1000 and .accelerator == "tcg" and .mapping == "uc")'
}

@test "__latency --matrix 3 fills a row in each of three VMs" {
    succeeds ./run.sh --all __latency --matrix 3 -t 1
    for name in vm1 vm2 vm3; do
        grep -q "^$name: " <<<"$output"
    done
}

@test "__bandwidth -k all measures and verifies every copy kernel" {
    succeeds ./run.sh vm1 __bandwidth -k all -s 4M --json
    jq -es 'map(.copy) | contains(["memcpy", "words", "sse2", "avx2", "nt", "movsb"])' <<<"$output"
}

@test "tar through __stream copies files from one VM to another" {
    in_two 'tar c -C / etc | __stream send' 'mkdir -p /root/copy && __stream recv | tar x -C /root/copy'
    one=$(./run.sh vm1 sh -c 'cd / && find etc -type f ! -name adjtime -exec sha256sum {} + | sort')
    two=$(./run.sh vm2 sh -c 'cd /root/copy && find etc -type f ! -name adjtime -exec sha256sum {} + | sort')
    [ -n "$one" ]
    [ "$one" == "$two" ]
}

@test "four __stream channels work at once in VMs with one CPU" {
    all='for c in 0 1 2 3; do __stream WAY -c $c & pids="$pids $!"; done; for pid in $pids; do wait "$pid" || exit; done'
    in_two "${all/WAY/send -n 50M}" "${all/WAY/recv}"
    same 4 "$(grep -c ' 52428800 bytes verified' "$TWO")"
}

@test "__stream reports that the other VM was killed" {
    ./run.sh vm3 sh -c '__stream send -t 100 >/dev/null 2>&1 </dev/null &'
    background receiver ./run.sh vm1 sh -c '__stream recv >/root/out 2>&1; echo "ended with $?" >/root/ended' </dev/null
    wait_until ./run.sh vm1 pgrep -x __stream
    wait_until ./run.sh vm3 pgrep -x __stream
    kill -KILL "$(pid_of vm3)"
    background_ended receiver 0
    succeeds ./run.sh vm1 cat /root/ended /root/out
    same 'ended with 4' "${lines[0]}"
}

@test "__stress finds no violation on two VMs" {
    succeeds ./run.sh --all __stress -n 2 -t 10
    same 2 "$(grep -cE '^vm[12]: (no violation|inconclusive: .*)$' <<<"$output")" # by how much both ran at the same time
    grep -qE '^vm1: +[1-9][0-9]+ atomic additions$' <<<"$output"
}

# page_program PAGE NAME: the text of a program in a page of docs/.
page_program() {
    sed -n "/^\`\`\`[a-z]* $2\$/,/^\`\`\`\$/{/^\`\`\`/!p}" "docs/$1"
}

# built VM PAGE NAME: builds that C program there, with the library that setup installed.
built() {
    page_program "$2" "$3.c" >"$BATS_TEST_TMPDIR/$3.c"
    scp -q -F "$VM_DIR/ssh/config" "$BATS_TEST_TMPDIR/$3.c" "$1:"
    ./run.sh "$1" gcc -o "$3" "$3.c" -I/usr/local/include/shmem -lshmem
}

@test "the pages' programs: one VM pours into another; Python on the host sends to a VM" {
    built vm1 library.md pour
    built vm2 library.md pour
    seq 100000 >"$BATS_TEST_TMPDIR/numbers"
    background receiver ./run.sh vm2 ./pour recv </dev/null
    ./run.sh vm1 ./pour send <"$BATS_TEST_TMPDIR/numbers"
    background_ended receiver 0
    cmp "$BATS_TEST_TMPDIR/numbers" "$BATS_TEST_TMPDIR/out.receiver"

    built vm1 other-languages.md recv
    page_program other-languages.md send.py >"$BATS_TEST_TMPDIR/send.py"
    background receiver ./run.sh vm1 ./recv 5 </dev/null
    # shellcheck disable=SC2016 # for the host's shell
    ./run.sh host sh -c 'python3 "$1" "$SHMEM_FILE" 5 "hello from the host"' - "$BATS_TEST_TMPDIR/send.py"
    background_ended receiver 0
    same 'hello from the host' "$(<"$BATS_TEST_TMPDIR/out.receiver")"
}

# built_on_host NAME VM...: builds that C++ program of library.md on the host, as the page says, and copies it there.
built_on_host() {
    local name=$1 vm
    local -a flags
    make -s -C prog O="$BATS_TEST_TMPDIR/build" PREFIX="$BATS_TEST_TMPDIR/own" install-library
    page_program library.md "$name.cpp" >"$BATS_TEST_TMPDIR/$name.cpp"
    read -ra flags < <(PKG_CONFIG_PATH=$BATS_TEST_TMPDIR/own/lib/pkgconfig pkg-config --cflags --libs shmem)
    g++ -std=c++17 -static -o "$BATS_TEST_TMPDIR/$name" "$BATS_TEST_TMPDIR/$name.cpp" "${flags[@]}"
    for vm in "${@:2}"; do
        scp -q -F "$VM_DIR/ssh/config" "$BATS_TEST_TMPDIR/$name" "$vm:"
    done
}

@test "the page's programs: one VM asks and another adds; three senders in two VMs tell one what has happened" {
    built vm1 library.md sums
    built vm2 library.md sums
    background server ./run.sh vm2 ./sums </dev/null
    succeeds ./run.sh vm1 ./sums 1 2 39
    same 42 "$output"
    background_ended server 6
    says 'sums: the sender gave up'

    built_on_host events vm1 vm2
    background listener ./run.sh vm2 ./events </dev/null
    # shellcheck disable=SC2016 # for the guest's shell
    background tellers ./run.sh vm1 sh -c './events "vm1 is up" & ./events "vm1 is busy" && wait "$!"' </dev/null
    succeeds ./run.sh vm2 ./events 'vm2 tells, too'
    background_ended tellers 0
    for event in 'vm1 is up' 'vm1 is busy' 'vm2 tells, too'; do
        wait_until grep -qxE "lane [0-3]: $event" "$BATS_TEST_TMPDIR/out.listener"
    done
    kill "$listener"
    await listener
    same 3 "$(wc -l <"$BATS_TEST_TMPDIR/out.listener")"
}

@test "__chaos refuses what is not named, and changes an area that another VM uses, and no other byte" {
    local before=$BATS_TEST_TMPDIR/before at
    built vm1 library.md log
    ./run.sh vm1 ./log 'vm1 was here'
    cp --sparse=always "$VM_DIR/region" "$before"
    complains 2 'name the AREA to write to, or channel:N' ./run.sh vm2 __chaos -n 5
    complains 1 "there is no area 'absent'" ./run.sh vm2 __chaos -n 5 log absent
    cmp "$before" "$VM_DIR/region"

    succeeds ./run.sh vm2 __chaos -n 200 --rate 0 --seed 44 -v log
    prints '200 acts in log (seed 44): '
    same 200 "$(grep -c ' -> ' <<<"$output")"
    at=$(sed -n 's/^log: 4008 bytes at //p' <<<"$output")
    cmp -n $((at)) "$before" "$VM_DIR/region"
    cmp -i $((at + 4008)) "$before" "$VM_DIR/region"
    refuted cmp -s -i $((at)) -n 4008 "$before" "$VM_DIR/region"

    background chaos ./run.sh vm2 __chaos -t 1000 log </dev/null
    wait_until_said "$BATS_TEST_TMPDIR/out.chaos" 'log: 4008 bytes'
    for line in one two three; do
        succeeds ./run.sh vm1 ./log "$line" # whatever the log holds then
    done
    ./run.sh vm2 pkill -INT -x __chaos
    background_ended chaos 0
    prints ' acts in log (seed '
}

# watched FILTER: it holds for the last whole record of the background process watch?
watched() {
    [ "$(sed '/}$/!d' "$BATS_TEST_TMPDIR/out.watch" | tail -n 1 | jq "$1" 2>&1)" = true ]
}

@test "__shmem watch --json in a VM: the rate and the fill of a channel between two VMs, and why it stands still" {
    local both='.channels[] | select(.channel == 5) | .sender.state == "held" and .receiver.state == "held" and .agreed'
    background watch ./run.sh vm1 __shmem watch --json </dev/null
    background send ./run.sh vm1 __stream send -c 5 -t 1000 </dev/null
    background recv ./run.sh vm2 __stream recv -c 5 </dev/null
    wait_until watched "$both and .mb_per_s > 0 and .ring_bytes <= .ring_size and .written > 0"
    ./run.sh vm1 pkill -x __stream
    await send
    background_ended recv 6

    background send ./run.sh vm1 sh -c '__stream send -c 5 </dev/zero' </dev/null
    background recv ./run.sh vm2 sh -c '__stream recv -c 5 | sleep 1000' </dev/null
    wait_until watched "$both and .mb_per_s == 0 and .ring_bytes > 0 and .verdict == \"receiver does not read\""
    for name in send recv watch; do
        kill "${!name}"
        await "$name"
    done
}

@test "__stress detects VMs without atomic operations: VM_MAXCPUS=1 under TCG" {
    ./stop.sh
    ./start.sh --set VM_MAXCPUS=1 vm1 vm2
    fails 1 ./run.sh --all __stress -n 2 -t 60
    prints "VIOLATION"
}
