# shellcheck shell=bash
# The VMs under measurement: what they can do, and the connections and the network link that bench.sh sets up in them.

# What this run knows of the VMs. bench_start sets the first two, bench_look the third, bench_connect the last.
BENCH_VMS=()                # the names of those that take part
BENCH_PIDS=()               # the process of each: QEMU
declare -A CAN=()           # what they can do:
#   vms                how many run              region_bytes   the size of the region
#   mappings           uc, wc, wb                interrupts     yes: __latency can sleep and be interrupted
#   link               yes: a network link joins vm1 and vm2
#   iperf3, sockperf   yes: vm1 and vm2 have it
declare -A BENCH_MASTERS=() # the process of the ssh connection to each

# Starts vm1 and vm2 unless they are ready. All VMs that are ready take part.
bench_start() {
    local name state status
    vm_require_configured vm1 vm2
    if [[ $(vm_state vm1) != ready || $(vm_state vm2) != ready ]]; then
        bench_child status start_vms
        ((status == 0)) || die 'cannot start the VMs (see above)'
    fi
    for name in $(vms_running); do
        state=$(vm_state "$name")
        if [[ $state == ready ]]; then
            BENCH_VMS+=("$name")
            BENCH_PIDS+=("$(vm_pid "$name")")
        else
            leave_out "$name: it $(vm_advice "$name" "$state")"
        fi
    done
    shmem_require vm1
}

# Calls start.sh with the knobs of this call.
start_vms() {
    export "${CONFIG_KNOBS[@]}"
    exec bash "$LAB_HOME/start.sh" vm1 vm2 >/dev/null
}

# Opens a connection to each VM, which all further commands share: under emulation a new one costs a second. A VM that does not
# answer for a minute ends the run. A connection ends with this script even if that is killed (setpriv).
bench_connect() {
    local name deadline=$((SECONDS + 60))
    ((${#BENCH_TEMP} < 70)) || die "TMPDIR=$TMPDIR is too long for the sockets of ssh: set it to a shorter path" # unix(7): 108
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
    # When the connection is lost, a command must fail and not open one of its own.
    GUEST_SSH_OPTIONS+=(-o ProxyCommand=false)
}

bench_disconnect() {
    local name
    if [[ ${CAN[link]:-no} == yes ]]; then
        bench_bounded 10 bench_link_down
    fi
    for name in "${!BENCH_MASTERS[@]}"; do
        process_group_end "${BENCH_MASTERS[$name]}"
    done
}

# Ends the program if a VM can no longer be reached. $1: when this was found.
bench_require() {
    local name state
    for name in "${BENCH_VMS[@]}"; do
        state=$(vm_state "$name")
        [[ $state == ready ]] || die "$1: $name $(vm_advice "$name" "$state")"
        kill -0 "${BENCH_MASTERS[$name]}" 2>/dev/null || die "$1: $name no longer answers on ssh: look at it with screen -r $name"
    done
}

# bench_guest STATUS NAME COMMAND...: runs a command in a guest and sets STATUS. The command's output is in the files out and said
# of BENCH_TEMP. A VM that was lost ends the program.
bench_guest() {
    bench_child "$1" bench_into "$BENCH_TEMP/out" "$BENCH_TEMP/said" guest_run "${@:2}"
    ((${!1} != 255)) || bench_require 'before measuring' # ssh's own failure
}

# Finds out what the VMs can do, and leaves out what they cannot.
bench_look() {
    local tool
    CAN=([vms]=${#BENCH_VMS[@]} [region_bytes]=$(stat -c %s -- "$(shmem_file_now)") [cpus]=$(nproc))
    bench_look_mappings 'CAN[mappings]'
    bench_look_interrupts 'CAN[interrupts]'
    bench_look_tcp
    for tool in iperf3 sockperf; do
        [[ ${CAN[$tool]} == yes ]] || leave_out "TCP by $tool: the guests' Debian does not have it"
    done
    [[ ${CAN[link]} == yes ]] || bench_without_link
    # vhost-vsock passes a guest's packet on only if it is for the host, dst_cid == vhost_transport_get_local_cid() (Linux,
    # drivers/vhost/vsock.c, vhost_vsock_handle_tx_kick).
    leave_out 'vsock: vhost-vsock connects a VM with its host, never two VMs (Linux, drivers/vhost/vsock.c)'
}

# These set the variable that $1 names.

bench_look_mappings() {
    local status
    bench_guest status vm1 __shmem --json
    ((status == 0)) || die "vm1 has no mapping of the region: $(last_words "$BENCH_TEMP/said")"
    printf -v "$1" %s "$(jq -r 'select(.record == "mapping" and .available and (.mapping | IN("uc", "wc", "wb"))).mapping' \
        "$BENCH_TEMP/out" | paste -sd ' ')"
    [[ ${!1} == *wb* ]] || leave_out 'the write-back mapping: the BAR of these VMs is below 4 GiB (BAR_ABOVE_4G)'
}

bench_look_interrupts() {
    local status
    printf -v "$1" no
    if [[ $(vm_mode vm1) == plain ]]; then
        leave_out 'latency by interrupt: these VMs have no doorbells (SHMEM_MODE=doorbell)'
        return
    fi
    bench_guest status vm1 __latency -h
    if grep -qe --interrupt "$BENCH_TEMP/out"; then
        printf -v "$1" yes
    else
        leave_out 'latency by interrupt: this __latency has no --interrupt'
    fi
}

# Sets CAN[iperf3], CAN[sockperf] and CAN[link] to yes if vm1 and vm2 both have it, else to no. One call for each VM: under
# emulation a call takes a third of a second.
bench_look_tcp() {
    local name status what
    CAN+=([iperf3]=yes [sockperf]=yes [link]=yes)
    for name in vm1 vm2; do
        bench_guest status "$name" sh -c 'which iperf3 sockperf; ls -d /sys/class/net/eth1'
        for what in iperf3 sockperf link; do
            grep -qE "/${what/link/eth1}\$" "$BENCH_TEMP/out" || CAN[$what]=no
        done
    done
}

bench_without_link() {
    if qemu_has_dgram; then
        leave_out 'TCP: these VMs were started without a link between them; ./stop.sh and ./start.sh give them one'
    else
        leave_out 'TCP: this QEMU cannot join two VMs by datagram sockets (-netdev dgram, QEMU 7.2 and later)'
    fi
}

# --- The network link between vm1 and vm2

# The packet size with which TCP is fastest: this backend has no segmentation offload. Tried under TCG, in
# Mbit/s: 1500 bytes 73, 4000 248, 9000 240, 16000 570, 32000 536, 65000 248.
LINK_MTU=16000

# Gives the link its addresses and its packet size, and starts the servers in vm2. They sleep until somebody connects.
bench_link_up() {
    local name status
    [[ ${CAN[link]} == yes ]] || return 0
    for name in vm1 vm2; do
        bench_guest status "$name" sh -c "ip link set eth1 mtu $LINK_MTU up && ip addr replace $LINK_NET.${name#vm}/24 dev eth1"
        ((status == 0)) || die "cannot set up the link between the VMs in $name: $(last_words "$BENCH_TEMP/said")"
    done
    # shellcheck disable=SC2016 # for the guest
    bench_guest status vm2 sh -c 'exec >/dev/null 2>&1 # or the servers would keep the connection open
        pkill -x iperf3; pkill -x sockperf
        ! command -v iperf3 || iperf3 -s -D
        ! command -v sockperf || sockperf server --tcp -i "$0" --daemonize
        for i in $(seq 50); do [ "$(ss -Hltn "sport = :5201 or sport = :11111" | wc -l)" -ge "$1" ] && exit; sleep 0.1; done; exit 1' \
        "$LINK_NET.2" "$(bench_servers)"
    ((status == 0)) || die 'the TCP servers did not start in vm2: ./run.sh vm2 iperf3 -s shows why'
}

# How many TCP servers vm2 runs.
bench_servers() {
    local count=0 tool
    for tool in iperf3 sockperf; do
        if [[ ${CAN[$tool]} == yes ]]; then
            count=$((count + 1))
        fi
    done
    printf '%d' "$count"
}

bench_link_down() {
    guest_run vm2 sh -c 'pkill -x iperf3; pkill -x sockperf; ip link set eth1 down; ip addr flush dev eth1' &
    guest_run vm1 sh -c 'ip link set eth1 down; ip addr flush dev eth1' &
    wait
}
