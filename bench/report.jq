# report.md. Input: what content.jq prints.
include "common";

def row: "| " + join(" | ") + " |";

"# \(.title), measured \(.started)",
"",
(.incomplete // empty | "**INCOMPLETE.** \(.)", ""),
(.noisy // empty | "**NOISY HOST.** \(.)", ""),
(.inconclusive // empty | "**INCONCLUSIVE.** \(.)", ""),
(.told | select(. != []) | "**\(join(" "))** The reasons are below the plots.", ""),
.about,
"",
(.coherence // empty | ., ""),
"## In short",
"",
"| what | median | lowest to highest | share of the host's figure |",
"| --- | --- | --- | --- |",
(.short[] | [.words, "\(.median | nice) \(.unit)", "\(.min | nice) to \(.max | nice)", (.share | percent)] | row),
"",
(.ratios[] | "- \(.words): **\(.value | nice)**"),
"",
.tcp,
"",
"## Plots",
"",
(.plots[] | "![\(.name)](\(.name).svg)", "", .text, ""),
"## Doubted or missing",
"",
(.reasons[] | "- " + (if .kind == "left out" then "left out:" else "**\(.kind)**" end) + " \(.text)"),
"",
"## The machine",
"",
"| | |", "| --- | --- |",
(.machine[] | row),
"",
"## All figures",
"",
"| figure | median | lowest to highest | spread | host | share of the host's figure |",
"| --- | --- | --- | --- | --- | --- |",
(.figures[] | [.figure, "\(.median | nice) \(.unit)", "\(.min | nice) to \(.max | nice)", (.spread_percent / 100 | percent), (.roofline | nice),
    (.share | percent) + (if .roofline_copy then " (by \(.roofline_copy))" else "" end)
        + (if .doubted == [] then "" else " **doubted**, limit \(.limit | nice)" end)
        + (.reasons | map(select(.kind == "failed")) | if . == [] then "" else " **failed** in \(length | many("round"))" end)] | row),
"",
"MB are 10^6 bytes. Spread: (highest - lowest) / median of the repeats. Host: the same program on the host, on the same"
    + " backing file, in the same run; with (by NAME), the host copied with that kernel, since memcpy behaves like it in the VM and like"
    + " another one on the host. For times, the share is the host's time over the guest's. Doubted: a rate above \(rate_allowance) times the"
    + " best that the host does, with any copy kernel, or a time below \(time_allowance) times its shortest single one. docs/figures.md says what each figure means."
