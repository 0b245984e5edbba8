# shellcheck shell=bash
# What bench.sh measures: the plan. Each measurement is a line, with its fields separated by tabs:
#
#   ID        its name in results.jsonl; its figures are called ID/SIZE or ID/WHAT
#   ROOFLINE  the ID of the same measurement on the host, or -
#   SECONDS   that a run takes: an estimate at first, then what the last run took
#   WHERE     what runs COMMAND: vm1, vm2, ..., host, or all VMs; with vm1+vm2 or host+host the second runs ANSWER meanwhile
#   COMMAND, ANSWER   words without quoting, or SHELL and a line for sh -c; __NAME gets --json, and on the host also -f
#
# Every round runs all measurements once, so a host that slows down does so for all of them.

# The first three numbers of the addresses on the link between the VMs; the fourth is the VM's number.
LINK_NET=192.168.77

# bench_plan quick|full: prints the plan. What the VMs can do is in CAN (bench/guest.sh). A quick run has all figures of a full
# one but the matrices, whose time grows with their size. It measures each for a shorter time. It cannot shorten the largest
# block, 64 MiB: an emulated VM copies it many times over before the first sample of each copy kernel.
bench_plan() {
    case $1 in
    quick)
        plan_sweeps 1
        plan_round_trips 0.3
        leave_out 'the matrices of round trips, between VMs and between CPUs: a quick run measures none'
        plan_streams 0.05 0.2
        plan_parts 0.2
        plan_stress 0.3
        plan_tcp 1
        plan_kernels 1
        ;;
    full)
        plan_sweeps
        plan_round_trips 2
        plan_matrices
        plan_streams 0.5 1
        plan_parts 1
        plan_stress 1
        plan_tcp 2
        plan_kernels
        ;;
    esac
}

# plan_steady COUNT [SAMPLES]: prints the seconds that COUNT figures of __bandwidth take longer without SAMPLES. It then samples each
# until it is stable, for half a second at most. On a busy host half of the figures needed that half second.
plan_steady() {
    printf %d $(($# > 1 ? 0 : $1 / 4))
}

# plan_sweeps [SAMPLES]: copies of blocks of all sizes, 8 up to 64 MiB. Without SAMPLES nine or more, until they are stable.
plan_sweeps() {
    local sweep kind seconds block
    block=$(plan_block 64M)
    sweep="__bandwidth --sweep -s $block${1:+ -r $1}"
    seconds=$((2 + $(size_in_bytes "$block") * ${1:-9} / 150000000))
    plan_line mapping - 1 vm1 __shmem
    # With all 7 kernels: which of them a memcpy behaves like, and what the host can do at its best (bench/summary.jq).
    plan_line bandwidth-host - $((3 + $(plan_steady 56 "$@"))) host "$sweep -k all"
    plan_line bandwidth-host-local - $((1 + $(plan_steady 56 "$@"))) host "$sweep --local -k all"
    for kind in ${CAN[mappings]}; do
        plan_line "bandwidth-$kind" bandwidth-host $((seconds + $(plan_steady 8 "$@"))) vm1 "$sweep -m $kind"
    done
    plan_line bandwidth-local bandwidth-host-local $((seconds * 4 + $(plan_steady 56 "$@"))) vm1 "$sweep --local -k all"
}

# Block size $1, or the half of the region that __bandwidth may use, if that is smaller.
plan_block() {
    local half=$((CAN[region_bytes] / 2))
    if (($(size_in_bytes "$1") > half)); then
        printf '%dK' $((half / 1024))
    else
        printf '%s' "$1"
    fi
}

# plan_round_trips SECONDS
plan_round_trips() {
    local round_trip="__latency -t $1" whole=${1%.*}
    plan_line latency-host - $((1 + whole)) host+host "$round_trip" "$round_trip"
    plan_line latency latency-host $((1 + whole)) vm1+vm2 "$round_trip" "$round_trip"
    # An open loop: a stall of the host counts for all messages that were due in it.
    plan_line latency-every - $((1 + whole)) vm1+vm2 "$round_trip --every 20" "$round_trip --every 20"
    if [[ ${CAN[interrupts]} == yes ]]; then
        plan_line latency-interrupt - $((2 + whole)) vm1+vm2 "$round_trip --interrupt" "$round_trip --interrupt"
    fi
}

# The CPUs of the host up to which a full run measures every two of them. The number of pairs grows with the square.
MATRIX_CPUS=16

# The round trip between every two VMs, and between every two CPUs of the host.
plan_matrices() {
    local vms=${CAN[vms]} cpus=${CAN[cpus]}
    if ((vms >= 3)); then
        plan_line latency-matrix latency-host $((2 + vms * (vms - 1) / 2)) all "__latency -t 0.5 --matrix $vms"
    else
        leave_out 'the matrix of VMs: it needs three VMs or more (./start.sh --set VM_COUNT=3)'
    fi
    if ((cpus >= 2 && cpus <= MATRIX_CPUS)); then
        plan_line latency-host-cpus - $((1 + cpus * (cpus - 1) / 8)) host '__latency --cpus'
    else
        leave_out "the matrix of the host's CPUs: it has $cpus, and a full run measures 2 to $MATRIX_CPUS" \
            '(./run.sh host __latency --cpus)'
    fi
}

# plan_streams SECONDS_OF_A_SIZE SECONDS: a stream of messages of each size, then several streams at once.
plan_streams() {
    local count whole=${2%.*}
    plan_line stream-host - $((1 + 4 * whole)) host+host "__stream send --sweep -t $1" '__stream recv'
    plan_line stream stream-host $((2 + 5 * whole)) vm1+vm2 "__stream send --sweep -t $1" '__stream recv'
    for count in 1 2 3 4; do
        plan_line "streams-host-$count" - $((1 + whole)) host+host "$(plan_channels host "$count" send -s 64K -t "$2")" \
            "$(plan_channels host "$count" recv)"
        plan_line "streams-$count" "streams-host-$count" $((1 + whole)) vm1+vm2 \
            "$(plan_channels vm "$count" send -s 64K -t "$2")" "$(plan_channels vm "$count" recv)"
    done
}

# plan_channels host|vm COUNT WORD...: a shell line that runs __stream WORD... on COUNT channels at once.
plan_channels() {
    local file=''
    # shellcheck disable=SC2016 # for the other shell
    [[ $1 == vm ]] || file=' -f "$REGION"'
    # shellcheck disable=SC2016
    printf 'SHELL s=0; for c in $(seq 0 %d); do __stream %s --json%s -c $c & p="$p $!"; done; %s' \
        $(($2 - 1)) "${*:3}" "$file" 'for p in $p; do wait $p || s=$?; done; exit $s'
}

# plan_parts SECONDS: where the time of a stream's messages goes. The rates above are measured without that.
plan_parts() {
    local parts="__stream send --parts -s 64K -t $1" whole=${1%.*}
    plan_line parts-host - $((1 + whole)) host+host "$parts" '__stream recv'
    plan_line parts - $((1 + whole)) vm1+vm2 "$parts" '__stream recv'
}

# plan_stress SECONDS: gives no figure, but a violation ends with a status that the report shows.
plan_stress() {
    plan_line stress - $((1 + ${1%.*})) vm1+vm2 "__stress -t $1" "__stress -t $1"
}

# plan_tcp SECONDS. sockperf takes twice as long, since it drops the beginning of a run.
plan_tcp() {
    local size
    [[ ${CAN[link]} == yes ]] || return 0
    if [[ ${CAN[iperf3]} == yes ]]; then
        for size in 1K 16K 64K 1M; do
            plan_line "tcp-$size" bandwidth-host $((1 + $1)) vm1 "iperf3 -c $LINK_NET.2 -J -t $1 -l $size"
        done
    fi
    if [[ ${CAN[sockperf]} == yes ]]; then
        plan_line tcp-latency latency-host $((1 + 2 * $1)) vm1 \
            "sockperf ping-pong --tcp -i $LINK_NET.2 --no-rdtsc -t $((2 * $1))"
    fi
}

# plan_kernels [SAMPLES]: the other copy kernels, and copies out of the region. As plan_sweeps.
plan_kernels() {
    local kind copy more
    copy="-s $(plan_block 16M)${1:+ -r $1}"
    more=$(plan_steady 7 "$@")
    plan_line kernels-host - $((1 + more)) host "__bandwidth -k all $copy"
    plan_line kernels kernels-host $((2 + 2 * ${1:-3} + more)) vm1 "__bandwidth -k all $copy"
    plan_line from-host - $((1 + more)) host "__bandwidth --from $copy -k all"
    for kind in ${CAN[mappings]}; do
        plan_line "from-$kind" from-host $((1 + ${1:-3} / 3)) vm1 "__bandwidth --from $copy -m $kind"
    done
}

# plan_line ID ROOFLINE SECONDS WHERE COMMAND [ANSWER]
plan_line() {
    local IFS=$'\t'
    printf '%s\n' "$*"
}

# How many times as long a measurement runs that observed nothing.
LONGER=4

# plan_longer LINE: the same measurement, LONGER times as long where its programs have a time, -t.
plan_longer() {
    awk -F '\t' -v OFS='\t' -v longer="$LONGER" '{
        $3 *= longer
        for (field = 5; field <= NF; field++) {
            count = split($field, words, " ")
            $field = words[1]
            for (i = 2; i <= count; i++)
                $field = $field " " (words[i - 1] == "-t" ? words[i] * longer : words[i])
        }
        print
    }' <<<"$1"
}

# plan_took LINE SECONDS: the same measurement, with the seconds that it really took.
plan_took() {
    awk -F '\t' -v OFS='\t' -v seconds="$2" '{ $3 = seconds; print }' <<<"$1"
}

# --- The plan of a run, in BENCH_TEMP/plan: what was learned about a measurement holds for the rounds that follow.

# The line of measurement $1.
plan_find() {
    awk -F '\t' -v id="$1" '$1 == id' "$BENCH_TEMP/plan"
}

# plan_change ID [LINE]: measurement ID is now LINE; without LINE it leaves the plan.
plan_change() {
    local line
    while IFS= read -r line; do
        if [[ $line != "$1"$'\t'* ]]; then
            printf '%s\n' "$line"
        elif [[ -n ${2:-} ]]; then
            printf '%s\n' "$2"
        fi
    done <"$BENCH_TEMP/plan" >"$BENCH_TEMP/plan.new"
    mv -- "$BENCH_TEMP/plan.new" "$BENCH_TEMP/plan"
}

# plan_left ID ROUNDS: the seconds from measurement ID on to the end of this round, and of ROUNDS more as far as there is time.
plan_left() {
    awk -F '\t' -v id="$1" -v rounds="$2" -v time=$((BENCH_DEADLINE - SECONDS)) '
        $1 == id { ahead = 1 }
        { round += $3 * ahead; more += $3 * rounds }
        END { printf "%d", (round + more <= time ? round + more : round > time ? round : time) }' "$BENCH_TEMP/plan"
}
