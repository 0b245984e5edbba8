# shellcheck shell=bash
# Step images: the root file system as one base image, and a disk for each VM that is an overlay on it.

# ext4 as kernels and e2fsck of Buster's time know it, whatever mke2fs is newer on the host.
BASE_FEATURES=none,has_journal,ext_attr,resize_inode,dir_index,filetype,extent,64bit,flex_bg,sparse_super,large_file,huge_file,dir_nlink,extra_isize,metadata_csum

inputs_images() {
    printf 'rootfs=%s\n' "$(step_made rootfs)"
    printf 'VM_DISK_SIZE=%s\n' "$VM_DISK_SIZE"
}

present_images() {
    [[ -n $(base_image) ]]
}

# The path of the base image that new disks are laid over; nothing if there is none.
base_image() {
    local name
    name=$(readlink -- "$VM_DIR/images/base" 2>/dev/null) || return 0
    [[ ! -s $VM_DIR/images/$name ]] || printf '%s/images/%s' "$VM_DIR" "$name"
}

# A base image is never changed: disks lie over it. A new one gets a new name, and the link `base` is set to it last.
step_images() {
    local images=$VM_DIR/images file
    [[ -f $VM_DIR/steps/rootfs ]] || die "the root file system in $VM_DIR is not finished: ./setup.sh rootfs images"
    file=base-$(date -u +%Y%m%dT%H%M%S.%NZ).ext4
    mkdir -p -- "$images"
    rm -f -- "$images"/*.partial
    step_says "Making $file"
    MKE2FS_DEVICE_SECTSIZE=512 mke2fs -q -t ext4 -O "$BASE_FEATURES" -E lazy_itable_init=0,nodiscard -m 1 -L lab \
        -d "$VM_DIR/rootfs" "$images/$file.partial" "$VM_DISK_SIZE"
    # Root's password and the guests' host key are in it.
    chmod 700 "$images"
    chmod 444 "$images/$file.partial"
    sync -- "$images/$file.partial"
    mv -- "$images/$file.partial" "$images/$file"
    ln -sfnT "$file" "$images/base.partial"
    mv -fT -- "$images/base.partial" "$images/base"
}

# Makes the disk of VM $1 if it has none. It costs a few hundred kilobytes.
disk_create() {
    local folder=$VM_DIR/$1 base
    [[ ! -s $folder/disk.qcow2 ]] || return 0
    base=$(base_image)
    [[ -n $base ]] || die "there is no base image in $VM_DIR: run ./setup.sh"
    mkdir -p -- "$folder"
    rm -f -- "$folder/disk.qcow2.partial"
    qemu-img create -q -f qcow2 -F raw -b "$base" "$folder/disk.qcow2.partial"
    chmod 600 "$folder/disk.qcow2.partial"
    mv -- "$folder/disk.qcow2.partial" "$folder/disk.qcow2"
    lab_own "$folder"
}

# The base image that the disk of VM $1 lies over.
disk_base() {
    qemu-img info --force-share --output=json "$VM_DIR/$1/disk.qcow2" | jq -r '."backing-filename"'
}

# Has the guest of VM $1 never written to its disk? Then nothing of the user's is in it.
disk_untouched() {
    qemu-img map --force-share --output=json "$VM_DIR/$1/disk.qcow2" | jq -e 'all(.depth > 0 or .present == false)' >/dev/null
}

# The VMs whose disks lie over another base than today's and hold what their users wrote.
disks_outdated() {
    local name base
    base=$(base_image)
    for name in $(vm_known); do
        [[ -s $VM_DIR/$name/disk.qcow2 ]] || continue
        if [[ $(disk_base "$name") != "$base" ]] && ! disk_untouched "$name"; then
            printf '%s\n' "$name"
        fi
    done
}

# Gives every VM a disk over today's base image. A disk that its user wrote to is only replaced if $1 is yes (the
# option --reset-disks); otherwise the program ends and says so, with all disks as they were.
disks_update() {
    local reset=$1 name outdated
    local -a replaced=()
    outdated=$(disks_outdated)
    if [[ -n $outdated && $reset != yes ]]; then
        die "the base image has changed, and the disks of ${outdated//$'\n'/, } hold what was written in the guests since." \
            "They were left as they are and still start. To throw them away: ./setup.sh --reset-disks." \
            "To bring only new programs into the guests: ./run.sh push"
    fi
    for name in $(vm_known); do
        [[ -s $VM_DIR/$name/disk.qcow2 ]] || continue
        if [[ $reset == yes || $(disk_base "$name") != "$(base_image)" ]]; then
            ! vm_running "$name" || die "$name is running: ./stop.sh first, then its disk can be replaced"
            replaced+=("$VM_DIR/$name/disk.qcow2")
        fi
    done
    rm -f -- "${replaced[@]}"
    for name in $(vm_names); do
        disk_create "$name"
    done
    bases_prune
}

# Removes the base images that no disk lies over any more.
bases_prune() {
    local name file
    local -A used=()
    used[$(base_image)]=1
    for name in $(vm_known); do
        [[ ! -s $VM_DIR/$name/disk.qcow2 ]] || used[$(disk_base "$name")]=1
    done
    for file in "$VM_DIR"/images/base-*.ext4; do
        [[ -n ${used[$file]:-} ]] || rm -f -- "$file"
    done
}
