# shellcheck shell=bash
# The file of the shared region, on the host.

# Prints the path of the region's file, which only this lab uses. Does not create it.
shmem_path() {
    if [[ $SHMEM_HUGEPAGES == yes ]]; then
        printf '/dev/hugepages/ivshmem-%s' "$(lab_id)"
    else
        printf '/dev/shm/ivshmem-%s' "$(lab_id)"
    fi
}

# Prints the path of the region's file that exists now, on huge pages or not; nothing if there is none.
shmem_file_now() {
    local file
    for file in "/dev/shm/ivshmem-$(lab_id)" "/dev/hugepages/ivshmem-$(lab_id)"; do
        if [[ -f $file ]]; then
            printf '%s' "$file"
            return
        fi
    done
}

# Was the region's file removed or replaced while the running VM $1 uses it? Then the memory that the VMs share has no name
# any more, and no other process can map it.
shmem_removed() {
    local file pid
    file=$(shmem_file_now)
    [[ -n $file ]] || return 0
    pid=$(vm_pid "$1") || return 1
    grep -qsF " $file (deleted)" "/proc/$pid/maps"
}

# shmem_require VMS: ends the program if the region or the server of the running VMs (a line each) is gone.
shmem_require() {
    local running=$1 first=${1%%$'\n'*}
    if shmem_removed "$first"; then
        die "the region of ${running//$'\n'/, } was removed while they use it: ./stop.sh, then ./start.sh"
    fi
    if [[ $(vm_mode "$first") == doorbell ]] && ! server_runs; then
        die "the ivshmem server of ${running//$'\n'/, } has died, and their doorbells with it: ./stop.sh, then ./start.sh"
    fi
}

# Makes the region: zeroed, private to the user, and with all its memory allocated, so that no store of a guest can fail
# later. If VMs run, keeps their region and only checks it.
shmem_create() {
    local file running user
    file=$(shmem_path)
    running=$(vms_running)
    if [[ -n $running ]]; then
        shmem_check "$file" "$running"
        return
    fi
    shmem_release
    user=$(shmem_user)
    [[ -z $user ]] || die "process $(process_name "$user") still uses the region of VMs that have ended: end it first"
    if ! (umask 077 && set -o noclobber && : >"$file") 2>/dev/null; then
        die "cannot create the region $file: $(shmem_why_not "$file")"
    fi
    if ! fallocate --length "$SHMEM_BYTES" "$file" 2>/dev/null; then
        rm -f -- "$file"
        die "no room for the region of $SHMEM_SIZE: $(shmem_room_remedy "$file")"
    fi
    [[ $SHMEM_MODE == plain ]] || server_start "$file"
}

# shmem_check FILE VMS: ends the program unless the region of the running VMs (a line each) is FILE, has SHMEM_SIZE bytes, is
# in SHMEM_MODE with SERVER_VECTORS, and is ours.
shmem_check() {
    local file=$1 running=${2//$'\n'/, } first=${2%%$'\n'*} now size mode vectors
    mode=$(vm_mode "$first")
    [[ $mode == "$SHMEM_MODE" ]] || die "$running run with SHMEM_MODE=$mode: to change it to $SHMEM_MODE, run ./stop.sh first"
    shmem_require "$2"
    if [[ $mode == doorbell ]]; then
        vectors=$(server_vectors)
        ((vectors == SERVER_VECTORS)) ||
            die "$running run with SERVER_VECTORS=$vectors: to change it to $SERVER_VECTORS, run ./stop.sh first"
    fi
    now=$(shmem_file_now)
    [[ -r $now && -w $now ]] || die "$running run as $(stat -c %U -- "$now"), and only that user may use their region $now:" \
        "run this as that user, or ./stop.sh as that user first"
    size=$(stat -c %s -- "$now")
    if [[ $now != "$file" ]] || ((size != SHMEM_BYTES)); then
        die "$running share $now of $size bytes: to change it to $file of $SHMEM_BYTES bytes, run ./stop.sh first"
    fi
}

# Prints why file $1 cannot be created, and what to do.
shmem_why_not() {
    local folder=${1%/*}
    if [[ -e $1 ]]; then
        printf 'it belongs to %s, and no VM uses it: sudo rm %s' "$(stat -c %U -- "$1")" "$1"
    elif [[ ! -d $folder ]]; then
        printf 'there is no %s; mount it' "$folder"
    elif [[ ! -w $folder ]]; then
        printf '%s may not write to %s; permit it with: sudo chmod 1777 %s' "$(id -un)" "$folder" "$folder"
    else
        printf '%s is full' "$folder"
    fi
}

# Prints how to get memory for file $1.
shmem_room_remedy() {
    if [[ $SHMEM_HUGEPAGES == yes ]]; then
        hugepages_remedy
    else
        printf '%s has %s free; lower SHMEM_SIZE, or: sudo mount -o remount,size=%s %s' "${1%/*}" \
            "$(df -h --output=avail "${1%/*}" | tail -n 1 | tr -d ' ')" "$((SHMEM_BYTES >> 19))M" "${1%/*}"
    fi
}

# Prints the PID of a process that uses the region or is about to: the session of a VM, or a process whose command line names
# the region's file. Prints nothing if there is none. (grep reads the pattern from a file, so that it does not find itself.)
shmem_user() {
    local name file
    for name in $(vms_made); do
        if process_find --session "$VM_DIR/$name"; then
            return
        fi
    done
    while read -r file; do
        file=${file#/proc/} file=${file%/cmdline}
        if [[ $file != "$(server_pid)" ]]; then
            printf '%s' "$file"
            return
        fi
    done < <(grep -lszE -f <(printf '/dev/(shm|hugepages)/ivshmem-%s(,|$)\n' "$(lab_id)") -- /proc/[0-9]*/cmdline)
}

# Ends the server and removes the region, which frees its memory; unless a process still uses the region.
shmem_release() {
    local user id
    user=$(shmem_user)
    if [[ -n $user ]]; then
        warn "the region is kept: process $(process_name "$user") uses it"
        return
    fi
    server_stop
    id=$(lab_id)
    rm -f -- "/dev/shm/ivshmem-$id" "/dev/hugepages/ivshmem-$id" 2>/dev/null || true
}
