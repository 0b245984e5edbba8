# shellcheck shell=bash disable=SC2154 # what bats sets
# Shared by the tests of reports and comparisons: R, a results folder with the recorded runs of fixtures/bench, and functions
# that change its contents. Load it after helpers.bash.

setup() {
    begin
    R=$BATS_TEST_TMPDIR/results
    cp -r "$BATS_TEST_DIRNAME/fixtures/bench" "$R"
}

# change FILTER [FOLDER]: changes every line of results.jsonl in FOLDER, by default $R.
# host FILTER [FOLDER]: changes host.json.
change() {
    jq -c "$1" "${2:-$R}/results.jsonl" >"$BATS_TEST_TMPDIR/new"
    mv "$BATS_TEST_TMPDIR/new" "${2:-$R}/results.jsonl"
}

host() {
    jq "$1" "${2:-$R}/host.json" >"$BATS_TEST_TMPDIR/new"
    mv "$BATS_TEST_TMPDIR/new" "${2:-$R}/host.json"
}

# measured ID VALUE...: sets the results of measurement ID, one value per round.
measured() {
    local id=$1 values
    shift
    values=$(printf '%s\n' "$@" | jq -sc .)
    change "if .id == \"$id\" then .round as \$n | .records |= map(
        if .record == \"bandwidth\" then .median_mb_s = ${values}[\$n - 1]
        elif .record == \"latency\" then .median_us = ${values}[\$n - 1] else . end) else . end"
}

# column FIGURE NAME: column NAME of summary.csv for FIGURE.
column() {
    local number
    number=$(head -n 1 "$R/summary.csv" | tr -d '"' | tr , '\n' | grep -nx "$2" | cut -d : -f 1)
    awk -F , -v figure="\"$1\"" -v n="$number" '$1 == figure { gsub(/"/, "", $n); print $n }' "$R/summary.csv"
}

in_report() {
    grep -qF -- "$1" "$R/report.md" || failure "the report does not say '$1'" "$(head -n 60 "$R/report.md")"
}

not_in_report() {
    ! grep -F -- "$1" "$R/report.md" || failure "the report says '$1'"
}
