#!/usr/bin/env bats
# shellcheck disable=SC2016,SC2154 # code in quotes; what bats sets
# The plots of bench.sh, as a reader of the SVG files sees them. bench.bats tests which plots there are.

load helpers
load results

# as ID OF: adds the runs of OF again as those of ID.
as() {
    jq -c "select(.id == \"$2\") | .id = \"$1\"" "$R/results.jsonl" >"$BATS_TEST_TMPDIR/more"
    cat "$BATS_TEST_TMPDIR/more" >>"$R/results.jsonl"
}

# Makes $R a folder of all that a full run on three VMs measures; copies and round trips are as fast as each other.
everything() {
    as bandwidth-wc bandwidth-uc
    as bandwidth-wb bandwidth-uc
    as latency-every latency
    as latency-interrupt latency
    as latency-matrix latency
    as latency-host-cpus latency-host
    change '.id as $id | .records |= map(
        if .record == "bandwidth" then .median_mb_s = .block_bytes / 10
        elif .median_us and $id == "latency-matrix" then range(1; 4) as $a | range(1; 4) as $b | select($a != $b)
            | .from = "vm\($a)" | .to = "vm\($b)"
        elif .median_us and $id == "latency-host-cpus" then range(16) as $a | range($a) as $b
            | {record: "latency-cpus", from_cpu: $b, to_cpu: $a, min_us: 0.04, median_us: (0.1 + $a / 100)}
        elif .median_us then del(.histogram_us)
            | .count = 9999999 | .min_us = 0.3 | .median_us = 0.4 | .p90_us = 0.5 | .p99_us = 0.6 | .p999_us = 7
        else . end)'
}

# took ID FACTOR: all round trips of ID take FACTOR times as long.
took() {
    change "if .id == \"$1\" then .records |= map(with_entries(
        if .key | test(\"^(min|median|p[0-9]+)_us$\") then .value *= $2 else . end)) else . end"
}

# draws: draws the plots. Values that are far from the host's are no failure here.
draws() {
    run --separate-stderr ./bench.sh --report "$R"
    [[ -s $R/report.md ]] || failure "$stderr"
}

# words PLOT: the words in it, a line each: left, right, top and bottom edge, words. A letter takes 0.6 of the font's size.
words() {
    awk '
        match($0, /translate\([-0-9.,]*\)( rotate)?/) && /font-size/ {
            place = substr($0, RSTART + 10, RLENGTH - 10); turned = /rotate\(/
            split(place, at, /[,)]/); x = at[1]; y = at[2]
            match($0, /font-size="[0-9.]*/); size = substr($0, RSTART + 11, RLENGTH - 11)
            anchor = /anchor="end"/ ? 1 : /anchor="middle"/ ? 0.5 : 0
        }
        /<text>/ {
            gsub(/<[^>]*>/, ""); gsub(/^[ \t]+|[ \t]+$/, "")
            width = length($0) * size * 0.6
            if ($0 == "") next
            if (turned) print x - size * 0.7, x, y - width / 2, y + width / 2, $0
            else print x - width * anchor, x - width * anchor + width, y - size * 0.7, y, $0
        }' "$R/$1.svg"
}

# Fails if words in PLOT are beyond its edges or on other words.
legible() {
    local wrong
    wrong=$(words "$1" | awk -v size="$(grep -o 'viewBox="0 0 [0-9 ]*' "$R/$1.svg")" '
        BEGIN { split(size, view, " ") }
        {
            left[NR] = $1; right[NR] = $2; top[NR] = $3; bottom[NR] = $4; $1 = $2 = $3 = $4 = ""; text[NR] = $0
            if (left[NR] < 0 || top[NR] < 0 || right[NR] > view[3] || bottom[NR] > view[4]) print "cut:" $0
            for (i = 1; i < NR; i++)
                if (left[i] < right[NR] && left[NR] < right[i] && top[i] < bottom[NR] && top[NR] < bottom[i])
                    print text[i] " is on" $0
        }
        END { if (NR < 8) print "only " NR " words" }')
    [[ -z $wrong ]] || failure "$1.svg" "$wrong" "$(words "$1")"
}

# has_colour PLOT CURVE NAME: fails unless the curve is there, in the colour that common.gp calls NAME.
has_colour() {
    local hex
    hex=$(sed -n "s/^colour_$3 = \"#\([0-9a-f]*\)\".*/\1/p" bench/common.gp)
    same "rgb($((16#${hex:0:2})),$((16#${hex:2:2})),$((16#${hex:4:2})))" \
        "$(sed -n "/<title>$2</,\$p" "$R/$1.svg" | tr -d ' ' | grep -o 'rgb([0-9,]*)' | head -n 1)"
}

@test "ticks are words that people use, and no number has an exponent" {
    everything
    draws
    words bandwidth | grep -qE ' 1 GB/s$'
    words bandwidth | grep -qE ' 64 KiB$'
    words stream | grep -qE ' [0-9]+ MB/s$'
    words latency | grep -qE ' 1 µs$'
    words latency | grep -qE ' 100 ns$'
    words latency | grep -qE ' p99\.9$'
    refuted grep -E 'e[+-][0-9]|10⁶' "$R"/*.svg
}

@test "every plot says which way is better" {
    everything
    draws
    for plot in bandwidth stream streams; do
        words "$plot" | grep -qE 'higher is better'
    done
    for plot in latency parts matrix cpus; do
        words "$plot" | grep -qE 'lower is better'
    done
}

vms_have_their_colours() {
    has_colour bandwidth 'VM, uc' uc
    has_colour bandwidth 'VM, wc' wc
    has_colour bandwidth 'VM, wb' wb
    has_colour latency polled uc
    has_colour latency TCP tcp
    has_colour latency 'open loop' uc # by the mapping that "polled" takes; dashed
    sed -n "/<title>open loop</,/<title>/p" "$R/latency.svg" | grep -q stroke-dasharray
    has_colour stream 'shared memory' uc
    has_colour stream TCP tcp
    has_colour streams 'shared memory' uc
    has_colour parts 'VM: copy' uc
}

@test "the host is grey, and a thing has one colour in all plots, also when others are missing" {
    grep -qE '^colour_host = "#(..)\1\1"' bench/common.gp
    everything
    draws
    for plot in bandwidth stream streams; do
        has_colour "$plot" host host
    done
    has_colour bandwidth 'host, own' host
    has_colour latency 'host, polled' host
    has_colour parts 'host: copy' host
    vms_have_their_colours
    change 'select(.id | test("host|local") | not)'
    draws
    vms_have_their_colours
    refuted grep -F '<title>host' "$R"/*.svg
}

@test "curves that end together have names that can be read, and so has every other plot" {
    everything
    draws
    for name in host 'host, own' 'VM, own' 'VM, uc' 'VM, wc' 'VM, wb'; do
        same 1 "$(words bandwidth | grep -cE "[0-9] $name\$")"
    done
    for plot in latency bandwidth stream streams parts matrix cpus; do
        legible "$plot"
    done
}

# highest_name: the top edge of the highest name of a curve in the plot of round trips.
highest_name() {
    words latency | grep -E '[0-9] (host, polled|polled|open loop|interrupt|TCP)$' | cut -d ' ' -f 3 | sort -n | head -n 1
}

@test "round trips are named where they are drawn; if they are too close to each other, by a key above the plot" {
    everything
    took latency 1.2
    took latency-every 9
    took latency-interrupt 300
    took tcp-latency 3000
    draws
    legible latency
    (($(words latency | grep -cE '[0-9] (host, polled|polled|open loop|interrupt|TCP)$') == 5))
    named=$(highest_name)
    took latency-interrupt 0.003
    took latency-every 0.11
    draws
    legible latency
    (($(words latency | grep -cE '[0-9] (host, polled|polled|open loop|interrupt|TCP)$') == 5))
    awk -v named="$named" -v key="$(highest_name)" 'BEGIN { exit !(key < named) }' || failure 'no key above the plot'
}

# draws_round_trips: the names of the curves of round trips that are drawn.
draws_round_trips() {
    draws
    same "$1" "$(grep -oE '<title>(host, polled|polled|open loop|interrupt|TCP)<' "$R/latency.svg" | tr -d '<>' | sed 's/^title//' | paste -sd ,)"
}

@test "three curves that begin together and part later each have a name where they have parted" {
    change 'select(.id | test("^latency"))'
    as latency-every latency
    # p50 to p99.999, in us
    at() { printf '%s\n' "$@" | jq -sc '[.[0:1][0] as $first | [$first, 900000], [.[1], 90000], [.[2], 9000], [.[3], 900], [.[4], 90], [.[4], 10]]'; }
    change "if .id == \"latency-host\" then .records |= map(.histogram_us = $(at 0.50 0.50 0.51 0.6 20))
        elif .id == \"latency\" then .records |= map(.histogram_us = $(at 0.52 0.52 0.6 50 300))
        else .records |= map(.histogram_us = $(at 0.54 0.6 900 3000 9000)) end
        | .records |= map(if .median_us then .count = 1000000 | .median_us = .histogram_us[0][0] else del(.histogram_us) end)"
    draws_round_trips 'host, polled,polled,open loop'
    legible latency
    (($(words latency | grep -cE '[0-9] (host, polled|polled|open loop)$') == 3))
    awk -v axis="$(words latency | grep -E ' [0-9]+ (ms|µs)$' | cut -d ' ' -f 3 | sort -n | head -n 1)" -v name="$(highest_name)" \
        'BEGIN { exit !(name > axis) }' || failure 'a key above the plot'
}

@test "a round trip that is doubted is not drawn" {
    change 'select(.id | test("^latency"))'
    took latency 0.01
    draws_round_trips 'host, polled'
}

# of_message ID FILTER: changes the records of ID's parts.
of_message() {
    change "if .id == \"$1\" then .records |= map($2) else . end"
}

@test "the parts of a message: a bar for each side, whose parts are named in it or, if they are too small, below it" {
    part_ns='def part($name; $ns): .parts |= map(if .part == $name then if $ns > 99 then {part, measured: true, ns: $ns}
        else {part, measured: false, below_ns: $ns} end else . end)'
    for id in parts parts-host; do
        of_message "$id" "$part_ns; .whole_ns = 100000 | .readings_ns = 300 | .rest_ns = 100 | if .role == \"send\" then
            part(\"checksum\"; 29500) | part(\"wait for room\"; 50000) | part(\"copy in\"; 20000) | part(\"publish\"; 90)
            else part(\"wait for message\"; 91000) | part(\"copy out\"; 5000) | part(\"release\"; 99) | part(\"verify\"; 3500) end"
    done
    draws
    legible parts
    for row in 'VM, sender' 'VM, receiver' 'host, sender' 'host, receiver'; do
        same 1 "$(words parts | grep -c " $row\$")"
    done
    same 4 "$(words parts | grep -c ' 100 µs$')"
    for text in checksum '30 %' wait '50 %' 'copy in' '20 %' 'publish &lt; 0.1 %, clock and rest 0.4 %' '91 %' \
        'copy out 5 %, release &lt; 0.1 %, verify 3.5 %, clock and rest 0.4 %'; do
        words parts | cut -d ' ' -f 5- | grep -qxF "$text" || failure "no '$text'" "$(words parts)"
    done
    # "< 7.8 %" is wider than "wait".
    of_message parts '.parts |= map(if .part == "wait for room" then {part, measured: false, below_ns: 7800} else . end)'
    draws
    words parts | grep -qF 'wait &lt; 7.8 %, publish'
    change 'select(.id != "parts-host")'
    draws
    legible parts
    same 0 "$(words parts | grep -c host || true)"
}

@test "a run of few measurements is drawn, too: one size, one stream, one percentile" {
    change 'select(.id | test("^(bandwidth-uc|stream|streams-1|latency)$"))'
    change '.records |= map(select((.block_bytes // 65536) == 65536 and (.message_bytes // 65536) == 65536)
        | del(.histogram_us, .p99_us, .p999_us) | .count = 2)'
    draws
    for plot in latency bandwidth stream streams; do
        words "$plot" | grep -qE 'polled|VM, uc|shared memory'
    done
}
