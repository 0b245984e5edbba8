# What is doubted or missing, and why. Input: the figures (summary.jq); $host: host.json; $runs: the runs. Prints
#   [{kind, id, text}]
# kind: "doubted", and then id is a figure's name; "failed" or "inconclusive", and then it is a measurement's; or "left out", null.
include "common";

def last_line: split("\n") | map(select(. != "")) | last // "no message";

def inconclusive: "__stress saw no violation in \(.rounds | many("round")), but without the fence no load overtook a store either. So the VMs"
    + " took turns, and nothing tested the fence. Give each VM a CPU of the host for itself (VM_PIN in config.sh), or more time (./run.sh --all"
    + " __stress -n 2 -t 60). In a mapping that is really uncached no load ever overtakes a store: take -m wb.";

$host[0] as $host | $runs[0] as $runs
| [(.[] | select(.doubted != []) | {kind: "doubted", id: .figure, text: doubt}),
   ($runs[] | select(.status != 0)
       | {kind: "failed", id, text: "\(.id), round \(.round), status \(.status): \(.said | last_line)"}),
   ($runs | coherence | select(.verdict == "inconclusive") | {kind: "inconclusive", id: "stress", text: inconclusive}),
   ($host.left_out[] | {kind: "left out", id: null, text: .})]
