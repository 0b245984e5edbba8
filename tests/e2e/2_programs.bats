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

@test "__stress detects VMs without atomic operations: VM_MAXCPUS=1 under TCG" {
    ./stop.sh
    ./start.sh --set VM_MAXCPUS=1 vm1 vm2
    fails 1 ./run.sh --all __stress -n 2 -t 60
    prints "VIOLATION"
}
