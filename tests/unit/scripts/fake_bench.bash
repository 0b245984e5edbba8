# shellcheck shell=bash disable=SC2016,SC2034,SC2154 # code in quotes; what the tests use; what bats sets
# Shared by the tests of complete bench.sh runs: a fake QEMU, a fake ssh, and programs that print recorded output
# (fixtures/bench). Load it after fake.bash.

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

    # A fake ssh without a guest: it runs the guest's commands on the host. A connection is a process that listens on a
    # socket. Without a connection no command runs. With the file no-ssh the connection is never established. The file tcp
    # gets the command lines of sockperf and iperf3, which contain the duration.
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
[[ $3 != *sockperf*ping-pong* && $3 != *iperf3*-J* ]] || echo "$3" >>"$FAKE/tcp"
case $3 in
*sockperf*ping-pong*) PATH=$FAKE/programs:$PATH exec __record tcp-latency ;;
*iperf3*-J*) PATH=$FAKE/programs:$PATH exec __record iperf3 ;;
*'which iperf3 sockperf; ls'*)
    printf '/usr/bin/%s\n' iperf3 sockperf
    [[ ! -e $FAKE/link ]] || echo /sys/class/net/eth1
    ;;
*pkill* | *"ip link"*) exit 0 ;;
*) PATH=$FAKE/programs:$PATH eval "$3" ;;
esac
END
    # Fake programs that print a record. The program named in the file slow does not end, and adds its pid to the file hangs.
    # The file broken makes __stream fail. With the folder halves the two sides of __latency write their records at the same
    # time. For each line of the files sockperf.none and iperf3.none, one run of that program observes nothing.
    mkdir "$FAKE/programs"
    cat >"$FAKE/programs/__record" <<'END'
#!/usr/bin/env bash
[[ $1 != __stream || ! -e $FAKE/broken ]] || { echo '__stream: nobody came' >&2; exit 3; }
if [[ $1 == "$(cat "$FAKE/slow" 2>/dev/null)" ]]; then
    echo "$$" >>"$FAKE/hangs"
    exec sleep 1000
fi
none() {
    [[ -s $FAKE/$1.none ]] && sed -i 1d "$FAKE/$1.none"
}
case $1 in
__shmem)
    echo '{"record": "mapping", "program": "__shmem", "version": "1.0", "mapping": "uc", "available": true, "load_ns": 5, "store_mb_s": 100}'
    echo '{"record": "mapping", "program": "__shmem", "version": "1.0", "mapping": "wc", "available": false}'
    ;;
__stress) echo '{"record": "stress", "program": "__stress", "version": "1.0"}' ;;
__stream)
    id=stream
    [[ $* != *--parts* ]] || id=parts
    [[ $* == *recv* ]] || jq -c --arg id "$id" 'select(.id == $id and .round == 1).records[]' "$FIXTURE/results.jsonl"
    ;;
__latency)
    if [[ $* == *--cpus* ]]; then
        echo '{"record": "latency-cpus", "program": "__latency", "version": "1.0", "from_cpu": 0, "to_cpu": 1, "min_us": 0.05, "median_us": 0.1}'
        exit
    fi
    record=$(jq -c 'select(.id == "latency" and .round == 1).records[]' "$FIXTURE/results.jsonl")
    printf %s "${record:0:20}"
    if [[ -d $FAKE/halves ]]; then
        mktemp "$FAKE/halves/XXXXXX" >/dev/null
        while (($(ls "$FAKE/halves" | wc -l) % 2)); do sleep 0.05; done
    fi
    printf '%s\n' "${record:20}"
    ;;
__bandwidth) jq -c 'select(.id == "bandwidth-uc" and .round == 1).records[]' "$FIXTURE/results.jsonl" ;;
iperf3)
    rate=160000000
    ! none iperf3 || rate=0
    echo '{"start": {"version": "iperf 3.12", "test_start": {"blksize": 65536}}, "end": {"sum_sent": {"retransmits": 0},
        "sum_received": {"seconds": 2, "bits_per_second": '$rate'}}}'
    ;;
tcp-latency)
    if none sockperf; then
        echo 'sockperf: No valid observations found. Try tune parameters: --time/--mps/--reply-every'
    else
        cat "$FIXTURE/sockperf"
    fi
    ;;
esac
END
    local name
    for name in __shmem __stress __stream __latency __bandwidth; do
        printf '#!/usr/bin/env bash\nexec "$FAKE/programs/__record" %s "$@"\n' "$name" >"$FAKE/programs/$name"
        ln -s "$FAKE/programs/$name" "$VM_DIR/bin/$name"
    done
    chmod +x "$FAKE"/programs/*
}
