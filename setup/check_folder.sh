# shellcheck shell=bash
# The checks of VM_DIR: its file system, root's rights, and its free space.

# Prints VM_DIR, or the nearest folder above it that exists.
folder_now() {
    local folder=$VM_DIR
    until [[ -d $folder ]]; do
        folder=$(dirname -- "$folder")
    done
    printf '%s' "$folder"
}

FOLDER_REMEDY='set VM_DIR to a folder on a local file system such as ext4, mounted without nodev, noexec and ro'

check_folder() {
    local folder type='' options='' bad='' owner
    folder=$(folder_now)
    if lab_foreign; then
        check_obstacle folder "$VM_DIR is not empty and holds no lab, so setup does not touch it" \
            'set VM_DIR to a new or empty folder'
        return
    fi
    read -r type options < <(findmnt --noheadings --output FSTYPE,VFS-OPTIONS --target "$folder") || true
    case $type in
    nfs* | cifs | smb* | 9p | fuse* | virtiofs | vboxsf | vmhgfs | afs | ceph | ecryptfs | vfat | msdos | exfat | ntfs* | hfs* | iso9660 | squashfs)
        bad="$type, which does not reliably keep root's files, devices and locks" ;;
    esac
    [[ ",$options," != *,ro,* ]] || bad='mounted ro'
    [[ ",$options," != *,noexec,* ]] || bad='mounted noexec, but programs run from there'
    if [[ ",$options," == *,nodev,* ]] && due bootstrap packages rootfs; then
        bad='mounted nodev, but the root file system has devices'
    fi
    owner=$(lab_owner)
    if [[ -n $bad ]]; then
        check_obstacle folder "$folder is $bad" "$FOLDER_REMEDY"
    elif ((EUID == 0)) && ! as_user "$owner" test -x "$folder"; then
        check_obstacle folder "$owner, who will own the lab, cannot enter $folder" \
            'set VM_DIR to a folder that everybody can enter, or VM_OWNER to the user who will start the VMs'
    else
        check_ok folder "$VM_DIR${type:+ ($type)}, for $owner"
    fi
}

# Tries what debootstrap does and a container may forbid, on a file system in memory that no other process sees.
check_rights() {
    local reason
    due bootstrap packages rootfs && ((EUID == 0)) || return 0
    # shellcheck disable=SC2016 # for the other shell
    if reason=$(unshare --mount --pid --fork --kill-child=KILL -- bash -ec \
        'mount -t tmpfs tmpfs "$1"; cd "$1"; mknod null c 1 3; echo x >null; chown 1:1 null; chroot / true' - "$LAB_HOME/lib" 2>&1); then
        check_ok rights 'namespaces, mounts, devices and chroot'
    else
        check_obstacle rights "root lacks rights here that debootstrap needs (${reason##*$'\n'})" \
            'run setup on a host, in a VM, or in a privileged container (docker run --privileged)'
    fi
}

# What the build needs: the kernel's source and objects, two copies of Debian, and the image. README names it in GB.
DISK_NEEDED_MB=5000 DISK_NEEDED_INODES=200000

DISK_REMEDY='free some space, or set VM_DIR to a folder on a larger disk'

check_disk() {
    local folder free inodes
    folder=$(folder_now)
    free=$(room_in "$folder" avail -BM) inodes=$(room_in "$folder" iavail)
    if ! due kernel bootstrap; then
        check_ok disk "$free MB free in $folder"
    elif ((free < DISK_NEEDED_MB)); then
        check_obstacle disk "$free MB free in $folder; the build needs $DISK_NEEDED_MB MB" "$DISK_REMEDY"
    elif [[ $inodes != 0 ]] && ((inodes < DISK_NEEDED_INODES)); then
        check_obstacle disk "$inodes inodes free in $folder; the build needs $DISK_NEEDED_INODES" "$DISK_REMEDY"
    else
        check_ok disk "$free MB free in $folder; the build needs $DISK_NEEDED_MB MB"
    fi
}

# room_in FOLDER avail -BM prints how many MB are free; room_in FOLDER iavail how many inodes, or 0 if they are not counted.
room_in() {
    local free
    free=$(df --output="$2" "${@:3}" -- "$1" | tail -n 1 | tr -dc 0-9)
    printf '%d' "${free:-0}"
}
