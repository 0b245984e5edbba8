# shellcheck shell=bash
# The ivshmem server, for SHMEM_MODE=doorbell: a process on the host. It gives each VM an id, the region, and the eventfds
# that interrupt the other VMs. It starts before the first VM and ends after the last one.
#
#   VM_DIR/server/socket   QEMU and programs on the host connect here
#                 pid      the server's PID
#                 peers    the connected peers, a line each: id, PID
#                 ready    has a line when the server listens
#                 log      arrivals, departures, refusals

# Prints the server's PID; fails if it does not run. Finds it as vm_pid finds a VM.
server_pid() {
    local pid
    read -r pid 2>/dev/null <"$VM_DIR/server/pid" || pid=''
    process_confirm "$pid" --socket "$VM_DIR/server/socket" || process_find --socket "$VM_DIR/server/socket"
}

# Prints how many vectors the running server gives to each peer; nothing if it does not run. QEMU must ask for as many.
server_vectors() {
    local pid
    pid=$(server_pid) || return 0
    process_option "$pid" --vectors
}

# server_start FILE: starts the server for the region in FILE, which exists, and waits until it listens.
server_start() {
    local dir=$VM_DIR/server pid deadline=$((SECONDS + 10))
    local -a command=("$VM_DIR/bin/ivshmem-server" --socket "$dir/socket" --memory "$1"
        --vectors "$SERVER_VECTORS" --peers-file "$dir/peers")
    [[ -x ${command[0]} ]] || die "there is no ${command[0]}: run ./setup.sh, which builds it"
    install -d -m 700 -- "$dir"
    rm -f -- "$dir"/{pid,peers,ready}
    # setsid: a Ctrl-C for start.sh must not reach it.
    setsid "${command[@]}" </dev/null >"$dir/ready" 2>"$dir/log" {LAB_LOCK}>&- &
    pid=$!
    disown "$pid" # else bash would report its end
    printf '%d\n' "$pid" | write_file "$dir/pid" 600
    lab_own "$dir"
    until [[ -s $dir/ready ]]; do
        if ! kill -0 "$pid" 2>/dev/null || ((SECONDS >= deadline)); then
            die "the ivshmem server did not start: $(server_last_words); its log is $dir/log"
        fi
        pause 0.05
    done
}

# Prints why the server did not start.
server_last_words() {
    if [[ -s $VM_DIR/server/log ]]; then
        tail -n 1 -- "$VM_DIR/server/log"
    else
        echo 'it was killed, or took longer than 10 s'
    fi
}

server_runs() {
    server_pid >/dev/null
}

# Ends the server if it runs. Reports an error if that fails.
server_stop() {
    process_end server_pid
    if server_runs; then
        error "cannot end the ivshmem server, process $(process_name "$(server_pid)"): end it as that user or as root"
        return
    fi
    rm -f -- "$VM_DIR"/server/{pid,peers,ready,socket} 2>/dev/null || true
}

# Prints the server as a JSON object: its PID (null if it is dead), and its peers with the names of the VMs.
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
    fi | jq -Rn --arg pid "$(server_pid || true)" --arg socket "$VM_DIR/server/socket" --arg vectors "$(server_vectors)" \
        'def number: if . == "" then null else tonumber end;
         {pid: ($pid | number), socket: $socket, vectors: ($vectors | number),
          peers: (if $pid == "" then [] else
              [inputs | split("\t") | {id: (.[0] | tonumber), pid: (.[1] | tonumber), vm: (if .[2] == "" then null else .[2] end)}]
          end)}'
}
