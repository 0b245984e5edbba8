# The comparison as text. Input: what compare.jq prints; $a, $b: the folders; $differ: what they differ in, or ""; $threshold.
include "common";

def left($width): . + " " * ([$width - length, 0] | max);
def right($width): " " * ([$width - length, 0] | max) + .;
def line: [(.[0] | left(34)), (.[1] | right(10)), (.[2] | right(10)), (.[3] | left(5)), (.[4] | right(7)), (.[5] | left(7)), .[6]] | join("  ");

"A  \($a)", "B  \($b)",
(if $differ == "" then empty else "MARKED: not the same in \($differ)" end),
"",
(["figure", "A", "B", "", "B / A", "repeats", ""] | line),
(.rows[] | [.figure, (.a | nice), (.b | nice), .unit, (.ratio | nice), (if .apart then "apart" else "overlap" end),
    (if .verdict == "same" then "" else .verdict end)] | line),
"",
(if .host_differs == [] then empty else
    "The host itself differs (\(.host_differs | join(", "))). That may explain the other differences." end),
(if .only_a == [] then empty else "Only in A: \(.only_a | join(", "))" end),
(if .only_b == [] then empty else "Only in B: \(.only_b | join(", "))" end),
(.reasons[] | select(.kind != "left out") | "\(.kind) in \(.side): \(.text)"),
"\(.worse | length) worse, \(.better | length) better: by more than \($threshold) %, with repeats that do not overlap."
