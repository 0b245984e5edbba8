# From runs to figures. Input: the runs (check.jq). Prints an array of
#   {figure, id, roofline_id, what, unit, better, repeats, median, min, max, spread_percent, roofline, roofline_copy, share, limit,
#    doubted, status}
# figure: "ID/WHAT". doubted: the repeats beyond limit. median, min, max: over the other repeats. spread_percent: (max - min) /
# median. roofline: the host's median of the same figure; share: the part of it that this one reaches. roofline_copy: the kernel
# by which the host copied, if that is not memcpy. status: "ok", or "doubted" when all repeats are, and then median, min and max
# are over them. roofline, share and limit are null if there is nothing on the host to compare with.
include "common";

def rate(what; value): {what: what, unit: "MB/s", better: "higher", value: value};
def time(what; unit; value): {what: what, unit: unit, better: "lower", value: value};

# Of a sweep with all kernels, memcpy makes figures; the others are what a limit is made of.
def is_sweep: startswith("bandwidth-");

# The best that a record knows of its usual round trip, in us: where the clock is too coarse for one, the mean of many.
def usual: .mean_of_64_us // .median_us;

# The figures of one record of a run with this id. The value is null if it was too short to be measured. A wait is no figure:
# it is the other side's work.
def of_record($id):
    if .record == "bandwidth" and ($id | startswith("kernels")) then
        rate(.copy; .median_mb_s)
    elif .record == "bandwidth" then
        select(.copy == "memcpy") | rate("\(.block_bytes)"; .median_mb_s)
    elif .record == "latency" and ($id | startswith("latency-matrix")) then
        time("\(.from)-\(.to)"; "us"; usual)
    elif .record == "latency-cpus" then
        time("\(.from_cpu)-\(.to_cpu)"; "us"; usual)
    elif .record == "latency" or .record == "tcp-latency" then
        time("min"; "us"; .min_us), time("median"; "us"; .median_us),
        time("p99"; "us"; .p99_us), time("p99.9"; "us"; .p999_us),
        (.mean_of_64_us | values | time("mean-of-64"; "us"; .))
    elif .record == "stream" and .role == "send" and ($id | startswith("streams") | not) then
        rate("\(.message_bytes)"; .median_mb_per_s)
    elif .record == "stream-parts" then
        (select(.role == "send") | time("whole"; "us"; .whole_ns / 1000)),
        (.parts[] | select(.part | IN("checksum", "copy in", "copy out", "verify"))
            | time(.part | gsub(" "; "-"); "us"; if .measured then .ns / 1000 else null end))
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

# The best of all kernels, in any round. Input: {KERNEL: [MB/s]}. 0 if there is none.
def best: [.[]?[]] | max // 0;

# The kernel by which the host's copy of a size is compared with the VM's memcpy. When memcpy behaves like different kernels in
# the two, it is the VM's: glibc chooses by what CPUID says of features and caches, and that can differ.
def copy_like($copies; $size):
    ($copies["bandwidth-local"][$size] | memcpy_like) as $vm
    | ($copies["bandwidth-host-local"][$size] | memcpy_like) as $host
    | if $vm == null or $host == null or $vm == $host then "memcpy" else $vm end;

# The host's figure that this one is compared with: the one of the same name. TCP copies each byte at least once, whatever the
# message size, so its rate is compared with copies of 64 KiB. Far percentiles are compared with nothing.
def roofline_of($all; $copies):
    if .roofline_id == null or (.what | is_far_percentile) then null
    elif .id | startswith("tcp-latency") then $all["\(.roofline_id)/\(.what)"]
    elif .id | startswith("tcp") then $all["\(.roofline_id)/65536"]
    elif .id == "latency-matrix" then $all["\(.roofline_id)/median"]
    elif .id | is_sweep then
        copy_like($copies; .what) as $copy
        | $copies[.roofline_id][.what][$copy] as $rates
        | if $copy == "memcpy" or $rates == null then $all["\(.roofline_id)/\(.what)"]
          else {median: ($rates | median), copy: $copy} end
    else $all["\(.roofline_id)/\(.what)"] end;

# The copies of the smallest block that has at least this size, or of the largest. Input: {SIZE: {KERNEL: [MB/s]}}.
def of_block($size): to_entries? // [] | sort_by(.key | tonumber)
    | (map(select((.key | tonumber) >= $size))[0] // last // {value: {}}).value;

# The rate that no figure can be above: what the host did itself, or the fastest of its kernels with a block of that size. A
# stream copies the bytes of many messages, at both ends at the same time, so it is no faster than one copy. Several streams are
# no faster than as many copies.
def rate_limit($all; $copies):
    ($all["\(.roofline_id)/\(.what)"].max // 0) as $own
    | (if .id | startswith("streams-") then ($copies["bandwidth-host"]["65536"] | best) * (.id | split("-") | last | tonumber)
       elif .id | startswith("tcp") then $copies[.roofline_id]["65536"] | best
       elif .id == "stream" then (.what | tonumber) as $size | $copies["bandwidth-host"] | of_block($size) | best
       elif .id | startswith("bandwidth-") then $copies[.roofline_id][.what] | best
       else [$copies[.roofline_id][]? | best] | max end) as $kernels # of one size
    | [$own, $kernels] | max * rate_allowance;

# $fastest: the shortest single round trip between the host's two nearest CPUs, in us; null if that was not measured. The two
# processes of latency-host run where the scheduler placed them.
def limited($all; $copies; $fastest):
    roofline_of($all; $copies) as $host
    | ([($all["\(.roofline_id)/min"] // $host).min, $fastest] | map(select(. != null)) | min) as $shortest
    | if $host == null then . + {roofline: null, roofline_copy: null, share: null, limit: null}
      elif .better == "higher" then . + {roofline: $host.median, roofline_copy: $host.copy, limit: rate_limit($all; $copies)}
      else . + {roofline: $host.median, roofline_copy: null, limit: ($shortest * time_allowance)} end;

# The middle of an array of repeats, and how far they are apart.
def spread: {median: median, min: min, max: max} | .spread_percent = (.max - .min) / .median * 100;

# Sets aside the repeats that are beyond the limit.
def judged:
    .limit as $limit | .better as $better
    | (.values | map(select($limit != null and if $better == "higher" then . > $limit else . < $limit end))) as $doubted
    | (.values - $doubted) as $kept
    | .doubted = $doubted | .status = (if $kept == [] then "doubted" else "ok" end)
    | (if $kept == [] then .values else $kept end) as $values
    | .repeats = ($values | length) | . + ($values | spread)
    | .share = (if .roofline == null then null elif .better == "higher" then .median / .roofline else .roofline / .median end)
    | del(.values);

map(select(.status == 0)) | copies as $copies
| ([.[].records[] | select(.record == "latency-cpus").min_us] | min) as $fastest
| [.[] | of_run] as $found
# A part that is too short in one round is measured in others only because something delayed it.
| ([$found[] | select(.value == null).figure] | unique) as $short
| [$found[] | select(.value > 0 and (.figure | IN($short[]) | not))] as $figures
| [$figures | group_by(.figure)[] | .[0] + {values: map(.value)} | del(.value)] as $all
| ($all | map(. + (.values | spread)) | INDEX(.figure)) as $by_name
| (reduce $figures[] as $f ({}; .[$f.figure] //= length)) as $order
| $all | map(limited($by_name; $copies; $fastest) | judged) | sort_by($order[.figure])
