# shellcheck shell=bash
# The server of SHMEM_MODE=doorbell: a process on the host that gives each VM an id, the region, and the eventfds by
# which the VMs interrupt each other. It runs from before the first VM starts until after the last has ended.
#
#   VM_DIR/server/socket   where QEMU, and programs on the host, connect
#                 pid      the server's process
#                 peers    who is connected, a line each: id, process
#                 log      arrivals, departures, refusals

# The vectors of each peer. A constant, for QEMU and the server must agree on it.
SERVER_VECTORS=8

# The server's process id, or failure when it does not run. Found as vm_pid finds a VM.
server_pid() {
    local pid
    read -r pid 2>/dev/null <"$VM_DIR/server/pid" || pid=''
    process_confirm "$pid" --socket "$VM_DIR/server/socket" || process_find --socket "$VM_DIR/server/socket"
}

# Starts the server for the region, the existing file $1, and waits until it listens.
server_start() {
    local dir=$VM_DIR/server pid deadline=$((SECONDS + 10))
    local -a command=("$VM_DIR/bin/ivshmem-server" --socket "$dir/socket" --memory "$1"
        --vectors "$SERVER_VECTORS" --peers-file "$dir/peers")
    [[ -x ${command[0]} ]] || die "there is no ${command[0]}: ./setup.sh builds it"
    install -d -m 700 -- "$dir"
    rm -f -- "$dir"/{pid,peers,ready}
    # In a session of its own: no Ctrl-C meant for start.sh reaches it.
    setsid "${command[@]}" </dev/null >"$dir/ready" 2>"$dir/log" {LAB_LOCK}>&- &
    pid=$!
    disown "$pid" # whose end is told below, and not by bash
    printf '%d\n' "$pid" | write_file "$dir/pid" 600
    lab_own "$dir"
    until [[ -s $dir/ready ]]; do
        if ! kill -0 "$pid" 2>/dev/null || ((SECONDS >= deadline)); then
            die "the ivshmem server did not start: $(server_last_words); its log is $dir/log"
        fi
        pause 0.05
    done
}

server_last_words() {
    if [[ -s $VM_DIR/server/log ]]; then
        tail -n 1 -- "$VM_DIR/server/log"
    else
        echo 'it was killed, or is too slow'
    fi
}

server_runs() {
    server_pid >/dev/null
}

# Ends the server, if it runs; server_runs says whether that was so.
server_stop() {
    process_end server_pid
    if server_runs; then
        error "cannot end the ivshmem server, process $(process_name "$(server_pid)"): end it as its user"
        return
    fi
    rm -f -- "$VM_DIR"/server/{pid,peers,ready,socket} 2>/dev/null || true
}

# The server as a JSON object: its process, null when it is dead, and its peers, with the VMs' names.
server_status() {
    local id pid name
    local -A names=()
    for name in $(vms_running); do
        names[$(vm_pid "$name")]=$name
    done
    if [[ -r $VM_DIR/server/peers ]]; then
        while read -r id pid; do
            printf '%s\t%s\t%s\n' "$id" "$pid" "${names[$pid]:-}"
        done <"$VM_DIR/server/peers"
    fi | jq -Rn --arg pid "$(server_pid || true)" --arg socket "$VM_DIR/server/socket" --arg vectors "$SERVER_VECTORS" \
        '{pid: (if $pid == "" then null else $pid | tonumber end), socket: $socket, vectors: ($vectors | tonumber),
          peers: (if $pid == "" then [] else
              [inputs | split("\t") | {id: (.[0] | tonumber), pid: (.[1] | tonumber), vm: (if .[2] == "" then null else .[2] end)}]
          end)}'
}
