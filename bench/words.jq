# What figures and plots are called in plain words, and the heading of docs/figures.md that defines them.
include "common";

# The anchor of a heading (definitions.xsl makes the same).
def anchor: ascii_downcase | gsub("'"; "") | gsub(" "; "-");

# What is added for a figure of a round trip. The median has no name of its own.
def of_round_trip:
    if . == "median" then "" elif . == "min" then ", shortest" elif . == "mean-of-64" then ", mean of 64" else ", \(.)" end;

def called($words; $definition): {$words, $definition};

# What a figure is called. Input: {id, what}, with no "-host" in the id, and no mapping.
def described:
    .what as $what | .id | split("-") as [$kind, $of]
    | if $kind == "mapping" then
        ($what | split("-")) as [$mapping, $access]
        | called("\(if $access == "load" then "load from" else "stores into" end) the region, mapped \($mapping)"; "Loads and stores")
      elif . == "bandwidth-local" then called("memcpy within its own memory, \($what | size) blocks"; "memcpy")
      elif $kind == "bandwidth" then called("memcpy into the region, \($what | size) blocks"; "memcpy")
      elif $kind == "from" then called("memcpy out of the region, \($what | size) blocks"; "memcpy")
      elif $kind == "kernels" then called("copy into the region, kernel \($what)"; "Copy kernels")
      elif . == "latency-matrix" then called("round trip, polled, \($what | sub("-"; " to "))"; "Round trips between all VMs")
      elif . == "latency-cpus" then called("round trip, polled, CPU \($what | sub("-"; " to "))"; "Round trips between CPUs")
      elif . == "latency-every" then called("round trip, open loop (every 20 µs)\($what | of_round_trip)"; "Open loop")
      elif . == "latency-interrupt" then called("round trip, by interrupt\($what | of_round_trip)"; "Round trip by interrupt")
      elif $kind == "latency" then called("round trip, polled\($what | of_round_trip)"; "Round trip")
      elif $kind == "stream" then called("stream, \($what | size) messages"; "Stream")
      elif . == "streams-1" then called("1 stream, 64 KiB messages"; "Streams at once")
      elif $kind == "streams" then called("\($of) streams at once, 64 KiB messages"; "Streams at once")
      elif $kind == "parts" then
        called("64 KiB message with a checksum, \(if $what == "whole" then "the whole time" else $what | sub("-"; " ") end)";
            "Where the time goes")
      elif . == "tcp-latency" then called("TCP, round trip (sockperf)\($what | of_round_trip)"; "TCP round trip")
      elif $kind == "tcp" then called("TCP, \($what | size) messages (iperf3)"; "TCP")
      else called("\(.)/\($what)"; "Figures") end;

# The words and the definition of a figure. Input: its name, ID/WHAT (bench/plan.sh).
def in_words:
    split("/") as [$id, $what]
    | ($id | capture("^(bandwidth|from)-(?<m>uc|wc|wb)$").m // null) as $mapping
    | {id: ($id | sub("-host"; "")), $what} | described
    | .words |= (if $mapping then "\(.), mapped \($mapping)"
        elif $id | is_on_host then "host: \(.)"
        elif $id == "bandwidth-local" then sub("its"; "the VM's")
        else . end);

# The caption of a plot. Input: its name. $figures: {NAME: FIGURE}.
def caption($figures): {
    latency: {title: "How long a round trip takes",
        text: ("How many round trips stay below which time. A line further down is faster. Where it rises on the right,"
            + " the host's scheduler or an interrupt came between."
            + if $figures["latency-every/median"] == null then "" else
                " Open loop: a word is due every 20 µs, and its time counts from then. So a stall counts for all words that were due in it." end),
        definition: "Round trip"},
    bandwidth: {title: "How fast memcpy is",
        text: "By the size of the block. The steps show the caches. Compare a VM with the host: the same program ran there.",
        definition: "memcpy"},
    stream: {title: "How fast a stream is",
        text: "Messages from one VM to the other through a ring in the region, and the same over TCP.",
        definition: "Stream"},
    streams: {title: "Several streams at once",
        text: "The sum of all streams. It grows while there are CPUs and memory bandwidth for more.",
        definition: "Streams at once"},
    parts: {title: "Where the time of a message goes",
        text: ("What either side does while a stream of 64 KiB messages runs. Both work at the same time: one side's wait is the other's"
            + " work. The side that waits less is what limits the stream."),
        definition: "Where the time goes"},
    matrix: {title: "From each VM to each other",
        text: "The median round trip of every pair. It depends on the CPUs of the host that the two VMs run on.",
        definition: "Round trips between all VMs"},
    cpus: {title: "Between the host's CPUs",
        text: "What placement costs: CPUs that share a cache answer each other fastest.",
        definition: "Round trips between CPUs"}
}[.] // {title: ., text: "", definition: "Figures"};
