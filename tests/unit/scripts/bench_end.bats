#!/usr/bin/env bats
# shellcheck disable=SC2016,SC2030,SC2031,SC2154 # code in quotes; what bats and background() set
# bench.sh ends early: a signal at any point, a lost VM, a full disk. Nothing that it started keeps running, no temporary
# file is left, and the measured results are whole.

load helpers
load fake
load fake_bench

# bench.sh has left no process, no temporary file and no lock behind.
nothing_left() {
    local pid
    for pid in $(cat "$FAKE/hangs" "$FAKE/masters" 2>/dev/null); do
        wait_until gone "$pid"
    done
    same '' "$(ls -A "$TMPDIR")"
    same '' "$(find "$BATS_TEST_TMPDIR" -path "$R*/*.??????" ! -name '*.report' -print)"
    flock --nonblock "$VM_DIR/bench.lock" true || failure 'the lock of bench.sh is held'
}

incomplete() {
    same false "$(jq .complete "$R/host.json")"
    grep -qF '**INCOMPLETE.**' "$R/report.md"
    grep -qF 'round trip, polled' "$R/report.md"
    grep -q '"latency/median"' "$R/summary.csv"
}

@test "Ctrl-C, SIGTERM or SIGHUP, even sent twice, keeps the results so far, with a report marked incomplete" {
    local signal
    echo __stream >"$FAKE/slow"
    for signal in INT:130 TERM:143 HUP:129; do
        rm -rf "$FAKE/hangs" "$R"
        background bench ./bench.sh --quick "$R"
        wait_until test -s "$FAKE/hangs"
        kill "-${signal%:*}" "$bench"
        kill "-${signal%:*}" "$bench" 2>/dev/null || true
        background_ended bench "${signal#*:}"
        [[ $output == *'marked incomplete'* ]] || failure 'does not say so'
        incomplete
        nothing_left
    done
    # Another run, at once, into another folder.
    rm "$FAKE/slow"
    succeeds ./bench.sh --quick "$R-2"
}

@test "Ctrl-C or SIGTERM before any measurement leaves no folder: while VMs start, during connect, during checks" {
    mode vm1 hang
    background bench ./bench.sh --quick "$R"
    wait_until test -s "$FAKE/vm1.starts"
    kill -INT "$bench"
    background_ended bench 130
    [[ $output == *'Interrupted before anything was measured'* ]] || failure 'does not say so'
    [[ ! -e $R ]] || failure 'the folder stays'
    nothing_left
    ./stop.sh --set STOP_TIMEOUT=1
    rm "$FAKE/vm1.mode"

    touch "$FAKE/no-ssh"
    background bench ./bench.sh --quick "$R"
    wait_until test -s "$FAKE/masters"
    kill -TERM "$bench"
    background_ended bench 143
    [[ ! -e $R ]] || failure 'the folder stays'
    nothing_left
    rm "$FAKE/no-ssh"

    echo __shmem >"$FAKE/slow"
    background bench ./bench.sh --quick "$R"
    wait_until test -s "$FAKE/hangs"
    kill -INT "$bench"
    background_ended bench 130
    [[ ! -e $R ]] || failure 'the folder stays'
    nothing_left
}

@test "Ctrl-C while the report is made: no partial report, and a line says how to make it" {
    stub gnuplot <<'END'
echo "$$" >>"$FAKE/hangs"
exec sleep 1000
END
    background bench ./bench.sh --quick "$R"
    wait_until test -s "$FAKE/hangs"
    kill -INT "$bench"
    background_ended bench 130
    [[ $output == *"./bench.sh --report $R makes the report"* ]] || failure 'does not say how'
    same 'host.json results.jsonl' "$(ls "$R" | paste -sd ' ')"
    nothing_left
    rm "$BATS_TEST_TMPDIR/bin/gnuplot"
    succeeds ./bench.sh --report "$R"
    refuted grep -qF INCOMPLETE "$R/report.md"
    same '' "$(ls -A "$TMPDIR")"
}

@test "a VM that ends during a measurement ends the run and is named; the results so far are kept" {
    echo __stream >"$FAKE/slow"
    background bench ./bench.sh --quick "$R"
    wait_until test -s "$FAKE/hangs"
    kill -KILL "$(pid_of vm2)"
    xargs kill -TERM <"$FAKE/hangs"
    background_ended bench 1
    [[ $output == *'in the middle of stream-host: vm2 is not running'* ]] || failure 'does not name it'
    incomplete
    nothing_left
}

@test "a VM that is paused, or no longer answers on ssh, ends the run and is named" {
    echo __stream >"$FAKE/slow"
    background bench ./bench.sh --quick "$R"
    wait_until test -s "$FAKE/hangs"
    echo paused >"$FAKE/vm1.state"
    xargs kill -TERM <"$FAKE/hangs"
    background_ended bench 1
    [[ $output == *'in the middle of stream-host: vm1 is paused'* ]] || failure 'does not name it'
    incomplete
    nothing_left
    rm "$FAKE/vm1.state"

    rm -rf "$R" "$FAKE/hangs" "$FAKE/masters"
    background bench ./bench.sh --quick "$R"
    wait_until test -s "$FAKE/hangs"
    kill -TERM "$(head -n 1 "$FAKE/masters")"
    wait_until gone "$(head -n 1 "$FAKE/masters")"
    xargs kill -TERM <"$FAKE/hangs"
    background_ended bench 1
    [[ $output =~ 'in the middle of stream-host: '(vm1|vm2)' no longer answers on ssh' ]] || failure 'does not name it'
    incomplete
    nothing_left
}

@test "a VM that cannot be reached is named, with ssh's message" {
    stub ssh <<<'echo "Connection refused" >&2; exit 255'
    fails 1 ./bench.sh --quick "$R"
    says 'cannot reach vm1 by ssh (Connection refused)'
    [[ ! -e $R ]] || failure 'the folder stays'
    nothing_left
}

@test "the results' disk is full: one line says so; the written lines are whole, and a report can be made from them" {
    local small=$BATS_TEST_TMPDIR/small lines
    ((EUID == 0)) || skip 'only root can mount'
    mkdir "$small"
    mount -t tmpfs -o size=64k small "$small" || skip 'tmpfs cannot be mounted here'
    R=$small/results
    run --separate-stderr ./bench.sh --quick "$R"
    cp -r "$R" "$BATS_TEST_TMPDIR/copy"
    umount "$small"
    ((status == 1)) || failure "ended with $status"
    says "cannot write $R/" 'No space left on device'
    same '' "$(find "$BATS_TEST_TMPDIR/copy" -name '*.??????')"
    jq -c . "$BATS_TEST_TMPDIR/copy/results.jsonl" >/dev/null
    succeeds ./bench.sh --report "$BATS_TEST_TMPDIR/copy"
    same '' "$(ls -A "$TMPDIR")"
}

@test "without a folder for temporary files bench.sh says so and starts nothing" {
    fails 1 env TMPDIR="$BATS_TEST_TMPDIR/none" ./bench.sh --quick "$R"
    says "cannot make a temporary folder in $BATS_TEST_TMPDIR/none"
    same 1 "${#stderr_lines[@]}"
    [[ ! -e $R && ! -e $FAKE/vm1.starts ]] || failure 'something was begun'
}
