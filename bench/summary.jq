# From runs to figures. Input: the runs (check.jq). Prints an array of
#   {figure, id, roofline_id, what, unit, better, repeats, median, min, max, spread_percent, roofline, share, limit, status}
# figure: "ID/WHAT". median, min, max: over the repeats. spread_percent: (max - min) / median. roofline: the host's median of
# the same figure; share: the part of it that this one reaches. status: "ok", or "refused" when the median is beyond limit.
# roofline, share and limit are null if there is nothing on the host to compare with.
include "common";

def rate(what; value): {what: what, unit: "MB/s", better: "higher", value: value};
def time(what; unit; value): {what: what, unit: unit, better: "lower", value: value};

# The figures of one record of a run with this id.
def of_record($id):
    if .record == "bandwidth" then
        rate((if $id | startswith("kernels") then .copy else "\(.block_bytes)" end); .median_mb_s)
    elif .record == "latency" and ($id | startswith("latency-matrix")) then
        time("\(.from)-\(.to)"; "us"; .median_us)
    elif .record == "latency" or .record == "tcp-latency" then
        time("min"; "us"; .min_us), time("median"; "us"; .median_us),
        time("p99"; "us"; .p99_us), time("p99.9"; "us"; .p999_us)
    elif .record == "stream" and .role == "send" and ($id | startswith("streams") | not) then
        rate("\(.message_bytes)"; .median_mb_per_s)
    elif .record == "mapping" and .available then
        time("\(.mapping)-load"; "ns"; .load_ns), rate("\(.mapping)-store"; .store_mb_s)
    elif .record == "tcp" then
        rate("\(.message_bytes)"; .mb_per_s)
    else empty end;

# The figures of one run.
def of_run:
    .id as $id | .roofline as $roofline |
    (if $id | startswith("streams") then
        rate("total"; [.records[] | select(.record == "stream" and .role == "send").median_mb_per_s] | add // empty)
    else .records[] | of_record($id) end)
    | . + {id: $id, roofline_id: $roofline, figure: "\($id)/\(.what)"};

# The host's figure that this one is compared with: the one of the same name. TCP copies each byte at least once, whatever the
# message size, so its rate is compared with copies of 64 KiB. Far percentiles are compared with nothing.
def roofline_of($all):
    if .roofline_id == null or (.what | is_far_percentile) then null
    elif .id | startswith("tcp-latency") then $all["\(.roofline_id)/\(.what)"]
    elif .id | startswith("tcp") then $all["\(.roofline_id)/65536"]
    elif .id == "latency-matrix" then $all["\(.roofline_id)/median"]
    else $all["\(.roofline_id)/\(.what)"] end;

def limited($all):
    roofline_of($all) as $host
    | ($all["\(.roofline_id)/min"] // $host) as $shortest
    | if $host == null then . + {roofline: null, share: null, limit: null, status: "ok"}
      elif .better == "higher" then
        . + {roofline: $host.median, share: (.median / $host.median), limit: ($host.max * rate_allowance)}
        | .status = (if .median > .limit then "refused" else "ok" end)
      else
        . + {roofline: $host.median, share: ($host.median / .median), limit: ($shortest.min * time_allowance)}
        | .status = (if .median < .limit then "refused" else "ok" end)
      end;

[map(select(.status == 0)) | .[] | of_run | select(.value > 0)] as $figures
| [$figures | group_by(.figure)[]
    | map(.value) as $values
    | .[0] | del(.value)
    | . + {repeats: ($values | length), median: ($values | median), min: ($values | min), max: ($values | max)}
    | .spread_percent = (.max - .min) / .median * 100] as $all
| ($all | INDEX(.figure)) as $by_name
| (reduce $figures[] as $f ({}; .[$f.figure] //= length)) as $order
| $all | map(limited($by_name)) | sort_by($order[.figure])
