#!/usr/bin/env bats
# shellcheck disable=SC2154 # what bats sets
# bench.sh --compare, without a VM.

load helpers
load results

# two_results VALUE...: makes a second folder, $B. Its bandwidth-uc has these values; that of $R has 100, 101, 102.
two_results() {
    measured bandwidth-uc 100 101 102
    B=$BATS_TEST_TMPDIR/b
    cp -r "$R" "$B"
    R=$B measured bandwidth-uc "$@"
}

@test "--compare: same, better, worse, and worse within the spread or the threshold" {
    two_results 100 101 102
    succeeds ./bench.sh --compare "$R" "$B"
    prints '0 worse, 0 better'
    two_results 80 81 82
    fails 1 ./bench.sh --compare "$R" "$B"
    [[ $output =~ bandwidth-uc/4096\ +101\ +81\ .*\ 0\.802\ +apart\ +worse ]] || failure 'no such row'
    prints '2 worse, 0 better'
    succeeds ./bench.sh --threshold 30 --compare "$R" "$B"
    two_results 120 121 122
    succeeds ./bench.sh --compare "$R" "$B"
    prints '0 worse, 2 better'
    # The median is slower, but the repeats overlap.
    two_results 80 81 102
    succeeds ./bench.sh --compare "$R" "$B"
    prints '0 worse'
}

@test "--compare: a longer time is worse" {
    two_results 100 101 102
    measured latency 1 1.01 1.02
    R=$B measured latency 2 2.01 2.02
    fails 1 ./bench.sh --compare "$R" "$B"
    [[ $output =~ latency/median\ .*\ worse ]] || failure 'not worse'
    succeeds ./bench.sh --compare "$B" "$R"
}

@test "--compare: host figures and far percentiles do not affect the verdict; a host that differs is noted" {
    two_results 100 101 102
    change '.records |= map(if .p99_us then .p99_us = 9999 else . end)' "$B"
    measured bandwidth-host 1000 1000 1000
    R=$B measured bandwidth-host 500 500 500
    succeeds ./bench.sh --compare "$R" "$B"
    prints 'The host itself differs (bandwidth-host/4096'
}

@test "--compare refuses different hosts, versions, accelerators, modes, and incomplete results; --anyway marks them" {
    local change
    two_results 100 101 102
    cp "$B/host.json" "$BATS_TEST_TMPDIR/host"
    for change in '.host.cpu = "another"' '.accelerator = "kvm"' '.mode = "full"' '.qemu = "11"' '.complete = false' '.vms = 3'; do
        cp "$BATS_TEST_TMPDIR/host" "$B/host.json"
        host "$change" "$B"
        fails 1 ./bench.sh --compare "$R" "$B"
        [[ -z $output ]] || failure 'compared all the same'
        says 'cannot be compared: they differ in'
        succeeds ./bench.sh --anyway --compare "$R" "$B"
        prints 'MARKED: not the same in'
    done
    cp "$BATS_TEST_TMPDIR/host" "$B/host.json"
    change '.records |= map(if .program == "__stream" then .version = "2.0" else . end)' "$B"
    fails 1 ./bench.sh --compare "$R" "$B"
    says 'programs (' '__stream 2.0'
    host '.complete = false'
    cp "$R/host.json" "$R/results.jsonl" "$B"
    fails 1 ./bench.sh --compare "$R" "$B"
    says 'both are incomplete'
}

@test "--compare says what is doubted, failed or inconclusive in A and in B, with the reason" {
    two_results 100 101 102
    R=$B measured bandwidth-host 1000 1000 1000
    R=$B measured bandwidth-uc 2000 2000 2000
    change 'if .id == "stream" and .round == 2 then .status = 3 | .said = "__stream: nobody came\n" else . end'
    jq -c 'select(.id == "latency" and .round == 1) | .id = "stress" | .roofline = null | .records = [{record: "stress", program: "__stress",
        version: "1.0", verdict: "inconclusive"}]' "$R/results.jsonl" | tee -a "$R/results.jsonl" >>"$B/results.jsonl"
    jq -c 'select(.id == "bandwidth-uc") | .id = "bandwidth-wb"' "$R/results.jsonl" >"$BATS_TEST_TMPDIR/more"
    cat "$BATS_TEST_TMPDIR/more" >>"$R/results.jsonl"
    run --separate-stderr ./bench.sh --compare "$R" "$B"
    prints_not 'bandwidth-uc/65536  '
    prints 'doubted in B: bandwidth-uc/65536: 2000, 2000, 2000 MB/s is above the limit 1250 MB/s'
    prints 'failed in A: stream, round 2, status 3: __stream: nobody came'
    prints 'inconclusive in A and B: __stress saw no violation in 1 round'
    prints_not 'left out'
    R=$B
    grep -qF '<b>Doubted: bandwidth-uc/4096 (B), bandwidth-uc/65536 (B). Failed: stream (A). Inconclusive: stress (A and B).</b>' "$R/compare.html"
    grep -qF '<b>Only in A:</b> bandwidth-wb (2 figures).' "$R/compare.html"
    grep -qE '>failed in A</span> stream, round 2' "$R/compare.html"
    grep -qE '<code>stream/65536</code>.*>failed in A</a></td></tr>' "$R/compare.html"
    grep -qE '>left out in A and B</span> vsock' "$R/compare.html"
}

@test "--compare as root gives compare.html to the owner of folder B, and writes nothing into A" {
    local before
    ((EUID == 0)) || skip 'only root can give files away'
    two_results 100 101 102
    chown -R nobody "$B"
    before=$(everything "$R")
    succeeds ./bench.sh --compare "$R" "$B"
    same nobody "$(stat -c %U "$B/compare.html")"
    same "$before" "$(everything "$R")"
}
