# What several filters share. A filter begins with `include "common";` and is called with jq -L bench.

# The sample in the middle of a sorted array: at least half of all are at most this one. It is chosen by nearest rank, so it is
# one of the samples and never an interpolation (docs/measuring.md).
def middle: .[(length - 1) / 2 | floor];
def median: sort | middle;

# A figure is refused when it is too far beyond the host's own, which is measured with noise of its own: a rate above the
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
    if . == null then "–" else (if . >= 1000 then round elif . >= 100 then to(10) elif . >= 1 then to(100) else to(10000) end | tostring) end;

# Why a refused figure is refused.
def refusal: "\(.figure): \(.median | nice) \(.unit) is \(if .better == "higher" then "above" else "below" end) the limit"
    + " \(.limit | nice) \(.unit), which follows from the host's own \(.roofline | nice) \(.unit)";
