# shellcheck shell=bash
# The regions: files of the host that the VMs share. Region 1 is the lab's own. The others are those of SHMEM_MORE, and the
# user's alone: the kit makes and removes them, and never writes to them, except that `./run.sh clear` zeroes one on request.
#
#   VM_DIR/regions            what the VMs were started with: a line "FILE BYTES" for each region; exists while they do
#          region, region2…   links to these files

# shmem_path [N]: prints the path of the file of region N (default: 1), which only this lab uses. Does not create it.
shmem_path() {
    local number=${1:-1} folder=/dev/shm
    [[ $SHMEM_HUGEPAGES == no ]] || folder=$HUGE_FOLDER
    printf '%s/ivshmem-%s%s' "$folder" "$(lab_id)" "$(shmem_suffix "$number" -)"
}

# shmem_suffix N [BEFORE]: prints what the names of region N end with: nothing for region 1, else BEFORE and the number.
shmem_suffix() {
    (($1 == 1)) || printf '%s%d' "${2:-}" "$1"
}

# Prints the slot of the device of region N on the PCI bus, as a digit of lspci. Slots 2 to 7 are the lab's (lib/qemu.sh).
shmem_slot() {
    printf '%x' $(($1 == 1 ? 4 : $1 + 6))
}

# Prints the regions that the knobs ask for, a line "FILE BYTES" each.
shmem_wanted() {
    local number
    for number in "${!REGION_BYTES[@]}"; do
        printf '%s %d\n' "$(shmem_path "$number")" "${REGION_BYTES[number]}"
    done
}

# Prints the regions that the VMs were started with, in the same way. Without the record, the files that there are count.
shmem_made() {
    local -a files
    if [[ -f $VM_DIR/regions ]]; then
        cat -- "$VM_DIR/regions"
    else
        mapfile -t files < <(shmem_files)
        ((${#files[@]} == 0)) || stat -c '%n %s' -- "${files[@]}"
    fi
}

# Prints the files of all regions that exist now, on huge pages or not.
shmem_files() {
    local file id
    id=$(lab_id)
    for file in {/dev/shm,"$HUGE_FOLDER"}/ivshmem-"$id"{,-[2-9]}; do
        [[ ! -f $file ]] || printf '%s\n' "$file"
    done
}

# Prints the path of the file of the lab's own region that exists now; nothing if there is none.
shmem_file_now() {
    local id files
    id=$(lab_id)
    files=$(shmem_files)
    grep -m 1 -e "-$id\$" <<<"$files" || true
}
