#!/usr/bin/env bats
# bench.sh on real VMs: it must measure and write its files; the speed is not tested. Uses the lab of the earlier files.
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

# figure NAME: prints its line of summary.csv.
figure() {
    grep -F "\"$1\"" "$R/summary.csv"
}

@test "bench.sh --quick starts the VMs and writes a report, plots and all records" {
    rm -rf "$R"
    # The status is 1 if a busy host made a figure look impossible. All files must exist then too.
    run ./bench.sh --quick "$R"
    [ "$status" -le 1 ]
    prints_not ' failed in round '
    running vm1
    running vm2
    for file in report.html report.md summary.csv host.json results.jsonl {latency,bandwidth,stream,streams,parts}.{svg,png}; do
        [ -s "$R/$file" ]
    done
    jq -e '.complete and .accelerator == "tcg"' "$R/host.json"
    for name in bandwidth-{uc,wc,wb,local,host}/65536 latency/median latency-host/median stream/65536 parts/whole streams-2/total; do
        figure "$name"
    done
}

@test "the same run measures TCP between the same VMs, and the report states the ratio" {
    if qemu-system-x86_64 -netdev help 2>&1 | grep -qx dgram; then
        for tool in iperf3 sockperf; do
            ./run.sh vm1 which "$tool" || skip "the guests' Debian has no $tool"
        done
        # On some machines these tools observe nothing; the report must then say so.
        figure tcp-64K/65536 || grep -q '^- left out: tcp-64K, .*iperf3 observed nothing' "$R/report.md"
        figure tcp-latency/median || grep -q '^- left out: tcp-latency, .*sockperf observed nothing' "$R/report.md"
        if figure stream/65536 | grep -q '"ok"$' && figure tcp-64K/65536 | grep -q '"ok"$'; then
            grep -qE '^- Throughput of shared memory over that of TCP, .*\*\*[0-9.]+\*\*$' "$R/report.md"
        fi
    else
        grep -q 'left out: TCP' "$R/report.md"
    fi
}

@test "bench.sh leaves no server, client or address behind in the VMs" {
    run ./run.sh vm2 sh -c 'pgrep -x iperf3; pgrep -x sockperf; ip -4 -o addr show dev eth1'
    same '' "$output"
}

@test "--compare of a result with itself finds no difference" {
    ./bench.sh --compare "$R" "$R" | tail -n 1 | grep '^0 worse, 0 better'
}

@test "with three VMs, bench.sh measures the latency matrix; after Ctrl-C the result is marked incomplete" {
    ./start.sh >&2
    rm -rf "$R-2"
    background bench ./bench.sh "$R-2"
    wait_until grep -qs '"id":"latency-matrix"' "$R-2/results.jsonl"
    kill -INT "$bench"
    background_ended bench 130
    grep -q 'INCOMPLETE' "$R-2/report.md"
    grep -q '"latency-matrix/vm1-vm3"' "$R-2/summary.csv"
    # If the host's own round trips happened to be much slower, all figures are rejected and no plot is drawn.
    [ -s "$R-2/matrix.svg" ] || ! grep 'latency-matrix/.*"ok"$' "$R-2/summary.csv"
}
