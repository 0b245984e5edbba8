# shellcheck shell=bash
# The disk of a VM: a qcow2 overlay on the base image that setup made.

# Prints the path of the base image for new disks; nothing if there is none.
base_image() {
    local name
    name=$(readlink -- "$VM_DIR/images/base" 2>/dev/null) || return 0
    [[ ! -s $VM_DIR/images/$name ]] || printf '%s/images/%s' "$VM_DIR" "$name"
}

# Makes the disk of VM $1 if it has none: a few hundred kilobytes. Corrects the base image's path in an existing disk.
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
    # The path is relative to the disk, so that the lab can be moved.
    qemu-img create -q -f qcow2 -F raw -b "../images/${base##*/}" "$folder/disk.qcow2.partial"
    chmod 600 "$folder/disk.qcow2.partial"
    mv -- "$folder/disk.qcow2.partial" "$folder/disk.qcow2"
    lab_own "$folder"
}

# Prints the backing file that qcow2 file $1 names; nothing if it has none.
backing_of() {
    qemu-img info --force-share --output=json "$1" | jq -r '."backing-filename" // empty'
}

# Prints the qcow2 files that make up the disk of VM $1, from the one that the VM writes to down to the one over the base
# image. That is one file, unless the user made snapshots with qemu-img.
disk_files() {
    local file=$VM_DIR/$1/disk.qcow2 backing
    while true; do
        printf '%s\n' "$file"
        backing=$(backing_of "$file")
        [[ -n $backing && ! $backing =~ $BASE_NAME ]] || return 0
        [[ $backing == /* ]] || backing=$(dirname -- "$file")/$backing
        [[ $(head -c 4 -- "$backing") == QFI* ]] || return 0 # a raw image that the user made
        file=$backing
    done
}
BASE_NAME='(^|/)base-[^/]*\.ext4$'

# Prints the name of the base image under the disk of VM $1; nothing if there is none.
disk_base() {
    local file backing
    file=$(disk_files "$1" | tail -n 1)
    backing=$(backing_of "$file")
    [[ ! $backing =~ $BASE_NAME ]] || printf '%s' "${backing##*/}"
}

# Makes the disk of VM $1 name its base image in this lab. A disk of an older kit has an absolute path, which is wrong after
# the lab was moved. An image of the same name has the same content, since an image never changes.
disk_rebase() {
    local file backing name
    file=$(disk_files "$1" | tail -n 1)
    backing=$(backing_of "$file")
    [[ $backing =~ $BASE_NAME ]] || return 0
    name=${backing##*/}
    [[ -s $VM_DIR/images/$name ]] || die "the disk of $1 needs the base image $name, and $VM_DIR/images does not have it:" \
        "copy it from where this lab was before, or lose the disk with ./setup.sh --reset-disks"
    if [[ ${file%/*} == "$VM_DIR/$1" && $backing != "../images/$name" ]]; then
        qemu-img rebase -q -u -f qcow2 -F raw -b "../images/$name" "$file"
    fi
}

# Is the disk of VM $1 unused? The guest has never written to it, and the user has laid no other file over it.
disk_untouched() {
    [[ $(disk_files "$1" | wc -l) == 1 ]] &&
        qemu-img map --force-share --output=json "$VM_DIR/$1/disk.qcow2" | jq -e 'all(.depth > 0 or .present == false)' >/dev/null
}
