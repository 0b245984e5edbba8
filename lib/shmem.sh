# shellcheck shell=bash
# The shared region's file on the host.

# A path that is this lab's own. Nothing is made.
shmem_path() {
    if [[ $SHMEM_HUGEPAGES == yes ]]; then
        printf '/dev/hugepages/ivshmem-%s' "$(lab_id)"
    else
        printf '/dev/shm/ivshmem-%s' "$(lab_id)"
    fi
}

# The region's file as it is now, on huge pages or not; nothing if there is none.
shmem_file_now() {
    local file
    for file in "/dev/shm/ivshmem-$(lab_id)" "/dev/hugepages/ivshmem-$(lab_id)"; do
        if [[ -f $file ]]; then
            printf '%s' "$file"
            return
        fi
    done
}

# Makes the region, zeroed, private to the user and with all its memory allocated, so that no guest's store can fail
# later. With VMs running it is theirs: then it only must have the size that is asked for.
shmem_create() {
    local file running
    file=$(shmem_path)
    running=$(vm_all_running)
    if [[ -n $running ]]; then
        shmem_check "$file" "${running//$'\n'/, }"
        return
    fi
    shmem_release || exit 1
    if ! (umask 077 && set -o noclobber && : >"$file") 2>/dev/null; then
        die "cannot make the region $file: $(shmem_why_not "$file")"
    fi
    if ! fallocate --length "$SHMEM_BYTES" "$file" 2>/dev/null; then
        rm -f -- "$file"
        die "no room for the region of $SHMEM_SIZE: $(shmem_room_remedy "$file")"
    fi
    [[ $SHMEM_MODE == plain ]] || server_start
}

# The VMs in $2 run and share a region: it must be file $1, as large as SHMEM_SIZE, in SHMEM_MODE.
shmem_check() {
    local file=$1 running=$2 now size mode
    mode=$(vm_mode "${running%%,*}")
    [[ $mode == "$SHMEM_MODE" ]] || die "$running run with SHMEM_MODE=$mode: for $SHMEM_MODE call ./stop.sh first"
    [[ $mode == plain ]] || server_pid >/dev/null ||
        die "the ivshmem server of $running has died, and with it their doorbells: ./stop.sh, then ./start.sh"
    now=$(shmem_file_now)
    [[ -n $now ]] || die "the region of $running was removed while they use it: ./stop.sh, then ./start.sh"
    size=$(stat -c %s -- "$now")
    if [[ $now != "$file" ]] || ((size != SHMEM_BYTES)); then
        die "$running share $now of $size bytes; for $file of $SHMEM_BYTES bytes call ./stop.sh first"
    fi
}

# Why file $1 cannot be made, and what to do.
shmem_why_not() {
    local folder=${1%/*}
    if [[ -e $1 ]]; then
        printf 'it belongs to %s; remove it' "$(stat -c %U -- "$1")"
    elif [[ ! -d $folder ]]; then
        printf 'there is no %s; mount it' "$folder"
    else
        printf '%s cannot be written by %s; give access to it' "$folder" "$(id -un)"
    fi
}

# What to do when file $1 cannot have its memory.
shmem_room_remedy() {
    if [[ $SHMEM_HUGEPAGES == yes ]]; then
        hugepages_remedy
    else
        printf '%s has %s free; lower SHMEM_SIZE, or: sudo mount -o remount,size=%s %s' "${1%/*}" \
            "$(df -h --output=avail "${1%/*}" | tail -n 1 | tr -d ' ')" "$((SHMEM_BYTES >> 19))M" "${1%/*}"
    fi
}

# Ends the server and gives the region's memory back, once no VM runs.
shmem_release() {
    server_stop || return
    rm -f -- "/dev/shm/ivshmem-$(lab_id)" "/dev/hugepages/ivshmem-$(lab_id)" 2>/dev/null || true
}
