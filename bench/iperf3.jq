# iperf3's JSON as a record of this lab; nothing if nothing was received. The rate is the receiver's. $command: the command line.
if .error then error(.error)
elif (.end.sum_received.bits_per_second // 0) == 0 then empty
else
{
    record: "tcp", program: "iperf3", version: .start.version, kernel: .start.system_info,
    message_bytes: .start.test_start.blksize,
    seconds: .end.sum_received.seconds,
    mb_per_s: (.end.sum_received.bits_per_second / 8e6),
    retransmits: .end.sum_sent.retransmits,
    command: $command
}
end
