# The output of sockperf ping-pong, each line an input, as a record of this lab; nothing if it observed nothing: it drops the
# first 400 ms of a run and the last 50 (its three messages for that: client_statistics in sockperf's src/client.cpp).
# Its "latency" is half of a round trip (its README, "--full-rtt"), so it is doubled here. Not all versions have --full-rtt.
def number: capture("(?<n>[0-9]+(\\.[0-9]+)?) *(\u001b.*)?$").n | tonumber;
[inputs | gsub("\u001b\\[[0-9;]*m"; "")] as $lines
| def value(what): [$lines[] | select(test(what)) | split("=")[1] | number][0] // error("sockperf did not print \(what)");
if any($lines[]; test("No valid observations found|No messages were received|Test end before test start")) then empty else
{
    record: "tcp-latency", program: "sockperf",
    version: ([$lines[] | capture("version #(?<v>[^ ]+)").v][0]),
    measured: "round trip",
    count: ([$lines[] | capture("Total (?<n>[0-9]+) observations").n | tonumber][0] // error("sockperf did not print its observations")),
    min_us: (2 * value("<MIN> observation")),
    median_us: (2 * value("percentile 50.000")),
    p90_us: (2 * value("percentile 90.000")),
    p99_us: (2 * value("percentile 99.000")),
    p999_us: (2 * value("percentile 99.900")),
    max_us: (2 * value("<MAX> observation"))
}
end
