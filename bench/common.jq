# What several filters share. A filter begins with `include "common";` and is called with jq -L bench.

# The sample in the middle of a sorted array: at least half of all are at most this one. It is chosen by nearest rank, so it is
# one of the samples and never an interpolation (docs/measuring.md).
def middle: .[(length - 1) / 2 | floor];
def median: sort | middle;

# A figure is doubted when it is too far beyond the host's own, which is measured with noise of its own: a rate above the
# host's best repeat times this, or a time below the host's shortest single one times this. The factors are that generous
# because much depends on which two CPUs the two VMs, or the two processes, happen to run on.
def rate_allowance: 1.25;
def time_allowance: 0.5;

# A figure is noisy when its repeats are spread over more percent of their median.
def spread_limit: 25;

# Does a figure show the host's scheduler rather than what is measured? Input: its `what`.
def is_far_percentile: test("^p99");

# A number for people, to about three digits.
def nice:
    def to($n): . * $n | round / $n;
    if . == null then "–" else (if . >= 100 then round elif . >= 10 then to(10) elif . >= 1 then to(100) elif . >= 0.1 then to(1000) else to(10000) end | tostring) end;

# A share, for people.
def percent: if . == null then "–" elif . > 0 and . < 0.001 then "< 0.1 %"
    else "\(. * 100 | if . < 10 then . * 10 | round / 10 else round end) %" end;

# A number of bytes.
def size: tonumber | if . >= 1048576 then "\(. / 1048576) MiB" elif . >= 1024 then "\(. / 1024) KiB" else "\(.) B" end;

# Is a measurement one of the host itself? Input: its id.
def is_on_host: test("-host(-|$)");

# Why repeats of a figure are doubted.
def doubt: "\(.figure): \(.doubted | map(nice) | join(", ")) \(.unit) is \(if .better == "higher" then "above" else "below" end) the limit"
    + " \(.limit | nice) \(.unit), which the host itself does not reach"
    + (if .status == "ok" then " (\(.doubted | length) of \(.repeats + (.doubted | length)) repeats; the median is over the others)" else "" end);

# What all rounds of __stress say together: {verdict, rounds, untested, unfenced, fenced}; nothing if none ended well. A round tested
# the fence if one of its participants saw an overtaking without it. Input: the runs.
def coherence:
    [.[] | select(.id == "stress" and .status == 0) | [.records[] | select(.verdict)] | select(. != [])]
    | select(. != [])
    | {rounds: length, untested: (map(select(all(.[]; .verdict != "no violation"))) | length),
       unfenced: ([.[][].seen_buffered] | add // 0), fenced: ([.[][].seen_fenced] | add // 0)}
    | .verdict = (if .untested == .rounds then "inconclusive" else "no violation" end);

# A number of things.
def many($what): "\(.) \($what)\(if . == 1 then "" else "s" end)";

# What reasons (reasons.jq) are about, in a line for each kind. What was left out is no news.
def told: map(select(.kind != "left out") | .kind |= (.[:1] | ascii_upcase) + .[1:] | .id += if .side then " (\(.side))" else "" end)
    | group_by(.kind) | map("\(.[0].kind): \(map(.id) | unique | join(", ")).");

# The guests' kernel, with the fragments of KERNEL_CONFIG. Input: what the manifest says of it.
def guest_kernel: .release + (if (.config // "") == "" then "" else " with \(.config)" end);

# All copies, by all kernels: {ID: {SIZE: {KERNEL: [MB/s, one for each round]}}}.
def copies: reduce (.[] | .id as $id | .records[] | select(.record == "bandwidth") | {$id, size: "\(.block_bytes)", copy, rate: .median_mb_s})
    as $c ({}; .[$c.id][$c.size][$c.copy] += [$c.rate]);

# The kernel that memcpy behaves like: the one whose speed is nearest, within a quarter; null if none is. Input: {KERNEL: [MB/s]}.
def memcpy_like:
    if . == null or .memcpy == null then null
    else (.memcpy | median) as $rate
        | del(.memcpy) | to_entries | map({key, apart: ((.value | median) / $rate | log | fabs)})
        | sort_by(.apart)[0] | select(. != null and .apart < (1.25 | log)) // {} | .key
    end;
