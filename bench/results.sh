# shellcheck shell=bash
# The results folder while bench.sh measures: it is made, its files are written whole or not at all, and whose it is.

# Makes the folder $1, which must not be there.
results_create() {
    local folder=$1 made=$1 message
    while [[ ! -d $(dirname -- "$made") ]]; do
        made=$(dirname -- "$made")
    done
    message=$(mkdir -p -- "$(dirname -- "$folder")" 2>&1 && mkdir -- "$folder" 2>&1) || die "cannot make $folder: ${message##*: }"
    # What root measures in a user's folder is the user's.
    ((EUID != 0)) || chown --recursive --reference="$(dirname -- "$made")" -- "$made"
    : >"$folder/results.jsonl"
}

# Gives all in a results folder to whom the folder belongs.
results_own() {
    ((EUID != 0)) || chown --no-dereference --recursive --reference="$1" -- "$1" || true
}

# host.json, which says whether all was measured, and what was left out.
results_host() {
    jq --argjson complete "$1" '.complete = $complete | .left_out = $ARGS.positional' "$BENCH_TEMP/host.json" \
        --args -- "${LEFT_OUT[@]}" >"$BENCH_TEMP/host.now"
    results_write "$BENCH_FOLDER" host.json "$BENCH_TEMP/host.now"
}

# results_write FOLDER NAME FILE: FILE becomes NAME in the folder, whole or not at all.
results_write() {
    write_file "$1/$2" <"$3" 2>"$BENCH_TEMP/said" &
    wait "$!" || results_unwritten "$1/$2"
}

# Adds file $1, a line, to results.jsonl. A disk that is full takes half of a line, which is then taken back.
results_append() {
    local file=$BENCH_FOLDER/results.jsonl size
    size=$(stat -c %s -- "$file" 2>"$BENCH_TEMP/said") || results_unwritten "$file"
    if ! cat -- "$1" 2>"$BENCH_TEMP/said" >>"$file"; then
        truncate -s "$size" -- "$file"
        results_unwritten "$file"
    fi
}

results_unwritten() {
    local reason
    reason=$(last_words "$BENCH_TEMP/said")
    die "cannot write $1: ${reason##*: }"
}
