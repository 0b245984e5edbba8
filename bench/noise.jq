# How noisy the host was. Input: the figures; $runs: the runs. Prints
#   {others_cpus, steal, figures, wide, why: [...], noisy}
# figures: how many were looked at; wide: how many of them have repeats that differ too much; why: the reasons as text.
include "common";

def others_limit: 0.10; # CPUs, on average
def steal_limit: 0.01;  # of all CPU time
def wide_limit: 0.25;   # of the figures

def average: if length == 0 then 0 else add / length end;
def round_to($n): . * $n | round / $n;

{
    others_cpus: ([$runs[0][].others_cpus] | average), steal: ([$runs[0][].steal] | average),
    figures: (map(select(.what | is_far_percentile | not)) | length),
    wide: (map(select((.what | is_far_percentile | not) and .spread_percent > spread_limit)) | length)
}
| .why = [
    (if .others_cpus > others_limit then
        "other processes used \(.others_cpus | round_to(100)) CPUs on average (more than \(others_limit) is noise)" else empty end),
    (if .steal > steal_limit then
        "the hypervisor of this host took \(.steal * 100 | round_to(10)) % of its CPU time (more than \(steal_limit * 100) % is noise)" else empty end),
    (if .figures > 0 and .wide > .figures * wide_limit then
        "the repeats of \(.wide) of \(.figures) figures differ by more than \(spread_limit) %" else empty end)]
| .noisy = (.why | length > 0)
