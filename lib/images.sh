# shellcheck shell=bash
# Step images: the root file system as one base image, and a disk for each VM that is an overlay on it.

# ext4 as kernels and e2fsck of Buster's time know it, whatever mke2fs is newer on the host.
BASE_FEATURES=none,has_journal,ext_attr,resize_inode,dir_index,filetype,extent,64bit,flex_bg,sparse_super,large_file,huge_file,dir_nlink,extra_isize,metadata_csum

inputs_images() {
    printf 'rootfs=%s\n' "$(stat -c %Y -- "$VM_DIR/steps/rootfs" 2>/dev/null || echo none)"
    printf 'VM_DISK_SIZE=%s\n' "$(size_for_people "$VM_DISK_BYTES")"
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
    file=base-$(date -u +%Y%m%dT%H%M%SZ).ext4
    mkdir -p -- "$images"
    rm -f -- "$images"/*.partial
    echo "Making $file"
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

# The VMs that have a disk.
disks() {
    local name
    for name in $(vm_known); do
        [[ ! -s $VM_DIR/$name/disk.qcow2 ]] || printf '%s\n' "$name"
    done
}

# The VMs whose disks lie over another base than today's.
disks_elsewhere() {
    local name base today
    today=$(readlink -- "$VM_DIR/images/base")
    for name in $(disks); do
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
        replaced=$(disks)
    else
        for name in $(disks); do
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
    for name in $(vm_names); do
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
    for name in $(disks); do
        base=$(disk_base "$name")
        used[${base:-none}]=1
    done
    for file in "$VM_DIR"/images/base-*.ext4; do
        [[ -n ${used[${file##*/}]:-} ]] || rm -f -- "$file"
    done
}
