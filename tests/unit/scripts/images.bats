#!/usr/bin/env bats
# shellcheck disable=SC2016,SC2030,SC2031,SC2154 # code in quotes; what bats and background() set
# The VMs' disks: overlays on a base image. Data that a guest has written is never lost without the user's consent.

load helpers

setup() {
    begin
    make_lab
    export VM_DISK_SIZE=2G
    # ./disks RESET: updates the disks as ./setup.sh images does, with --reset-disks (yes) or without it (no).
    script disks <<'END'
config_load
lab_create
disks_update "$1"
END
}

teardown() {
    end_background
}

# new_base N: makes a new base image, as step images would.
new_base() {
    truncate -s 1M "$VM_DIR/images/base-$1.ext4"
    ln -sfn "base-$1.ext4" "$VM_DIR/images/base"
}

base_of() {
    realpath -- "$(qemu-img info --output=json "$VM_DIR/$1/disk.qcow2" | jq -r '."full-backing-filename"')"
}

# write_in VM PATTERN: writes PATTERN to the disk, as the guest would. guest_reads VM PATTERN: the guest reads it back.
write_in() {
    qemu-io -c "write -P $2 65536 4096" "$VM_DIR/$1/disk.qcow2" >/dev/null
}

guest_reads() {
    local seen
    seen=$(qemu-io -c "read -P $2 65536 4096" "$VM_DIR/$1/disk.qcow2") && [[ $seen != *verification* ]]
}

inode() {
    stat -c %i "$VM_DIR/$1/disk.qcow2"
}

bases() {
    (cd "$VM_DIR/images" && printf '%s\n' base-* | paste -sd ' ')
}

@test "each VM gets an overlay of at most 1 MiB on the base image" {
    local name
    succeeds ./disks no
    for name in vm1 vm2; do
        same "$VM_DIR/images/base-1.ext4" "$(base_of "$name")"
        (($(stat -c '%b * %B' "$VM_DIR/$name/disk.qcow2") <= 1 << 20)) || failure "$name is too large"
    done
    same 'disk.qcow2' "$(ls "$VM_DIR/vm1")"
    [[ ! -e $VM_DIR/vm3 ]]
}

@test "a second call keeps the disks" {
    local before
    succeeds ./disks no
    before=$(inode vm1)
    succeeds ./disks no
    same "$before" "$(inode vm1)"
}

@test "one more VM: the others keep their disks; one VM less: no disk is removed" {
    local before
    succeeds ./disks no
    write_in vm2 0xaa
    before="$(inode vm1) $(inode vm2)"
    VM_COUNT=3 succeeds ./disks no
    [[ -s $VM_DIR/vm3/disk.qcow2 ]]
    VM_COUNT=1 succeeds ./disks no
    same "$before" "$(inode vm1) $(inode vm2)"
    guest_reads vm2 0xaa
}

@test "a new base: unwritten disks move to it silently, and the old base is removed" {
    succeeds ./disks no
    new_base 2
    succeeds ./disks no
    same '' "$stderr"
    same "$VM_DIR/images/base-2.ext4" "$(base_of vm1)"
    same "$VM_DIR/images/base-2.ext4" "$(base_of vm2)"
    same base-2.ext4 "$(bases)"
}

@test "a new base, but a guest has written: setup says so, and every disk stays unchanged" {
    local before
    succeeds ./disks no
    write_in vm2 0xaa
    new_base 2
    before="$(inode vm1) $(inode vm2)"
    fails 1 ./disks no
    ((${#stderr_lines[@]} == 1)) || failure 'not one line'
    says 'base image has changed' vm2 --reset-disks
    says_not vm1
    same "$before" "$(inode vm1) $(inode vm2)"
    guest_reads vm2 0xaa
    same 'base-1.ext4 base-2.ext4' "$(bases)"
}

@test "all guest writes count, including zeros and the last sector" {
    local what
    for what in '-P 0 65536 512' '-z 65536 65536' '-P 0x55 1048064 512'; do
        rm -rf "$VM_DIR"/vm?
        new_base 1
        succeeds ./disks no
        qemu-io -c "write $what" "$VM_DIR/vm1/disk.qcow2" >/dev/null
        new_base 2
        fails 1 ./disks no
        says vm1
        rm "$VM_DIR/images/base-2.ext4"
    done
}

@test "--reset-disks makes new disks on the new base and removes the old base" {
    succeeds ./disks no
    write_in vm1 0xaa
    new_base 2
    succeeds ./disks yes
    same "$VM_DIR/images/base-2.ext4" "$(base_of vm1)"
    same "$VM_DIR/images/base-2.ext4" "$(base_of vm2)"
    refuted guest_reads vm1 0xaa
    same base-2.ext4 "$(bases)"
}

@test "--reset-disks without a new base discards guest writes, too" {
    succeeds ./disks no
    write_in vm1 0xaa
    succeeds ./disks yes
    refuted guest_reads vm1 0xaa
    same base-1.ext4 "$(bases)"
}

@test "the current base and bases that a disk uses are kept, and no others" {
    succeeds ./disks no
    write_in vm1 0xaa
    new_base 2
    fails 1 ./disks no
    # vm2 is on base 2; then base 3 comes, while vm1 is still on base 1.
    rm -r "$VM_DIR/vm2"
    succeeds env VM_COUNT=2 bash -c 'source lib/load.sh && source setup/load.sh && config_load && lab_create && disk_create vm2 && bases_prune'
    same 'base-1.ext4 base-2.ext4' "$(bases)"
    new_base 3
    rm -r "$VM_DIR/vm2"
    succeeds bash -c 'source lib/load.sh && source setup/load.sh && config_load && lab_create && bases_prune'
    same 'base-1.ext4 base-3.ext4' "$(bases)"
    guest_reads vm1 0xaa
}

# pretend_running VM: makes VM look as if it were running, with a process that has the VM's pid file among its arguments.
pretend_running() {
    mkfifo "$BATS_TEST_TMPDIR/wait.$1"
    background vm bash -c 'read -r _ <"$0"; true' "$BATS_TEST_TMPDIR/wait.$1" -pidfile "$VM_DIR/$1/pid"
    echo "$vm" >"$VM_DIR/$1/pid"
}

@test "while a VM runs, no disk is replaced" {
    local before
    succeeds ./disks no
    write_in vm1 0xaa
    before="$(inode vm1) $(inode vm2)"
    pretend_running vm2
    fails 1 ./disks yes
    says 'vm2 is running' ./stop.sh
    same "$before" "$(inode vm1) $(inode vm2)"
    guest_reads vm1 0xaa
}

@test "a new base while a VM with an unwritten disk runs: setup says so, and all disks stay" {
    local before
    succeeds ./disks no
    before="$(inode vm1) $(inode vm2)"
    pretend_running vm2
    new_base 2
    fails 1 ./disks no
    says 'vm2 is running' ./stop.sh
    same "$before" "$(inode vm1) $(inode vm2)"
    same 'base-1.ext4 base-2.ext4' "$(bases)"
}

@test "an incomplete disk is made again" {
    mkdir "$VM_DIR/vm1"
    echo rubbish >"$VM_DIR/vm1/disk.qcow2.partial"
    : >"$VM_DIR/vm1/disk.qcow2"
    succeeds ./disks no
    same "$VM_DIR/images/base-1.ext4" "$(base_of vm1)"
    same disk.qcow2 "$(ls "$VM_DIR/vm1")"
}

@test "without a base image setup says so and makes no disk" {
    rm "$VM_DIR/images/base-1.ext4"
    fails 1 ./disks no
    says 'no base image' ./setup.sh
    [[ ! -e $VM_DIR/vm1/disk.qcow2 ]]
}

# --- A lab that was moved or copied

# Moves the lab, and points VM_DIR at it.
move_lab() {
    mv "$VM_DIR" "$VM_DIR-moved"
    export VM_DIR=$VM_DIR-moved
}

# name_absolutely VM: makes the VM's disk name its base by absolute path, as an older kit did.
name_absolutely() {
    qemu-img rebase -u -F raw -b "$VM_DIR/images/base-1.ext4" "$VM_DIR/$1/disk.qcow2"
}

# ./launch VM: prepares the VM's disk, as start.sh does before QEMU opens it.
script_launch() {
    script launch <<<'config_load; disk_create "$1"'
}

@test "a moved lab: its disks find their base, and setup prints nothing" {
    script_launch
    succeeds ./disks no
    write_in vm1 0xaa
    move_lab
    same "$VM_DIR/images/base-1.ext4" "$(base_of vm1)"
    succeeds ./disks no
    succeeds ./launch vm1
    same '' "$stderr"
    guest_reads vm1 0xaa
    same base-1.ext4 "$(bases)"
}

@test "a moved lab of an older kit: setup or start makes its disks point to their base" {
    script_launch
    succeeds ./disks no
    write_in vm1 0xaa
    name_absolutely vm1
    name_absolutely vm2
    move_lab
    refuted guest_reads vm1 0xaa
    succeeds ./launch vm1
    guest_reads vm1 0xaa
    succeeds ./disks no
    same "$VM_DIR/images/base-1.ext4" "$(base_of vm2)"
    guest_reads vm1 0xaa
    same base-1.ext4 "$(bases)"
}

@test "a copied lab of an older kit uses its own base, not the original's" {
    script_launch
    succeeds ./disks no
    name_absolutely vm1
    cp -a "$VM_DIR" "$VM_DIR-copy"
    succeeds env VM_DIR="$VM_DIR-copy" ./launch vm1
    VM_DIR=$VM_DIR-copy
    same "$VM_DIR/images/base-1.ext4" "$(base_of vm1)"
}

@test "a moved lab with a new base: setup keeps written disks and names them; unwritten disks move to the new base" {
    succeeds ./disks no
    write_in vm1 0xaa
    name_absolutely vm1
    name_absolutely vm2
    move_lab
    new_base 2
    fails 1 ./disks no
    says 'base image has changed' vm1
    says_not vm2
    guest_reads vm1 0xaa
    rm -r "$VM_DIR/vm1"
    succeeds ./disks no
    same "$VM_DIR/images/base-2.ext4" "$(base_of vm2)"
    same base-2.ext4 "$(bases)"
}

@test "a disk's base is not in the lab: the error names the base, and the disk stays" {
    local before
    script_launch
    succeeds ./disks no
    write_in vm1 0xaa
    mv "$VM_DIR/images/base-1.ext4" "$BATS_TEST_TMPDIR"
    new_base 2
    before=$(inode vm1)
    fails 1 ./launch vm1
    says 'the disk of vm1 needs the base image base-1.ext4' 'copy it from'
    fails 1 ./disks no
    says 'the disk of vm1 needs the base image base-1.ext4'
    same "$before" "$(inode vm1)"
    mv "$BATS_TEST_TMPDIR/base-1.ext4" "$VM_DIR/images"
    guest_reads vm1 0xaa
}

@test "qemu-img snapshots by the user count as written and keep their base" {
    succeeds ./disks no
    write_in vm1 0xaa
    mv "$VM_DIR/vm1/disk.qcow2" "$VM_DIR/vm1/before.qcow2"
    (cd "$VM_DIR/vm1" && qemu-img create -q -f qcow2 -F qcow2 -b before.qcow2 disk.qcow2)
    succeeds ./disks no
    same base-1.ext4 "$(bases)"
    new_base 2
    fails 1 ./disks no
    says vm1
    same 'base-1.ext4 base-2.ext4' "$(bases)"
    guest_reads vm1 0xaa
}

# --- The base image's size

# make_image SIZE: runs step images on a root file system with one file.
make_image() {
    mkdir -p "$VM_DIR/rootfs"
    echo hello >"$VM_DIR/rootfs/file"
    touch "$VM_DIR/steps/rootfs"
    script make_image <<<'config_load; step_images'
    succeeds env VM_DISK_SIZE="$1" ./make_image
    IMAGE=$VM_DIR/images/$(readlink "$VM_DIR/images/base")
}

of_image() {
    dumpe2fs -h "$IMAGE" 2>/dev/null | sed -n "s/^$1: *//p"
}

@test "a size in bytes or in units gives the same image" {
    local size
    for size in 4294967296 4194304K 4096M 4G; do
        make_image "$size"
        same 4294967296 "$(stat -c %s "$IMAGE")"
        same 262144 "$(of_image 'Inode count')"
        rm "$IMAGE"
    done
}

@test "the same size in another unit is no change for step images" {
    script inputs <<<'config_load; inputs_images | grep VM_DISK_SIZE'
    for size in 4294967296 4194304K 4096M 4G; do
        succeeds env VM_DISK_SIZE="$size" ./inputs
        same VM_DISK_SIZE=4G "$output"
    done
}

@test "the largest disk takes little room, has enough inodes, and is consistent" {
    make_image 8T
    same 8796093022208 "$(stat -c %s "$IMAGE")"
    same 4194304 "$(of_image 'Inode count')"
    dpkg --compare-versions "$(mke2fs -V 2>&1 | sed -n 's/^mke2fs \([0-9.]*\).*/\1/p')" ge 1.47 || skip 'an old mke2fs writes the tables'
    (($(du -m "$IMAGE" | cut -f 1) < 200)) || failure "$(du -m "$IMAGE") MB"
    # The guest's kernel has no inode tables left to initialize at its first boot.
    refuted bash -c 'dumpe2fs "$1" 2>/dev/null | grep "^Group [0-9]" | grep -qv ITABLE_ZEROED' - "$IMAGE"
    succeeds e2fsck -fn "$IMAGE"
}
