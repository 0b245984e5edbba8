# shellcheck shell=bash
# From a results folder to its report, and two of them side by side. jq computes (bench/*.jq), gnuplot draws (bench/*.gp).

BENCH_PLOTS=(latency bandwidth stream streams matrix)

# report_load FOLDER DIR: checks host.json and results.jsonl, and makes of them the files that the rest works on:
# DIR/host, DIR/runs (an array) and DIR/figures. Ends the program with a line that names a file that is missing or broken.
report_load() {
    local folder=$1 dir=$2 file message
    for file in host.json results.jsonl; do
        [[ -r $folder/$file ]] || die "$folder is no results folder of bench.sh: it has no $file"
    done
    jq -ces 'if length == 1 and (.[0] | type == "object" and has("schema") and has("machine") and has("host")) then .[0]
        else error("no") end' "$folder/host.json" >"$dir/host" 2>/dev/null ||
        die "$folder/host.json is broken or cut off: measure anew"
    [[ $(jq .schema "$dir/host") == "$BENCH_SCHEMA" ]] ||
        die "$folder/host.json has schema $(jq -c .schema "$dir/host"); this bench.sh reads $BENCH_SCHEMA: measure anew"
    message=$(jq -Rnc --slurpfile host "$dir/host" -f "$LAB_HOME/bench/check.jq" "$folder/results.jsonl" 2>&1 >"$dir/runs") ||
        die "$folder/results.jsonl: ${message#jq: error*): }: measure anew"
    jq -f "$LAB_HOME/bench/summary.jq" "$dir/runs" >"$dir/figures"
}

# report_make FOLDER: summary.csv, the plots and report.md from what is in it. Fails if a figure was refused.
report_make() {
    local folder=$1 dir
    dir=$(mktemp -d)
    # shellcheck disable=SC2064 # the name of now
    trap "rm -rf -- '$dir'" RETURN
    report_load "$folder" "$dir"
    jq -r -f "$LAB_HOME/bench/csv.jq" "$dir/figures" | write_file "$folder/summary.csv"
    report_plots "$folder" "$dir"
    jq --slurpfile runs "$dir/runs" -f "$LAB_HOME/bench/noise.jq" "$dir/figures" >"$dir/noise"
    jq -r --slurpfile host "$dir/host" --slurpfile runs "$dir/runs" --slurpfile noise "$dir/noise" \
        --arg plots "${REPORT_PLOTS[*]}" -f "$LAB_HOME/bench/report.jq" "$dir/figures" | write_file "$folder/report.md"
    jq -r 'if .noisy then .why[] else empty end' "$dir/noise" | while read -r line; do
        warn "the host is noisy: $line"
    done
    report_refused "$dir/figures"
}

# Warns of the figures in file $1 that were refused; fails if there are any.
report_refused() {
    local line count=0
    while read -r line; do
        warn "refused: $line"
        count=$((count + 1))
    done < <(jq -r '.[] | select(.status == "refused") | "\(.figure) is \(.median) \(.unit); the host itself: \(.roofline)"' "$1")
    ((count == 0))
}

# Draws what there is data for. Sets REPORT_PLOTS to the names.
report_plots() {
    local folder=$1 dir=$2 plot format
    REPORT_PLOTS=()
    for plot in "${BENCH_PLOTS[@]}"; do
        rm -f -- "$folder/$plot".{svg,png}
        jq -r --slurpfile runs "$dir/runs" --arg plot "$plot" -f "$LAB_HOME/bench/tables.jq" "$dir/figures" >"$dir/$plot.tsv"
        [[ -s $dir/$plot.tsv ]] || continue
        for format in svg png; do
            GNUPLOT_LIB=$LAB_HOME/bench gnuplot -c "$LAB_HOME/bench/$plot.gp" "$dir/$plot.tsv" "$dir/$plot.$format" "$format" \
                2>"$dir/said" || die "gnuplot cannot draw $plot: $(tail -n 1 "$dir/said")"
            write_file "$folder/$plot.$format" <"$dir/$plot.$format"
        done
        REPORT_PLOTS+=("$plot")
    done
}

# --- Comparing

# report_compare A B THRESHOLD ANYWAY: prints both side by side. Fails if B is worse beyond the threshold, in percent.
report_compare() {
    local a=$1 b=$2 threshold=$3 anyway=$4 dir differ status=0
    dir=$(mktemp -d)
    # shellcheck disable=SC2064 # the name of now
    trap "rm -rf -- '$dir'" EXIT
    mkdir -- "$dir/a" "$dir/b"
    report_load "$a" "$dir/a"
    report_load "$b" "$dir/b"
    differ=$(report_differences "$dir")
    if [[ -n $differ && $anyway != yes ]]; then
        die "$a and $b cannot be compared: they differ in $differ. (--anyway compares them all the same, and says so)"
    fi
    jq -n --slurpfile ah "$dir/a/host" --slurpfile bh "$dir/b/host" --slurpfile af "$dir/a/figures" \
        --slurpfile bf "$dir/b/figures" '[{host: $ah[0], figures: $af[0]}, {host: $bh[0], figures: $bf[0]}]' |
        jq --argjson threshold "$threshold" -f "$LAB_HOME/bench/compare.jq" >"$dir/comparison"
    jq -r --arg a "$a" --arg b "$b" --arg differ "$differ" --argjson threshold "$threshold" \
        -f "$LAB_HOME/bench/comparison.jq" "$dir/comparison"
    [[ $(jq '.rows | length' "$dir/comparison") != 0 ]] || die "$a and $b have no figure in common"
    jq -e '.worse == []' "$dir/comparison" >/dev/null || status=1
    return "$status"
}

# What keeps the results in DIR/a and DIR/b from being compared, in one line.
report_differences() {
    local side
    for side in a b; do
        jq -rn --slurpfile host "$1/$side/host" --slurpfile runs "$1/$side/runs" \
            "{host: \$host[0], runs: \$runs[0]} | $(<"$LAB_HOME/bench/identity.jq")" >"$1/$side/identity"
    done
    { diff --old-line-format='%L' --new-line-format='' --unchanged-line-format='' "$1/a/identity" "$1/b/identity" || true; } |
        while IFS='=' read -r name value; do
            printf '%s (%s, %s)\n' "$name" "$value" "$(sed -n "s/^$name=//p" "$1/b/identity")"
        done | paste -sd ';' | sed 's/;/; /g'
    # An incomplete one is not compared, not even with another.
    ! grep -q '^complete=false$' "$1/a/identity" || ! grep -q '^complete=false$' "$1/b/identity" || echo 'both are incomplete'
}
