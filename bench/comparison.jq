# The comparison (compare.jq) for people. $a, $b: the folders; $differ: what they differ in; $threshold.
def nice: if . >= 1000 then round elif . >= 10 then . * 10 | round / 10 else . * 1000 | round / 1000 end | tostring;
def left($width): . + " " * ([$width - length, 0] | max) ;
def right($width): " " * ([$width - length, 0] | max) + .;
def line: [(.[0] | left(34)), (.[1] | right(10)), (.[2] | right(10)), (.[3] | left(5)), (.[4] | right(7)), (.[5] | left(6)), .[6]] | join("  ");
"A  \($a)", "B  \($b)",
(if $differ == "" then empty else "MARKED: not the same in \($differ)" end), "",
(["figure", "A", "B", "", "B / A", "spread", ""] | line),
(.rows[] | [.figure, (.a | nice), (.b | nice), .unit, (.ratio | nice), (if .beyond_spread then "beyond" else "within" end),
    (if .verdict == "same" then "" else .verdict end)] | line),
"",
(if .host_differs == [] then empty else
    "The host itself was not the same (\(.host_differs | join(", "))): what follows may be its doing." end),
(if .only_a == [] then empty else "Only in A: \(.only_a | join(", "))" end),
(if .only_b == [] then empty else "Only in B: \(.only_b | join(", "))" end),
"\(.worse | length) worse, \(.better | length) better: by more than \($threshold) %, and with repeats that do not overlap."
