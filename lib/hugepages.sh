# shellcheck shell=bash
# The host's huge pages, for SHMEM_HUGEPAGES=yes: where they are, how many are free, and how to get more.

HUGE_FOLDER=/dev/hugepages HUGE_MOUNT=pagesize=2M,mode=1777
HUGE_POOLS=/sys/kernel/mm/hugepages

# Prints the size of a page of HUGE_FOLDER in bytes.
hugepage_size() {
    stat -f -c %S -- "$HUGE_FOLDER"
}

# Prints the folder with the counters of the pool of these pages.
hugepage_pool() {
    printf '%s/hugepages-%dkB' "$HUGE_POOLS" $(($(hugepage_size) >> 10))
}

# Prints how many pages of the pool are neither used nor reserved.
hugepages_free() {
    local pool free=0 reserved=0
    pool=$(hugepage_pool)
    if [[ -r $pool/free_hugepages ]]; then
        free=$(<"$pool/free_hugepages") reserved=$(<"$pool/resv_hugepages")
    fi
    printf '%d' $((free - reserved))
}

# Is a page of $1 bytes larger than one of the regions?
hugepages_too_large() {
    local bytes
    for bytes in "${REGION_BYTES[@]}"; do
        ((bytes % $1 == 0)) || return 0
    done
    return 1
}

# Prints how to get enough huge pages. The pool only grows, by what is missing: others may use its pages.
hugepages_remedy() {
    local size pool now missing
    size=$(hugepage_size)
    if hugepages_too_large "$size"; then
        printf 'a page has %dM, more than a region: sudo umount %s && sudo mount -t hugetlbfs -o %s hugetlbfs %s' \
            $((size >> 20)) "$HUGE_FOLDER" "$HUGE_MOUNT" "$HUGE_FOLDER"
        return
    fi
    pool=$(hugepage_pool)
    now=$(cat -- "$pool/nr_hugepages" 2>/dev/null || echo 0)
    missing=$((SHMEM_TOTAL / size - $(hugepages_free)))
    printf 'reserve huge pages with: echo %d | sudo tee %s/nr_hugepages' $((now + (missing > 0 ? missing : 0))) "$pool"
}
