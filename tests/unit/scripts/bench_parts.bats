#!/usr/bin/env bats
# shellcheck disable=SC2016,SC2154 # code in quotes; what bats sets
# The figures that bench.sh makes of the parts of a stream's messages. bench_plots.bats tests their plot.

load helpers
load results

@test "the parts of a message are figures, but for waits and for what was too short in any round" {
    change 'if .id == "parts" then .round as $n | .records |= map(.parts |= map(if .part == "copy in" then {part, measured: true, ns: ($n * 1000)}
        elif .part == "verify" and $n == 2 then {part, measured: false, below_ns: 1} else . end)) else . end'
    succeeds ./bench.sh --report "$R"
    same '2 1 3' "$(column parts/copy-in median) $(column parts/copy-in min) $(column parts/copy-in max)"
    same '' "$(column parts/copy-in limit)$(column parts/verify median)"
    refuted grep -E '"parts(-host)?/(wait|publish|release)' "$R/summary.csv"
    grep -q '"parts-host/whole"' "$R/summary.csv"
    change 'if .id == "parts" then .records[0].parts[0].measured = "yes" else . end'
    fails 1 ./bench.sh --report "$R"
    says 'has parts that are not measured or below a number'
    change 'if .id == "parts" then del(.records[0].parts) else . end'
    fails 1 ./bench.sh --report "$R"
    says '(parts) has no parts'
}
