# shellcheck shell=bash
# Reaching into a running guest: ssh, with the lab's own keys and nothing of the user's.

# Writes the configuration of ssh for the VMs that run now, also for the user: ssh -F VM_DIR/ssh/config vm1.
# The guests' host key is known under one name of the lab's, for their ports change from start to start.
ssh_config_write() {
    local name port
    [[ -d $VM_DIR/ssh ]] || return 0
    {
        for name in $(vm_all_running); do
            port=$(vm_ssh_port "$name") || continue
            printf 'Host %s\n    Port %d\n' "$name" "$port"
        done
        cat <<EOF_SSH
Host *
    HostName 127.0.0.1
    User root
    IdentityFile $VM_DIR/ssh/id_ed25519
    IdentitiesOnly yes
    HostKeyAlias ivshmem-lab
    UserKnownHostsFile $VM_DIR/ssh/known_hosts
    GlobalKnownHostsFile /dev/null
    StrictHostKeyChecking yes
    BatchMode yes
    ConnectTimeout 30
    LogLevel ERROR
EOF_SSH
    } | write_file "$VM_DIR/ssh/config"
    lab_own "$VM_DIR/ssh/config"
}

# Is VM $1 in the configuration of ssh?
ssh_knows() {
    grep -qsxF "Host $1" "$VM_DIR/ssh/config"
}

# The port on the host's loopback that leads to the ssh server of VM $1.
vm_ssh_port() {
    local answer
    answer=$(qmp "$VM_DIR/$1/qmp.sock" human-monitor-command '{"command-line": "info usernet"}') || return 1
    jq -r . <<<"$answer" | awk '/HOST_FORWARD/ && $6 == 22 { print $4; found = 1; exit } END { exit !found }'
}

# guest_run NAME [COMMAND [ARGUMENT...]]: runs a command in VM NAME, or a shell. Arguments, stdin and exit status are
# passed through; on a terminal the command gets one too.
guest_run() {
    local name=$1
    local -a options=() command=("${@:2}")
    if ((${#command[@]} == 0)) || [[ -t 0 && -t 1 ]]; then
        options+=(-t)
    fi
    # The guest's shell, bash, takes the command line apart again: quoted for it.
    ssh -F "$VM_DIR/ssh/config" "${GUEST_SSH_OPTIONS[@]}" "${options[@]}" -- "$name" "${command[*]@Q}"
}

# More options for ssh, for who wants them.
GUEST_SSH_OPTIONS=()
