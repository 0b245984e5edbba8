# shellcheck shell=bash
# The part of --check for starting VMs: what is free now, which may differ when they start.

check_start() {
    check_memory
    check_shmem
    check_kvm
}

check_memory() {
    local free region=$SHMEM_TOTAL need
    [[ $SHMEM_PREALLOC == yes ]] || region=0
    need=$(((VM_MEMORY_BYTES * VM_COUNT + region) >> 20))
    free=$(memory_available)
    if ((free >= need)); then
        check_ok memory "$free MB available, $need MB for $VM_COUNT VMs and the region"
    else
        check_obstacle memory "$free MB available, $need MB needed for $VM_COUNT VMs and the region" \
            'lower VM_MEMORY, VM_COUNT or SHMEM_SIZE (the limit of a container counts too)'
    fi
}

check_shmem() {
    local file type free
    file=$(shmem_path)
    type=$(stat -f -c %T -- "${file%/*}" 2>/dev/null || echo missing)
    if [[ $SHMEM_HUGEPAGES == yes ]]; then
        check_hugepages "$type"
        return
    fi
    if [[ $type != tmpfs ]]; then
        check_obstacle region "/dev/shm is $type, not a tmpfs" 'sudo mount -t tmpfs tmpfs /dev/shm'
        return
    fi
    free=$(shmem_room)
    if ((free >= SHMEM_TOTAL)) || [[ -e $file || $SHMEM_PREALLOC == no ]]; then
        check_ok region "$((free >> 20)) MB free in /dev/shm (tmpfs), $((SHMEM_TOTAL >> 20)) for the region"
    else
        check_obstacle region "no room for $(size_for_people "$SHMEM_TOTAL")" "$(shmem_room_remedy "$file")"
    fi
}

# check_hugepages TYPE: TYPE is the type of the file system at HUGE_FOLDER.
check_hugepages() {
    local size free owner
    if [[ $1 != hugetlbfs ]]; then
        check_obstacle region "$HUGE_FOLDER is $1, not a hugetlbfs" "sudo mount -t hugetlbfs -o $HUGE_MOUNT hugetlbfs $HUGE_FOLDER"
        return
    fi
    size=$(hugepage_size) owner=$(lab_owner)
    free=$(hugepages_free)
    if hugepages_too_large "$size"; then
        check_obstacle region "the pages of $HUGE_FOLDER are $((size >> 20)) MB, more than SHMEM_SIZE=$SHMEM_SIZE${SHMEM_MORE:+ or one of SHMEM_MORE}" \
            "sudo umount $HUGE_FOLDER && sudo mount -t hugetlbfs -o $HUGE_MOUNT hugetlbfs $HUGE_FOLDER"
    elif ((EUID == 0 || $(id -u -- "$owner") == EUID)) && ! as_user "$owner" test -w "$HUGE_FOLDER"; then
        check_obstacle region "$owner cannot write to $HUGE_FOLDER" "sudo chmod 1777 $HUGE_FOLDER"
    elif ((free * size < SHMEM_TOTAL)) && [[ ! -e $(shmem_path) ]]; then
        check_obstacle region "$free huge pages of $((size >> 20)) MB are free" "$(hugepages_remedy)"
    else
        check_ok region "$free huge pages of $((size >> 20)) MB are free"
    fi
}

# A missing KVM is no obstacle, since emulation works everywhere, but the user wants to know.
check_kvm() {
    local -a found
    if ! have qemu-system-x86_64 || [[ ! -s $VM_DIR/kernel/vmlinux ]]; then
        check_notice kvm "tested once QEMU and the lab's kernel are there; without KVM the VMs are emulated (TCG)"
        return
    fi
    lines_of found accel_try_kvm # without the cache: --check changes nothing
    if [[ ${found[0]} == kvm ]]; then
        check_ok kvm "${found[1]}"
    else
        check_notice kvm "${found[1]}: the VMs are emulated (TCG)"
    fi
}
