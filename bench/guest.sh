# shellcheck shell=bash
# What bench.sh finds out about the VMs before it measures, and what it sets up in them and takes down again.

# Finds out what can be measured: fills CAN, and LEFT_OUT with a line for each thing that cannot, and why.
#
#   vms            how many run                 region_bytes   of the region
#   mappings       those that can be had        interrupts     yes: __latency can sleep and be interrupted
#   link           yes: vm1 and vm2 have the link between them
#   iperf3, sockperf   yes: both have it
declare -A CAN=()
LEFT_OUT=()

# Starts vm1 and vm2 unless they are ready. BENCH_VMS: those that take part.
bench_start() {
    local name state
    vm_require_configured vm1 vm2
    if [[ $(vm_state vm1) != ready || $(vm_state vm2) != ready ]]; then
        bench_child start_vms
        ((CHILD_STATUS == 0)) || die 'the VMs could not be started (see above)'
    fi
    for name in $(vms_running); do
        state=$(vm_state "$name")
        if [[ $state == ready ]]; then
            BENCH_VMS+=("$name")
            BENCH_PIDS+=("$(vm_pid "$name")")
        else
            LEFT_OUT+=("$name: it $(vm_advice "$name" "$state")")
        fi
    done
    shmem_require vm1
}
BENCH_VMS=()
BENCH_PIDS=() # QEMU's of each

# start.sh, with the knobs as they are here.
start_vms() {
    export "${CONFIG_KNOBS[@]}"
    exec bash "$LAB_HOME/start.sh" vm1 vm2 >/dev/null
}

# A connection to each VM that all further commands share: under emulation a new one costs a second. Who does not answer
# for a minute is given up. A connection ends with this script even when that is killed (setpriv).
bench_connect() {
    local name deadline=$((SECONDS + 60))
    ((${#BENCH_TEMP} < 70)) || die "TMPDIR=$TMPDIR is too long for the sockets of ssh: set it to a shorter one" # unix(7): 108
    GUEST_SSH_OPTIONS=(-S "${BENCH_TEMP//%/%%}/ssh-%n")
    for name in "${BENCH_VMS[@]}"; do
        guest_require "$name"
        set -m
        setpriv --pdeathsig TERM -- ssh -F "$VM_DIR/ssh/config" -o ServerAliveInterval=10 -o ServerAliveCountMax=6 \
            "${GUEST_SSH_OPTIONS[@]}" -M -N -- "$name" </dev/null >"$BENCH_TEMP/$name.said" 2>&1 {LAB_LOCK}>&- &
        BENCH_MASTERS[$name]=$!
        set +m
    done
    for name in "${BENCH_VMS[@]}"; do
        until [[ -S $BENCH_TEMP/ssh-$name ]]; do
            if ((SECONDS >= deadline)) || ! kill -0 "${BENCH_MASTERS[$name]}" 2>/dev/null; then
                die "cannot reach $name by ssh ($(last_words "$BENCH_TEMP/$name.said")): ./status.sh shows its state"
            fi
            pause 0.05
        done
    done
    # Where there is no connection any more, no command makes one of its own.
    GUEST_SSH_OPTIONS+=(-o ProxyCommand=false)
}
declare -A BENCH_MASTERS=() # the process of each

bench_disconnect() {
    local name
    if [[ ${CAN[link]:-no} == yes ]]; then
        bench_bounded 10 bench_link_down
    fi
    for name in "${!BENCH_MASTERS[@]}"; do
        process_group_end "${BENCH_MASTERS[$name]}"
    done
}

# All VMs can still be reached, or the program ends. $1: when it was looked.
bench_require() {
    local name state
    for name in "${BENCH_VMS[@]}"; do
        state=$(vm_state "$name")
        [[ $state == ready ]] || die "$1: $name $(vm_advice "$name" "$state")"
        kill -0 "${BENCH_MASTERS[$name]}" 2>/dev/null || die "$1: $name does not answer on its ssh any more: look at it with screen -r $name"
    done
}

# bench_guest NAME COMMAND...: runs a command in a guest. What it prints is in the files out and said of BENCH_TEMP, its
# status in CHILD_STATUS. A VM that was lost ends the program.
bench_guest() {
    bench_child bench_into "$BENCH_TEMP/out" "$BENCH_TEMP/said" guest_run "$@"
    ((CHILD_STATUS != 255)) || bench_require 'before measuring' # ssh's own failure
}

# Finds out what the VMs can do.
bench_look() {
    local tool
    CAN=([vms]=${#BENCH_VMS[@]} [region_bytes]=$(stat -c %s -- "$(shmem_file_now)") [interrupts]=no [link]=no)
    bench_look_mappings
    bench_look_interrupts
    ((CAN[vms] >= 3)) || LEFT_OUT+=("the matrix of latencies: it needs three VMs or more (./start.sh --set VM_COUNT=3)")
    for tool in iperf3 sockperf; do
        CAN[$tool]=yes
        bench_both which "$tool"
        if [[ $BOTH == no ]]; then
            CAN[$tool]=no
            LEFT_OUT+=("TCP by $tool: the guests' Debian does not have it")
        fi
    done
    bench_look_link
    bench_look_vsock
}

bench_look_mappings() {
    bench_guest vm1 __shmem --json
    ((CHILD_STATUS == 0)) || die "vm1 has no mapping of the region: $(last_words "$BENCH_TEMP/said")"
    CAN[mappings]=$(jq -r 'select(.record == "mapping" and .available and (.mapping | IN("uc", "wc", "wb"))).mapping' \
        "$BENCH_TEMP/out" | paste -sd ' ')
    [[ ${CAN[mappings]} == *wb* ]] || LEFT_OUT+=("the write-back mapping: the BAR of these VMs is below 4 GiB (BAR_ABOVE_4G)")
}

bench_look_interrupts() {
    if [[ $(vm_mode vm1) == plain ]]; then
        LEFT_OUT+=("latency by interrupt: these VMs have no doorbells (SHMEM_MODE=doorbell)")
        return
    fi
    bench_guest vm1 __latency -h
    if grep -qe --interrupt "$BENCH_TEMP/out"; then
        CAN[interrupts]=yes
    else
        LEFT_OUT+=("latency by interrupt: this __latency has no --interrupt")
    fi
}

bench_look_link() {
    bench_both test -e /sys/class/net/eth1
    if [[ $BOTH == yes ]]; then
        CAN[link]=yes
    elif qemu_has_dgram; then
        LEFT_OUT+=("TCP: these VMs were started without a link between them; ./stop.sh and ./start.sh give them one")
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

# Does COMMAND hold in vm1 and in vm2? Sets BOTH to yes or no.
bench_both() {
    local name
    BOTH=yes
    for name in vm1 vm2; do
        bench_guest "$name" "$@"
        ((CHILD_STATUS == 0)) || BOTH=no
    done
}

# Gives the link its addresses and a size of packets, and starts the servers in vm2, which sleep until
# somebody comes.
bench_link_up() {
    local name
    [[ ${CAN[link]} == yes ]] || return 0
    for name in vm1 vm2; do
        bench_guest "$name" sh -c "ip link set eth1 mtu $LINK_MTU up && ip addr replace $LINK_NET.${name#vm}/24 dev eth1"
        ((CHILD_STATUS == 0)) || die "the link between the VMs cannot be set up in $name: $(last_words "$BENCH_TEMP/said")"
    done
    # shellcheck disable=SC2016 # for the guest
    bench_guest vm2 sh -c 'exec >/dev/null 2>&1 # which the servers would keep open
        pkill -x iperf3; pkill -x sockperf
        ! command -v iperf3 || iperf3 -s -D
        ! command -v sockperf || sockperf server --tcp -i "$0" --daemonize
        for i in $(seq 50); do [ "$(ss -Hltn "sport = :5201 or sport = :11111" | wc -l)" -ge "$1" ] && exit; sleep 0.1; done; exit 1' \
        "$LINK_NET.2" "$(bench_servers)"
    ((CHILD_STATUS == 0)) || die "the servers for TCP did not start in vm2: ./run.sh vm2 iperf3 -s shows why"
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
    guest_run vm2 sh -c 'pkill -x iperf3; pkill -x sockperf; ip link set eth1 down; ip addr flush dev eth1' &
    guest_run vm1 sh -c 'ip link set eth1 down; ip addr flush dev eth1' &
    wait
}
