# shellcheck shell=bash
# Reaching into a running guest: ssh, with the lab's own keys and nothing of the user's.

# Writes the configuration of ssh for the VMs that run now, also for the user: ssh -F VM_DIR/ssh/config vm1.
# The guests' host key is known under one name of the lab's, for their ports change from start to start. A VM that is
# not in it leads nowhere, and not to the host's own ssh server.
ssh_config_write() {
    local name port
    [[ -d $VM_DIR/ssh ]] || return 0
    {
        for name in $(vms_running); do
            port=$(vm_ssh_port "$name") || continue
            printf 'Host %s\n    Port %d\n    ProxyCommand none\n' "$name" "$port"
        done
        cat <<EOF_SSH
Host *
    HostName 127.0.0.1
    ProxyCommand sh -c "echo 'no VM of this name ran when this was written: see ./status.sh' >&2"
    User root
    IdentityFile $VM_DIR/ssh/id_ed25519
    IdentitiesOnly yes
    HostKeyAlias ivshmem-lab
    UserKnownHostsFile $VM_DIR/ssh/known_hosts
    GlobalKnownHostsFile /dev/null
    StrictHostKeyChecking yes
    BatchMode yes
    ConnectTimeout 30
    ServerAliveInterval 15
    ServerAliveCountMax 8
    LogLevel ERROR
EOF_SSH
    } | write_file "$VM_DIR/ssh/config"
    lab_own "$VM_DIR/ssh/config"
}

# VM $1 can be reached with the configuration of ssh, or the program ends: the port is what QEMU says now, whoever started
# the VM and however start.sh ended.
guest_require() {
    local port state
    state=$(vm_state "$1")
    [[ $state == @(ready|degraded) ]] || die "$1 $(vm_advice "$1" "$state")"
    port=$(vm_ssh_port "$1") || die "$1 has no port for ssh that QEMU would tell: see what QEMU_ARGS does to -netdev"
    if ! ssh_knows "$1" "$port"; then
        ssh_config_write
    fi
}

# Does the configuration of ssh have VM $1 at port $2?
ssh_knows() {
    grep -sxF -A 1 "Host $1" "$VM_DIR/ssh/config" | grep -xF "    Port $2" >/dev/null
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
    (guest_exec "$@")
}

# guest_exec NAME [COMMAND [ARGUMENT...]]: the same, but this shell becomes ssh and does not return.
guest_exec() {
    local name=$1
    local -a ssh=(ssh -F "$VM_DIR/ssh/config" "${GUEST_SSH_OPTIONS[@]}") command=("${@:2}")
    if ((${#command[@]} == 0)) || [[ -t 0 && -t 1 ]]; then
        ssh=(env "TERM=$(guest_term)" "${ssh[@]}" -t)
    else
        command=(setpriv --pdeathsig HUP bash -c "$GUEST_SESSION" bash "${command[@]}")
    fi
    # The guest's shell, bash, parses the command line again, so quote it for bash.
    exec "${ssh[@]}" -- "$name" "${command[*]@Q}"
}

# More options for each call of ssh. bench.sh sets them, to use one connection for each VM.
GUEST_SSH_OPTIONS=()

# Without a terminal, sshd leaves a command running when its connection is closed. So the shell over it is told of the
# end of its parent, sshd (setpriv --pdeathsig), and ends all of its session, also what timeout puts into a group of its own.
# shellcheck disable=SC2016 # for the guest's shell
GUEST_SESSION='trap '\''
        trap "" TERM
        for signal in TERM TERM KILL; do
            left=no
            for stat in /proc/[0-9]*/stat; do
                read -r line 2>/dev/null <$stat || continue
                words=(${line##*) }) # state, parent, group, session: proc(5)
                pid=${stat//[^0-9]/}
                if [[ ${words[3]} == $$ && $pid != $$ ]] && kill -s $signal $pid 2>/dev/null; then left=yes; fi
            done
            [[ $left == yes ]] || exit
            read -t 1 <> <(:)
        done'\'' HUP
(trap - INT QUIT; "$@") <&0 &
wait $!'

# TERM for the guest: one that its ncurses-base knows.
guest_term() {
    case ${TERM:-dumb} in
    ansi | dumb | linux | rxvt | screen | screen-256color | vt100 | vt220 | xterm | xterm-256color) printf '%s' "${TERM:-dumb}" ;;
    screen* | tmux*) printf screen-256color ;;
    *) printf xterm-256color ;;
    esac
}
