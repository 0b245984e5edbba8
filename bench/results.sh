# shellcheck shell=bash
# The results folder while bench.sh measures: making it, writing its files whole or not at all, and giving it to its owner.

# Makes folder $1, which must not exist.
results_create() {
    local folder=$1 made=$1 message
    while [[ ! -d $(dirname -- "$made") ]]; do
        made=$(dirname -- "$made")
    done
    message=$(mkdir -p -- "$(dirname -- "$folder")" 2>&1 && mkdir -- "$folder" 2>&1) || die "cannot make $folder: ${message##*: }"
    # Results that root makes in a user's folder belong to the user.
    ((EUID != 0)) || chown --recursive --reference="$(dirname -- "$made")" -- "$made"
    : >"$folder/results.jsonl"
}

# Gives all files in results folder $1 to the owner of the folder.
results_own() {
    ((EUID != 0)) || chown --no-dereference --recursive --reference="$1" -- "$1" || true
}

# leave_out WORD...: notes what is not measured, and why.
leave_out() {
    printf '%s\n' "$*" >>"$BENCH_TEMP/left_out"
}

# results_host COMPLETE: writes host.json. COMPLETE is true when everything was measured that was not left out.
results_host() {
    touch "$BENCH_TEMP/left_out"
    jq --argjson complete "$1" --rawfile left_out "$BENCH_TEMP/left_out" \
        '.complete = $complete | .left_out = ($left_out | split("\n") | map(select(. != "")))' "$BENCH_TEMP/host.json" >"$BENCH_TEMP/host.now"
    results_write "$BENCH_FOLDER" host.json "$BENCH_TEMP/host.now"
}

# results_write FOLDER NAME FILE: writes FILE as NAME in the folder, whole or not at all.
results_write() {
    write_file "$1/$2" <"$3" 2>"$BENCH_TEMP/said" &
    wait "$!" || results_unwritten "$1/$2"
}

# Adds file $1, a line, to results.jsonl. A full disk may take part of a line; that part is removed again.
results_append() {
    local file=$BENCH_FOLDER/results.jsonl size
    size=$(stat -c %s -- "$file" 2>"$BENCH_TEMP/said") || results_unwritten "$file"
    if ! cat -- "$1" 2>"$BENCH_TEMP/said" >>"$file"; then
        truncate -s "$size" -- "$file"
        results_unwritten "$file"
    fi
}

# Ends the program: file $1 could not be written.
results_unwritten() {
    local reason
    reason=$(last_words "$BENCH_TEMP/said")
    die "cannot write $1: ${reason##*: }"
}

# How many runs in results.jsonl have failed.
results_failed() {
    jq -s 'map(select(.status != 0)) | length' "$BENCH_FOLDER/results.jsonl"
}
