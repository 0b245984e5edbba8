#!/usr/bin/env bats
# bench.sh on real VMs: that it measures, and what it leaves; never how fast. Goes on with the lab of the files before it.
# bats file_tags=e2e

load helpers

setup_file() {
    begin_on_built_lab
}

teardown_file() {
    cd "$KIT" && ./stop.sh --set STOP_TIMEOUT=10 >&2 || true
}

setup() {
    cd "$KIT"
    R=$E2E_DIR/results
}

teardown() {
    end_background
}

# figure NAME: its line of summary.csv.
figure() {
    grep -F "\"$1\"" "$R/summary.csv"
}

@test "bench.sh --quick starts the VMs and leaves a report, plots and every record" {
    rm -rf "$R"
    # Status 1 with a figure that a busy host made look impossible; then all files are there as well.
    run ./bench.sh --quick "$R"
    [ "$status" -le 1 ]
    prints_not ' failed in round '
    running vm1
    running vm2
    for file in report.md summary.csv host.json results.jsonl {latency,bandwidth,stream,streams}.{svg,png}; do
        [ -s "$R/$file" ]
    done
    jq -e '.complete and .accelerator == "tcg"' "$R/host.json"
    for name in bandwidth-{uc,wc,wb,local,host}/65536 latency/median latency-host/median stream/65536 streams-2/total; do
        figure "$name"
    done
}

@test "TCP between the same VMs is measured in the same run, and the ratio stated" {
    if qemu-system-x86_64 -netdev help 2>&1 | grep -qx dgram; then
        for tool in iperf3 sockperf; do
            ./run.sh vm1 which "$tool" || skip "the guests' Debian has no $tool"
        done
        # On some machine they may observe nothing, and then say so.
        figure tcp-64K/65536 || grep -q '^- left out: tcp-64K, .*iperf3 observed nothing' "$R/report.md"
        figure tcp-latency/median || grep -q '^- left out: tcp-latency, .*sockperf observed nothing' "$R/report.md"
        if figure stream/65536 | grep -q '"ok"$' && figure tcp-64K/65536 | grep -q '"ok"$'; then
            grep -qE '^- Throughput of shared memory over that of TCP, .*\*\*[0-9.]+\*\*$' "$R/report.md"
        fi
    else
        grep -q 'left out: TCP' "$R/report.md"
    fi
}

@test "no server, connection or address of bench.sh stays in the VMs" {
    run ./run.sh vm2 sh -c 'pgrep -x iperf3; pgrep -x sockperf; ip -4 -o addr show dev eth1'
    same '' "$output"
}

@test "--compare of a result with itself: the same" {
    ./bench.sh --compare "$R" "$R" | tail -n 1 | grep '^0 worse, 0 better'
}

@test "three VMs: the matrix of latencies is measured; Ctrl-C leaves a result that is marked incomplete" {
    ./start.sh >&2
    rm -rf "$R-2"
    background bench ./bench.sh --quick "$R-2"
    wait_until grep -qs '"id":"latency-matrix"' "$R-2/results.jsonl"
    kill -INT "$bench"
    background_ended bench 130
    grep -q 'INCOMPLETE' "$R-2/report.md"
    grep -q '"latency-matrix/vm1-vm3"' "$R-2/summary.csv"
    # Unless the host's own round trips happened to be that much slower: then all are refused, and nothing is drawn.
    [ -s "$R-2/matrix.svg" ] || ! grep 'latency-matrix/.*"ok"$' "$R-2/summary.csv"
}
