# shellcheck shell=bash
# Runs a command in one VM, or in several at once.

# vms_to_use [NAME...]: prints the VMs to use, a line each: the named ones, or all that run. Ends the program unless each
# of them can be reached.
vms_to_use() {
    local name
    local -a chosen=("$@")
    if (($# == 0)); then
        mapfile -t chosen < <(vms_running)
        ((${#chosen[@]})) || die 'no VM is running: ./start.sh starts them'
    fi
    vm_require "${chosen[@]}"
    for name in "${chosen[@]}"; do
        guest_require "$name"
    done
    printf '%s\n' "${chosen[@]}"
}

# The EXIT trap. The commands in the guests end with their connections (lib/guest.sh).
run_end() {
    kill -- "${CHILDREN[@]}" 2>/dev/null || true
    [[ -z $RUN_TEMP ]] || rm -rf -- "$RUN_TEMP"
}
# What run_end ends and removes.
CHILDREN=() # processes, and -N for process groups
RUN_TEMP=''

# Runs a command or a shell in one VM, in the background: while bash waits for a program in the foreground, it handles no
# signal.
run_one() {
    local name=$1 status=0 state
    vms_to_use "$name" >/dev/null
    guest_exec "$@" <&0 &
    CHILDREN=("$!")
    wait "$!" || status=$?
    CHILDREN=()
    if ((status == 255)); then
        state=$(vm_state "$name")
        [[ $state == ready ]] || error "$name $(vm_advice "$name" "$state")"
    fi
    return "$status"
}

# run_all VMS INPUT COMMAND [ARGUMENT...]: runs a command in all VMS (a line each) at once, its output prefixed, its stdin
# from file INPUT.
run_all() {
    local vms=$1 input=$2 name status=0 first=0
    local -A pids=()
    shift 2
    # With job control each is a process group, which can be ended as a whole.
    set -m
    for name in $vms; do
        run_prefixed "$name" "$@" <"$input" &
        pids[$name]=$!
        CHILDREN+=("-$!")
    done
    set +m
    for name in $vms; do
        status=0
        wait "${pids[$name]}" || status=$?
        if ((status != 0)); then
            say "$name: exit status $status"
            ((first != 0)) || first=$status
        fi
    done
    CHILDREN=()
    return "$first"
}

# run_prefixed VM COMMAND...: runs a command with the VM's name before each line of stdout and stderr.
run_prefixed() {
    local name=$1
    { { guest_run "$@" 2>&3 | prefixed "$name" >&4; } 3>&1 | prefixed "$name" >&2; } 4>&1
}

# prefixed VM: copies stdin to stdout with the VM's name before each line. All VMs write to the same place. A long line may
# take several writes there (pipe(7), PIPE_BUF), so the writer of a line holds a lock until it is complete.
prefixed() {
    perl -e 'use Fcntl ":flock"; my ($name, $lock) = @ARGV; $| = 1; open LOCK, ">>", $lock or die "$lock: $!\n";
        while (<STDIN>) { flock LOCK, LOCK_EX; print "$name: $_"; flock LOCK, LOCK_UN }' "$1" "$RUN_TEMP/lock"
}
