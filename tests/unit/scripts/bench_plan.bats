#!/usr/bin/env bats
# shellcheck disable=SC2016,SC2154 # code in quotes; what bats sets
# The plan of bench.sh and its rounds, without a VM.

load helpers
load results

# plan MODE [NAME=VALUE...]: prints the plan for two VMs that can do everything. NAME=VALUE changes what they can do.
plan() {
    script plan_of <<'END'
BENCH_TEMP=$TMPDIR
CAN=([vms]=2 [cpus]=8 [region_bytes]=134217728 [mappings]='uc wc wb' [interrupts]=yes [link]=yes [iperf3]=yes [sockperf]=yes)
for setting in "${@:2}"; do
    CAN[${setting%%=*}]=${setting#*=}
done
bench_plan "$1"
END
    succeeds ./plan_of "$@"
}

ids() {
    cut -f 1 <<<"$output" | sort
}

@test "the plan: unique ids, rooflines are in the plan and run on the host, full includes quick" {
    local id roofline quick mode
    for mode in quick full; do
        plan "$mode"
        same '' "$(ids | uniq -d)"
        for roofline in $(cut -f 2 <<<"$output" | grep -v '^-$'); do
            grep -qE "^$roofline"$'\t-\t[0-9]+\thost(\+host)?\t' <<<"$output" || failure "no $roofline on the host"
        done
        while IFS=$'\t' read -r id _ seconds where _ answer; do
            [[ $where =~ ^(vm1|vm1\+vm2|all|host|host\+host)$ ]] || failure "$id: where is '$where'?"
            [[ $seconds =~ ^[1-9][0-9]*$ ]] || failure "$id: takes '$seconds'"
            [[ $where != *+* || -n $answer ]] || failure "$id: nobody answers"
        done <<<"$output"
        [[ $mode == full ]] || quick=$(ids)
    done
    same '' "$(comm -23 <(printf '%s\n' "$quick") <(ids))"
    grep -q '^kernels-host' <<<"$output"
}

# commands MODE: id, roofline, place and commands of the plan, without how long and how often they measure.
commands() {
    plan "$1"
    cut -f 1,2,4- <<<"$output" | sed -E 's/ -t [0-9.]+/ -t N/g; s/ -r [0-9]+//' | sort
}

@test "a full run lets __bandwidth sample until its figures are stable; a quick one takes one sample" {
    plan full
    refuted grep -E '__bandwidth.* -r ' <<<"$output"
    plan quick
    same "$(grep -c __bandwidth <<<"$output")" "$(grep -cE '__bandwidth.* -r 1( |$)' <<<"$output")"
}

@test "a quick run measures all that a full one does but the matrices, and says that it leaves them out" {
    same "$(commands full | grep -vE '^latency-(matrix|host-cpus)')" "$(commands quick)"
    plan quick vms=3
    refuted grep -E 'matrix|--cpus' <<<"$output"
    grep -qF 'the matrices of round trips, between VMs and between CPUs: a quick run measures none' "$TMPDIR/left_out"
    rm "$TMPDIR/left_out"
    plan full vms=3
    grep -q '^latency-matrix' <<<"$output"
    refuted test -e "$TMPDIR/left_out"
}

@test "the plan: quick and full measure round trips in an open loop, too" {
    for mode in quick full; do
        plan "$mode"
        grep -qE $'^latency-every\t-\t[0-9]+\tvm1\\+vm2\t__latency -t [0-9.]+ --every 20\t__latency -t [0-9.]+ --every 20$' <<<"$output"
    done
    jq -c 'select(.id == "latency") | .id = "latency-every" | .roofline = null | .records |= map(if .median_us then .median_us = 0.6 | .p999_us = 5000 else . end)' \
        "$R/results.jsonl" >"$R/open"
    cat "$R/open" >>"$R/results.jsonl"
    succeeds ./bench.sh --report "$R"
    in_report '| round trip, open loop (every 20 µs) | 0.6 us |'
    in_report '| round trip, open loop (every 20 µs), p99.9 | 5000 us |'
    in_report 'its time counts from then. So a stall counts for all words'
    same '0.6 5000 ' "$(column latency-every/median median) $(column latency-every/p99.9 median) $(column latency-every/median limit)"
}

@test "docs/figures.md has a definition for every measurement of the plan" {
    local id what
    plan full vms=3
    for id in $(cut -f 1 <<<"$output"); do
        case $id in
        stress) continue ;; # gives no figure
        mapping) what=uc-load ;;
        latency-matrix) what=vm1-vm2 ;;
        latency-host-cpus) what=0-1 ;;
        kernels*) what=avx2 ;;
        streams-*) what=total ;;
        parts*) what=copy-in ;;
        latency* | tcp-latency) what=median ;;
        *) what=65536 ;;
        esac
        succeeds jq -L bench -nr --arg figure "$id/$what" 'include "words"; $figure | in_words | .definition, .words'
        [[ ${lines[0]} != Figures && ${lines[1]} != "$id/$what" ]] || failure "bench/words.jq has no words for $id"
        grep -qxF "## ${lines[0]}" docs/figures.md || failure "docs/figures.md has no ${lines[0]}"
    done
}

@test "the plan: the parts of a stream's messages are measured apart from its rates" {
    for mode in quick full; do
        plan "$mode"
        for id in parts parts-host; do
            grep -qE "^$id"$'\t-\t[0-9]+\t(vm1\\+vm2|host\\+host)\t__stream send --parts -s 64K -t [0-9.]+\t__stream recv$' <<<"$output"
        done
        same 2 "$(grep -c -e --parts <<<"$output")"
    done
}

# rounds MODE SECONDS: a run in which each round takes SECONDS by the script's clock.
rounds() {
    script run_of <<'END'
BENCH_TEMP=$TMPDIR
seconds=$2
plan_line only - 1 vm1 __shmem >"$BENCH_TEMP/plan"
bench_measure() { SECONDS=$((SECONDS + seconds)); }
bench_run "$1"
END
    succeeds ./run_of "$@"
}

@test "a round that would end too late is not begun: quick promises a minute, full 15" {
    rounds quick 15
    says 'round 3 of 3'
    says_not 'would take too long'
    rounds quick 20
    says 'Only 2 of 3 rounds: another would take too long'
    rounds quick 50
    says 'Only 1 of 3 rounds'
    rounds full 150
    says 'round 5 of 5'
    says_not 'would take too long'
    rounds full 230
    says 'Only 3 of 5 rounds'
}

@test "the time that is left is that of the rounds that there is time for, and of this one in any case" {
    script run_of <<'END'
BENCH_TEMP=$TMPDIR
plan_line first - 20 vm1 __shmem >"$BENCH_TEMP/plan"
plan_line second - 10 vm1 __shmem >>"$BENCH_TEMP/plan"
unset SECONDS # from here on it moves only as we say
SECONDS=0
bench_measure() { SECONDS=$((SECONDS + $2 * 8)); }
bench_run quick
END
    succeeds ./run_of
    says 'round 1 of 3, 0:55 left: first' 'round 1 of 3, 0:47 left: second' 'round 2 of 3, 0:39 left: first' 'round 2 of 3, 0:23 left: second'
}

@test "the plan leaves out measurements that the VMs do not support" {
    plan full vms=3
    grep -q '^latency-matrix' <<<"$output"
    grep -q '^latency-interrupt' <<<"$output"
    grep -q '^bandwidth-wb' <<<"$output"
    grep -q '^tcp-latency' <<<"$output"
    plan full interrupts=no 'mappings=uc wc' sockperf=no
    prints_not latency-matrix
    prints_not latency-interrupt
    prints_not bandwidth-wb
    prints_not sockperf
    prints iperf3
    plan full link=no
    prints_not iperf3
    prints_not sockperf
}

@test "the plan: no block is larger than the half of the region that __bandwidth uses" {
    plan full region_bytes=1048576
    prints '-s 512K'
    prints_not '-s 64M'
}

@test "the plan: a host with too many CPUs, or one, gets no CPU matrix, with a note" {
    plan full
    grep -q '^latency-host-cpus' <<<"$output"
    plan full cpus=64
    refuted grep -q '^latency-host-cpus' <<<"$output"
    grep -q 'it has 64' "$TMPDIR/left_out"
    plan full cpus=1
    refuted grep -q '^latency-host-cpus' <<<"$output"
}
