# shellcheck shell=bash
# Step images: the root file system as a base image, and for each VM a disk that is an overlay on it.

# The ext4 features that the kernel and e2fsck of Buster know. A newer mke2fs would add others.
BASE_FEATURES=none,has_journal,ext_attr,resize_inode,dir_index,filetype,extent,64bit,flex_bg,sparse_super,large_file,huge_file,dir_nlink,extra_isize,metadata_csum

inputs_images() {
    printf 'rootfs=%s\n' "$(step_made rootfs)"
    printf 'VM_DISK_SIZE=%s\n' "$(size_for_people "$VM_DISK_BYTES")"
}

present_images() {
    [[ -n $(base_image) ]]
}

# Prints the number of inodes: one for 16 KiB, as mke2fs makes by default, up to a limit, because their tables take space.
base_inodes() {
    printf '%d' $((VM_DISK_BYTES >> 14 < BASE_INODES_MOST ? VM_DISK_BYTES >> 14 : BASE_INODES_MOST))
}
BASE_INODES_MOST=4194304 BASE_JOURNAL_MB=64

# Prints mke2fs's extended options. A new file is all zeros, so the tables of inodes need not be written: mke2fs(8) 1.47 and
# later can leave them as holes and mark them as zeroed; an older one writes them. With lazy_itable_init=1 the guest would
# write them, to the disk of every VM and perhaps in the middle of a measurement.
base_options() {
    local version
    version=$(mke2fs -V 2>&1 | sed -n 's/^mke2fs \([0-9.]*\).*/\1/p')
    if dpkg --compare-versions "$version" ge 1.47; then
        printf 'assume_storage_prezeroed=1,nodiscard'
    else
        printf 'lazy_itable_init=0,nodiscard'
    fi
}

# A base image is never changed, because disks are overlays on it. A new one gets a new name; the link `base` moves last.
step_images() {
    local images=$VM_DIR/images file
    [[ -f $VM_DIR/steps/rootfs ]] || die "the root file system in $VM_DIR is not finished: run ./setup.sh rootfs images"
    file=base-$(date -u +%Y%m%dT%H%M%S.%NZ).ext4
    mkdir -p -- "$images"
    rm -f -- "$images"/*.partial
    step_says "Making $file"
    # The size is in KiB, with a k: mke2fs reads a plain number as blocks.
    MKE2FS_DEVICE_SECTSIZE=512 mke2fs -q -t ext4 -O "$BASE_FEATURES" -E "$(base_options)" -m 1 -L lab \
        -N "$(base_inodes)" -J size="$BASE_JOURNAL_MB" -d "$VM_DIR/rootfs" "$images/$file.partial" "$((VM_DISK_BYTES >> 10))k"
    # The image holds root's password and the guests' host key.
    chmod 700 "$images"
    chmod 444 "$images/$file.partial"
    sync -- "$images/$file.partial"
    mv -- "$images/$file.partial" "$images/$file"
    ln -sfnT "$file" "$images/base.partial"
    mv -fT -- "$images/base.partial" "$images/base"
}

# Prints the VMs that have a disk.
vms_with_disk() {
    local name
    for name in $(vms_made); do
        [[ ! -s $VM_DIR/$name/disk.qcow2 ]] || printf '%s\n' "$name"
    done
}

# Prints the VMs whose disks are overlays on another base than the current one.
disks_elsewhere() {
    local name base today
    today=$(readlink -- "$VM_DIR/images/base")
    for name in $(vms_with_disk); do
        base=$(disk_base "$name")
        [[ $base == "$today" ]] || printf '%s\n' "$name"
    done
}

# Prints those of them whose disks a guest has written to.
disks_outdated() {
    local name elsewhere
    elsewhere=$(disks_elsewhere)
    for name in $elsewhere; do
        disk_untouched "$name" || printf '%s\n' "$name"
    done
}

# disks_update RESET: gives every VM a disk on the current base image. If a disk on another base was written to, the program
# ends and leaves all disks alone, unless RESET is yes (--reset-disks).
disks_update() {
    local reset=$1 name outdated replaced
    if [[ $reset == yes ]]; then
        replaced=$(vms_with_disk)
    else
        for name in $(vms_with_disk); do
            vm_running "$name" || disk_rebase "$name"
        done
        outdated=$(disks_outdated)
        [[ -z $outdated ]] || die "the base image has changed, but guests have written to the disks of" \
            "${outdated//$'\n'/, }. They were left alone and still start. To replace them with new ones:" \
            "./setup.sh --reset-disks. To update only the programs in the guests: ./run.sh push"
        replaced=$(disks_elsewhere)
    fi
    for name in $replaced; do
        ! vm_running "$name" || die "$name is running, so its disk cannot be replaced: run ./stop.sh first"
    done
    for name in $replaced; do
        rm -f -- "$VM_DIR/$name/disk.qcow2"
    done
    for name in $(vms_wanted); do
        disk_create "$name"
    done
    bases_prune
}

# Removes the base images that are neither current nor under a disk.
bases_prune() {
    local name file base
    local -A used=()
    base=$(readlink -- "$VM_DIR/images/base")
    used[$base]=1
    for name in $(vms_with_disk); do
        base=$(disk_base "$name")
        used[${base:-none}]=1
    done
    for file in "$VM_DIR"/images/base-*.ext4; do
        [[ -n ${used[${file##*/}]:-} ]] || rm -f -- "$file"
    done
}
