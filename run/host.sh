# shellcheck shell=bash
# ./run.sh host and clear: commands on the host that use the regions.

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
    [[ -n $running ]] || die 'no VM is running, so there is nothing to zero: each ./start.sh begins with zeros'
    shmem_require_files "$running"
    mapfile -t -O 1 regions < <(shmem_made)
    [[ $1 =~ ^[1-9]$ && -v regions[$1] ]] ||
        usage_error "clear: no such region: $(quoted "$1") (these VMs have $(listed "${!regions[@]}"); SHMEM_MORE gives more)"
    read -r file bytes <<<"${regions[$1]}"
    shmem_clear "$1" "$file" "$bytes"
    say "region $1 is zeroed: $file, $((bytes >> 20)) MiB"
}
