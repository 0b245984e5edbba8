# shellcheck shell=bash
# Running the plan: each measurement in turn, round after round, a line of results.jsonl for each run.
#
# A line: {schema, machine, id, roofline, round, where, began, seconds, others_cpus, steal, status, said, records}.
# machine is that of host.json, so that lines of another folder are told apart. records are what the programs
# printed with --json; those of iperf3 and sockperf are brought into the same form by bench/iperf3.jq and sockperf.jq.

BENCH_SCHEMA=1

# How many rounds at most, and the second of this script after which no further one begins that would take as long as
# the one before: quick is to end within 2 minutes, with the start of the VMs, full within 15.
declare -A BENCH_ROUNDS=([quick]=3 [full]=5) BENCH_UNTIL=([quick]=112 [full]=840)

# bench_run FOLDER MODE: measures all that is in FOLDER/plan, and counts in BENCH_FAILED the runs that failed.
bench_run() {
    local folder=$1 rounds=${BENCH_ROUNDS[$2]} until=${BENCH_UNTIL[$2]} round line id begun
    local -a fields
    BENCH_FAILED=0
    mapfile -t BENCH_LINES <"$folder/plan"
    for line in "${BENCH_LINES[@]}"; do
        IFS=$'\t' read -r -a fields <<<"$line"
        BENCH_SECONDS[${fields[0]}]=${fields[2]}
    done
    for ((round = 1; round <= rounds; round++)); do
        begun=$SECONDS
        for line in "${BENCH_LINES[@]}"; do
            IFS=$'\t' read -r id _ <<<"$line"
            bench_progress "$folder" "$round" "$rounds" "$id"
            bench_measure "$folder" "$round" "$line"
        done
        ((SECONDS + SECONDS - begun <= until)) || break
    done
    bench_progress_end
    ((round >= rounds)) || say "Only $round of $rounds rounds: another would have taken too long"
}
declare -A BENCH_SECONDS=()

# Runs one line $3 of the plan, and adds what came of it to FOLDER/results.jsonl.
bench_measure() {
    local folder=$1 round=$2 id roofline seconds where command answer began status=0
    IFS=$'\t' read -r id roofline seconds where command answer <<<"$3"
    BENCH_TEMP=$folder/running
    mkdir -p -- "$BENCH_TEMP"
    noise_begin
    began=$(date -u +%Y-%m-%dT%H:%M:%SZ)
    # In a process group of its own, so that Ctrl-C ends all of it; waited for so that the trap is not kept waiting.
    set -m
    (
        trap - EXIT HUP INT TERM
        bench_run_at "$where" $((seconds * 4 + 60)) "$command" "$answer"
    ) </dev/null >"$BENCH_TEMP/out" 2>"$BENCH_TEMP/said" {LAB_LOCK}>&- &
    BENCH_PID=$!
    set +m
    wait "$BENCH_PID" || status=$?
    BENCH_PID=''
    noise_end
    BENCH_SECONDS[$id]=$(((NOISE_MS + 500) / 1000))
    bench_records "$command" <"$BENCH_TEMP/out" >"$BENCH_TEMP/records" 2>>"$BENCH_TEMP/said" || status=1
    [[ $status != 0 || -s $BENCH_TEMP/records ]] || status=1
    jq -sc --argjson schema "$BENCH_SCHEMA" --arg machine "$BENCH_MACHINE" --arg id "$id" --arg roofline "$roofline" \
        --argjson round "$round" --arg where "$where" --arg began "$began" --argjson ms "$NOISE_MS" \
        --argjson others "$NOISE_OTHERS" --argjson steal "$NOISE_STEAL" --argjson status "$status" \
        --arg said "$(tail -c 500 -- "$BENCH_TEMP/said")" \
        '{schema: $schema, machine: $machine, id: $id, roofline: (if $roofline == "-" then null else $roofline end),
          round: $round, where: $where, began: $began, seconds: ($ms / 1000), others_cpus: $others, steal: $steal,
          status: $status, said: $said, records: .}' "$BENCH_TEMP/records" >>"$folder/results.jsonl"
    rm -rf -- "$BENCH_TEMP"
    if ((status)); then
        BENCH_FAILED=$((BENCH_FAILED + 1))
        bench_progress_end
        warn "$id failed in round $round with status $status: $(jq -rs 'last.said | split("\n") | map(select(. != "")) | last // "nothing was said"' "$folder/results.jsonl")"
    fi
}

# bench_run_at WHERE LIMIT COMMAND ANSWER: runs COMMAND there, and ANSWER in the second place if there is one. Fails if
# either does, or if it takes longer than LIMIT seconds. What they print follows one another: in one pipe, a record of
# more than PIPE_BUF bytes would be cut by another's (pipe(7)).
bench_run_at() {
    local where=$1 limit=$2 status=0 name
    local -a pids=()
    case $where in
    all)
        for name in $(vm_all_running); do
            bench_one "$name" "$limit" "$3" >"$BENCH_TEMP/out.$name" &
            pids+=("$!")
        done
        ;;
    *+*)
        bench_one "${where#*+}" "$limit" "$4" >"$BENCH_TEMP/out.2" &
        pids+=("$!")
        bench_one "${where%+*}" "$limit" "$3" >"$BENCH_TEMP/out.1" &
        pids+=("$!")
        ;;
    *) bench_one "$where" "$limit" "$3" >"$BENCH_TEMP/out.1" || status=$? ;;
    esac
    for name in "${pids[@]}"; do
        wait "$name" || status=$?
    done
    cat -- "$BENCH_TEMP"/out.*
    return "$status"
}

# bench_one PLACE LIMIT COMMAND
bench_one() {
    local place=$1 limit=$2
    local -a words
    if [[ $3 == SHELL\ * ]]; then
        words=(sh -c "${3#SHELL }")
    else
        read -r -a words <<<"$3"
        [[ ${words[0]} != __* ]] || words+=(--json)
    fi
    if [[ $place != host ]]; then
        guest_run "$place" timeout -k 5 "$limit" "${words[@]}"
        return
    fi
    [[ ${words[0]} != __* ]] || words+=(-f "$(shmem_file_now)")
    # --foreground: in this process group, which bench_stop ends.
    PATH=$VM_DIR/bin:$PATH REGION=$(shmem_file_now) timeout --foreground -k 5 "$limit" "${words[@]}"
}

# What a program printed, on stdin, as JSON records.
bench_records() {
    case $1 in
    iperf3*) jq -ec --arg command "$1" -f "$LAB_HOME/bench/iperf3.jq" ;;
    sockperf*) jq -Rnec -f "$LAB_HOME/bench/sockperf.jq" ;;
    *) jq -c . ;;
    esac
}

# Ends what is being measured, with all that it started. For the traps.
bench_stop() {
    [[ -n ${BENCH_PID:-} ]] || return 0
    kill -TERM -- "-$BENCH_PID" 2>/dev/null || true
    wait "$BENCH_PID" 2>/dev/null || true
    BENCH_PID=''
}

# --- Progress: one line that changes on a terminal, a line for each measurement elsewhere.

# bench_progress FOLDER ROUND ROUNDS ID
bench_progress() {
    local folder=$1 round=$2 rounds=$3 id=$4 left=0 line here after=no text
    for line in "${BENCH_LINES[@]}"; do
        here=${line%%$'\t'*}
        [[ $here != "$id" ]] || after=yes
        left=$((left + BENCH_SECONDS[$here] * (rounds - round)))
        [[ $after == no ]] || left=$((left + BENCH_SECONDS[$here]))
    done
    text=$(printf 'round %d of %d, %s left: %s' "$round" "$rounds" "$(clock "$left")" "$id")
    if [[ -t 2 && ${TERM:-dumb} != dumb ]]; then
        printf '\r\e[K%s' "$text" >&2
        BENCH_LINE_OPEN=yes
    else
        say "$text"
    fi
}

bench_progress_end() {
    [[ ${BENCH_LINE_OPEN:-no} == no ]] || printf '\r\e[K' >&2
    BENCH_LINE_OPEN=no
}
