#!/usr/bin/env bats
# shellcheck disable=SC2016,SC2030,SC2031,SC2154 # code in quotes; what bats and background() set
# The VMs' disks: overlays on a base image. What was written in a guest is never lost unasked.

load helpers

setup() {
    begin
    make_lab
    export VM_DISK_SIZE=2G
    # ./disks RESET: what ./setup.sh images does to the disks, with --reset-disks (yes) or without (no).
    script disks <<'END'
config_load
lab_create
disks_update "$1"
END
}

teardown() {
    end_background
}

# A new base image, as step images would make it.
new_base() {
    truncate -s 1M "$VM_DIR/images/base-$1.ext4"
    ln -sfn "base-$1.ext4" "$VM_DIR/images/base"
}

base_of() {
    realpath -- "$(qemu-img info --output=json "$VM_DIR/$1/disk.qcow2" | jq -r '."full-backing-filename"')"
}

# write_in VM PATTERN: as its guest would write. What was written is what guest_reads then sees.
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

@test "each VM gets an overlay on the base image, of at most 1 MiB" {
    local name
    succeeds ./disks no
    for name in vm1 vm2; do
        same "$VM_DIR/images/base-1.ext4" "$(base_of "$name")"
        (($(stat -c '%b * %B' "$VM_DIR/$name/disk.qcow2") <= 1 << 20)) || failure "$name is too large"
    done
    same 'disk.qcow2' "$(ls "$VM_DIR/vm1")"
    [[ ! -e $VM_DIR/vm3 ]]
}

@test "again: the same disks" {
    local before
    succeeds ./disks no
    before=$(inode vm1)
    succeeds ./disks no
    same "$before" "$(inode vm1)"
}

@test "a VM more: the others keep their disks; a VM less: nothing is thrown away" {
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

@test "a new base: disks that nobody wrote to move to it without a word, and the old base goes" {
    succeeds ./disks no
    new_base 2
    succeeds ./disks no
    same '' "$stderr"
    same "$VM_DIR/images/base-2.ext4" "$(base_of vm1)"
    same "$VM_DIR/images/base-2.ext4" "$(base_of vm2)"
    same base-2.ext4 "$(bases)"
}

@test "a new base, and a guest that wrote: it is said, and every disk stays as it is" {
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

@test "what a guest wrote counts, also zeros, and in the last sector" {
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

@test "--reset-disks: new disks on the new base, and the old base goes" {
    succeeds ./disks no
    write_in vm1 0xaa
    new_base 2
    succeeds ./disks yes
    same "$VM_DIR/images/base-2.ext4" "$(base_of vm1)"
    same "$VM_DIR/images/base-2.ext4" "$(base_of vm2)"
    refuted guest_reads vm1 0xaa
    same base-2.ext4 "$(bases)"
}

@test "--reset-disks without a new base throws away what was written, too" {
    succeeds ./disks no
    write_in vm1 0xaa
    succeeds ./disks yes
    refuted guest_reads vm1 0xaa
    same base-1.ext4 "$(bases)"
}

@test "a base that a disk still lies over is kept, and no other" {
    succeeds ./disks no
    write_in vm1 0xaa
    new_base 2
    fails 1 ./disks no
    # A VM of its own on base 2: the third base comes, and vm1 is still on the first.
    rm -r "$VM_DIR/vm2"
    succeeds env VM_COUNT=2 bash -c 'source lib/load.sh && source setup/load.sh && config_load && lab_create && disk_create vm2 && bases_prune'
    same 'base-1.ext4 base-2.ext4' "$(bases)"
    new_base 3
    rm -r "$VM_DIR/vm2"
    succeeds bash -c 'source lib/load.sh && source setup/load.sh && config_load && lab_create && bases_prune'
    same 'base-1.ext4 base-3.ext4' "$(bases)"
    guest_reads vm1 0xaa
}

# Makes VM $1 look as if it ran: a process with its pid file among its arguments.
pretend_running() {
    mkfifo "$BATS_TEST_TMPDIR/wait.$1"
    background vm bash -c 'read -r _ <"$0"; true' "$BATS_TEST_TMPDIR/wait.$1" -pidfile "$VM_DIR/$1/pid"
    echo "$vm" >"$VM_DIR/$1/pid"
}

@test "the disk of a VM that runs is never replaced, and then none is" {
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

@test "a new base while a VM runs that nobody wrote in: said, and all disks stay" {
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

@test "a disk whose making was cut short is made again" {
    mkdir "$VM_DIR/vm1"
    echo rubbish >"$VM_DIR/vm1/disk.qcow2.partial"
    : >"$VM_DIR/vm1/disk.qcow2"
    succeeds ./disks no
    same "$VM_DIR/images/base-1.ext4" "$(base_of vm1)"
    same disk.qcow2 "$(ls "$VM_DIR/vm1")"
}

@test "no base image: said, and no disk is made" {
    rm "$VM_DIR/images/base-1.ext4"
    fails 1 ./disks no
    says 'no base image' ./setup.sh
    [[ ! -e $VM_DIR/vm1/disk.qcow2 ]]
}

# --- A lab that is somewhere else than it was

# Moves the lab, and points VM_DIR at it.
move_lab() {
    mv "$VM_DIR" "$VM_DIR-moved"
    export VM_DIR=$VM_DIR-moved
}

# Gives the disk of VM $1 the name of its base as an older kit wrote it.
name_absolutely() {
    qemu-img rebase -u -F raw -b "$VM_DIR/images/base-1.ext4" "$VM_DIR/$1/disk.qcow2"
}

# ./launch VM: what start.sh does with a disk before QEMU opens it.
script_launch() {
    script launch <<<'config_load; disk_create "$1"'
}

@test "a moved lab: its disks find their base, and setup has nothing to say" {
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

@test "a moved lab of an older kit: its disks are led to their base, by setup or by start" {
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

@test "a copied lab of an older kit uses its own base, and not that of the other" {
    script_launch
    succeeds ./disks no
    name_absolutely vm1
    cp -a "$VM_DIR" "$VM_DIR-copy"
    succeeds env VM_DIR="$VM_DIR-copy" ./launch vm1
    VM_DIR=$VM_DIR-copy
    same "$VM_DIR/images/base-1.ext4" "$(base_of vm1)"
}

@test "a moved lab, and a new base: what was written is asked about, what was not moves on" {
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

@test "a disk whose base is not in the lab: said which one, and the disk stays" {
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

@test "snapshots that the user made with qemu-img count as written, and keep their base" {
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

# ./make_image: step images, over a root file system with one file.
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

@test "a size in bytes, and in units: the same image" {
    local size
    for size in 4294967296 4194304K 4096M 4G; do
        make_image "$size"
        same 4294967296 "$(stat -c %s "$IMAGE")"
        same 262144 "$(of_image 'Inode count')"
        rm "$IMAGE"
    done
}

@test "a size in other words is no new size for step images" {
    script inputs <<<'config_load; inputs_images | grep VM_DISK_SIZE'
    for size in 4294967296 4194304K 4096M 4G; do
        succeeds env VM_DISK_SIZE="$size" ./inputs
        same VM_DISK_SIZE=4G "$output"
    done
}

@test "the largest disk takes little room, has all inodes that one needs, and is whole" {
    make_image 8T
    same 8796093022208 "$(stat -c %s "$IMAGE")"
    same 4194304 "$(of_image 'Inode count')"
    dpkg --compare-versions "$(mke2fs -V 2>&1 | sed -n 's/^mke2fs \([0-9.]*\).*/\1/p')" ge 1.47 || skip 'an old mke2fs writes the tables'
    (($(du -m "$IMAGE" | cut -f 1) < 200)) || failure "$(du -m "$IMAGE") MB"
    # Nothing that the guest's kernel would have to do at its first boot.
    refuted bash -c 'dumpe2fs "$1" 2>/dev/null | grep "^Group [0-9]" | grep -qv ITABLE_ZEROED' - "$IMAGE"
    succeeds e2fsck -fn "$IMAGE"
}
