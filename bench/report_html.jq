# report.html. Input: what content.jq prints; $definitions: docs/figures.md as HTML; $css, $js: page.css and page.js; and, for
# each plot, an argument of its name: its SVG.
include "common";
include "page";
include "words";

def times($above; $below): "\($above.median / $below.median | nice) times";

# The figures that matter most: {NAME: FIGURE}, null for one that was not measured. Input: {NAME: FIGURE} of all good ones.
def main: {
    polled: .["latency/median"], interrupt: .["latency-interrupt/median"], open: .["latency-every/p99.9"], closed: .["latency/p99.9"], stream: .["stream/65536"],
    tcp: .["tcp-64K/65536"], tcp_latency: .["tcp-latency/median"],
    memcpy: ([.["bandwidth-wb/65536", "bandwidth-wc/65536", "bandwidth-uc/65536"] | values] | max_by(.median))};

# The verdict in a sentence or two. Input: main.
def lead:
    if .polled == null or .stream == null then "" else
        "Two VMs pass a word back and forth in \(.polled | in_units), and stream \(.stream | in_units)"
        + " through the memory that they share."
        + (if .tcp == null or .tcp_latency == null then "" else
            " Over TCP the same two need \(.tcp_latency | in_units), and reach \(.tcp | in_units)." end)
        | @html "<p class=\"lead\">\(.)</p>\n"
    end;

# One large figure, and what it is compared with. Input: the figure, or null.
def tile(versus): if . == null then empty else . as $f | said(.median) as $said
    | "<li><span class=\"name\">" + (.words | defined($f.definition))
    + @html "</span><span class=\"value\">\($said.number) <span class=\"unit\">\($said.unit)</span></span>"
    + @html "<span class=\"versus\">\(versus // "\(.min | nice) to \(.max | nice) \(.unit | unit)")</span></li>\n" end;

# Input: main.
def tiles: .tcp as $tcp | .tcp_latency as $tcp_latency | .closed as $closed
    | [(.polled, .interrupt
            | tile(if $tcp_latency then "by TCP \($tcp_latency | in_units): \(times($tcp_latency; .)) as long" else null end)),
       (.open | tile(if $closed then "\($closed | in_units) in the closed loop, where a stall is one sample" else null end)),
       (.stream | tile(if $tcp then "by TCP \($tcp | in_units); this is \(times(.; $tcp)) as much" else null end)),
       (.memcpy | tile(if .share then "\(.share | percent) of what the host itself does" else null end))]
    | if . == [] then "" else "<ul class=\"tiles\">\n\(join(""))</ul>\n" end;

def notices: [
    (.incomplete // empty | @html "<b>Incomplete.</b> \(.)"),
    (.noisy // empty | "<b>" + ("Noisy host" | defined("Noisy host")) + @html ".</b> \(.)"),
    (.inconclusive // empty | "<b>" + ("Inconclusive" | defined("Inconclusive")) + @html ".</b> \(.)"),
    (.told | select(. != []) | @html "<b>\(join(" "))</b> " + ("The reasons" | link("reasons")) + " are below the plots.")] | notice;

# Input: a plot of content.jq.
def plot: .definition as $definition
    | @html "<figure>\n<div class=\"scroll\" role=\"region\" tabindex=\"0\" aria-label=\"\(.title)\">" + $ARGS.named[.name]
    + @html "</div>\n<figcaption><span id=\"\(.name)-text\">\(.text)</span> <span class=\"screen\">"
    + ("How it is measured" | defined($definition)) + ".</span></figcaption>\n</figure>\n";

# The share of the host's figure, in numbers and as a gauge. Input: a figure.
def share_cell: @html "<td class=\"number\" data-value=\"\(.share // "")\">\(.share | percent)"
    + (if .share == null then "" else
        @html "<span class=\"gauge\"><span style=\"width: \([.share * 100, 100] | min)%\"></span></span>" end)
    + (if .roofline_copy == null then "" else @html "<small>by \(.roofline_copy)</small>" end) + "</td>";

# A row of the table of all figures. Times sort in µs. Input: a figure.
def figure_row($all): (if .unit == "ns" then 1000 else 1 end) as $per
    | def cell: nice as $text | if . == null then . else . / $per end | number_cell($text);
    figure_cell + (.median | cell) + (.min | cell) + (.max | cell) + (.unit | unit | text_cell)
    + (.spread_percent | number_cell(. / 100 | percent)) + (.roofline | cell) + share_cell + marks($all);

def heads: [["Figure", ""], ["Median", "number"], ["Lowest", "number"], ["Highest", "number"], ["Unit", ""],
    ["Spread", "number"], ["Host", "number"], ["Share", "number"], ["Notes", ""]];

def table($all):
    "<p>" + ("Medians" | defined("Figures")) + " with the lowest and the highest repeat, their " + ("spread" | defined("Spread"))
    + ", and the " + ("share of the host's figure" | defined("Share of the host's figure"))
    + ". <span class=\"screen\">A click on a column's name sorts by it; a click on a figure shows its definition.</span></p>\n"
    + (map(figure_row($all)) | sortable("All figures"; heads));

# The sections of the page and their anchors. The last is docs/figures.md.
def contents: {plots: "Plots", machine: "The machine", reasons: "Doubted or missing", all: "All figures",
    definitions: "Definitions"};

def header($main):
    @html "<header>\n<h1>\(.title)</h1>\n" + ($main | lead)
    + @html "<p class=\"about\">Measured <time datetime=\"\(.started)\">\(.started | minute)</time>. \(.about)</p>\n"
    + (if .coherence then @html "<p class=\"about\">\(.coherence)</p>\n" else "" end) + notices + ($main | tiles)
    + "<nav aria-label=\"On this page\">" + (contents | to_entries | map(.key as $id | .value | link($id)) | join(""))
    + "</nav>\n</header>\n";

def sections: .reasons as $reasons | [
    (.plots | map(plot) | "<div class=\"plots\">\n\(join(""))</div>" | section("plots"; contents.plots)),
    ((.machine | facts) + @html "<p class=\"about\">\(.tcp)</p>" | section("machine"; contents.machine)),
    ($reasons | reason_list | section("reasons"; contents.reasons)),
    (.figures | table($reasons) | section("all"; contents.all)),
    "<section class=\"definitions\">\n\($definitions)</section>\n"] | join("");

.title as $title
| header(.figures | map(select(.status == "ok")) | INDEX(.figure) | main) + "<main>\n" + sections + "</main>\n"
    + "<footer>Made by bench.sh. The same figures are in summary.csv, every raw record in results.jsonl.</footer>"
| page($title; "bench.sh report"; $css; $js)
