# shellcheck shell=bash
# From a results folder to its report, and the comparison of two. jq computes (bench/*.jq), gnuplot draws (bench/*.gp).
# bench/page.sh has the parts of the pages.

BENCH_PLOTS=(latency bandwidth stream streams parts matrix cpus)

# report_load FOLDER DIR: checks host.json and results.jsonl, and makes from them the files that the rest works on: DIR/host,
# DIR/runs (an array), DIR/figures, DIR/reasons and DIR/identity. Ends the program if a file is missing or broken, and names it.
report_load() {
    local folder=$1 dir=$2 file schema
    for file in host.json results.jsonl; do
        [[ -f $folder/$file && -r $folder/$file ]] ||
            die "$folder is no results folder of bench.sh: it has no $file that you can read"
    done
    jq -ces 'if length == 1 then .[0] else error("no") end | select(type == "object" and has("schema") and has("machine"))' \
        "$folder/host.json" >"$dir/host" 2>/dev/null || die "$folder/host.json is broken or cut off: measure again"
    schema=$(jq -c .schema "$dir/host")
    [[ $schema == "$BENCH_SCHEMA" ]] || die "$folder/host.json has schema $schema; this bench.sh reads $BENCH_SCHEMA: measure again"
    report_jq "$folder/host.json" "$dir/host.checked" check_host -e "$dir/host"
    report_jq "$folder/results.jsonl" "$dir/runs" check -Rnc --slurpfile host "$dir/host" "$folder/results.jsonl"
    report_jq "$folder/results.jsonl" "$dir/figures" summary "$dir/runs"
    report_jq "$folder/results.jsonl" "$dir/reasons" reasons --slurpfile host "$dir/host" --slurpfile runs "$dir/runs" "$dir/figures"
    report_jq "$folder/host.json" "$dir/identity" identity -rn --slurpfile host "$dir/host" --slurpfile runs "$dir/runs"
}

# report_jq RECORDS OUTPUT FILTER ARGUMENT...: calls jq with bench/FILTER.jq and writes OUTPUT. If that fails, ends the program
# and names RECORDS, the file that the input was made of.
report_jq() {
    local records=$1 output=$2 filter=$3 status=0 reason
    jq -L "$LAB_HOME/bench" -f "$LAB_HOME/bench/$filter.jq" "${@:4}" >"$output" 2>"$BENCH_TEMP/said" || status=$?
    ((status)) || return 0
    reason=$(last_words "$BENCH_TEMP/said")
    reason=${reason#jq: error*): }
    ((status == 5)) || die "jq failed on $records (status $status): $reason" # 5: an error while it ran (jq's manual)
    die "$records: $reason: measure again, or remove that and call ./bench.sh --report"
}

# report_make FOLDER: makes summary.csv, the plots, report.md and report.html. Fails if a figure is doubted. All files are made in
# a temporary folder first, and then moved to their places.
report_make() {
    local folder=$1 dir plots plot line doubted
    local -a drawn=()
    page_require_ours "$folder/report.html"
    dir=$(mktemp -d -p "$BENCH_TEMP")
    report_load "$folder" "$dir"
    report_jq "$folder/results.jsonl" "$dir/summary.csv" csv -r "$dir/figures"
    report_jq "$folder/results.jsonl" "$dir/noise" noise --slurpfile runs "$dir/runs" "$dir/figures"
    plots=$(report_plots "$folder" "$dir")
    report_jq "$folder/results.jsonl" "$dir/content" content --slurpfile host "$dir/host" --slurpfile runs "$dir/runs" \
        --slurpfile noise "$dir/noise" --slurpfile reasons "$dir/reasons" --arg plots "$plots" "$dir/figures"
    report_jq "$folder/results.jsonl" "$dir/report.md" report -r "$dir/content"
    for plot in $plots; do
        page_plot "$dir" "$plot"
        drawn+=(--rawfile "$plot" "$dir/$plot.inline")
    done
    report_page "$folder/results.jsonl" "$dir" report "${drawn[@]}" "$dir/content"
    report_place "$folder" "$dir"
    jq -r 'if .noisy then .why[] else empty end' "$dir/noise" >"$dir/noisy"
    while IFS= read -r line; do
        warn "the host is noisy: $line"
    done <"$dir/noisy"
    jq -r '.[] | select(.kind == "doubted" or .kind == "inconclusive") | "\(.kind): \(.text)"' "$dir/reasons" >"$dir/warnings"
    while IFS= read -r line; do
        warn "$line"
    done <"$dir/warnings"
    doubted=$(grep -c '^doubted: ' "$dir/warnings" || true)
    page_announce "$folder/report.html"
    ((doubted == 0))
}

# report_page RECORDS DIR NAME ARGUMENT...: makes DIR/NAME.html with bench/NAME_html.jq, as report_jq does.
report_page() {
    local dir=$2 name=$3
    page_definitions "$dir"
    report_jq "$1" "$dir/$name.html" "${name}_html" -r --rawfile definitions "$dir/definitions" \
        --rawfile css "$LAB_HOME/bench/page.css" --rawfile js "$LAB_HOME/bench/page.js" "${@:4}"
}

# Draws into DIR the plots that there is data for, and prints their names.
report_plots() {
    local folder=$1 dir=$2 plot format
    for plot in "${BENCH_PLOTS[@]}"; do
        report_jq "$folder/results.jsonl" "$dir/$plot.tsv" tables -r --slurpfile runs "$dir/runs" --arg plot "$plot" "$dir/figures"
        [[ -s $dir/$plot.tsv ]] || continue
        for format in svg png; do
            # File names without a folder: gnuplot would interpret odd characters of a path.
            (cd -- "$dir" && GNUPLOT_LIB=$LAB_HOME/bench exec gnuplot -c "$LAB_HOME/bench/$plot.gp" "$plot.tsv" "$plot.$format" "$format") \
                2>"$dir/said" || die "gnuplot cannot draw $plot: $(last_words "$dir/said")"
            [[ -s $dir/$plot.$format ]] || die "gnuplot has drawn no $plot.$format: $(last_words "$dir/said")"
        done
        printf '%s ' "$plot"
    done
}

# Moves the files in DIR to their places in FOLDER. On a full disk some may be missing, but none is cut off.
report_place() {
    local folder=$1 dir=$2 plot format
    trap '' HUP INT TERM # it takes milliseconds
    for plot in "${BENCH_PLOTS[@]}"; do
        for format in svg png; do
            if [[ -e $dir/$plot.$format ]]; then
                results_write "$folder" "$plot.$format" "$dir/$plot.$format"
            else
                rm -f -- "$folder/$plot.$format"
            fi
        done
    done
    results_write "$folder" summary.csv "$dir/summary.csv"
    results_write "$folder" report.md "$dir/report.md"
    results_write "$folder" report.html "$dir/report.html"
    trap - HUP INT TERM
}

# --- Comparing

# report_compare A B THRESHOLD ANYWAY: prints both side by side, and makes B/compare.html. Fails if B is worse by more than THRESHOLD percent.
report_compare() {
    local a=$1 b=$2 threshold=$3 anyway=$4 dir differ rows worse
    page_require_ours "$b/compare.html"
    dir=$(mktemp -d -p "$BENCH_TEMP")
    mkdir -- "$dir/a" "$dir/b"
    report_load "$a" "$dir/a"
    report_load "$b" "$dir/b"
    differ=$(report_differences "$dir")
    if [[ -n $differ && $anyway != yes ]]; then
        die "$a and $b cannot be compared: they differ in $differ. (--anyway compares them all the same, and marks it)"
    fi
    report_jq "$a and $b" "$dir/comparison" compare -s --argjson threshold "$threshold" \
        --slurpfile reasons_a "$dir/a/reasons" --slurpfile reasons_b "$dir/b/reasons" "$dir/a/figures" "$dir/b/figures"
    rows=$(jq '.rows | length' "$dir/comparison")
    worse=$(jq '.worse | length' "$dir/comparison")
    ((rows > 0)) || die "$a and $b have no figure in common"
    report_jq "$a and $b" "$dir/text" comparison -r --arg a "$a" --arg b "$b" --arg differ "$differ" \
        --argjson threshold "$threshold" "$dir/comparison"
    report_page "$a and $b" "$dir" compare --arg a "$a" --arg b "$b" --arg differ "$differ" --argjson threshold "$threshold" \
        --slurpfile host_a "$dir/a/host" --slurpfile host_b "$dir/b/host" "$dir/comparison"
    cat -- "$dir/text"
    results_write "$b" compare.html "$dir/compare.html"
    results_own "$b"
    page_announce "$b/compare.html"
    ((worse == 0))
}

# Prints what the results in DIR/a and DIR/b differ in, in one line; nothing if they can be compared.
report_differences() {
    local dir=$1 name value
    while IFS="=" read -r name value; do
        if ! grep -qxF "$name=$value" "$dir/b/identity"; then
            printf '%s (%s, %s)\n' "$name" "$value" "$(sed -n "s/^$name=//p" "$dir/b/identity")"
        elif [[ $name == complete && $value == false ]]; then
            echo 'what they lack (both are incomplete)'
        fi
    done <"$dir/a/identity" | paste -sd ';' | sed 's/;/; /g'
}
