# Compares the figures of two results, A and B. Input: [figures of A, figures of B]; $reasons_a, $reasons_b: the outputs of
# reasons.jq; $threshold, in percent. Prints
#   {rows: [{figure, unit, a, b, ratio, speed, host, apart, worse_percent, verdict, reasons}], worse, better, host_differs, only_a, only_b,
#    reasons}
# speed: {median, min, max}: how many times as fast B is, whether more or less is better. min and max are of any two repeats.
# apart: the repeats of A and of B do not overlap. verdict: "worse" or "better" if they do not overlap and the medians
# differ by more than the threshold, else "same". host: measured on the host; such a row is in host_differs, and never in worse
# or better.
# reasons: those of A and B, each with a side: "A", "B" or "A and B"; of a row: those of that figure.
include "common";

([($reasons_a[0][] | .side = "A"), ($reasons_b[0][] | .side = "B")] | group_by([.kind, .id, .text])
    | map(.[0] + {side: (map(.side) | unique | join(" and "))})) as $reasons
| map(INDEX(.figure)) as [$a, $b]
| [$a[] | select(.status == "ok") | . as $x | $b[.figure] | select(. != null and .status == "ok") | . as $y
    | {figure, unit, a: $x.median, b: $y.median, ratio: ($y.median / $x.median),
       speed: (if .better == "higher" then {median: ($y.median / $x.median), min: ($y.min / $x.max), max: ($y.max / $x.min)}
            else {median: ($x.median / $y.median), min: ($x.min / $y.max), max: ($x.max / $y.min)} end),
       host: (.id | is_on_host),
       apart: ($y.min > $x.max or $y.max < $x.min),
       # Above 0: B is worse.
       worse_percent: (((if .better == "higher" then $x.median / $y.median else $y.median / $x.median end) - 1) * 100),
       reasons: [$reasons[] | select(.id == if .kind == "doubted" then $x.figure else $x.id end)]}
    | .verdict = (if (.apart | not) or ($x.what | is_far_percentile) then "same"
        elif .worse_percent > $threshold then "worse"
        elif -.worse_percent > $threshold then "better"
        else "same" end)] as $rows
| {rows: $rows,
   worse: [$rows[] | select(.verdict == "worse" and (.host | not)).figure],
   better: [$rows[] | select(.verdict == "better" and (.host | not)).figure],
   host_differs: [$rows[] | select(.host and .verdict != "same").figure],
   only_a: [$a | keys[] | select($b[.] == null)], only_b: [$b | keys[] | select($a[.] == null)], $reasons}
