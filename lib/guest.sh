# shellcheck shell=bash
# ssh into a running guest, with the lab's own keys and none of the user's settings.

# Writes ssh's configuration for the VMs that run now. Users can use it, too: ssh -F VM_DIR/ssh/config vm1.
# All guests have the same host key, under one alias, because their ports change with each start. The name of any other VM
# leads to an error message, and not to the host's own ssh server.
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

# Ends the program unless VM $1 can be reached by ssh. Asks QEMU for the port, so it does not matter who started the VM and
# how start.sh ended.
guest_require() {
    local port state
    state=$(vm_state "$1")
    [[ $state == @(ready|degraded) ]] || die "$1 $(vm_advice "$1" "$state")"
    port=$(vm_ssh_port "$1") || die "QEMU names no ssh port for $1: check whether QEMU_ARGS changes -netdev"
    if ! ssh_knows "$1" "$port"; then
        ssh_config_write
    fi
}

# Does the configuration of ssh have VM $1 at port $2?
ssh_knows() {
    grep -sxF -A 1 "Host $1" "$VM_DIR/ssh/config" | grep -xF "    Port $2" >/dev/null
}

# Prints the port on the host's loopback that leads to the ssh server of VM $1.
vm_ssh_port() {
    local answer
    answer=$(qmp "$VM_DIR/$1/qmp.sock" human-monitor-command '{"command-line": "info usernet"}') || return 1
    jq -r . <<<"$answer" | awk '/HOST_FORWARD/ && $6 == 22 { print $4; found = 1; exit } END { exit !found }'
}

# guest_run NAME [COMMAND [ARGUMENT...]]: runs a command in VM NAME, or a shell. Passes arguments, stdin and exit status
# through. If stdin and stdout are a terminal, the command gets one, too.
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

# Without a terminal, sshd leaves a command running when the connection closes. So a shell runs around the command. It gets
# SIGHUP when its parent, sshd, ends (setpriv --pdeathsig), and then ends all processes of its session. That includes those
# that timeout puts into a process group of their own.
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

# Prints a TERM for the guest that its ncurses-base knows.
guest_term() {
    case ${TERM:-dumb} in
    ansi | dumb | linux | rxvt | screen | screen-256color | vt100 | vt220 | xterm | xterm-256color) printf '%s' "${TERM:-dumb}" ;;
    screen* | tmux*) printf screen-256color ;;
    *) printf xterm-256color ;;
    esac
}
