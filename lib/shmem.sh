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

# The region's file was removed, or replaced by another, while the running VM $1 uses it: what the VMs share then has no
# name any more, and nobody can join them.
shmem_removed() {
    local file pid
    file=$(shmem_file_now)
    [[ -n $file ]] || return 0
    pid=$(vm_pid "$1") || return 1
    grep -qsF " $file (deleted)" "/proc/$pid/maps"
}

# Ends the program unless what the running VMs $1 (a line each) share is there as it should be.
shmem_require() {
    local running=$1 first=${1%%$'\n'*}
    if shmem_removed "$first"; then
        die "the region of ${running//$'\n'/, } was removed while they use it: ./stop.sh, then ./start.sh"
    fi
    if [[ $(vm_mode "$first") == doorbell ]] && ! server_runs; then
        die "the ivshmem server of ${running//$'\n'/, } has died, and with it their doorbells: ./stop.sh, then ./start.sh"
    fi
}

# Makes the region, zeroed, private to the user and with all its memory allocated, so that no guest's store can fail
# later. With VMs running it is theirs: then it only must have the size that is asked for.
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
    [[ -z $user ]] || die "the region of the VMs before is still used by process $(process_name "$user"): end it first"
    if ! (umask 077 && set -o noclobber && : >"$file") 2>/dev/null; then
        die "cannot make the region $file: $(shmem_why_not "$file")"
    fi
    if ! fallocate --length "$SHMEM_BYTES" "$file" 2>/dev/null; then
        rm -f -- "$file"
        die "no room for the region of $SHMEM_SIZE: $(shmem_room_remedy "$file")"
    fi
    [[ $SHMEM_MODE == plain ]] || server_start "$file"
}

# The VMs $2 run and share a region: it must be file $1, as large as SHMEM_SIZE, in SHMEM_MODE, and ours.
shmem_check() {
    local file=$1 running=${2//$'\n'/, } first=${2%%$'\n'*} now size mode
    mode=$(vm_mode "$first")
    [[ $mode == "$SHMEM_MODE" ]] || die "$running run with SHMEM_MODE=$mode: for $SHMEM_MODE call ./stop.sh first"
    shmem_require "$2"
    now=$(shmem_file_now)
    [[ -r $now && -w $now ]] || die "$running run as $(stat -c %U -- "$now"), who alone may use their region $now:" \
        "call as that user, or ./stop.sh as that user first"
    size=$(stat -c %s -- "$now")
    if [[ $now != "$file" ]] || ((size != SHMEM_BYTES)); then
        die "$running share $now of $size bytes; for $file of $SHMEM_BYTES bytes call ./stop.sh first"
    fi
}

# Why file $1 cannot be made, and what to do.
shmem_why_not() {
    local folder=${1%/*}
    if [[ -e $1 ]]; then
        printf 'it belongs to %s, and no VM uses it: sudo rm %s' "$(stat -c %U -- "$1")" "$1"
    elif [[ ! -d $folder ]]; then
        printf 'there is no %s; mount it' "$folder"
    elif [[ ! -w $folder ]]; then
        printf '%s cannot be written by %s; open it with: sudo chmod 1777 %s' "$folder" "$(id -un)" "$folder"
    else
        printf '%s is full, or takes no more files' "$folder"
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

# The number of a process that uses the region, or will in a moment: a VM's session, or one whose command line names the
# region's file. Nothing if there is none. (The pattern comes by a file: grep's own line must not match.)
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

# Ends the server and gives the region's memory back, unless a process still uses it: then shmem_user tells which.
shmem_release() {
    local user id
    user=$(shmem_user)
    if [[ -n $user ]]; then
        warn "the region stays: process $(process_name "$user") uses it"
        return
    fi
    server_stop
    id=$(lab_id)
    rm -f -- "/dev/shm/ivshmem-$id" "/dev/hugepages/ivshmem-$id" 2>/dev/null || true
}
