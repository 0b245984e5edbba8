#!/usr/bin/env bash
# Runs commands in the guests.
[ "${BASH_VERSION:-}" ] || exec bash "$0" "$@" # `sh run.sh`
set -euo pipefail
shopt -s inherit_errexit
# shellcheck source=lib/load.sh
source "$(dirname -- "$(readlink -f -- "${BASH_SOURCE[0]}")")/lib/load.sh"

usage() {
    cat <<EOF
Usage: ./run.sh [OPTION...] VM [COMMAND [ARGUMENT...]]
       ./run.sh [OPTION...] --all COMMAND [ARGUMENT...]
       ./run.sh [OPTION...] host COMMAND [ARGUMENT...]
       ./run.sh [OPTION...] clear [N]
       ./run.sh [OPTION...] push [VM...]
       ./run.sh [OPTION...] demo

Runs COMMAND as root in the guest of VM, or a shell if there is no COMMAND. Arguments, stdin and the exit status pass
through unchanged. For shell syntax (pipes, variables), run 'bash -c "..."'.

  --all    run COMMAND in all running VMs at once; each line of output begins with the VM's name
  host     run COMMAND on the host. A program of the lab (__NAME) gets the region that the VMs share; with
           SHMEM_MODE=doorbell it is a peer of the VMs. Any other program finds in its environment SHMEM_FILE and
           SHMEM_SIZE (bytes), for further regions SHMEM_FILE2 and SHMEM_SIZE2 and so on, and, only with
           SHMEM_MODE=doorbell, SHMEM_SOCKET
  clear    zero region N (default: 1, the lab's own), also while VMs use it
  push     copy prog/ to /root/prog of all running VMs, or of the named ones, and build and install it there;
           overwrites files of the same name, keeps all others
  demo     show the experiment on two running VMs: bandwidth, then a message from one VM to the other;
           clears the old message first

Options:
  --set NAME=VALUE   set a knob of config.sh for this call
  -h, --help         print this text

Exit status: that of COMMAND; with --all the first one that is not 0; 255 if the guest cannot be reached.

Example:
  ./run.sh vm1 __bandwidth
  ./run.sh --all uname -r
  echo hello | ./run.sh vm2 tee /root/greeting

Now: VM_DIR=$VM_DIR
EOF
}

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

# host_run COMMAND [ARGUMENT...]: runs a command on the host with the regions in its environment. A program of the lab gets
# the region's file; with doorbells it gets the server's socket, which hands out the region and the interrupts.
host_run() {
    local running
    (($#)) || usage_error 'host needs a command, such as __bandwidth'
    [[ $1 =~ ^__[a-z_]+$ && -x $VM_DIR/bin/$1 ]] || type -P -- "$1" >/dev/null || usage_error "host: no such program:" \
        "$(quoted "$1") (of the lab there is $(cd -- "$VM_DIR/bin" 2>/dev/null && echo __* || echo none))"
    running=$(vms_running)
    [[ -n $running ]] || die 'no VM is running: ./start.sh starts them'
    shmem_require "$running"
    host_environment "${running%%$'\n'*}"
    if [[ $1 =~ ^__[a-z_]+$ && -x $VM_DIR/bin/$1 ]]; then
        exec "$VM_DIR/bin/$1" -f "${SHMEM_SOCKET:-$SHMEM_FILE}" "${@:2}"
    fi
    exec -- "$@"
}

# Exports SHMEM_FILE and SHMEM_SIZE of each region of the running VM $1, and SHMEM_SOCKET if it has doorbells.
host_environment() {
    local file bytes number=1
    # A command of host may call run.sh for another lab.
    unset SHMEM_SOCKET SHMEM_FILE SHMEM_{FILE,SIZE}{2..9}
    while read -r file bytes; do
        export "SHMEM_FILE$(shmem_suffix "$number")=$file" "SHMEM_SIZE$(shmem_suffix "$number")=$bytes"
        number=$((number + 1))
    done < <(shmem_made)
    [[ $(vm_mode "$1") == plain ]] || export SHMEM_SOCKET="$VM_DIR/server/socket"
}

# Zeroes region $1 of the running VMs.
clear_region() {
    local running file bytes
    local -a regions
    running=$(vms_running)
    [[ -n $running ]] || die 'no VM is running, and each start begins with zeros: ./start.sh'
    shmem_require_files "$running"
    mapfile -t -O 1 regions < <(shmem_made)
    [[ $1 =~ ^[1-9]$ && -v regions[$1] ]] ||
        usage_error "clear: no such region: $(quoted "$1") (these VMs have $(listed "${!regions[@]}"); SHMEM_MORE gives more)"
    read -r file bytes <<<"${regions[$1]}"
    shmem_clear "$1" "$file" "$bytes"
    say "region $1 is zeroed: $file, $((bytes >> 20)) MiB"
}

# Copies prog/ into the guests and builds it there. All guests get the same tarball. Each one extracts only the files that
# differ from its own, so make compiles no more than necessary.
push() {
    local tarball vms
    vms=$(vms_to_use "$@")
    RUN_TEMP=$(mktemp -d)
    tarball=$RUN_TEMP/tarball
    (cd -- "$LAB_HOME/prog" && find . -type f ! -path "./build/*" -exec sha256sum {} +) >"$RUN_TEMP/sums"
    tar --create --owner=0 --group=0 --file "$tarball" --directory "$RUN_TEMP" sums \
        --directory "$LAB_HOME/prog" --exclude=./build .
    say "Building prog/ in ${vms//$'\n'/ }"
    run_all "$vms" "$tarball" bash -c "$PUSH_IN_GUEST"
}

# shellcheck disable=SC2016 # for the guest's shell
PUSH_IN_GUEST='set -e -o pipefail
mkdir -p /root/prog
cd /root/prog
pushed=$(mktemp -d)
trap "rm -rf -- $pushed" EXIT
cat >"$pushed/tarball"
tar --extract --file "$pushed/tarball" --directory "$pushed" sums
{ sha256sum --check "$pushed/sums" 2>/dev/null || true; } | sed -n "s/: FAILED.*//p" >"$pushed/changed"
if [ -s "$pushed/changed" ]; then # from an empty list tar would extract everything
    tar --extract --file "$pushed/tarball" --no-same-owner --touch --files-from "$pushed/changed"
fi
# Print each file that is compiled: after a change of a header, building takes minutes under emulation.
make install | sed -un "s/.* -c -o [^ ]* \([^ ]*\.c\)$/compiling \1/p"'

# The experiment of docs/specification.md, printed like its transcript.
demo() {
    local vms writer reader
    vms=$(vms_to_use)
    { read -r writer && read -r reader; } <<<"$vms" || die "the demo needs two running VMs, and only $vms runs: ./start.sh"
    guest_run "$writer" __read_write -c >/dev/null </dev/null
    demo_step "$writer" __bandwidth
    demo_step "$writer" __read_write
    demo_step "$reader" __read_write
}

demo_step() {
    printf 'root@%s:~# %s\n' "$1" "$2"
    guest_run "$1" "$2" </dev/null
    printf '\n'
}

main() {
    local vms
    script_begin +all "$@"
    lab_require
    lab_require_ours
    trap run_end EXIT
    if given all; then
        ((${#WORDS[@]})) || usage_error '--all needs a command'
        vms=$(vms_to_use)
        RUN_TEMP=$(mktemp -d)
        run_all "$vms" /dev/null "${WORDS[@]}"
        return
    fi
    case ${WORDS[0]:-} in
    '') usage_error "name a VM: $(vms_made | paste -sd ' ')" ;;
    push) push "${WORDS[@]:1}" ;;
    host) host_run "${WORDS[@]:1}" ;;
    clear)
        ((${#WORDS[@]} <= 2)) || usage_error 'clear takes one number at most'
        clear_region "${WORDS[1]-1}"
        ;;
    demo)
        ((${#WORDS[@]} == 1)) || usage_error 'demo takes no arguments'
        demo
        ;;
    *) run_one "${WORDS[@]}" ;;
    esac
}

main "$@"
