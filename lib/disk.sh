# shellcheck shell=bash
# A VM's disk: a qcow2 overlay on the base image that setup made.

# The path of the base image that new disks are laid over; nothing if there is none.
base_image() {
    local name
    name=$(readlink -- "$VM_DIR/images/base" 2>/dev/null) || return 0
    [[ ! -s $VM_DIR/images/$name ]] || printf '%s/images/%s' "$VM_DIR" "$name"
}

# Makes the disk of VM $1 if it has none, which costs a few hundred kilobytes. One that is there finds its base image.
disk_create() {
    local folder=$VM_DIR/$1 base
    if [[ -s $folder/disk.qcow2 ]]; then
        disk_rebase "$1"
        return
    fi
    base=$(base_image)
    [[ -n $base ]] || die "there is no base image in $VM_DIR: run ./setup.sh"
    mkdir -p -- "$folder"
    rm -f -- "$folder/disk.qcow2.partial"
    # Relative to the disk, so that the lab can be moved.
    qemu-img create -q -f qcow2 -F raw -b "../images/${base##*/}" "$folder/disk.qcow2.partial"
    chmod 600 "$folder/disk.qcow2.partial"
    mv -- "$folder/disk.qcow2.partial" "$folder/disk.qcow2"
    lab_own "$folder"
}

# What qcow2 file $1 says that it lies over; nothing if it lies over none.
backing_of() {
    qemu-img info --force-share --output=json "$1" | jq -r '."backing-filename" // empty'
}

# The qcow2 files that make up the disk of VM $1, from the one that the VM writes to down to the one that lies over a
# base image: one, unless the user made snapshots with qemu-img.
disk_files() {
    local file=$VM_DIR/$1/disk.qcow2 backing
    while true; do
        printf '%s\n' "$file"
        backing=$(backing_of "$file")
        [[ -n $backing && ! $backing =~ $BASE_NAME ]] || return 0
        [[ $backing == /* ]] || backing=$(dirname -- "$file")/$backing
        [[ $(head -c 4 -- "$backing") == QFI* ]] || return 0 # a raw image of the user's
        file=$backing
    done
}
BASE_NAME='(^|/)base-[^/]*\.ext4$'

# The name of the base image that the disk of VM $1 lies over; nothing if it lies over none.
disk_base() {
    local file backing
    file=$(disk_files "$1" | tail -n 1)
    backing=$(backing_of "$file")
    [[ ! $backing =~ $BASE_NAME ]] || printf '%s' "${backing##*/}"
}

# Lets the disk of VM $1 find its base image where the lab is now. A disk of an older kit, or one that was moved with such
# a lab, has the absolute name that it had then. The image with that name is the same: none is ever changed.
disk_rebase() {
    local file backing name
    file=$(disk_files "$1" | tail -n 1)
    backing=$(backing_of "$file")
    [[ $backing =~ $BASE_NAME ]] || return 0
    name=${backing##*/}
    [[ -s $VM_DIR/images/$name ]] || die "the disk of $1 lies over $name, which is not in $VM_DIR/images:" \
        "bring it back from where this lab was before (./setup.sh --reset-disks would throw the disk away)"
    if [[ ${file%/*} == "$VM_DIR/$1" && $backing != "../images/$name" ]]; then
        qemu-img rebase -q -u -f qcow2 -F raw -b "../images/$name" "$file"
    fi
}

# Has the guest of VM $1 never written to its disk, nor the user laid another file over it? Then nothing of theirs is in it.
disk_untouched() {
    [[ $(disk_files "$1" | wc -l) == 1 ]] &&
        qemu-img map --force-share --output=json "$VM_DIR/$1/disk.qcow2" | jq -e 'all(.depth > 0 or .present == false)' >/dev/null
}
