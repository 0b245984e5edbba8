#!/usr/bin/env bats
# shellcheck disable=SC2016,SC2030,SC2031,SC2154 # code in quotes; what bats and background() set
# bench.sh from its beginning to its end, and to Ctrl-C: with a fake QEMU, and with an ssh and programs that print what
# was recorded once (fixtures/bench).

load helpers
load fake

setup() {
    begin
    make_lab
    mkdir -m 700 "$BATS_TEST_TMPDIR/screens"
    mkdir "$BATS_TEST_TMPDIR/bin" "$BATS_TEST_TMPDIR/fake" "$VM_DIR/bin"
    cp "$BATS_TEST_DIRNAME/fake-qemu" "$BATS_TEST_TMPDIR/bin/qemu-system-x86_64"
    cp "$BATS_TEST_DIRNAME/fake-qemu-qmp" "$BATS_TEST_TMPDIR/bin/qemu-system-x86_64-qmp"
    PATH=$BATS_TEST_TMPDIR/bin:$PATH
    export SCREENDIR=$BATS_TEST_TMPDIR/screens FAKE=$BATS_TEST_TMPDIR/fake
    export ACCEL=tcg SHMEM_SIZE=1M START_TIMEOUT=60 STOP_TIMEOUT=60
    export FIXTURE=$BATS_TEST_DIRNAME/fixtures/bench
    R=$BATS_TEST_TMPDIR/results
    jq .manifest "$FIXTURE/host.json" >"$VM_DIR/manifest.json"

    # An ssh that needs no guest: what it would run there it runs here. A connection is a process that listens on a socket,
    # and without one nothing runs; the file no-ssh makes one that never comes about.
    stub ssh <<'END'
master=no
while [[ $1 != -- ]]; do
    case $1 in
    -S) socket=$2 ;;
    -M) master=yes ;;
    esac
    shift
done
socket=${socket/\%n/$2}
if [[ $master == yes ]]; then
    echo "$$" >>"$FAKE/masters"
    [[ ! -e $FAKE/no-ssh ]] || exec sleep 1000
    exec socat "UNIX-LISTEN:$socket,fork" /dev/null
fi
[[ -S $socket ]] || exit 255
case $3 in
*sockperf*ping-pong*) PATH=$FAKE/programs:$PATH exec __record tcp-latency ;;
*iperf3*-J*) PATH=$FAKE/programs:$PATH exec __record iperf3 ;;
*"'which'"*) exit 0 ;;
*"'test' '-e' '/sys/class/net/eth1'") [[ -e $FAKE/link ]] ;;
*pkill* | *"ip link"*) exit 0 ;;
*) PATH=$FAKE/programs:$PATH eval "$3" ;;
esac
END
    # Programs that print a record of theirs; the file slow keeps __stream from ending, the file broken makes it fail; with
    # the folder halves the two sides of __latency write their records at the same time.
    mkdir "$FAKE/programs"
    cat >"$FAKE/programs/__record" <<'END'
#!/usr/bin/env bash
[[ $1 != __stream || ! -e $FAKE/broken ]] || { echo '__stream: nobody came' >&2; exit 3; }
if [[ $1 == __stream && -e $FAKE/slow ]]; then
    echo "$$" >>"$FAKE/slow"
    exec sleep 1000
fi
case $1 in
__shmem)
    echo '{"record": "mapping", "program": "__shmem", "version": "1.0", "mapping": "uc", "available": true, "load_ns": 5, "store_mb_s": 100}'
    echo '{"record": "mapping", "program": "__shmem", "version": "1.0", "mapping": "wc", "available": false}'
    ;;
__stress) echo '{"record": "stress", "program": "__stress", "version": "1.0"}' ;;
__stream) [[ $* == *recv* ]] || jq -c 'select(.id == "stream" and .round == 1).records[]' "$FIXTURE/results.jsonl" ;;
__latency)
    record=$(jq -c 'select(.id == "latency" and .round == 1).records[]' "$FIXTURE/results.jsonl")
    printf %s "${record:0:20}"
    if [[ -d $FAKE/halves ]]; then
        mktemp "$FAKE/halves/XXXXXX" >/dev/null
        while (($(ls "$FAKE/halves" | wc -l) % 2)); do sleep 0.05; done
    fi
    printf '%s\n' "${record:20}"
    ;;
__bandwidth) jq -c 'select(.id == "bandwidth-uc" and .round == 1).records[]' "$FIXTURE/results.jsonl" ;;
iperf3) echo '{"start": {"version": "iperf 3.12", "test_start": {"blksize": 65536}}, "end": {"sum_sent": {"retransmits": 0},
    "sum_received": {"seconds": 2, "bits_per_second": 160000000}}}' ;;
tcp-latency) cat "$FIXTURE/sockperf" ;;
esac
END
    local name
    for name in __shmem __stress __stream __latency __bandwidth; do
        printf '#!/usr/bin/env bash\nexec "$FAKE/programs/__record" %s "$@"\n' "$name" >"$FAKE/programs/$name"
        ln -s "$FAKE/programs/$name" "$VM_DIR/bin/$name"
    done
    chmod +x "$FAKE"/programs/*
}

@test "bench.sh starts the VMs, measures in rounds, and leaves a whole result" {
    touch "$FAKE/link"
    succeeds ./bench.sh --quick "$R"
    runs vm1
    runs vm2
    same 'bandwidth.png bandwidth.svg host.json latency.png latency.svg report.md results.jsonl stream.png stream.svg streams.png streams.svg summary.csv' \
        "$(ls "$R" | paste -sd ' ')"
    same true "$(jq .complete "$R/host.json")"
    same '1 2 3' "$(jq -r .round "$R/results.jsonl" | uniq | paste -sd ' ')"
    same 1 "$(jq -r .machine "$R/results.jsonl" "$R/host.json" | sort -u | wc -l)"
    says 'round 1 of 3' ' left: latency' "$R/report.md"
    # What iperf3 and sockperf said: 160 Mbit/s; half a round trip of 787 us.
    grep -qF '| TCP, 64 KiB messages (iperf3) | 20 MB/s' "$R/report.md"
    grep -qF '| TCP, round trip (sockperf) | 1574 us' "$R/report.md"
    grep -qF 'left out: the write-back mapping' "$R/report.md"
    grep -qF 'left out: latency by interrupt: these VMs have no doorbells' "$R/report.md"
    grep -qF 'left out: vsock' "$R/report.md"
}

@test "bench.sh measures no TCP without a cable, and says why" {
    succeeds ./bench.sh --quick "$R"
    grep -qF 'left out: TCP:' "$R/report.md"
    refuted grep -q tcp "$R/results.jsonl"
}

@test "records of two VMs that write at the same time stay apart" {
    mkdir "$FAKE/halves"
    succeeds ./bench.sh --quick "$R"
    # Each side prints the fixture's two.
    same 4 "$(jq -s '[.[] | select(.id == "latency" and .round == 1) | .records[]] | length' "$R/results.jsonl")"
}

@test "bench.sh goes on when a measurement fails, says which and why, and ends with 1" {
    touch "$FAKE/broken"
    fails 1 ./bench.sh --quick "$R"
    says 'stream failed in round 1 with status 3: __stream: nobody came'
    grep -qF '**failed** stream, round 3, status 3: __stream: nobody came' "$R/report.md"
    grep -qF 'round trip, polled' "$R/report.md"
}

@test "Ctrl-C leaves what was measured, with a report of it, marked incomplete; nothing goes on running" {
    touch "$FAKE/slow"
    background bench ./bench.sh --quick "$R"
    wait_until test -s "$FAKE/slow"
    kill -INT "$bench"
    background_ended bench 130
    [[ $output == *'marked incomplete'* ]] || failure 'does not say so'
    same false "$(jq .complete "$R/host.json")"
    grep -qF '**INCOMPLETE.**' "$R/report.md"
    grep -qF 'round trip, polled' "$R/report.md"
    grep -q '"latency/median"' "$R/summary.csv"
    [[ ! -e $R/running && ! -e $R/plan ]] || failure 'temporary files stay'
    while read -r pid; do
        wait_until gone "$pid"
    done <"$FAKE/slow"
    # And again, at once, into another folder: no lock stays behind.
    rm "$FAKE/slow"
    succeeds ./bench.sh --quick "$R-2"
}

@test "bench.sh writes to no folder that is there" {
    mkdir "$R"
    touch "$R/mine"
    fails 1 ./bench.sh --quick "$R"
    says "$R"
    same mine "$(ls "$R")"
}
