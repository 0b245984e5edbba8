# shellcheck shell=bash
# Step images: the root file system as one base image, and a disk for each VM that is an overlay on it.

# ext4 as kernels and e2fsck of Buster's time know it, whatever mke2fs is newer on the host.
BASE_FEATURES=none,has_journal,ext_attr,resize_inode,dir_index,filetype,extent,64bit,flex_bg,sparse_super,large_file,huge_file,dir_nlink,extra_isize,metadata_csum

inputs_images() {
    printf 'rootfs=%s\n' "$(step_made rootfs)"
    printf 'VM_DISK_SIZE=%s\n' "$(size_for_people "$VM_DISK_BYTES")"
}

present_images() {
    [[ -n $(base_image) ]]
}

# As many inodes as mke2fs makes by default, one for 16 KiB, up to what serves any guest: their tables count on the disk.
base_inodes() {
    printf '%d' $((VM_DISK_BYTES >> 14 < BASE_INODES_MOST ? VM_DISK_BYTES >> 14 : BASE_INODES_MOST))
}
BASE_INODES_MOST=4194304 BASE_JOURNAL_MB=64

# A new file holds zeros, and needs none to be written: mke2fs(8) since 1.47 leaves the tables of inodes as the holes that
# they are, and marks them as zeroed. An older one writes them. To leave that to the guest (lazy_itable_init=1) would put
# them into the disk of every VM, and the work into the middle of a measurement.
base_options() {
    local version
    version=$(mke2fs -V 2>&1 | sed -n 's/^mke2fs \([0-9.]*\).*/\1/p')
    if dpkg --compare-versions "$version" ge 1.47; then
        printf 'assume_storage_prezeroed=1,nodiscard'
    else
        printf 'lazy_itable_init=0,nodiscard'
    fi
}

# A base image is never changed: disks lie over it. A new one gets a new name, and the link `base` is set to it last.
step_images() {
    local images=$VM_DIR/images file
    [[ -f $VM_DIR/steps/rootfs ]] || die "the root file system in $VM_DIR is not finished: ./setup.sh rootfs images"
    file=base-$(date -u +%Y%m%dT%H%M%S.%NZ).ext4
    mkdir -p -- "$images"
    rm -f -- "$images"/*.partial
    step_says "Making $file"
    # The size in KiB, with the letter: mke2fs takes a number alone for blocks.
    MKE2FS_DEVICE_SECTSIZE=512 mke2fs -q -t ext4 -O "$BASE_FEATURES" -E "$(base_options)" -m 1 -L lab \
        -N "$(base_inodes)" -J size="$BASE_JOURNAL_MB" -d "$VM_DIR/rootfs" "$images/$file.partial" "$((VM_DISK_BYTES >> 10))k"
    # Root's password and the guests' host key are in it.
    chmod 700 "$images"
    chmod 444 "$images/$file.partial"
    sync -- "$images/$file.partial"
    mv -- "$images/$file.partial" "$images/$file"
    ln -sfnT "$file" "$images/base.partial"
    mv -fT -- "$images/base.partial" "$images/base"
}

# The VMs that have a disk.
vms_with_disk() {
    local name
    for name in $(vms_made); do
        [[ ! -s $VM_DIR/$name/disk.qcow2 ]] || printf '%s\n' "$name"
    done
}

# The VMs whose disks lie over another base than today's.
disks_elsewhere() {
    local name base today
    today=$(readlink -- "$VM_DIR/images/base")
    for name in $(vms_with_disk); do
        base=$(disk_base "$name")
        [[ $base == "$today" ]] || printf '%s\n' "$name"
    done
}

# Those of them that hold what their users wrote.
disks_outdated() {
    local name elsewhere
    elsewhere=$(disks_elsewhere)
    for name in $elsewhere; do
        disk_untouched "$name" || printf '%s\n' "$name"
    done
}

# Gives every VM a disk over today's base image. A disk that its user wrote to is only replaced if $1 is yes (the
# option --reset-disks); otherwise the program ends and says so, with all disks as they were.
disks_update() {
    local reset=$1 name outdated replaced
    if [[ $reset == yes ]]; then
        replaced=$(vms_with_disk)
    else
        for name in $(vms_with_disk); do
            vm_running "$name" || disk_rebase "$name"
        done
        outdated=$(disks_outdated)
        [[ -z $outdated ]] || die "the base image has changed, and the disks of ${outdated//$'\n'/, } hold what was written" \
            "in the guests since. They were left as they are and still start. To throw them away: ./setup.sh --reset-disks." \
            "To bring only new programs into the guests: ./run.sh push"
        replaced=$(disks_elsewhere)
    fi
    for name in $replaced; do
        ! vm_running "$name" || die "$name is running: ./stop.sh first, then its disk can be replaced"
    done
    for name in $replaced; do
        rm -f -- "$VM_DIR/$name/disk.qcow2"
    done
    for name in $(vms_wanted); do
        disk_create "$name"
    done
    bases_prune
}

# Removes the base images that no disk lies over any more.
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
