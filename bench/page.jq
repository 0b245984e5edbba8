# What report.html and compare.html have in common. All text goes into HTML through @html: results have words of the host, of
# the VMs and of programs. The pages are well-formed XML, too.
include "common";
include "words";

# A page, which may load nothing. Input: its body as HTML.
def page($title; $generator; $css; $js):
    "<!DOCTYPE html>\n<html lang=\"en\" xmlns=\"http://www.w3.org/1999/xhtml\">\n<head>\n<meta charset=\"utf-8\"/>\n"
    + @html "<meta name=\"generator\" content=\"\($generator)\"/>\n<title>\($title)</title>\n"
    + "<meta http-equiv=\"Content-Security-Policy\""
    + " content=\"default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:\"/>\n"
    + "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>\n<link rel=\"icon\" href=\"data:,\"/>\n"
    + "<style>\n\($css)</style>\n</head>\n<body>\n\(.)\n<script>\n\($js)</script>\n</body>\n</html>";

# A section. Input: its content as HTML.
def section($id; $title): @html "<section>\n<h2 id=\"\($id)\">\($title)</h2>\n" + . + "\n</section>\n";

# The warnings before all figures. Input: paragraphs as HTML.
def notice: if . == [] then "" else "<div class=\"notice\" role=\"note\">\(map("<p>\(.)</p>") | join("\n"))</div>\n" end;

# The unit, as people write it.
def unit: if . == "us" then "µs" else . end;

# A figure as people say it, in {number, unit}: 416 ns, 1.2 ms, 34.7 GB/s. Input: {unit}.
def said($value):
    (if .unit == "MB/s" then [["MB/s", 1], ["GB/s", 1000]] else [["ns", 0.001], ["µs", 1], ["ms", 1000], ["s", 1000000]] end) as $units
    | (if .unit == "ns" then $value / 1000 else $value end) as $value
    | ($units | map(select(.[1] <= $value)) | last // $units[0]) as [$unit, $size]
    | {number: ($value / $size | nice), $unit};
def in_units: said(.median) | "\(.number) \(.unit)";

# A time of UTC as in host.json, without seconds.
def minute: sub("T"; " ") | sub(":[0-9]+Z$"; " UTC");

# A link within the page, and one to a definition of docs/figures.md. Input: the words.
def link($id): @html "<a href=\"#\($id)\">\(.)</a>";
def defined($definition): link($definition | anchor);

# A cell with a number, which sorts by its value and not by its text; and a cell with text.
def number_cell($text): @html "<td class=\"number\" data-value=\"\(. // "")\">\($text)</td>";
def number_cell: number_cell(nice);
def text_cell: @html "<td>\(.)</td>";

# The head of a row: what a figure is called, linked to its definition, and its name. Input: {words, definition, figure}.
def figure_cell: .definition as $definition
    | @html "<th scope=\"row\" data-value=\"\(.words)\">" + (.words | defined($definition))
    + @html "<br/><small><code>\(.figure)</code></small></th>";

# A table whose columns sort. Input: its rows as HTML, a string each. $heads: [[NAME, CLASS]].
def sortable($title; $heads):
    @html "<div class=\"scroll\" role=\"region\" tabindex=\"0\" aria-label=\"\($title)\">\n"
    + "<table class=\"sortable\">\n<thead><tr>"
    + ($heads | map(@html "<th scope=\"col\" class=\"\(.[1])\"><button type=\"button\">\(.[0])</button></th>") | join(""))
    + "</tr></thead>\n<tbody>\n" + (map("<tr>\(.)</tr>\n") | join("")) + "</tbody>\n</table>\n</div>";

# The list of reasons (reasons.jq; with a side in a comparison).
def in_side: if .side then " in \(.side)" else "" end;
def reason: @html "<li id=\"reason-\(.key)\"><span class=\"mark \(.value.kind)\">\(.value.kind)\(.value | in_side)</span> \(.value.text)</li>\n";
def reason_list:
    if . == [] then "<p>Nothing.</p>" else "<ul class=\"reasons\">\n" + (to_entries | map(reason) | join("")) + "</ul>" end;

# The reasons of a figure, as links to where they are in the list of all. Input: a figure, or a row of a comparison.
def marks($all): .reasons | map(. as $reason | ($all | index([$reason])) as $number
    | @html "<a class=\"mark \(.kind)\" href=\"#reason-\($number)\" title=\"\(.text)\">\(.kind)\(in_side)</a>") | "<td>\(join(" "))</td>";

# A table of facts. Input: [[NAME, TEXT]].
def facts:
    "<table class=\"facts\"><tbody>\n"
    + (map(@html "<tr><th scope=\"row\">\(.[0])</th><td>\(.[1])</td></tr>\n") | join("")) + "</tbody></table>\n";
