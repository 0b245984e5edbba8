#!/usr/bin/env bats
# shellcheck disable=SC2016,SC2154 # code in quotes; what bats sets
# bench.sh --report and --compare on broken results, and on results that cannot be written.

load helpers
load results

@test "missing, broken, truncated or mixed files are named, with status 1" {
    fails 1 ./bench.sh --report "$BATS_TEST_TMPDIR/none"
    says "$BATS_TEST_TMPDIR/none"
    cp -r "$R" "$R.good"

    head -c -100 "$R.good/results.jsonl" >"$R/results.jsonl"
    fails 1 ./bench.sh --report "$R"
    says "$R/results.jsonl: line $(wc -l <"$R.good/results.jsonl") is broken or cut off"

    cp "$R.good/results.jsonl" "$R/results.jsonl"
    change 'if .id == "stream" then .machine = "another" else . end'
    fails 1 ./bench.sh --report "$R"
    says "$R/results.jsonl" 'is of another run'

    { head -n 3 "$R.good/results.jsonl" && echo '{"a": 1}'; } >"$R/results.jsonl"
    fails 1 ./bench.sh --report "$R"
    says 'line 4 is not a record of bench.sh'

    cp "$R.good/results.jsonl" "$R/results.jsonl"
    host '.schema = 7'
    fails 1 ./bench.sh --report "$R"
    says "$R/host.json has schema 7"

    head -c 300 "$R.good/host.json" >"$R/host.json"
    fails 1 ./bench.sh --compare "$R.good" "$R"
    says "$R/host.json is broken or cut off"

    rm "$R/host.json"
    fails 1 ./bench.sh --compare "$R.good" "$R"
    says "$R is no results folder"
}

# refused_report WHAT: --report ends with status 1 and one line that names WHAT. The old report stays unchanged. No temporary
# file is left.
refused_report() {
    local before
    echo 'the report before' >"$R/report.md"
    before=$(everything "$R")
    fails 1 ./bench.sh --report "$R"
    says "$1"
    same 1 "${#stderr_lines[@]}"
    same '' "$output"
    same "$before" "$(everything "$R")"
    same '' "$(ls -A "$TMPDIR")"
    [[ ! $stderr =~ jq:|line\ [0-9]+:\ [a-z] ]] || failure 'a message of bash or jq as it came'
}

@test "a record with a value of the wrong type: its line is named, and nothing is written" {
    local fault line
    cp "$R/results.jsonl" "$BATS_TEST_TMPDIR/good"
    line=$(grep -n '"id":"latency",' "$R/results.jsonl" | head -n 1)
    line=${line%%:*}
    for fault in '.records[1].median_us = "fast"' '.records[0].count = [1]' '.records[0] = 7' '.records[0] = null' '.records[0].record = 3' \
        '.records[1].histogram_us = {"a": 1}' '.records[1].histogram_us = [[1, "x"]]' '.records[1].histogram_us = [5]' \
        '.records = "none"' '.records[1].p999_us = {}' '.round = "1"' '.id = 5' 'del(.status)' '"text"'; do
        jq -c "if input_line_number == $line then $fault else . end" "$BATS_TEST_TMPDIR/good" >"$R/results.jsonl"
        refused_report "$R/results.jsonl: line $line " || failure "$fault"
        says 'measure again'
    done
}

@test "a record with the right types that gives no figure: the file is named, and nothing is written" {
    change 'if .id == "bandwidth-uc" then .records |= map(del(.block_bytes)) else . end'
    refused_report "$R/results.jsonl: "
    cp "$BATS_TEST_DIRNAME/fixtures/bench/results.jsonl" "$R"
    change 'if .id == "latency" then .records |= map(if .histogram_us then .count = 0 else . end) else . end'
    refused_report "$R/results.jsonl: "
}

@test "no runs at all are reported" {
    : >"$R/results.jsonl"
    refused_report "$R/results.jsonl"
}

@test "a host.json with a wrong or missing value: the field is named, and nothing is written" {
    local fault
    cp "$R/host.json" "$BATS_TEST_TMPDIR/good"
    for fault in '.host.caches = null:host.caches' '.host = "a machine":host.cpu' '.region_bytes = "128M":region_bytes' 'del(.complete):complete' \
        '.left_out = {}:left_out' '.manifest = null:manifest.kernel' '.started = 3:started'; do
        jq "${fault%:*}" "$BATS_TEST_TMPDIR/good" >"$R/host.json"
        refused_report "$R/host.json" || failure "$fault"
        says "${fault##*:}"
    done
}

@test "gnuplot fails or draws nothing: its message is shown, and nothing is written" {
    stub gnuplot <<<'echo "cannot open display" >&2; exit 1'
    refused_report 'gnuplot cannot draw latency: cannot open display'
    stub gnuplot <<<'exit 0'
    refused_report 'gnuplot has drawn no latency.svg'
}

@test "cmark-gfm or xsltproc fails: its message is shown, and nothing is written" {
    stub cmark-gfm <<<'echo "no such extension" >&2; exit 1'
    refused_report "cmark-gfm cannot read $KIT/docs/figures.md: no such extension"
    rm "$BATS_TEST_TMPDIR/bin/cmark-gfm"
    stub xsltproc <<<'echo "cannot parse" >&2; exit 1'
    refused_report 'xsltproc cannot make a page of latency.svg: cannot parse'
}

@test "a page that is not of bench.sh is not overwritten" {
    echo mine >"$R/compare.html"
    fails 1 ./bench.sh --compare "$R" "$R"
    says "$R/compare.html is not a page of bench.sh and would be overwritten: move it away"
    same mine "$(<"$R/compare.html")"
    echo mine >"$R/report.html"
    refused_report "$R/report.html is not a page of bench.sh"
    rm "$R/report.html" "$R/compare.html"
    succeeds ./bench.sh --report "$R"
    succeeds ./bench.sh --report "$R"
    succeeds ./bench.sh --compare "$R" "$R"
    succeeds ./bench.sh --compare "$R" "$R"
}

@test "any jq failure ends --report and --compare with status 1, and nothing is written" {
    local call calls jq
    jq=$(command -v jq)
    stub jq <<<'[[ $(($(cat "$BATS_TEST_TMPDIR/calls" 2>/dev/null) + 1)) == "$FAIL_AT" ]] && exit 5
echo $(($(cat "$BATS_TEST_TMPDIR/calls" 2>/dev/null) + 1)) >"$BATS_TEST_TMPDIR/calls"
exec '"$jq"' "$@"'
    export BATS_TEST_TMPDIR FAIL_AT=0
    succeeds ./bench.sh --report "$R"
    calls=$(<"$BATS_TEST_TMPDIR/calls")
    for ((call = 1; call <= calls; call++)); do
        rm -f "$BATS_TEST_TMPDIR/calls" "$R/report.md"
        FAIL_AT=$call fails 1 ./bench.sh --report "$R"
        [[ $call -gt $((calls - 2)) || ! -e $R/report.md ]] || failure "a report, though call $call of jq failed"
        same '' "$(ls -A "$TMPDIR")"
    done
    rm "$BATS_TEST_TMPDIR/calls"
    FAIL_AT=0 succeeds ./bench.sh --compare "$R" "$R"
    calls=$(<"$BATS_TEST_TMPDIR/calls")
    for ((call = 1; call <= calls; call++)); do
        rm -f "$BATS_TEST_TMPDIR/calls"
        FAIL_AT=$call fails 1 ./bench.sh --compare "$R" "$R"
        prints_not '0 worse'
        same '' "$(ls -A "$TMPDIR")"
    done
}

@test "a file that cannot be written is named in one line, and no temporary file is left" {
    mkdir "$R/summary.csv"
    fails 1 ./bench.sh --report "$R"
    says "cannot write $R/summary.csv: "
    same 1 "${#stderr_lines[@]}"
    same '' "$(find "$R" -name '*.??????')"
    ((EUID != 0)) || return 0 # root can write everywhere
    chmod a-w "$R"
    fails 1 ./bench.sh --report "$R"
    says "cannot write $R/" 'Permission denied'
}

@test "folders with odd names work" {
    local odd="$BATS_TEST_TMPDIR/a 'b' \"c\" %n \$d"
    mkdir "$odd"
    cp -r "$R" "$odd/e f"
    TMPDIR=$odd succeeds ./bench.sh --report "$odd/e f"
    [[ -s $odd/e\ f/bandwidth.png ]] || failure 'no plots'
    TMPDIR=$odd succeeds ./bench.sh --compare "$odd/e f" "$R"
    same 'e f' "$(ls -A "$odd")"
}
