# shellcheck shell=bash
# The state of the regions while VMs run: were they removed or resized, and are they those that the knobs ask for?

# shmem_state VM FILE BYTES: prints the state of a region that the running VM was started with:
#   ok
#   removed   its file is gone, or was replaced: no other process can map the memory that the VMs share
#   resized   its file no longer has BYTES
shmem_state() {
    local size pid
    size=$(stat -c %s -- "$2" 2>/dev/null) || size=''
    pid=$(vm_pid "$1") || pid=''
    if [[ -z $size ]] || grep -qsF " $2 (deleted)" "/proc/$pid/maps"; then
        echo removed
    elif ((size != $3)); then
        echo resized
    else
        echo ok
    fi
}

# shmem_advice STATE FILE BYTES: prints what this state means, and what to do; nothing if it is ok.
shmem_advice() {
    local size remedy grow='fallocate -l'
    [[ $SHMEM_PREALLOC == yes ]] || grow='truncate -s'
    case $1 in
    removed)
        printf '%s' 'removed while VMs use it: they still share it, but nobody can join them.' \
            ' To get a new one: ./stop.sh, then ./start.sh'
        ;;
    resized)
        size=$(stat -c %s -- "$2" 2>/dev/null) || size=0
        if ((size < $3)); then
            remedy="A VM that touches the rest is killed (SIGBUS). To give it back its size: $grow $3 $2"
        else
            remedy="No VM sees the rest. To give it back its size: truncate -s $3 $2"
        fi
        printf 'resized while VMs use it: %s has %d bytes, and they were started with %d. %s' "$2" "$size" "$3" "$remedy"
        ;;
    esac
}

# shmem_require_files VMS: ends the program if a region of the running VMs (a line each) was removed or resized.
shmem_require_files() {
    local made file bytes state number=0
    made=$(shmem_made)
    while read -r file bytes; do
        number=$((number + 1))
        state=$(shmem_state "${1%%$'\n'*}" "$file" "$bytes")
        [[ $state == ok ]] ||
            die "region $number of ${1//$'\n'/, } was $(shmem_advice "$state" "$file" "$bytes")"
    done <<<"${made:-$(shmem_path) $SHMEM_BYTES}"
}

# shmem_require VMS: the same, and if their server is gone.
shmem_require() {
    shmem_require_files "$1"
    if [[ $(vm_mode "${1%%$'\n'*}") == doorbell ]] && ! server_runs; then
        die "the ivshmem server of ${1//$'\n'/, } has died, and their doorbells with it: ./stop.sh, then ./start.sh"
    fi
}

# shmem_check VMS: ends the program unless the running VMs (a line each) share the regions that the knobs ask for, in
# SHMEM_MODE with SERVER_VECTORS, and these are ours.
shmem_check() {
    local running=${1//$'\n'/, } file mode made wanted vectors sparse
    mode=$(vm_mode "${1%%$'\n'*}")
    [[ $mode == "$SHMEM_MODE" ]] || die "$running run with SHMEM_MODE=$mode: to change it to $SHMEM_MODE, run ./stop.sh first"
    shmem_require "$1"
    if [[ $mode == doorbell ]]; then
        vectors=$(server_vectors)
        ((vectors == SERVER_VECTORS)) ||
            die "$running run with SERVER_VECTORS=$vectors: to change it to $SERVER_VECTORS, run ./stop.sh first"
    fi
    made=$(shmem_made)
    wanted=$(shmem_wanted)
    file=${made%% *}
    [[ -r $file && -w $file ]] || die "$running run as $(stat -c %U -- "$file"), and only that user may use their region $file:" \
        "run this as that user, or ./stop.sh as that user first"
    [[ $made == "$wanted" ]] || die "$running share $(shmem_described "$made"): to change that to $(shmem_described "$wanted")," \
        "run ./stop.sh first"
    sparse=$(shmem_sparse "$made")
    # QEMU would allocate all of it, and the first VM that finds no memory would be killed.
    [[ $SHMEM_PREALLOC == no || -z $sparse ]] || die "$running share $sparse, which is sparse: set SHMEM_PREALLOC=no as when they" \
        "were started, or run ./stop.sh first"
}

# Prints the file of the first of these regions, a line "FILE BYTES" each, that does not have all its memory. (hugetlbfs counts
# its pages differently.)
shmem_sparse() {
    local file bytes
    while read -r file bytes; do
        if [[ $file == /dev/shm/* ]] && (($(stat -c '%b * %B' -- "$file") < bytes)); then
            printf '%s' "$file"
            return
        fi
    done <<<"$1"
}

# Prints regions, a line "FILE BYTES" each, for people.
shmem_described() {
    awk '{ printf "%s%s of %s bytes", separator, $1, $2; separator = ", " }' <<<"$1"
}

# shmem_status VM: prints the regions as a JSON array. VM is one that runs; if it is empty, no VM runs, and only regions that
# were left over are there.
shmem_status() {
    local made file bytes size state number=0
    made=$(shmem_made)
    [[ -n $made || -z $1 ]] || made="$(shmem_path) $SHMEM_BYTES"
    while read -r file bytes; do
        number=$((number + 1))
        size=$(stat -c %s -- "$file" 2>/dev/null) || size=''
        [[ -n $1$size ]] || continue
        state='unused'
        [[ -z $1 ]] || state=$(shmem_state "$1" "$file" "$bytes")
        jq -n --argjson number "$number" --arg path "$file" --arg size "$size" --arg bytes "$bytes" --arg state "$state" \
            --arg address "0000:00:0$(shmem_slot "$number").0" --arg advice "$(shmem_advice "$state" "$file" "$bytes")" \
            '($state == "removed") as $removed |
             {number: $number, address: $address, state: $state, path: (if $removed then null else $path end),
              bytes: (if $removed then null else $size | tonumber end), bytes_at_start: ($bytes | tonumber),
              advice: (if $advice == "" then null else $advice end)}'
    done < <([[ -z $made ]] || printf '%s\n' "$made") | jq -s .
}
