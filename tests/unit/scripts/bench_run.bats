#!/usr/bin/env bats
# shellcheck disable=SC2016,SC2030,SC2031,SC2154 # code in quotes; what bats and background() set
# A complete run of bench.sh: its measurements and its files. bench_end.bats tests runs that end early.

load helpers
load fake
load fake_bench

@test "bench.sh starts the VMs, measures in rounds, and writes a complete result" {
    touch "$FAKE/link"
    succeeds ./bench.sh --quick "$R"
    runs vm1
    runs vm2
    same 'bandwidth.png bandwidth.svg host.json latency.png latency.svg parts.png parts.svg report.html report.md results.jsonl stream.png stream.svg streams.png streams.svg summary.csv' \
        "$(ls --ignore='cpus.*' "$R" | paste -sd ' ')" # this machine may have too few or too many CPUs
    same true "$(jq .complete "$R/host.json")"
    # A slow machine has time for fewer rounds.
    rounds=$(jq -r .round "$R/results.jsonl" | uniq | paste -sd ' ')
    [[ $rounds == '1 2 3' || '1 2 3' == "$rounds "* && $stderr == *"Only ${rounds##* } of 3 rounds"* ]] || failure "rounds: $rounds"
    same 1 "$(jq -r .machine "$R/results.jsonl" "$R/host.json" | sort -u | wc -l)"
    says 'Left out: the matrices of round trips'
    says 'round 1 of 3' ' left: latency' "$R/report.html"
    # iperf3 printed 160 Mbit/s; sockperf printed 787 us, half a round trip.
    grep -qF '| TCP, 64 KiB messages (iperf3) | 20 MB/s' "$R/report.md"
    grep -qF '| TCP, round trip (sockperf) | 1574 us' "$R/report.md"
    grep -qF 'left out: the write-back mapping' "$R/report.md"
    grep -qF 'left out: latency by interrupt: these VMs have no doorbells' "$R/report.md"
    grep -qF 'left out: vsock' "$R/report.md"
}

@test "without a link bench.sh measures no TCP and says why" {
    succeeds ./bench.sh --quick "$R"
    grep -qF 'left out: TCP:' "$R/report.md"
    refuted grep -q tcp "$R/results.jsonl"
}

@test "records that two VMs write at the same time are not mixed" {
    mkdir "$FAKE/halves"
    succeeds ./bench.sh --quick "$R"
    # Each side prints the fixture's two records.
    same 4 "$(jq -s '[.[] | select(.id == "latency" and .round == 1) | .records[]] | length' "$R/results.jsonl")"
}

@test "when a measurement fails, bench.sh continues, says which and why, and ends with status 1" {
    touch "$FAKE/broken"
    fails 1 ./bench.sh --quick "$R"
    says 'stream failed in round 1 with status 3: __stream: nobody came'
    grep -qF '**failed** stream, round 1, status 3: __stream: nobody came' "$R/report.md"
    grep -qF 'round trip, polled' "$R/report.md"
}

@test "bench.sh does not write to an existing folder" {
    mkdir "$R"
    touch "$R/mine"
    fails 1 ./bench.sh --quick "$R"
    says "$R"
    same mine "$(ls "$R")"
}

# --- Runs that observe nothing (sockperf drops the beginning of each run)

# times WORD...: the duration in seconds of each run with these words.
times() {
    grep -F "${*@Q}" "$FAKE/tcp" | sed "s/.*'-t' '\([0-9]*\)'.*/\1/" | paste -sd ' '
}

@test "a run that observed nothing is repeated for longer, and later rounds use the longer time" {
    local times
    touch "$FAKE/link"
    echo first >"$FAKE/sockperf.none"
    echo first >"$FAKE/iperf3.none"
    succeeds ./bench.sh --quick "$R"
    times=$(times sockperf)
    [[ $times == '2 8' || $times == '2 8 8'* ]] || failure "sockperf ran for $times s"
    times=$(times -l 1K)
    [[ $times == '1 4' || $times == '1 4 4'* ]] || failure "iperf3 ran for $times s"
    grep -qF '| TCP, 64 KiB messages (iperf3) | 20 MB/s' "$R/report.md"
    grep -qF '| TCP, round trip (sockperf) | 1574 us' "$R/report.md"
    refuted grep -q 'left out: tcp' "$R/report.md"
}

@test "a measurement that observes nothing twice is left out with its reason; this is no failure" {
    touch "$FAKE/link"
    yes none | head -n 9 >"$FAKE/sockperf.none"
    yes none | head -n 9 >"$FAKE/iperf3.none"
    succeeds ./bench.sh --quick "$R"
    same '2 8' "$(times sockperf)"
    same '1 4' "$(times -l 1K)"
    says 'Left out: tcp-latency, from round 1 on: sockperf observed nothing, even in a run 4 times as long'
    grep -qF -- '- left out: tcp-latency, from round 1 on: sockperf observed nothing' "$R/report.md"
    grep -qF -- '- left out: tcp-64K, from round 1 on: iperf3 observed nothing' "$R/report.md"
    same true "$(jq .complete "$R/host.json")"
    refuted grep -q tcp "$R/results.jsonl" "$R/summary.csv"
}

@test "sockperf output that cannot be parsed is a failure" {
    touch "$FAKE/link"
    stub_sockperf=$(sed 's/percentile 50.000/the half/' "$FIXTURE/sockperf")
    mkdir "$BATS_TEST_TMPDIR/fixture"
    cp "$FIXTURE"/* "$BATS_TEST_TMPDIR/fixture"
    echo "$stub_sockperf" >"$BATS_TEST_TMPDIR/fixture/sockperf"
    FIXTURE=$BATS_TEST_TMPDIR/fixture fails 1 ./bench.sh --quick "$R"
    says 'tcp-latency failed in round 1' 'sockperf did not print percentile 50.000'
}

@test "bench.sh measures correctly in a locale with decimal commas" {
    touch "$FAKE/link"
    mkdir "$BATS_TEST_TMPDIR/locales"
    localedef -i de_DE -f UTF-8 "$BATS_TEST_TMPDIR/locales/de_DE.UTF-8" 2>/dev/null || skip 'localedef cannot make de_DE: apt-get install locales'
    succeeds env LOCPATH="$BATS_TEST_TMPDIR/locales" LC_ALL=de_DE.UTF-8 LANGUAGE=de ./bench.sh --quick "$R"
    grep -qF '| TCP, round trip (sockperf) | 1574 us' "$R/report.md"
    refuted grep -qE '"(steal|others_cpus)": ?[0-9]*,[0-9]' "$R/results.jsonl"
    jq -es 'all(.[]; .steal | type == "number")' "$R/results.jsonl"
}
