# Two results side by side. Input: [{host, figures}, {host, figures}]; $threshold in percent. Prints an object:
#   {rows: [{figure, unit, a, b, ratio, change_percent, beyond_spread, verdict}], worse, better, same, host_worse, only_a, only_b}
# beyond_spread: the repeats of A and of B do not overlap. worse and better: beyond the spread and the threshold.
. as [$a, $b]
| ($b.figures | map({(.figure): .}) | add // {}) as $of_b
| ($a.figures | map({(.figure): .}) | add // {}) as $of_a
| [$a.figures[] | select(.status == "ok") | . as $x | $of_b[.figure] | select(. != null and .status == "ok") | . as $y
    | {figure: .figure, unit: .unit, a: $x.median, b: $y.median, ratio: ($y.median / $x.median),
       host: ($x.id | test("-host(-|$)")),
       beyond_spread: ($y.min > $x.max or $y.max < $x.min),
       # Above 0: B is worse.
       worse_percent: (if .better == "higher" then ($x.median / $y.median - 1) * 100 else ($y.median / $x.median - 1) * 100 end)}
    # Far percentiles show the scheduler: no verdict on them.
    | .verdict = (if (.beyond_spread | not) or (.figure | test("/p99")) then "same"
        elif .worse_percent > $threshold then "worse"
        elif -.worse_percent > $threshold then "better"
        else "same" end)] as $rows
| {rows: $rows,
   worse: [$rows[] | select(.verdict == "worse" and (.host | not)).figure],
   better: [$rows[] | select(.verdict == "better" and (.host | not)).figure],
   host_differs: [$rows[] | select(.host and .verdict != "same").figure],
   only_a: [$of_a | keys[] | select($of_b[.] == null)], only_b: [$of_b | keys[] | select($of_a[.] == null)]}
