# shellcheck shell=bash
# Makes the regions, removes them, and zeroes one.

# Makes the regions: zeroed, private to the user, and with all their memory allocated (SHMEM_PREALLOC), so that no store of a
# guest can fail later. If VMs run, keeps their regions and only checks them.
shmem_create() {
    local running user number
    running=$(vms_running)
    if [[ -n $running ]]; then
        shmem_check "$running"
        return
    fi
    shmem_release
    user=$(shmem_user)
    [[ -z $user ]] || die "process $(process_name "$user") still uses the region of VMs that have ended: end it first"
    for number in "${!REGION_BYTES[@]}"; do
        shmem_create_file "$(shmem_path "$number")"
    done
    [[ $SHMEM_PREALLOC == no ]] || shmem_require_room
    for number in "${!REGION_BYTES[@]}"; do
        shmem_allocate "$(shmem_path "$number")" "${REGION_BYTES[number]}"
        ln -sfnT -- "$(shmem_path "$number")" "$VM_DIR/region$(shmem_suffix "$number")"
        lab_own "$VM_DIR/region$(shmem_suffix "$number")"
    done
    shmem_wanted | write_file "$VM_DIR/regions"
    lab_own "$VM_DIR/regions"
    [[ $SHMEM_MODE == plain ]] || server_start "$(shmem_path)"
}

# Creates the empty file $1 of a region.
shmem_create_file() {
    if ! (umask 077 && set -o noclobber && : >"$1") 2>/dev/null; then
        die "cannot create the region $1: $(shmem_why_not "$1")"
    fi
}

# shmem_allocate FILE BYTES: gives an empty file its size, and its memory unless SHMEM_PREALLOC=no.
shmem_allocate() {
    if [[ $SHMEM_PREALLOC == no ]]; then
        truncate -s "$2" -- "$1"
    elif ! fallocate --length "$2" "$1" 2>/dev/null; then
        die "no room for the region of $(size_for_people "$2"): $(shmem_room_remedy "$1")"
    fi
}

# Ends the program unless there is room for all regions. fallocate would find that out too, but only after it has taken all
# memory that there is.
shmem_require_room() {
    local free what=region
    free=$(shmem_room)
    ((${#REGION_BYTES[@]} == 1)) || what="${#REGION_BYTES[@]} regions"
    ((free >= SHMEM_TOTAL)) || die "no room for the $what of $(size_for_people "$SHMEM_TOTAL"): $(shmem_room_remedy "$(shmem_path)")"
}

# Prints how many bytes are free where the regions are.
shmem_room() {
    if [[ $SHMEM_HUGEPAGES == yes ]]; then
        printf '%d' $(($(hugepages_free) * $(hugepage_size)))
    else
        df --output=avail -B1 /dev/shm | tail -n 1 | tr -d ' '
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
        printf '%s has %s free; lower SHMEM_SIZE%s, or: sudo mount -o remount,size=%s %s; or take a sparse one: SHMEM_PREALLOC=no' \
            "${1%/*}" "$(df -h --output=avail "${1%/*}" | tail -n 1 | tr -d ' ')" "${SHMEM_MORE:+ or SHMEM_MORE}" \
            "$((SHMEM_TOTAL >> 19))M" "${1%/*}"
    fi
}

# Prints the PID of a process that uses a region or is about to: the session of a VM, or a process whose command line names
# a region's file. Prints nothing if there is none. (grep reads the pattern from a file, so that it does not find itself.)
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
    done < <(grep -lszE -f <(printf '/dev/(shm|hugepages)/ivshmem-%s(-[2-9])?(,|$)\n' "$(lab_id)") -- /proc/[0-9]*/cmdline)
}

# Ends the server and removes the regions, which frees their memory; unless a process still uses one.
shmem_release() {
    local user id path
    user=$(shmem_user)
    if [[ -n $user ]]; then
        warn "the region is kept: process $(process_name "$user") uses it"
        return
    fi
    server_stop
    id=$(lab_id)
    rm -f -- {/dev/shm,"$HUGE_FOLDER"}/ivshmem-"$id"{,-{2..9}} 2>/dev/null || true
    rm -f -- "$VM_DIR/regions"
    for path in "$VM_DIR"/region{,[2-9]}; do
        [[ ! -L $path ]] || rm -f -- "$path"
    done
}

# --- Zeroing one

CLEAR_STEP=$((64 << 20)) # bytes between two looks at the clock

# shmem_clear N FILE BYTES: zeroes region N, which VMs may use meanwhile, and shows the progress on a terminal. Never
# truncates the file: QEMU would get a SIGBUS.
shmem_clear() {
    local file=$2 bytes=$3 at step answer begun=$SECONDS allocated=yes
    (($(stat -c '%b * %B' -- "$file") >= bytes)) || allocated=no
    if [[ $allocated == no || $file == "$HUGE_FOLDER"/* ]]; then
        # A hole reads as zeros. Writing zeros would allocate the whole region, and hugetlbfs has no write(2).
        fallocate --punch-hole --length "$bytes" -- "$file"
        [[ $allocated == no ]] || fallocate --length "$bytes" -- "$file"
        return
    fi
    step=$((bytes < CLEAR_STEP ? bytes : CLEAR_STEP))
    for ((at = 0; at < bytes; at += step)); do
        if [[ -t 2 ]] && ((SECONDS >= begun + 2)); then
            printf '\rregion %d: %d %% zeroed' "$1" $((at * 100 / bytes)) >&2
        fi
        # nocreat: if the region is released meanwhile, there must be no new file.
        answer=$(dd if=/dev/zero of="$file" bs=1M seek=$((at >> 20)) count=$((step >> 20)) conv=notrunc,nocreat status=none 2>&1) ||
            die "cannot zero region $1: $answer"
    done
    [[ ! -t 2 ]] || printf '\r\e[K' >&2
}
