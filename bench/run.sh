# shellcheck shell=bash
# Running the plan: each measurement in turn, round after round, a line of results.jsonl for each run.
#
# A line: {schema, machine, id, roofline, round, where, began, seconds, others_cpus, steal, status, said, records}.
# machine is that of host.json, so that lines of another folder are told apart. records are what the programs
# printed with --json; those of iperf3 and sockperf are brought into the same form by bench/iperf3.jq and sockperf.jq.

BENCH_SCHEMA=1

# How many rounds at most, and the second of this script by which the last must have ended. The rest of the time that
# bench.sh promises in its --help is for the report.
declare -A BENCH_ROUNDS=([quick]=3 [full]=5) BENCH_UNTIL=([quick]=112 [full]=840)

# bench_run MODE: measures all that is in BENCH_TEMP/plan, and counts in BENCH_FAILED the runs that failed.
bench_run() {
    local rounds=${BENCH_ROUNDS[$1]} until=${BENCH_UNTIL[$1]} round index begun
    local -a fields
    BENCH_FAILED=0
    mapfile -t BENCH_LINES <"$BENCH_TEMP/plan"
    for index in "${!BENCH_LINES[@]}"; do
        IFS=$'\t' read -r -a fields <<<"${BENCH_LINES[index]}"
        BENCH_SECONDS[${fields[0]}]=${fields[2]}
    done
    for ((round = 1; round <= rounds; round++)); do
        begun=$SECONDS
        for index in "${!BENCH_LINES[@]}"; do
            bench_progress "$round" "$rounds" "${BENCH_LINES[index]%%$'\t'*}"
            bench_measure "$index" "$round"
        done
        # The next round will take as long as this one did.
        ((SECONDS + SECONDS - begun <= until)) || break
    done
    bench_progress_end
    ((round >= rounds)) || say "Only $round of $rounds rounds: another would have taken too long"
}
declare -A BENCH_SECONDS=()

# Runs line $1 of the plan in round $2. A run that observed nothing is made once more, longer, and then left out.
bench_measure() {
    local index=$1 round=$2 line=${BENCH_LINES[$1]} id=${BENCH_LINES[$1]%%$'\t'*}
    bench_try "$line"
    if bench_empty; then
        line=$(plan_longer "$line")
        bench_try "$line"
        BENCH_LINES[index]=$line # in the rounds that follow, too
    fi
    if bench_empty; then
        bench_leave_out "$index" "$round"
        return
    fi
    bench_record "$line" "$round" >"$BENCH_TEMP/line"
    results_append "$BENCH_TEMP/line"
    if ((TRY_STATUS)); then
        BENCH_FAILED=$((BENCH_FAILED + 1))
        bench_progress_end
        warn "$id failed in round $round with status $TRY_STATUS: $(last_words "$BENCH_TEMP/run/said")"
        bench_require "in the middle of $id"
    fi
}

# Did the program end well, without a single observation?
bench_empty() {
    ((TRY_STATUS == 0)) && [[ ! -s $BENCH_TEMP/run/records ]]
}

# Leaves line $1 of the plan out from round $2 on.
bench_leave_out() {
    local id roofline seconds where command
    IFS=$'\t' read -r id roofline seconds where command _ <<<"${BENCH_LINES[$1]}"
    LEFT_OUT+=("$id, from round $2 on: ${command%% *} observed nothing, even in a run $LONGER times as long")
    bench_progress_end
    say "Left out: ${LEFT_OUT[-1]}"
    unset "BENCH_LINES[$1]"
    results_host false
}

# Runs a line of the plan. What came of it is in BENCH_TEMP/run, the files records and said, and in TRY_STATUS, TRY_BEGAN.
bench_try() {
    local id roofline seconds where command answer run=$BENCH_TEMP/run
    IFS=$'\t' read -r id roofline seconds where command answer <<<"$1"
    rm -rf -- "$run"
    mkdir -- "$run"
    noise_begin
    TRY_BEGAN=$(date -u +%Y-%m-%dT%H:%M:%SZ)
    bench_child bench_into "$run/out" "$run/said" bench_run_at "$where" $((seconds * 4 + 60)) "$command" "$answer"
    TRY_STATUS=$CHILD_STATUS
    noise_end
    BENCH_SECONDS[$id]=$(((NOISE_MS + 500) / 1000))
    bench_child bench_into "$run/records" "$run/unread" bench_records "$command" "$run/out"
    ((TRY_STATUS)) || TRY_STATUS=$CHILD_STATUS
    cat -- "$run/unread" >>"$run/said"
}

# The line of results.jsonl for what bench_try did with line $1 of the plan in round $2.
bench_record() {
    local id roofline where
    IFS=$'\t' read -r id roofline _ where _ <<<"$1"
    jq -sc --argjson schema "$BENCH_SCHEMA" --arg machine "$BENCH_RUN" --arg id "$id" --arg roofline "$roofline" \
        --argjson round "$2" --arg where "$where" --arg began "$TRY_BEGAN" --argjson ms "$NOISE_MS" \
        --argjson others "$NOISE_OTHERS" --argjson steal "$NOISE_STEAL" --argjson status "$TRY_STATUS" \
        --arg said "$(tail -c 500 -- "$BENCH_TEMP/run/said")" \
        '{schema: $schema, machine: $machine, id: $id, roofline: (if $roofline == "-" then null else $roofline end),
          round: $round, where: $where, began: $began, seconds: ($ms / 1000), others_cpus: $others, steal: $steal,
          status: $status, said: $said, records: .}' "$BENCH_TEMP/run/records"
}

# bench_run_at WHERE LIMIT COMMAND ANSWER: runs COMMAND there, and ANSWER in the second place if there is one, which begins
# first. Fails if either does, or if it takes longer than LIMIT seconds. What they print follows one another: in one pipe,
# a record of more than PIPE_BUF bytes would be cut by another's (pipe(7)).
bench_run_at() {
    local where=$1 limit=$2 status=0 i pid
    local -a places=("${BENCH_VMS[@]}") pids=()
    [[ $where == all ]] || IFS=+ read -r -a places <<<"$where"
    for ((i = ${#places[@]} - 1; i >= 0; i--)); do
        if ((i == 0)) || [[ $where == all ]]; then
            bench_one "${places[i]}" "$limit" "$3" >"$BENCH_TEMP/run/out.$i" &
        else
            bench_one "${places[i]}" "$limit" "$4" >"$BENCH_TEMP/run/out.$i" &
        fi
        pids+=("$!")
    done
    for pid in "${pids[@]}"; do
        wait "$pid" || status=$?
    done
    cat -- "$BENCH_TEMP"/run/out.*
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

# What a program printed into file $2 as JSON records; none if it observed nothing.
bench_records() {
    case $1 in
    iperf3*) jq -c --arg command "$1" -f "$LAB_HOME/bench/iperf3.jq" "$2" ;;
    sockperf*) jq -Rnc -f "$LAB_HOME/bench/sockperf.jq" "$2" ;;
    *) jq -c . "$2" ;;
    esac
}

# --- Progress: one line that changes on a terminal, a line for each measurement elsewhere.

# bench_progress ROUND ROUNDS ID
bench_progress() {
    local round=$1 rounds=$2 id=$3 left=0 line here after=no text
    for line in "${BENCH_LINES[@]}"; do
        here=${line%%$'\t'*}
        [[ $here != "$id" ]] || after=yes
        left=$((left + BENCH_SECONDS[$here] * (rounds - round)))
        [[ $after == no ]] || left=$((left + BENCH_SECONDS[$here]))
    done
    text=$(printf 'round %d of %d, %s left: %s' "$round" "$rounds" "$(clock "$left")" "$id")
    if [[ -t 2 && ${TERM:-dumb} != dumb ]]; then
        printf '\r\e[K%s' "$text" >&2 || true
        BENCH_LINE_OPEN=yes
    else
        say "$text"
    fi
}

bench_progress_end() {
    [[ ${BENCH_LINE_OPEN:-no} == no ]] || printf '\r\e[K' >&2 || true
    BENCH_LINE_OPEN=no
}
