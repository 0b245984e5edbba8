# shellcheck shell=bash
# Step modules: the kernel's disk, VM_DIR/modules/disk.ext4. Every VM has it read-only, and the guest mounts it at
# /usr/src/kernel on demand:
#
#   build/      the tree against which modules are built; /lib/modules/RELEASE/build leads to it
#   modules/    what modules_install made, and the driver of driver/; /lib/modules/RELEASE/kernel leads into it
#
# The disk belongs to the kernel and not to the guests' root file system. So both always have the same version, and a new
# kernel does not make new disks necessary.

inputs_modules() {
    local driver
    driver=$(content_sum driver)
    printf 'kernel=%s\ndriver=%s\n' "$(step_made kernel)" "$driver"
}

present_modules() {
    [[ -s $VM_DIR/modules/disk.ext4 ]]
}

step_modules() {
    local work=$VM_DIR/modules.partial
    [[ -d $VM_DIR/kernel/build ]] || die "there is no build tree in $VM_DIR/kernel: run ./setup.sh kernel"
    lab_remove "$work"
    mkdir -p -- "$work/done" "$work/disk"
    cp -a --reflink=auto -- "$VM_DIR/kernel/build" "$VM_DIR/kernel/modules" "$work/disk/"
    step_says 'Compiling driver/'
    sources_tar driver | tar --extract --touch --directory "$work"
    modules_driver "$work/driver" "$work/disk/modules/kernel" &
    wait "$!" || step_notice "driver/ does not compile for this kernel, so the guests do not have it;" \
        "$VM_DIR/log/modules.log says why"
    step_says 'Making disk.ext4'
    modules_disk "$work/disk" "$work/done/disk.ext4"
    result_replace "$work/done" "$VM_DIR/modules"
    lab_remove "$work"
}

# modules_driver FOLDER TARGET: builds the modules of FOLDER, and installs them in TARGET.
modules_driver() {
    kernel_make "$VM_DIR/kernel/build" M="$1" modules
    install -D -m 644 --target-directory "$2" -- "$1"/*.ko
}

# modules_disk FOLDER IMAGE: makes a file system with the contents of FOLDER. Nobody writes to it, so it has no journal, and
# little more room than the files need: a tenth more, because du counts no tables and mke2fs rounds down (mke2fs(8), -N).
modules_disk() {
    local blocks inodes
    blocks=$(du -sk --apparent-size -- "$1" | cut -f 1)
    inodes=$(find "$1" | wc -l)
    MKE2FS_DEVICE_SECTSIZE=512 mke2fs -q -t ext4 -b 1024 -O "${BASE_FEATURES/has_journal,/}" -E "$(base_options)" -m 0 -L kernel \
        -N $((inodes * 11 / 10 + 64)) -d "$1" "$2" $(((blocks + inodes) * 11 / 10 + 1024))k
    chmod 444 -- "$2"
    sync -- "$2"
}
