# How noisy the host was. Input: the figures; $runs: the runs.
#   {noisy, others_cpus, steal, wide, figures, why: [...]}
include "common";

def others_limit: 0.10; # CPUs, on average
def steal_limit: 0.01;  # of all CPU time
def wide_limit: 0.25;   # of the figures

def average: if length == 0 then 0 else add / length end;
def round_to($n): . * $n | round / $n;

{
    others_cpus: ([$runs[0][].others_cpus] | average), steal: ([$runs[0][].steal] | average),
    # The far percentiles vary by their nature.
    figures: (map(select(.what | is_far_percentile | not)) | length),
    wide: (map(select((.what | is_far_percentile | not) and .spread_percent > spread_limit)) | length)
}
| .why = [
    (if .others_cpus > others_limit then
        "other processes used \(.others_cpus | round_to(100)) CPUs on average (more than \(others_limit) is noise)" else empty end),
    (if .steal > steal_limit then
        "the hypervisor below took \(.steal * 100 | round_to(10)) % of the CPU time away (more than \(steal_limit * 100) % is noise)" else empty end),
    (if .figures > 0 and .wide > .figures * wide_limit then
        "\(.wide) of \(.figures) figures differ by more than \(spread_limit) % between their repeats" else empty end)]
| .noisy = (.why | length > 0)
