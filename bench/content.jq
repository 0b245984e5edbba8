# What a report says, as data, for report.jq and report_html.jq. Input: the figures (summary.jq); $host: host.json; $runs: the
# runs; $noise: the output of noise.jq; $reasons: the output of reasons.jq; $plots: the names of the plots that were drawn. Prints
#   {title, started, accelerator, incomplete, noisy, inconclusive, told: [TEXT], about, coherence, short: [FIGURE],
#    ratios: [{words, value}], tcp, plots: [{name, title, text, definition}], reasons, machine: [[NAME, TEXT]], figures: [FIGURE]}
# FIGURE: one of summary.jq, with words and definition (words.jq), and the reasons why it is doubted or not complete.
# incomplete, noisy, inconclusive and coherence: null, or what the reader must know. told: what else is doubted or has failed.
include "common";
include "words";

# Which kernels the memcpy of a VM, or of the host, behaves like: each with the sizes of the blocks. Input: runs; $id: a sweep.
def memcpy_likes($id):
    copies[$id] // {} | to_entries | map({size: .key, like: (.value | memcpy_like)} | select(.like))
    | group_by(.like) | map("\(.[0].like) (\(map(.size | size) | join(", ")))") | join(", ") | select(. != "");

def machine($host; $runs; $noise):
    ["processor", ([$host.host.cpu, "\($host.host.cpus) CPUs",
        "caches \($host.host.caches | to_entries | map("\(.key) \(.value)") | join(", "))"] | join(", "))],
    ["memory", "\($host.host.memory_mib) MiB"],
    ["host", "Linux \($host.host.kernel), QEMU \($host.qemu), \($host.accelerator)"],
    ["guests", ("Linux \($host.manifest.kernel | guest_kernel)"
        + ", Debian \($host.manifest.debian.suite) \($host.manifest.debian.version), -smp \($host.smp)")],
    ["vCPUs", ($host.placement // empty | to_entries | map("\(.key) on CPU \(.value | join(" and "))") | join("; "))],
    ["mappings", ([$runs[] | select(.id == "mapping")][0].records // []
        | map(select(.available) | "\(.mapping): \(.memory_type // "ordinary") (measured: \(.verdict))") | join("; "))],
    ["programs", ([$runs[].records[] | select((.program // "") | startswith("__")) | "\(.program) \(.version)"]
        | unique | join(", ")) + "; kit \($host.kit), binaries \($host.programs)"],
    ["memcpy in a VM", ($runs | memcpy_likes("bandwidth-local") | "behaves like \(.)")],
    ["memcpy on the host", ($runs | memcpy_likes("bandwidth-host-local") | "behaves like \(.)")],
    ["load before", $host.host.load_before],
    ["during the run", ("other processes used \($noise.others_cpus * 100 | round / 100) CPUs,"
        + " steal \($noise.steal * 1000 | round / 10) %,"
        + " \($noise.wide) of \($noise.figures) figures with a spread above \(spread_limit) %")];

$host[0] as $host | $noise[0] as $noise | $runs[0] as $runs | $reasons[0] as $reasons
| [.[] | . as $f | . + (.figure | in_words)
    | .reasons = [$reasons[] | select(.id == if .kind == "doubted" then $f.figure else $f.id end)]] as $figures
| ($figures | INDEX(.figure)) as $by
| def good($name): $by[$name] | select(. != null and .status == "ok");
def ratio($above; $below; $words):
    [good($above).median, good($below).median] | select(length == 2) | {$words, value: (.[0] / .[1])};

{
    title: ("Shared memory between VMs" + (if $host.accelerator == "tcg" then ", emulated (TCG, no KVM)" else "" end)),
    started: $host.started, accelerator: ($host.accelerator | ascii_upcase),
    incomplete: (if $host.complete then null else
        "The run ended before everything was measured: \($runs | length) of \($host.planned // "?") runs." end),
    noisy: (if $noise.noisy then "Do not trust small differences: \($noise.why | join("; "))." else null end),
    inconclusive: ([$reasons[] | select(.kind == "inconclusive").text][0]),
    told: ($reasons | map(select(.kind != "inconclusive")) | told),
    coherence: ([$runs | coherence | select(.verdict == "no violation")
        | "__stress found no violation in \(.rounds | many("round")): without the fence \(.unfenced | many("load")) overtook a store, with it"
            + " \(.fenced)." + (if .untested == 0 then "" else " \(.untested | many("round")) of these did not test the fence." end)][0]),
    about: ("\($host.vms) VMs under \($host.accelerator | ascii_upcase) on \($host.host.cpu) (\($host.host.cpus) CPUs), a region of"
        + " \($host.region_bytes | size) (SHMEM_MODE=\($host.shmem_mode)). Mode \($host.mode): each figure is the median of up to"
        + " \([$figures[].repeats] | max // 0) repeats, with the lowest and the highest."),
    short: [good("bandwidth-uc/65536", "bandwidth-wc/65536", "bandwidth-wb/65536", "bandwidth-local/65536", "latency/median", "latency/mean-of-64",
        "latency/p99.9", "latency-every/median", "latency-every/p99.9", "latency-interrupt/median", "stream/65536", "tcp-64K/65536", "tcp-latency/median")],
    ratios: [
        ratio("stream/65536"; "tcp-64K/65536"; "Throughput of shared memory over that of TCP, same VMs, same run, 64 KiB messages"),
        ratio("tcp-latency/median"; "latency/median"; "Round trip by TCP over that by shared memory, polled"),
        ratio("tcp-latency/median"; "latency-interrupt/median"; "Round trip by TCP over that by shared memory, by interrupt")],
    tcp: ("TCP runs over virtio-net and QEMU's dgram netdev, without root: packets of \($host.link_mtu) bytes, no offload, no vhost."
        + " A bridge with vhost-net, which needs root, is faster."),
    plots: ($plots | split(" ") | map(select(. != "") | {name: .} + caption($by))),
    $reasons, machine: [machine($host; $runs; $noise) | select(length == 2 and .[1] != "")], $figures
}
