# The data of plot $plot. Input: the figures (summary.jq); $runs: the runs. Doubted figures are left out.
#
# A plot of curves gets blocks, which gnuplot's index finds by the name in the comment that begins them:
#   range   how far the axes go: x from, to, y from, to; and 1 if the curves are named in the plot, 0 if they need a key
#   THING   a curve: its name in quotes, then x and y, and for rates the lowest and the highest repeat. common.gp says which
#           colour a thing has. None begins like another: gnuplot compares only as many characters as it looks for.
#   names   where the curves are named. Rates: x and y of the end of the curve, y of the name, the name, THING.
#           Times: x, y, the name
# The plot of parts gets blocks, too: TONE-THING, the parts of bars of a tone: from, to (of 1), row; words: where the parts are
# named: x, row, the name, the share; rows: row, and the two lines of its name; notes: row, and the parts too small to be named.
# A heat map gets lines of row, column, value.
include "common";
include "names";

def block($name): "# \($name)", (.[] | map(if type == "string" then "\"\(.)\"" else tostring end) | join("\t")), "", "";

# The curves that are drawn. Input: curves, {thing, name, points}.
def blocks($range; $names):
    ([$range + [if $names then 1 else 0 end]] | block("range")),
    (.[] | .thing as $thing | [[.name]] + .points | block($thing)),
    ($names // [] | block("names"));

# --- The y axis is logarithmic

# The next of ..., 1, 2, 5, 10, 20, ... below or above.
def round_below: pow(10; log10 | floor) as $power | . / $power | (if . >= 5 then 5 elif . >= 2 then 2 else 1 end) * $power;
def round_above: pow(10; log10 | floor) as $power | . / $power
    | (if . <= 1 then 1 elif . <= 2 then 2 elif . <= 5 then 5 else 10 end) * $power;

# --- Rates. Their names are right of the ends of the curves.

def curve($thing; $id; $name):
    [.[] | select(.id == $id and .status == "ok") | [(.what | tonumber), .median, .min, .max]] | sort_by(.[0])
    | select(length > 0) | {thing: $thing, name: $name, points: .};

def rates($from; $to):
    [$from, $to, ([.[].points[][2]] | min / 1.1 | round_below), ([.[].points[][3]] | max * 1.1 | round_above)] as $range
    | sort_by(.points[-1][1]) as $sorted
    | ($sorted | map(.points[-1][1] | height($range)) | apart) as $heights
    | blocks($range; [range($sorted | length) as $i | $sorted[$i]
        | .points[-1][:2] + [($heights[$i] | at_height($range)), .name, .thing]]);

# Over sizes, on a logarithmic x axis.
def rates_of_sizes: [.[].points[][0]] as $sizes | rates(($sizes | min / 1.5); ($sizes | max * 2));

# --- Times. Their names are beside the curves.

# The percentiles of the run whose median is the middle one: how many nines, and the time. 1 is 90 %, 2 is 99 %.
def percentiles($thing; $id; $name):
    ([.[] | select(.figure == "\($id)/median").limit][0] // 0) as $limit
    | [$runs[0][] | select(.id == $id and .status == 0) | .records[] | select(.median_us and .median_us >= $limit)] | sort_by(.median_us)
    | select(length > 0) | middle | .count as $count
    | [if .histogram_us then
        foreach .histogram_us[] as $h (0; . + $h[1]; [. / $count, $h[0]])
      else
        # A percentile needs at least one sample beyond it.
        [0.001, .min_us], [0.5, .median_us], [0.9, .p90_us // empty], [0.99, .p99_us], [0.999, .p999_us]
        | select((1 - .[0]) * $count >= 1)
      end
      | select(.[0] < 1 and .[1] > 0) | [-((1 - .[0]) | log10), .[1]]]
    | select(length > 0) | {thing: $thing, name: $name, points: .};

# The axes leave room for the names: up to p90 and below the lowest time.
def times:
    [.[].points[][1]] as $times
    | [0, ([.[].points[][0], 1] | max), ($times | min / 3 | round_below), ($times | max * 1.1 | round_above)] as $range
    | blocks($range; beside_curves($range));

# --- Parts of a message's time: a bar for each side

# The part of the bars' width that a letter takes, and the least share that is written into a bar.
def part_letter_width: 0.019;

def is_wait: .part | startswith("wait for ");

# The parts in a record, in the order in which they come: {name, tone, share, below}. What the clock and the loop take is one.
def parts_of:
    .whole_ns as $whole
    | [.parts[] | {name: (if is_wait then "wait" else .part end), below: (.measured | not), share: ((.ns // .below_ns) / $whole),
        tone: (if is_wait then "wait" elif .part == "checksum" or .part == "verify" then "check"
            elif .part | startswith("copy") then "copy" else "small" end)}]
    + [{name: "clock and rest", tone: "small", below: false, share: ((.readings_ns + .rest_ns) / $whole)}];

# The bars of the run whose whole time is the middle one.
def bars($thing; $name; $id):
    [$runs[0][] | select(.id == $id and .status == 0) | .records | map(select(.record == "stream-parts")) | select(length == 2)]
    | sort_by(.[0].whole_ns) | select(length > 0) | middle
    | sort_by(.role == "recv")[]
    | {$thing, $name, head: ["\($name), \(if .role == "send" then "sender" else "receiver" end)",
        (.whole_ns / 1000 | if . >= 1000 then "\(. / 1000 | nice) ms" else "\(nice) µs" end)], parts: parts_of};

def share_words: (.share | percent) as $share | if .below and ($share | startswith("<") | not) then "< \($share)" else $share end;

# Where each part begins and ends, and whether its name and share fit into it.
def placed: reduce .parts[] as $part ({at: 0, parts: []};
    (.at + $part.share) as $to
    | .parts += [$part + {from: .at, $to, named: ($part | ([.name, share_words] | map(length) | max) * part_letter_width <= .share)}] | .at = $to) | .parts;

def parts_blocks:
    to_entries | map(.key as $row | .value | . + {row: ($row + 1), parts: placed})
    | (group_by([.thing, .name])[] | . as $bars | ("wait", "check", "copy", "small") as $tone
        | [["\($bars[0].name): \($tone)"]] + [$bars[] | .row as $row | .parts[] | select(.tone == $tone) | [.from, .to, $row]]
        | block("\($tone)-\($bars[0].thing)")),
      ([.[] | .row as $row | .parts[] | select(.named) | [(.from + .to) / 2, $row, .name, share_words]] | block("words")),
      ([.[] | [.row] + .head] | block("rows")),
      ([.[] | [.row, (.parts | map(select(.named | not) | "\(.name) \(share_words)") | join(", "))]] | block("notes"));

# --- Heat maps. One pair is a figure, and no map.

def cells($id; cell): map(select(.id == $id and .status == "ok")) | select(length > 1) | .[] | cell | join("\t");

if $plot == "bandwidth" then
    [curve("host-region"; "bandwidth-host"; "host"), curve("host-own"; "bandwidth-host-local"; "host, own"),
     curve("vm-own"; "bandwidth-local"; "VM, own"), curve("uc"; "bandwidth-uc"; "VM, uc"),
     curve("wc"; "bandwidth-wc"; "VM, wc"), curve("wb"; "bandwidth-wb"; "VM, wb")] | select(. != []) | rates_of_sizes
elif $plot == "stream" then
    [curve("host-region"; "stream-host"; "host"), curve("uc"; "stream"; "shared memory"),
     (map(select(.id | test("^tcp-[0-9]+[KM]?$")) | .id = "tcp") | curve("tcp"; "tcp"; "TCP"))] | select(. != []) | rates_of_sizes
elif $plot == "streams" then
    map(select(.id | test("^streams-(host-)?[0-9]+$")) | .what = (.id | split("-") | last) | .id |= sub("-[0-9]+$"; ""))
    | [curve("host-region"; "streams-host"; "host"), curve("uc"; "streams"; "shared memory")]
    | select(. != []) | rates(0.7; ([.[].points[][0]] | max) + 0.3)
elif $plot == "parts" then
    [bars("uc"; "VM"; "parts"), bars("host-region"; "host"; "parts-host")] | select(. != []) | parts_blocks
elif $plot == "latency" then
    [percentiles("host-region"; "latency-host"; "host, polled"), percentiles("uc"; "latency"; "polled"),
     percentiles("open-loop"; "latency-every"; "open loop"), percentiles("interrupt"; "latency-interrupt"; "interrupt"),
     percentiles("tcp"; "tcp-latency"; "TCP")] | select(. != []) | times
elif $plot == "matrix" then
    cells("latency-matrix"; (.what | split("-") | map(ltrimstr("vm"))) + [.median * 1000 | tostring])
elif $plot == "cpus" then
    cells("latency-host-cpus"; (.median * 1000 | tostring) as $ns | (.what | split("-")) | (., reverse) + [$ns])
else error("no plot \($plot)") end
