# shellcheck shell=bash
# Runs the plan: each measurement in turn, round after round. Each run adds a line to results.jsonl.
#
# A line: {schema, machine, id, roofline, round, where, began, seconds, others_cpus, steal, status, said, records}.
# machine is the id of this call of bench.sh, as in host.json, so a line from another folder is noticed. records are what the
# programs print with --json; bench/iperf3.jq and sockperf.jq bring the output of those two into the same form.

BENCH_SCHEMA=1

# How many rounds at most, and the second of this script by which the last must have ended. The rest of the time that
# bench.sh promises in its --help is for the report.
declare -A BENCH_ROUNDS=([quick]=3 [full]=5) BENCH_UNTIL=([quick]=55 [full]=840)
BENCH_DEADLINE=0 # that second, when a run has begun

# bench_say_plan MODE: says what a run will measure, and what it leaves out.
bench_say_plan() {
    local first round line
    read -r first _ <"$BENCH_TEMP/plan"
    round=$(clock "$(plan_left "$first" 0)")
    say "$(wc -l <"$BENCH_TEMP/plan") measurements, about $round a round, ${BENCH_ROUNDS[$1]} rounds if there is time"
    touch "$BENCH_TEMP/left_out"
    while IFS= read -r line; do
        say "Left out: $line"
    done <"$BENCH_TEMP/left_out"
}

# bench_run MODE: measures all that is in BENCH_TEMP/plan.
bench_run() {
    local rounds=${BENCH_ROUNDS[$1]} round begun id
    local -a ids
    BENCH_DEADLINE=${BENCH_UNTIL[$1]}
    for ((round = 1; round <= rounds; round++)); do
        begun=$SECONDS
        mapfile -t ids < <(cut -f 1 "$BENCH_TEMP/plan")
        for id in "${ids[@]}"; do
            bench_progress "$round" "$rounds" "$id"
            bench_measure "$id" "$round"
        done
        # The next round will take as long as this one did.
        ((SECONDS + SECONDS - begun <= BENCH_DEADLINE)) || break
    done
    bench_progress_end
    ((round >= rounds)) || say "Only $round of $rounds rounds: another would take too long"
}

# bench_measure ID ROUND: measures once, and once more if the run observed nothing. A measurement without any observation
# leaves the plan.
bench_measure() {
    local id=$1 round=$2 line status command took
    line=$(plan_find "$id")
    bench_try status took "$line"
    if bench_empty "$status"; then
        line=$(plan_longer "$line")
        bench_try status took "$line"
    fi
    if bench_empty "$status"; then
        plan_change "$id"
        IFS=$'\t' read -r _ _ _ _ command _ <<<"$line"
        bench_leave_out "$id, from round $round on: ${command%% *} observed nothing, even in a run $LONGER times as long"
        return
    fi
    plan_change "$id" "$(plan_took "$line" "$took")"
    bench_record "$line" "$round" "$status" >"$BENCH_TEMP/line"
    results_append "$BENCH_TEMP/line"
    if ((status)); then
        bench_progress_end
        warn "$id failed in round $round with status $status: $(last_words "$BENCH_TEMP/run/said")"
        bench_require "in the middle of $id"
    fi
}

# Did a run that ended with status $1 succeed without a single observation?
bench_empty() {
    (($1 == 0)) && [[ ! -s $BENCH_TEMP/run/records ]]
}

# bench_leave_out WHAT: notes in host.json that something is not measured, and why.
bench_leave_out() {
    bench_progress_end
    say "Left out: $1"
    leave_out "$1"
    results_host false
}

# bench_try STATUS TOOK LINE: runs LINE of the plan, and sets STATUS and TOOK, its seconds. In BENCH_TEMP/run it leaves records; said,
# the errors of the programs; began, the time; and noise, as noise_between prints it.
bench_try() {
    local where command answer seconds before read_status run=$BENCH_TEMP/run start=${EPOCHREALTIME/./}
    IFS=$'\t' read -r _ _ seconds where command answer <<<"$3"
    rm -rf -- "$run"
    mkdir -- "$run"
    date -u +%Y-%m-%dT%H:%M:%SZ >"$run/began"
    before=$(noise_read)
    bench_child "$1" bench_into "$run/out" "$run/said" bench_run_at "$where" $((seconds * 4 + 60)) "$command" "$answer"
    noise_between "$before" "$(noise_read)" >"$run/noise"
    printf -v "$2" %d $(((${EPOCHREALTIME/./} - start + 500000) / 1000000))
    bench_child read_status bench_into "$run/records" "$run/unread" bench_records "$command" "$run/out"
    cat -- "$run/unread" >>"$run/said"
    ((${!1})) || printf -v "$1" %d "$read_status"
}

# bench_record LINE ROUND STATUS: prints the line of results.jsonl for the run that bench_try has just made.
bench_record() {
    local id roofline where run=$BENCH_TEMP/run
    IFS=$'\t' read -r id roofline _ where _ <<<"$1"
    jq -sc --argjson schema "$BENCH_SCHEMA" --arg machine "$BENCH_RUN" --arg id "$id" --arg roofline "$roofline" \
        --argjson round "$2" --arg where "$where" --arg began "$(<"$run/began")" --slurpfile noise "$run/noise" \
        --argjson status "$3" --arg said "$(tail -c 500 -- "$run/said")" \
        '{schema: $schema, machine: $machine, id: $id, roofline: (if $roofline == "-" then null else $roofline end),
          round: $round, where: $where, began: $began} + $noise[0] + {status: $status, said: $said, records: .}' "$run/records"
}

# bench_run_at WHERE LIMIT COMMAND ANSWER: runs COMMAND there. If WHERE has a second place, ANSWER runs in it and begins first.
# Fails if either fails, or takes longer than LIMIT seconds. The outputs follow one another: in one pipe, records of more than
# PIPE_BUF bytes could be mixed (pipe(7)).
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

# bench_one PLACE LIMIT COMMAND: runs a command of the plan in a VM or on the host, for LIMIT seconds at most.
bench_one() {
    local place=$1 limit=$2 file=''
    local -a words
    [[ $place != host ]] || file=$(shmem_file_now)
    if [[ $3 == SHELL\ * ]]; then
        words=(sh -c "${3#SHELL }")
    else
        read -r -a words <<<"$3"
        case $place:${words[0]} in
        host:__*) words+=(--json -f "$file") ;;
        *:__*) words+=(--json) ;;
        esac
    fi
    if [[ $place == host ]]; then
        # --foreground: in this process group, which bench_stop ends.
        PATH=$VM_DIR/bin:$PATH REGION=$file timeout --foreground -k 5 "$limit" "${words[@]}"
    else
        guest_run "$place" timeout -k 5 "$limit" "${words[@]}"
    fi
}

# bench_records COMMAND FILE: prints the output of COMMAND in FILE as JSON records; nothing if it observed nothing.
bench_records() {
    case $1 in
    iperf3*) jq -c --arg command "$1" -f "$LAB_HOME/bench/iperf3.jq" "$2" ;;
    sockperf*) jq -Rnc -f "$LAB_HOME/bench/sockperf.jq" "$2" ;;
    *) jq -c . "$2" ;;
    esac
}

# --- Progress: on a terminal one line that changes, elsewhere a line for each measurement.

# bench_progress ROUND ROUNDS ID
bench_progress() {
    local text
    text=$(printf 'round %d of %d, %s left: %s' "$1" "$2" "$(clock "$(plan_left "$3" $(($2 - $1)))")" "$3")
    if bench_on_terminal; then
        printf '\r\e[K%s' "$text" >&2 || true
    else
        say "$text"
    fi
}

# Clears the line, so that a message can follow.
bench_progress_end() {
    if bench_on_terminal; then
        printf '\r\e[K' >&2 || true
    fi
}
