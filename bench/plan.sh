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

# bench_plan quick|full: prints the plan. What the VMs can do is in CAN (bench/guest.sh).
bench_plan() {
    case $1 in
    quick) plan_all 4M 3 0.5 0.05 '64K' '2' 8 ;;
    full)
        plan_all 64M 5 2 0.5 '1K 16K 64K 1M' '2 3 4' 16
        plan_kernels
        ;;
    esac
}

# plan_all LARGEST SAMPLES LATENCY_SECONDS STREAM_SECONDS TCP_SIZES PARALLEL_STREAMS MOST_CPUS
plan_all() {
    local sweep kind seconds block
    block=$(plan_block "$1")
    sweep="__bandwidth --sweep -s $block -r $2"
    seconds=$((2 + $(size_in_bytes "$block") * $2 / 150000000))
    plan_line mapping - 1 vm1 __shmem
    # With all kernels: which of them a memcpy behaves like, and what the host can do at its best (bench/summary.jq).
    plan_line bandwidth-host - 3 host "$sweep -k all"
    plan_line bandwidth-host-local - 3 host "$sweep --local -k all"
    for kind in ${CAN[mappings]}; do
        plan_line "bandwidth-$kind" bandwidth-host "$seconds" vm1 "$sweep -m $kind"
    done
    plan_line bandwidth-local bandwidth-host-local $((seconds * 4)) vm1 "$sweep --local -k all"
    plan_latency "$3"
    plan_cpus "$7"
    plan_stream "$4" "$6"
    plan_line stress - 3 vm1+vm2 '__stress -t 1' '__stress -t 1'
    plan_tcp "$5" "$3"
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

plan_latency() {
    local round_trip="__latency -t $1"
    plan_line latency-host - $((2 + ${1%.*})) host+host "$round_trip" "$round_trip"
    plan_line latency latency-host $((2 + ${1%.*})) vm1+vm2 "$round_trip" "$round_trip"
    if [[ ${CAN[interrupts]} == yes ]]; then
        plan_line latency-interrupt - $((3 + ${1%.*})) vm1+vm2 "$round_trip --interrupt" "$round_trip --interrupt"
    fi
    if ((CAN[vms] >= 3)); then
        plan_line latency-matrix latency-host $((2 + CAN[vms] * (CAN[vms] - 1) / 2)) all "__latency -t 0.5 --matrix ${CAN[vms]}"
    fi
}

# plan_cpus MOST: every two CPUs of the host, if it has no more than MOST. The number of pairs grows with the square.
plan_cpus() {
    if ((CAN[cpus] >= 2 && CAN[cpus] <= $1)); then
        plan_line latency-host-cpus - $((1 + CAN[cpus] * (CAN[cpus] - 1) / 8)) host '__latency --cpus'
    else
        leave_out "the matrix of the host's CPUs: it has ${CAN[cpus]}, and this mode measures 2 to $1 (./run.sh host __latency --cpus)"
    fi
}

plan_stream() {
    local count
    plan_line stream-host - 3 host+host "__stream send --sweep -t $1" '__stream recv'
    plan_line stream stream-host 7 vm1+vm2 "__stream send --sweep -t $1" '__stream recv'
    for count in 1 $2; do
        plan_line "streams-host-$count" - 3 host+host "$(plan_streams host "$count" send -s 64K -t 1)" \
            "$(plan_streams host "$count" recv)"
        plan_line "streams-$count" "streams-host-$count" 4 vm1+vm2 "$(plan_streams vm "$count" send -s 64K -t 1)" \
            "$(plan_streams vm "$count" recv)"
    done
}

# plan_streams host|vm COUNT WORD...: a shell line that runs __stream WORD... on COUNT channels at once.
plan_streams() {
    local file=''
    # shellcheck disable=SC2016 # for the other shell
    [[ $1 == vm ]] || file=' -f "$REGION"'
    # shellcheck disable=SC2016
    printf 'SHELL s=0; for c in $(seq 0 %d); do __stream %s --json%s -c $c & p="$p $!"; done; %s' \
        $(($2 - 1)) "${*:3}" "$file" 'for p in $p; do wait $p || s=$?; done; exit $s'
}

plan_tcp() {
    local size
    [[ ${CAN[link]} == yes ]] || return 0
    if [[ ${CAN[iperf3]} == yes ]]; then
        for size in $1; do
            plan_line "tcp-$size" bandwidth-host 3 vm1 "iperf3 -c $LINK_NET.2 -J -t 2 -l $size"
        done
    fi
    if [[ ${CAN[sockperf]} == yes ]]; then
        plan_line tcp-latency latency-host $((4 + ${2%.*})) vm1 "sockperf ping-pong --tcp -i $LINK_NET.2 --no-rdtsc -t $((2 + ${2%.*}))"
    fi
}

# The other copy kernels, and copies out of the region.
plan_kernels() {
    local kind size
    size=$(plan_block 16M)
    plan_line kernels-host - 2 host "__bandwidth -k all -s $size -r 3"
    plan_line kernels kernels-host 8 vm1 "__bandwidth -k all -s $size -r 3"
    plan_line from-host - 1 host "__bandwidth --from -s $size -r 3 -k all"
    for kind in ${CAN[mappings]}; do
        plan_line "from-$kind" from-host 2 vm1 "__bandwidth --from -s $size -r 3 -m $kind"
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

# plan_left ID ROUNDS: the seconds from measurement ID on to the end of this round and of ROUNDS more.
plan_left() {
    awk -F '\t' -v id="$1" -v rounds="$2" '$1 == id { ahead = 1 } { left += $3 * (rounds + ahead) } END { printf "%d", left }' \
        "$BENCH_TEMP/plan"
}
