# shellcheck shell=bash
# What bench.sh finds out about the VMs before it measures, and what it sets up in them and takes down again.

# Finds out what can be measured: fills CAN, and LEFT_OUT with a line for each thing that cannot, and why.
#
#   vms            how many run                 region_bytes   of the region
#   mappings       those that can be had        interrupts     yes: __latency can sleep and be interrupted
#   link           yes: vm1 and vm2 have the cable between them
#   iperf3, sockperf   yes: both have it
declare -A CAN=()
LEFT_OUT=()

# A connection to each of the named VMs that all further commands share: under emulation a new one costs a second.
bench_connect() {
    local name
    BENCH_SOCKETS=$(mktemp -d)
    GUEST_SSH_OPTIONS=(-o "ControlPath=$BENCH_SOCKETS/%n")
    for name; do
        ssh -F "$VM_DIR/ssh/config" "${GUEST_SSH_OPTIONS[@]}" -M -N -f -- "$name" </dev/null >/dev/null 2>&1 {LAB_LOCK}>&- ||
            die "cannot reach $name by ssh: try ./run.sh $name true"
    done
}

bench_disconnect() {
    local socket
    [[ -n ${BENCH_SOCKETS:-} ]] || return 0
    for socket in "$BENCH_SOCKETS"/vm*; do
        [[ ! -S $socket ]] || ssh -F "$VM_DIR/ssh/config" -o "ControlPath=$socket" -O exit -- "${socket##*/}" 2>/dev/null || true
    done
    rm -rf -- "$BENCH_SOCKETS"
    BENCH_SOCKETS=''
}

# bench_look NAME...: what these VMs, which run, can do.
bench_look() {
    local tool
    CAN=([vms]=$# [region_bytes]=$(stat -c %s -- "$(shmem_file_now)") [interrupts]=no [link]=no [iperf3]=yes [sockperf]=yes)
    CAN[mappings]=$(guest_run vm1 __shmem --json </dev/null |
        jq -r 'select(.record == "mapping" and .available and (.mapping | IN("uc", "wc", "wb"))).mapping' | paste -sd ' ')
    [[ ${CAN[mappings]} == *wb* ]] || LEFT_OUT+=("the write-back mapping: the BAR of these VMs is below 4 GiB (BAR_ABOVE_4G)")
    bench_look_interrupts
    (($# >= 3)) || LEFT_OUT+=("the matrix of latencies: it needs three VMs or more (./start.sh --set VM_COUNT=3)")
    for tool in iperf3 sockperf; do
        if ! bench_both have_in_guest "$tool"; then
            CAN[$tool]=no
            LEFT_OUT+=("TCP by $tool: the guests' Debian does not have it")
        fi
    done
    bench_look_link
    bench_look_vsock
}

bench_look_interrupts() {
    if [[ $(vm_mode vm1) == plain ]]; then
        LEFT_OUT+=("latency by interrupt: these VMs have no doorbells (SHMEM_MODE=doorbell)")
    elif guest_run vm1 __latency -h </dev/null | grep -e --interrupt >/dev/null; then
        CAN[interrupts]=yes
    else
        LEFT_OUT+=("latency by interrupt: this __latency has no --interrupt")
    fi
}

bench_look_link() {
    if bench_both guest_has_link; then
        CAN[link]=yes
    elif qemu_has_dgram; then
        LEFT_OUT+=("TCP: these VMs were started without a cable between them; ./stop.sh and ./start.sh give them one")
    else
        LEFT_OUT+=("TCP: this QEMU cannot join two VMs by datagram sockets (-netdev dgram, QEMU 7.2 and later)")
    fi
}

# vhost-vsock passes a guest's packet on only if it is for the host, dst_cid == vhost_transport_get_local_cid() (Linux,
# drivers/vhost/vsock.c, vhost_vsock_handle_tx_kick): there is nothing to compare with between two VMs.
bench_look_vsock() {
    local device='there is no /dev/vhost-vsock here, and'
    [[ ! -w /dev/vhost-vsock ]] || device='/dev/vhost-vsock is there, but'
    LEFT_OUT+=("vsock: $device vhost-vsock joins a VM with its host and never two VMs (Linux, drivers/vhost/vsock.c)")
}

# Does COMMAND hold for vm1 and for vm2?
bench_both() {
    "$@" vm1 && "$@" vm2
}

have_in_guest() {
    guest_run "$2" which "$1" </dev/null >/dev/null
}

guest_has_link() {
    guest_run "$1" test -e /sys/class/net/eth1 </dev/null
}

# Gives the cable its addresses and a size of packets, and starts the servers in vm2, which sleep until
# somebody comes.
bench_link_up() {
    local name
    [[ ${CAN[link]} == yes ]] || return 0
    for name in vm1 vm2; do
        guest_run "$name" sh -c "ip link set eth1 mtu $LINK_MTU up && ip addr replace $LINK_NET.${name#vm}/24 dev eth1" </dev/null
    done
    # shellcheck disable=SC2016 # for the guest
    guest_run vm2 sh -c 'exec >/dev/null 2>&1 # which the servers would keep open
        pkill -x iperf3; pkill -x sockperf
        ! command -v iperf3 || iperf3 -s -D
        ! command -v sockperf || sockperf server --tcp -i "$0" --daemonize
        for i in $(seq 50); do [ "$(ss -Hltn "sport = :5201 or sport = :11111" | wc -l)" -ge "$1" ] && exit; sleep 0.1; done; exit 1' \
        "$LINK_NET.2" "$(bench_servers)" </dev/null ||
        die "the servers for TCP did not start in vm2: ./run.sh vm2 iperf3 -s shows why"
}

# The size of packets with which TCP is at its best: this backend knows no segmentation offload. Tried under TCG, in
# Mbit/s: 1500 bytes 73, 4000 248, 9000 240, 16000 570, 32000 536, 65000 248.
LINK_MTU=16000

bench_servers() {
    local count=0 tool
    for tool in iperf3 sockperf; do
        [[ ${CAN[$tool]} == no ]] || count=$((count + 1))
    done
    printf '%d' "$count"
}

bench_link_down() {
    [[ ${CAN[link]:-no} == yes ]] || return 0
    guest_run vm2 sh -c 'pkill -x iperf3; pkill -x sockperf; ip link set eth1 down; ip addr flush dev eth1' </dev/null || true
    guest_run vm1 sh -c 'ip link set eth1 down; ip addr flush dev eth1' </dev/null || true
} >/dev/null 2>&1
