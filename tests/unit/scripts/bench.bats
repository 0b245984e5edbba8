#!/usr/bin/env bats
# shellcheck disable=SC2016,SC2154 # code in quotes; what bats sets
# bench.sh without a VM: figures, report and plots from recorded runs. bench_plan.bats tests the plan, bench_compare.bats the comparison.

load helpers
load results

# --- Figures

@test "a figure is the median of the repeats, with the lowest, the highest and the spread" {
    measured bandwidth-uc 300 100 200
    succeeds ./bench.sh --report "$R"
    same '200 100 300 100 3' "$(for name in median min max spread_percent repeats; do column bandwidth-uc/4096 $name; done | paste -sd ' ')"
}

@test "the median of an even number of repeats is one of them (nearest rank)" {
    measured bandwidth-uc 300 100 200
    change 'select(.id != "bandwidth-uc" or .round != 3)'
    succeeds ./bench.sh --report "$R"
    same '100 2' "$(column bandwidth-uc/4096 median) $(column bandwidth-uc/4096 repeats)"
}

@test "each guest figure is given as a share of the host's" {
    measured bandwidth-host 1000 1000 1000
    measured bandwidth-uc 250 250 250
    measured latency-host 0.5 0.5 0.5
    measured latency 2 2 2
    succeeds ./bench.sh --report "$R"
    same 0.25 "$(column bandwidth-uc/4096 share_of_host)"
    same 0.25 "$(column latency/median share_of_host)"
    same '' "$(column bandwidth-host/4096 share_of_host)"
}

@test "where the clock is too coarse for a round trip, the mean of 64 is a figure; elsewhere it is none" {
    succeeds ./bench.sh --report "$R"
    same '' "$(column latency/mean-of-64 median)"
    change 'if .id == "latency" then .records |= map(.mean_of_64_us = 0.123) else .records |= map(.mean_of_64_us = null) end'
    succeeds ./bench.sh --report "$R"
    same 0.123 "$(column latency/mean-of-64 median)"
    in_report '| round trip, polled, mean of 64 | 0.123 us |'
    change 'if .id == "latency" then .records |= map(.mean_of_64_us = "short") else . end'
    fails 1 ./bench.sh --report "$R"
    says 'mean_of_64_us that is not a number'
}

@test "a rate more than a quarter above the host's best is doubted and not drawn; a lower one is accepted" {
    measured bandwidth-host 900 1000 800
    measured bandwidth-uc 1249 1249 1249
    succeeds ./bench.sh --report "$R"
    same ok "$(column bandwidth-uc/65536 status)"
    grep -q 'VM, uc' "$R/bandwidth.svg"
    measured bandwidth-uc 1251 1251 1251
    fails 1 ./bench.sh --report "$R"
    same doubted "$(column bandwidth-uc/65536 status)"
    says 'doubted: bandwidth-uc/65536'
    in_report '**doubted** bandwidth-uc/65536: 1251, 1251, 1251 MB/s is above the limit 1250 MB/s'
    refuted grep -q 'VM, uc' "$R/bandwidth.svg"
    not_in_report 'mapped uc'
}

@test "a time below half the host's shortest is doubted" {
    change 'if .id == "latency-host" then .records |= map(.min_us = 0.4) else . end'
    measured latency 0.21 0.21 0.21
    succeeds ./bench.sh --report "$R"
    same ok "$(column latency/median status)"
    measured latency 0.19 0.19 0.19
    fails 1 ./bench.sh --report "$R"
    same doubted "$(column latency/median status)"
}

@test "a doubted repeat is left out of the median and reported" {
    measured bandwidth-host 1000 1000 1000
    measured bandwidth-uc 100 2000 200
    fails 1 ./bench.sh --report "$R"
    same 'ok 2 100 1' "$(for name in status repeats median doubted; do column bandwidth-uc/65536 "$name"; done | paste -sd ' ')"
    in_report '**doubted** bandwidth-uc/65536: 2000 MB/s is above the limit 1250 MB/s, which the host itself does not reach (1 of 3 repeats; the median is over the others)'
}

# swept ID KERNEL RATE...: adds, to the runs of ID, a record of each size for this copy kernel at this rate.
swept() {
    local id=$1
    shift
    while (($#)); do
        change "if .id == \"$id\" then .records |= (. + (map(select(.copy == \"memcpy\")) | map(.copy = \"$1\" | .median_mb_s = $2))) else . end"
        shift 2
    done
}

@test "the limit of a copy is the host's best copy kernel, not its memcpy" {
    measured bandwidth-host 500 500 500
    measured bandwidth-uc 2000 2000 2000
    swept bandwidth-host movsb 510 avx2 3000
    succeeds ./bench.sh --report "$R"
    same 'ok 3750' "$(column bandwidth-uc/65536 status) $(column bandwidth-uc/65536 limit)"
    measured bandwidth-uc 3800 3800 3800
    fails 1 ./bench.sh --report "$R"
}

@test "a stream of small messages may be as fast as a copy of the smallest block" {
    change 'if .id == "stream" or .id == "stream-host" then .records |= map(select(.role == "send") | .message_bytes = 64
        | .median_mb_per_s = 100) else . end'
    change 'if .id == "stream" then .records |= map(.median_mb_per_s = 500) else . end'
    measured bandwidth-host 500 500 500
    measured bandwidth-uc 500 500 500
    succeeds ./bench.sh --report "$R"
    same '625 ok' "$(column stream/64 limit) $(column stream/64 status)"
}

@test "a VM's memcpy is compared with the copy kernel that it behaves like, if the host's behaves like another" {
    measured bandwidth-host 500 500 500
    measured bandwidth-host-local 520 520 520
    measured bandwidth-local 2900 2900 2900
    measured bandwidth-uc 1500 1500 1500
    swept bandwidth-host movsb 510 avx2 3000
    swept bandwidth-host-local movsb 510 avx2 3000
    swept bandwidth-local movsb 480 avx2 3000
    succeeds ./bench.sh --report "$R"
    same '3000 0.5' "$(column bandwidth-uc/65536 host_median) $(column bandwidth-uc/65536 share_of_host)"
    in_report '| bandwidth-uc/65536 | 1500 MB/s | 1500 to 1500 | 0 % | 3000 | 50 % (by avx2) |'
    in_report '| memcpy in a VM | behaves like avx2 (4 KiB, 64 KiB'
    in_report '| memcpy on the host | behaves like movsb (4 KiB, 64 KiB'
}

@test "simultaneous streams are added up; the ratio to TCP is stated" {
    change 'if .id == "streams-2" then .records = [{record: "stream", role: "send", median_mb_per_s: 10}, {record: "stream",
        role: "recv", median_mb_per_s: 99}, {record: "stream", role: "send", median_mb_per_s: 20}] else . end'
    change 'if .id == "stream" then .records |= map(.median_mb_per_s = 60) elif .id == "tcp-64K" then .records[0].mb_per_s = 20 else . end'
    change 'if .id == "latency" then .records |= map(.median_us = 0.5) elif .id == "tcp-latency" then .records[0].median_us = 250 else . end'
    succeeds ./bench.sh --report "$R"
    same 30 "$(column streams-2/total median)"
    in_report 'same run, 64 KiB messages: **3**'
    in_report 'Round trip by TCP over that by shared memory, polled: **500**'
}

# --- The report

@test "the report of a complete run on a quiet host has all plots and no warning" {
    change '.others_cpus = 0.01 | .steal = 0 | .records |= map(if .median_mb_s then .median_mb_s = 100 elif .median_us then .median_us = 1
        elif .median_mb_per_s then .median_mb_per_s = 100 elif .mb_per_s then .mb_per_s = 10
        elif .whole_ns then .whole_ns = 9999 | .parts |= map({part, measured: true, ns: 1000}) else . end | if .min_us then .min_us = 0.5 else . end)'
    succeeds ./bench.sh --report "$R"
    same "$R/report.html" "$stderr"
    not_in_report 'INCOMPLETE'
    not_in_report 'NOISY'
    for plot in latency bandwidth stream streams parts; do
        in_report "![$plot]($plot.svg)"
        grep -q '<svg' "$R/$plot.svg"
        same 'PNG' "$(head -c 4 "$R/$plot.png" | tail -c 3)"
    done
    [[ ! -e $R/matrix.svg ]] || failure 'a matrix of nothing'
    in_report 'two VMs'
}

@test "an incomplete host.json makes the report incomplete" {
    host '.complete = false'
    change 'select(.round == 1)'
    succeeds ./bench.sh --report "$R"
    in_report '**INCOMPLETE.**'
    in_report 'up to 1 repeats'
}

@test "the report warns of a noisy host at the top: CPU time of other processes, steal, spread" {
    change '.others_cpus = 0.01 | .steal = 0 | .records |= map(if .median_mb_s then .median_mb_s = 100 else . end)'
    change '.others_cpus = 0.5'
    succeeds ./bench.sh --report "$R"
    in_report 'other processes used 0.5 CPUs'
    says 'the host is noisy: other processes used 0.5 CPUs'
    change '.others_cpus = 0.01 | .steal = 0.05'
    succeeds ./bench.sh --report "$R"
    in_report 'took 5 % of its CPU time'
    change '.steal = 0 | .round as $n | .records |= map(if .median_mb_s then .median_mb_s = $n * 100 else . end)'
    succeeds ./bench.sh --report "$R"
    in_report 'figures differ by more than 25 %'
}

@test "a failed measurement is in the report with its reason and gives no figure" {
    change 'if .id == "stream" and .round == 2 then .status = 3 | .said = "__stream: nobody came\n" else . end'
    succeeds ./bench.sh --report "$R"
    in_report '**failed** stream, round 2, status 3: __stream: nobody came'
    in_report '**Failed: stream.** The reasons are below the plots.'
    grep -qE '^\| stream/65536 \|.* \*\*failed\*\* in 1 round \|$' "$R/report.md"
    same 2 "$(column stream/65536 repeats)"
}

# stressed OVERTAKINGS...: adds a round of __stress in two VMs for each; of the two, one has seen that many overtakings.
stressed() {
    local seen round=0
    for seen; do
        round=$((round + 1))
        jq -nc --slurpfile runs "$R/results.jsonl" --argjson seen "$seen" --argjson round "$round" '$runs[0]
            | .id = "stress" | .round = $round | .roofline = null | .records = [0, $seen | {record: "stress", program: "__stress",
                version: "1.0", seen_buffered: ., seen_fenced: 0, verdict: (if . > 0 then "no violation" else "inconclusive" end)}]'
    done >"$BATS_TEST_TMPDIR/stress"
    cat "$BATS_TEST_TMPDIR/stress" >>"$R/results.jsonl"
}

@test "a __stress that tested nothing is inconclusive in the verdict, with what to do; it is no failure" {
    stressed 0 0 0
    succeeds ./bench.sh --report "$R"
    in_report '**INCONCLUSIVE.** __stress saw no violation in 3 rounds, but without the fence no load overtook a store either.'
    in_report 'Give each VM a CPU of the host for itself (VM_PIN'
    in_report '- **inconclusive** __stress saw no violation in 3 rounds'
    not_in_report 'found no violation'
    says 'warning: inconclusive: __stress saw no violation in 3 rounds'
    same 1 "$(sed -n '/<header>/,/<\/header>/p' "$R/report.html" | grep -c '>Inconclusive</a>.</b> __stress saw no violation in 3 rounds')"
}

@test "what __stress found is in the verdict, with its control, and how many rounds tested nothing" {
    stressed 300 0 12
    succeeds ./bench.sh --report "$R"
    in_report '__stress found no violation in 3 rounds: without the fence 312 loads overtook a store, with it 0. 1 round of these did not test the fence.'
    not_in_report INCONCLUSIVE
    grep -qF '<p class="about">__stress found no violation in 3 rounds' "$R/report.html"
    change 'if .id == "stress" and .round == 1 then .records[0].seen_buffered = "many" else . end'
    fails 1 ./bench.sh --report "$R"
    says 'seen_buffered that is not a number'
}

@test "the verdict names what is doubted and what has failed" {
    succeeds ./bench.sh --report "$R"
    not_in_report 'The reasons are below'
    measured bandwidth-host 1000 1000 1000
    measured bandwidth-uc 100 2000 200
    change 'if .id == "stream" or .id == "tcp-64K" then .status = 3 else . end'
    fails 1 ./bench.sh --report "$R"
    in_report '**Doubted: bandwidth-uc/4096, bandwidth-uc/65536. Failed: stream, tcp-64K.** The reasons are below the plots.'
    grep -qF '<b>Doubted: bandwidth-uc/4096, bandwidth-uc/65536. Failed: stream, tcp-64K.</b>' "$R/report.html"
    # Nothing is left of a measurement that failed in all rounds but the reason.
    not_in_report '| stream/65536'
    in_report '- **failed** stream, round 3, status 3'
}

@test "the matrix of three VMs is drawn as a heat map" {
    jq -c 'select(.id == "latency" and .round == 1) | .records[0] as $r | .id = "latency-matrix" | .records = [("vm1", "vm2", "vm3") as $a |
        ("vm1", "vm2", "vm3") as $b | select($a != $b) | $r + {record: "latency", from: $a, to: $b, median_us: 0.5}]' "$R/results.jsonl" >>"$R/results.jsonl"
    succeeds ./bench.sh --report "$R"
    in_report '![matrix](matrix.svg)'
    same 0.5 "$(column latency-matrix/vm1-vm3 median)"
    grep -q 'vm3' "$R/matrix.svg"
}

@test "the matrix of the host's CPUs is drawn as a heat map; its fastest pair is the limit of a round trip" {
    jq -c 'select(.id == "latency-host" and .round == 1) | .records[0] as $r | .id = "latency-host-cpus" | .records = [
        {record: "latency-cpus", from_cpu: 0, to_cpu: 1, min_us: 0.1, median_us: 0.2},
        {record: "latency-cpus", from_cpu: 0, to_cpu: 5, min_us: 0.4, median_us: 0.8, mean_of_64_us: 0.9}]' "$R/results.jsonl" >>"$R/results.jsonl"
    change 'if .id == "latency-host" then .records |= map(.min_us = 0.4) else . end'
    measured latency 0.06 0.06 0.06
    succeeds ./bench.sh --report "$R"
    in_report '![cpus](cpus.svg)'
    same 0.9 "$(column latency-host-cpus/0-5 median)"
    same '0.05 ok' "$(column latency/median limit) $(column latency/median status)"
    measured latency 0.04 0.04 0.04
    fails 1 ./bench.sh --report "$R"
}

@test "a heat map of one pair is not drawn: it is one figure" {
    jq -c 'select(.id == "latency-host" and .round == 1) | .id = "latency-host-cpus" | .records = [
        {record: "latency-cpus", from_cpu: 0, to_cpu: 1, min_us: 0.1, median_us: 0.2}]' "$R/results.jsonl" >"$BATS_TEST_TMPDIR/more"
    cat "$BATS_TEST_TMPDIR/more" >>"$R/results.jsonl"
    succeeds ./bench.sh --report "$R"
    same 0.2 "$(column latency-host-cpus/0-1 median)"
    refuted test -e "$R/cpus.svg"
}

@test "a share that is small is not nothing; three digits are enough" {
    measured bandwidth-host 1000000 1000000 1000000
    measured bandwidth-uc 123.456 123.456 200
    succeeds ./bench.sh --report "$R"
    in_report '| bandwidth-uc/65536 | 123 MB/s | 123 to 200 | 62 % | 1000000 | < 0.1 % |'
}

@test "without the tools for a report bench.sh stops at once and says how to install them" {
    mkdir "$BATS_TEST_TMPDIR/few"
    for tool in bash dirname readlink getopt sed realpath id cksum mktemp rm; do
        ln -s "$(command -v "$tool")" "$BATS_TEST_TMPDIR/few"
    done
    make_lab
    fails 1 env PATH="$BATS_TEST_TMPDIR/few" ./bench.sh
    says 'without gnuplot, cmark-gfm and xsltproc' 'apt-get install gnuplot-nox cmark-gfm xsltproc'
    ln -s "$(command -v gnuplot)" "$BATS_TEST_TMPDIR/few"
    fails 1 env PATH="$BATS_TEST_TMPDIR/few" ./bench.sh --report "$R"
    says 'without cmark-gfm and xsltproc' 'apt-get install cmark-gfm xsltproc'
}

@test "invalid command lines are refused" {
    refuses 'two results folders' ./bench.sh --compare "$R"
    refuses 'not a percentage' ./bench.sh --compare --threshold many "$R" "$R"
    refuses 'need --compare' ./bench.sh --threshold 3
    refuses 'need --compare' ./bench.sh --anyway
    refuses 'one results folder' ./bench.sh --report
    refuses 'too many' ./bench.sh one two
}
