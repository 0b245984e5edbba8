#!/usr/bin/env bats
# shellcheck disable=SC2016,SC2154 # code in quotes; what bats sets
# report.html and compare.html, as a reader sees them: in chromium (./browse).

load helpers
load results

# browse PAGE WIDTH light|dark|print ASK...: opens $R/PAGE. The answers are in $output.
browse() {
    succeeds "$BATS_TEST_DIRNAME/browse" "$R/$1" "${@:2}"
}

# like ID NEW FILTER: the runs of ID as those of NEW, changed by FILTER.
like() {
    jq -c "select(.id == \"$1\") | .id = \"$2\" | $3" "$R/results.jsonl"
}

# Adds to $R what not every machine has: interrupts, an open loop, other mappings, a matrix of VMs and one of CPUs. One run has
# failed, one repeat is doubted, and __stress is inconclusive.
everything_measured() {
    {
        like bandwidth-uc bandwidth-wb '.records |= map(.median_mb_s *= 1.5)'
        like latency latency-every '.roofline = null | .records |= map(if .median_us then .p999_us = 6816 else . end)'
        like latency stress '.roofline = null | .records = [{record: "stress", program: "__stress", version: "1.0", verdict: "inconclusive"}]'
        like latency latency-interrupt '.roofline = null | .records |= map(if .median_us then .median_us = 120 else . end)'
        like latency latency-matrix '.records = [("vm1", "vm2", "vm3") as $a | ("vm1", "vm2", "vm3") as $b | select($a != $b)
            | {record: "latency", from: $a, to: $b, median_us: 0.5}]'
        like latency-host latency-host-cpus '.records = [range(4) as $a | range($a + 1; 4) as $b
            | {record: "latency-cpus", from_cpu: $a, to_cpu: $b, min_us: 0.1, median_us: (0.1 * ($a + $b))}]'
    } >"$BATS_TEST_TMPDIR/more"
    cat "$BATS_TEST_TMPDIR/more" >>"$R/results.jsonl"
    measured bandwidth-host 1000 1000 1000
    measured bandwidth-uc 100 2000 200
    change 'if .id == "stream" and .round == 2 then .status = 3 | .said = "__stream: nobody came\n" else . end'
}

# faultless PAGE: well-formed, and without a fault on a phone, a tablet and a desktop, light and dark, and on paper. Nothing on the console,
# and no request.
faultless() {
    local width scheme
    succeeds xmllint --noout --nonet "$R/$1"
    for width in 390 768 1280; do
        for scheme in light dark; do
            browse "$1" "$width" "$scheme" "$(<"$BATS_TEST_DIRNAME/page_faults.js")"
            same '' "$output" || failure "at $width pixels, $scheme"
        done
    done
    browse "$1" 690 print "$(<"$BATS_TEST_DIRNAME/page_faults.js")" # A4 without its margins
    same '' "$output" || failure 'on paper'
}

@test "report.html has no fault on a phone, on a desktop and on paper, light and dark, and asks nothing of a network" {
    everything_measured
    fails 1 ./bench.sh --report "$R" # a figure is doubted
    faultless report.html
    browse report.html 1280 light 'document.querySelectorAll("svg.plot").length' '
        ["plots", "machine", "reasons", "all", "definitions"].map((id) => document.getElementById(id).getBoundingClientRect().top)
            .every((top, i, tops) => i === 0 || tops[i - 1] < top)'
    same '7 true' "${lines[*]}"
}

@test "report.html of a run that measured next to nothing has no fault" {
    change 'select(.id == "latency" and .round == 1)'
    host '.complete = false'
    succeeds ./bench.sh --report "$R"
    faultless report.html
    browse report.html 390 light 'document.querySelector(".notice").textContent'
    prints 'Incomplete. The run ended before everything was measured: 1 of 60 runs.'
}

@test "compare.html has no fault, and shows what became worse, with its range" {
    local a=$R
    everything_measured
    cp -r "$R" "$R-b"
    R=$R-b measured latency 2 2.1 2.2
    measured latency 1 1.1 1.2
    fails 1 ./bench.sh --compare "$R" "$R-b"
    says "$R-b/compare.html"
    R=$R-b
    faultless compare.html
    browse compare.html 1280 light 'document.querySelector(".lead").textContent' 'document.querySelector(".ranges li.worse").textContent' \
        'document.querySelector(".facts").textContent' 'document.querySelectorAll(".ranges").length > 3'
    prints '1 worse, 0 better: by more than 10 %' 'round trip, polled× 0.524 (0.455 to 0.6)' "$a, measured 2026" "$R, measured" true
    # The dot is left of the middle, between the ends of its range. The page is no longer than it must be.
    browse compare.html 1280 light '(([one, range, dot]) => [range.x1, dot.cx, range.x2, one.x1].map((at) => at.baseVal.value)
        .every((at, i, all) => i === 0 || all[i - 1] < at))([...document.querySelector(".ranges li.worse svg").children])'
    same true "$output"
    browse compare.html 1280 light 'Math.max(...[...document.querySelectorAll(".ranges li")].map((row) => row.offsetHeight)) > 80'
    same false "$output"
}

# Prints the values of the first column of the table of all figures that is on the page, and how it is sorted.
COLUMN='((column) => [document.querySelectorAll("table.sortable th")[column].getAttribute("aria-sort") ?? "none",
    ...[...document.querySelectorAll("table.sortable tbody tr")].map((row) => row.cells[column].dataset.value ?? row.cells[column].textContent)].join(" "))'

@test "the table of all figures sorts by keyboard: upwards, downwards, and as it was" {
    local before
    succeeds ./bench.sh --report "$R"
    browse report.html 1280 light "$COLUMN(1)" 'document.querySelector("table.sortable th button").focus()' \
        key:Tab key:Enter "$COLUMN(1)" key:Space "$COLUMN(1)" key:Enter "$COLUMN(1)"
    before=${lines[0]#none }
    same "ascending $(tr ' ' '\n' <<<"$before" | sort -g | paste -sd ' ')" "${lines[1]}"
    same "descending $(tr ' ' '\n' <<<"$before" | sort -gr | paste -sd ' ')" "${lines[2]}"
    same "none $before" "${lines[3]}"
}

@test "figures without a value are last in either direction; a name sorts as text" {
    succeeds ./bench.sh --report "$R"
    browse report.html 1280 light 'document.querySelectorAll("table.sortable th button")[7].focus()' key:Enter "$COLUMN(7)" key:Enter "$COLUMN(7)" \
        'document.querySelector("table.sortable th button").focus()' key:Enter "$COLUMN(0)"
    [[ ${lines[0]} =~ ^ascending\ [0-9.\ e-]+[0-9]\ +$ && ${lines[1]} =~ ^descending\ [0-9.\ e-]+[0-9]\ +$ ]] || failure 'a gap'
    [[ ${lines[2]} == 'ascending '*'host: memcpy into the region, 4 KiB blocks'*'host: memcpy into the region, 64 KiB blocks'*TCP* ]] || failure 'no order'
}

@test "a doubted and a failed figure are marked, and the marks lead to the reasons" {
    everything_measured
    fails 1 ./bench.sh --report "$R"
    browse report.html 390 dark '[...document.querySelectorAll("table.sortable tbody tr")].filter((row) => row.cells[8].textContent)
        .map((row) => row.cells[0].querySelector("code").textContent + ": "
            + [...row.cells[8].querySelectorAll("a")].map((a) => document.querySelector(a.getAttribute("href")).textContent))'
    prints 'bandwidth-uc/65536: doubted bandwidth-uc/65536: 2000 MB/s is above the limit 1250 MB/s' \
        'stream/65536: failed stream, round 2, status 3: __stream: nobody came'
    prints_not 'latency/median'
}

# texts SELECTOR: what the page says there, a line each.
texts() {
    browse report.html 1280 light "[...document.querySelectorAll('$1')].map((e) => e.textContent.trim().replace(/\\s+/g, ' '))"
}

@test "the verdict has large figures in units that people use, and the open loop beside the closed one" {
    everything_measured
    measured latency 0.416 0.416 0.416
    change '.records |= map(if .median_mb_per_s and .message_bytes == 65536 then .median_mb_per_s = 1234.5 else . end)
        | if .id == "latency" then .records |= map(if .median_us then .p999_us = 4.154 else . end) else . end'
    fails 1 ./bench.sh --report "$R"
    texts '.tiles .value'
    same '416 ns,120 µs,6.82 ms,1.23 GB/s' "$(head -n 4 <<<"$output" | paste -sd ,)"
    texts '.tiles li:nth-child(3)'
    prints 'round trip, open loop (every 20 µs), p99.9' '4.15 µs in the closed loop, where a stall is one sample'
    texts .lead
    prints 'back and forth in 416 ns, and stream 1.23 GB/s'
    texts time
    same '2026-11-22 19:46 UTC' "$output"
    # The figures stand side by side, however long their names are.
    browse report.html 1280 light 'new Set([...document.querySelectorAll(".tiles .value")].map((e) => e.getBoundingClientRect().top)).size'
    same 1 "$output"
    texts '.notice p'
    prints 'Inconclusive. __stress saw no violation in 3 rounds'
    prints 'Doubted: bandwidth-uc/4096, bandwidth-uc/65536, bandwidth-wb/4096. Failed: stream. The reasons are below the plots.'
}

@test "words of the host, of VMs and of programs are text in the pages, never HTML" {
    local page evil
    evil=$(printf %s '<script>console.log("run")</script><img src="x:y" onerror="console.log(1)"/>&amp;' | jq -Rs .)
    change "if .id == \"tcp-64K\" then .status = 3 | .said = $evil else . end | .records |= map(.program |= \"__x\" + $evil)"
    host ".host.cpu = $evil | .left_out = [.host.cpu] | .started = .host.cpu | .kit = .host.cpu"
    succeeds ./bench.sh --report "$R"
    succeeds ./bench.sh --compare "$R" "$R"
    for page in report compare; do
        browse "$page.html" 1280 light 'document.querySelectorAll("script, img").length' 'document.body.textContent.includes("<script>console.log")'
        same '1 true' "${lines[*]}"
        succeeds xmllint --noout --nonet "$R/$page.html"
    done
}

@test "the first line says when there was no KVM" {
    succeeds ./bench.sh --report "$R"
    [[ $(head -n 1 "$R/report.md") == '# Shared memory between VMs, emulated (TCG, no KVM), measured '* ]]
    grep -qF '<h1>Shared memory between VMs, emulated (TCG, no KVM)</h1>' "$R/report.html"
    host '.accelerator = "kvm"'
    succeeds ./bench.sh --report "$R"
    [[ $(head -n 1 "$R/report.md") == '# Shared memory between VMs, measured '* ]]
}

@test "without a script everything is there to read" {
    succeeds ./bench.sh --report "$R"
    sed '/^<script>$/,/^<\/script>$/d' "$R/report.html" >"$R/still.html"
    browse still.html 1280 light 'document.scripts.length' 'document.querySelectorAll("svg.plot").length' 'document.querySelectorAll("table.sortable tbody tr").length'
    same "0 5 $(($(wc -l <"$R/summary.csv") - 1))" "${lines[*]}"
}

@test "the path of the page is printed: plain into a pipe, on a terminal as a link" {
    local odd="$BATS_TEST_TMPDIR/a b%"
    cp -r "$R" "$odd"
    succeeds ./bench.sh --report "$odd"
    same "$odd/report.html" "${stderr_lines[-1]}"
    TERM=xterm command script -qefc "./bench.sh --report '$odd'" seen >/dev/null </dev/null
    grep -qF $'\e]8;;file://'"$HOSTNAME$BATS_TEST_TMPDIR/a%20b%25/report.html"$'\e\\'"$odd/report.html"$'\e]8;;\e\\' seen
    TERM=dumb command script -qefc "./bench.sh --report '$odd'" seen >/dev/null </dev/null
    refuted grep -q $'\e' seen
}
