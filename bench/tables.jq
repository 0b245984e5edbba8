# The data of plot $plot. Input: the figures (summary.jq); $runs: the runs. Prints a block of tab-separated lines for each curve,
# after its title in quotes. Two empty lines separate the blocks, for gnuplot's index. Doubted figures are left out.
include "common";

def curve($id; $title):
    [.[] | select(.id == $id and .status == "ok")] | sort_by(.what | tonumber) | select(length > 0)
    | ["\"\($title)\"", (.[] | "\(.what)\t\(.median)\t\(.min)\t\(.max)")] | join("\n");

# The percentiles of the run whose median is the middle one: how many nines, and the time.
def percentiles($id; $title):
    [$runs[0][] | select(.id == $id and .status == 0) | .records[] | select(.median_us)] | sort_by(.median_us)
    | select(length > 0) | middle
    | ["\"\($title)\"",
      (if .histogram_us then
        .count as $count | reduce .histogram_us[] as $h ({below: 0, lines: []};
            .below += $h[1] | .lines += [[.below / $count, $h[0]]])
        | .lines[] | select(.[0] < 1)
      else
        # A percentile needs at least one sample beyond it.
        .count as $count | [0.001, .min_us], [0.5, .median_us], [0.9, .p90_us // empty], [0.99, .p99_us], [0.999, .p999_us]
        | select((1 - .[0]) * $count >= 1)
      end
      # Nines: 1 is 90 %, 2 is 99 %. The axis of latency.gp counts them.
      | "\(-((1 - .[0]) | log10))\t\(.[1])")] | join("\n");

[if $plot == "bandwidth" then
    curve("bandwidth-host-local"; "host, within its memory"), curve("bandwidth-host"; "host, into the region"),
    curve("bandwidth-local"; "VM, within its memory"), curve("bandwidth-uc"; "VM, into the region, uc"),
    curve("bandwidth-wc"; "VM, into the region, wc"), curve("bandwidth-wb"; "VM, into the region, wb")
elif $plot == "stream" then
    curve("stream-host"; "host, two processes"), curve("stream"; "two VMs, shared memory"),
    ([.[] | select(.id | test("^tcp-[0-9]+[KM]?$")) | .id = "tcp"] | curve("tcp"; "two VMs, TCP"))
elif $plot == "latency" then
    percentiles("latency-host"; "host, two processes, polled"), percentiles("latency"; "two VMs, polled"),
    percentiles("latency-interrupt"; "two VMs, by interrupt"), percentiles("tcp-latency"; "two VMs, TCP")
elif $plot == "streams" then
    ([.[] | select(.id | startswith("streams-host-")) | .what = (.id | split("-") | last) | .id = "h"] | curve("h"; "host, two processes each")),
    ([.[] | select(.id | test("^streams-[0-9]")) | .what = (.id | split("-") | last) | .id = "v"] | curve("v"; "vm1 to vm2"))
elif $plot == "matrix" then
    [.[] | select(.id == "latency-matrix" and .status == "ok")] | select(length > 0)
    | map((.what | split("-") | map(ltrimstr("vm"))) + [.median] | @tsv) | join("\n")
elif $plot == "cpus" then
    [.[] | select(.id == "latency-host-cpus" and .status == "ok")] | select(length > 0)
    | map((.what | split("-")) as [$a, $b] | ([$a, $b, .median * 1000], [$b, $a, .median * 1000]) | @tsv) | join("\n")
else error("no plot \($plot)") end]
| join("\n\n\n") | select(. != "")
