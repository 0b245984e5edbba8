# report.md. Input: the figures (summary.jq); $host: host.json; $runs: the runs; $noise: the output of noise.jq; $plots: the names of
# the plots that were drawn.
include "common";

def percent: if . == null then "–" else "\(. * 100 | if . < 10 then . * 10 | round / 10 else round end) %" end;
def size: tonumber | if . >= 1048576 then "\(. / 1048576) MiB" elif . >= 1024 then "\(. / 1024) KiB" else "\(.) B" end;
def row: "| " + join(" | ") + " |";

# Which kernels the memcpy of a VM, or of the host, behaves like: each with the sizes of the blocks. Input: runs; $id: the sweep.
def memcpy_likes($id):
    copies[$id] // {} | to_entries | map({size: .key, like: (.value | memcpy_like)} | select(.like))
    | group_by(.like) | map("\(.[0].like) (\(map(.size | size) | join(", ")))") | join(", ") | select(. != "");

$host[0] as $host | $noise[0] as $noise | ($plots | split(" ") | map(select(. != ""))) as $plots
| . as $figures
| INDEX(.figure) as $by
| def good($name): $by[$name] | select(. != null and .status == "ok");
def main($name; $words): good($name)
    | [$words, "\(.median | nice) \(.unit)", "\(.min | nice) to \(.max | nice)", (.share | percent)] | row;
def ratio($above; $below; $words): [good($above).median, good($below).median]
    | select(length == 2) | "- \($words): **\(.[0] / .[1] | nice)**";

"# Shared memory between VMs, measured \($host.started)",
"",
(if $host.complete then empty else
    "**INCOMPLETE.** The run ended before everything was measured: \($runs[0] | length) of \($host.planned // "?") runs.", "" end),
(if $noise.noisy then "**NOISY HOST.** Do not trust small differences: \($noise.why | join("; ")).", "" else empty end),
"\($host.vms) VMs under \($host.accelerator | ascii_upcase) on \($host.host.cpu) (\($host.host.cpus) CPUs), a region of"
    + " \($host.region_bytes | size) (SHMEM_MODE=\($host.shmem_mode)). Mode \($host.mode): each figure is the median of up to"
    + " \([$figures[].repeats] | max // 0) repeats, with the lowest and the highest.",
"",
"## In short",
"",
"| what | median | lowest to highest | share of the host's figure |",
"| --- | --- | --- | --- |",
main("bandwidth-uc/65536"; "memcpy into the region, 64 KiB blocks, mapped uc"),
main("bandwidth-wc/65536"; "... mapped wc"),
main("bandwidth-wb/65536"; "... mapped wb"),
main("bandwidth-local/65536"; "... within the VM's own memory"),
main("latency/median"; "round trip, polled"),
main("latency/p99.9"; "... p99.9"),
main("latency-interrupt/median"; "round trip, by interrupt"),
main("stream/65536"; "stream, 64 KiB messages"),
main("tcp-64K/65536"; "TCP, 64 KiB messages (iperf3)"),
main("tcp-latency/median"; "TCP, round trip (sockperf)"),
"",
ratio("stream/65536"; "tcp-64K/65536"; "Throughput of shared memory over that of TCP, same VMs, same run, 64 KiB messages"),
ratio("tcp-latency/median"; "latency/median"; "Round trip by TCP over that by shared memory, polled"),
ratio("tcp-latency/median"; "latency-interrupt/median"; "Round trip by TCP over that by shared memory, by interrupt"),
"",
"TCP runs over virtio-net and QEMU's `dgram` netdev, without root: packets of \($host.link_mtu) bytes, no offload, no vhost."
    + " A bridge with vhost-net, which needs root, is faster.",
"",
"## Plots",
"",
($plots[] | "![\(.)](\(.).svg)", ""),
"## Doubted, failed, left out",
"",
([$figures[] | select(.doubted != []) | "- **doubted** \(doubt)"],
 [$runs[0][] | select(.status != 0) | "- **failed** \(.id), round \(.round), status \(.status): \(.said | split("\n") | map(select(. != "")) | last // "no message")"],
 [$host.left_out[] | "- left out: \(.)"] | .[]),
"",
"## The machine",
"",
"| | |", "| --- | --- |",
(["processor", "\($host.host.cpu), \($host.host.cpus) CPUs, caches \($host.host.caches | to_entries | map("\(.key) \(.value)") | join(", "))"],
 ["memory", "\($host.host.memory_mib) MiB"],
 ["host", "Linux \($host.host.kernel), QEMU \($host.qemu), \($host.accelerator)"],
 ["guests", "Linux \($host.manifest.kernel | guest_kernel), Debian \($host.manifest.debian.suite) \($host.manifest.debian.version), -smp \($host.smp)"],
 ["vCPUs", ($host.placement // empty | to_entries | map("\(.key) on CPU \(.value | join(" and "))") | join("; "))],
 ["mappings", ([$runs[0][] | select(.id == "mapping")][0].records // [] | map(select(.available) | "\(.mapping): \(.memory_type // "ordinary"), behaves \(.verdict)") | join("; "))],
 ["programs", "\([$runs[0][].records[] | select((.program // "") | startswith("__")) | "\(.program) \(.version)"] | unique | join(", ")); kit \($host.kit), binaries \($host.programs)"],
 ["memcpy in a VM", ($runs[0] | memcpy_likes("bandwidth-local") | "behaves like \(.)")],
 ["memcpy on the host", ($runs[0] | memcpy_likes("bandwidth-host-local") | "behaves like \(.)")],
 ["load before", $host.host.load_before],
 ["during the run", "other processes used \($noise.others_cpus * 100 | round / 100) CPUs, steal \($noise.steal * 1000 | round / 10) %, \($noise.wide) of \($noise.figures) figures with a spread above \(spread_limit) %"]
 | row),
"",
"## All figures",
"",
"| figure | median | lowest to highest | spread | host | share of the host's figure |",
"| --- | --- | --- | --- | --- | --- |",
($figures[] | [.figure, "\(.median | nice) \(.unit)", "\(.min | nice) to \(.max | nice)", "\(.spread_percent | nice) %", (.roofline | nice),
    (.share | percent) + (if .roofline_copy then " (by \(.roofline_copy))" else "" end)
        + (if .doubted == [] then "" else " **doubted**, limit \(.limit | nice)" end)] | row),
"",
"MB are 10^6 bytes. Spread: (highest - lowest) / median of the repeats. Host: the same program on the host, on the same"
    + " backing file, in the same run; with (by NAME), the host copied with that kernel, since memcpy behaves like it in the VM and like"
    + " another one on the host. For times, the share is the host's time over the guest's. Doubted: a rate above \(rate_allowance) times the"
    + " best that the host does, with any copy kernel, or a time below \(time_allowance) times its shortest single one. docs/measuring.md says what each figure means."
