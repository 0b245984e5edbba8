# compare.html. Input: what compare.jq prints; $a, $b: the folders; $host_a, $host_b: their host.json; $differ: what they differ
# in, or ""; $threshold; $definitions: docs/figures.md as HTML; $css, $js: page.css and page.js.
include "common";
include "page";
include "words";

# The picture goes from 1/reach to reach, on a log scale: as far as the ranges do, but no further than the last of these.
def reaches: [1.1, 1.25, 1.5, 2, 3, 4, 6, 8];
def reach: [.rows[].speed | .max, 1 / .min] | max as $most | [reaches[] | select(. >= $most)][0] // reaches[-1];

# The place of a ratio in the picture, in percent from the left. A ratio beyond an end is drawn at that end.
def place($reach): [[(log / ($reach | log) + 1) * 50, 0] | max, 100] | min;

# A dot and its range. Input: {median, min, max}.
def dot_and_range($reach):
    "<svg aria-hidden=\"true\"><line class=\"one\" x1=\"50%\" x2=\"50%\" y1=\"0\" y2=\"100%\"/>"
    + @html "<line x1=\"\(.min | place($reach))%\" x2=\"\(.max | place($reach))%\" y1=\"50%\" y2=\"50%\"/>"
    + @html "<circle cx=\"\(.median | place($reach))%\" cy=\"50%\" r=\"5\"/></svg>";

# "worse", "better" or nothing.
def changed: .verdict | sub("same"; "");

def range_row($reach): .definition as $definition
    | @html "<li class=\"\(.verdict)\"><span>" + (.words | defined($definition)) + "</span>" + (.speed | dot_and_range($reach))
    + @html "<span class=\"number\"><b>× \(.speed.median | nice)</b>"
    + @html " <small>(\(.speed.min | nice) to \(.speed.max | nice))</small> <span class=\"mark\">\(changed)</span></span></li>\n";

def axis($reach): (if $reach == reaches[-1] then [" or less", " or more"] else ["", ""] end) as $beyond
    | "<li class=\"axis\" aria-hidden=\"true\"><span></span><svg>"
    + @html "<text x=\"0\" y=\"1.3em\">slower, × \(1 / $reach | nice)\($beyond[0])</text>"
    + "<text x=\"50%\" y=\"1.3em\" text-anchor=\"middle\">same</text>"
    + @html "<text x=\"100%\" y=\"1.3em\" text-anchor=\"end\">faster, × \($reach)\($beyond[1])</text></svg><span></span></li>\n";

def ranges($reach): "<ul class=\"ranges\">\n" + axis($reach) + (map(range_row($reach)) | join("")) + "</ul>\n";

# All rows by what they measure, in the order of the first of each.
def grouped($reach): . as $rows
    | reduce .[].definition as $name ([]; if index($name) then . else . + [$name] end)
    | map(. as $name | "<h3>" + defined($name) + "</h3>\n" + ($rows | map(select(.definition == $name)) | ranges($reach)))
    | join("");

def compared_row($all):
    figure_cell + (.a | number_cell) + (.b | number_cell) + (.unit | unit | text_cell) + (.ratio | number_cell)
    + (.speed.median | number_cell) + ((if .apart then "apart" else "overlap" end) | text_cell)
    + @html "<td class=\"mark \(.verdict)\">\(changed)</td>" + marks($all);

def heads: [["Figure", ""], ["A", "number"], ["B", "number"], ["Unit", ""], ["B / A", "number"], ["Speed of B", "number"],
    ["Repeats", ""], ["Verdict", ""], ["Notes", ""]];

# Names of figures; of a measurement with several, its name and their number.
def in_brief: group_by(split("/")[0])
    | map(if length == 1 then .[0] else "\(.[0] | split("/")[0]) (\(length) figures)" end) | join(", ");

def notices: [
    (select($differ != "") | @html "<b>Marked:</b> not the same in \($differ)."),
    (.host_differs | select(. != [])
        | @html "<b>The host itself differs</b> (\(join(", "))). That may explain the other differences."),
    (.only_a | select(. != []) | @html "<b>Only in A:</b> \(in_brief)."),
    (.only_b | select(. != []) | @html "<b>Only in B:</b> \(in_brief)."),
    (.reasons | told | select(. != []) | @html "<b>\(join(" "))</b> " + ("The reasons" | link("reasons")) + " are below the ratios.")] | notice;

# Which result it is.
def result($folder; $host): "\($folder), measured \($host.started | minute) with kit \($host.kit), mode \($host.mode)";

def header:
    "<header>\n<h1>B compared with A</h1>\n"
    + @html "<p class=\"lead\"><b class=\"\(if .worse == [] then "" else "worse" end)\">\(.worse | length) worse</b>,"
    + @html " <b class=\"\(if .better == [] then "" else "better" end)\">\(.better | length) better</b>: by more than \($threshold) %, with repeats that do not overlap.</p>\n"
    + ([["A", result($a; $host_a[0])], ["B", result($b; $host_b[0])]] | facts) + notices + "</header>\n";

def sections: reach as $reach | .reasons as $reasons | (.rows | map(. + (.figure | in_words))) as $rows | [
    ($rows | map(select(.verdict != "same" and (.host | not))) | select(. != []) | ranges($reach)
        | section("changed"; "Worse or better")),
    ("<p>" + ("How many times as fast B is" | defined("Speed of B")) + ", and the range that the repeats allow."
        + " Right of the middle B is faster, for rates and for times.</p>\n" + ($rows | grouped($reach))
        | section("ratios"; "All ratios")),
    ($reasons | reason_list | section("reasons"; "Doubted or missing")),
    ($rows | map(compared_row($reasons)) | sortable("All figures of A and B"; heads) | section("all"; "All figures")),
    "<section class=\"definitions\">\n\($definitions)</section>\n"] | join("");

header + "<main>\n" + sections + "</main>\n<footer>Made by bench.sh --compare.</footer>"
| page("B compared with A: shared memory between VMs"; "bench.sh --compare"; $css; $js)
