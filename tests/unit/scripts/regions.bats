#!/usr/bin/env bats
# shellcheck disable=SC2016,SC2030,SC2031,SC2154 # code in quotes; what bats and background() set
# The regions of a lab: SHMEM_MORE, files that are removed or resized while VMs run, run.sh host and run.sh clear. With fake QEMU
# VMs; the files are real.

load helpers
load fake

sizes_are() {
    same "$1" "$(stat -c %s "$(region)"{,-2,-3} 2>/dev/null | paste -sd ' ')"
}

# Overwrites file $1 with a pattern, in place.
fill() {
    local size
    size=$(stat -c %s "$1")
    yes pattern | head -c "$size" | dd of="$1" bs=1M conv=notrunc iflag=fullblock status=none
}

is_zero() {
    cmp -n "$(stat -c %s "$1")" "$1" /dev/zero
}

# --- SHMEM_MORE

@test "SHMEM_MORE: each region has a file, zeroed, private, allocated, and a link; stop.sh removes all" {
    local file
    export SHMEM_MORE='2M 4M'
    echo 'of yesterday' >"$(region)-2"
    succeeds ./start.sh
    sizes_are '1048576 2097152 4194304'
    for file in "$(region)"{,-2,-3}; do
        is_zero "$file"
        same 600 "$(stat -c %a "$file")"
        same "$(stat -c %s "$file")" $(($(stat -c '%b * %B' "$file")))
    done
    same "$(region)" "$(readlink "$VM_DIR/region")"
    same "$(region)-3" "$(readlink "$VM_DIR/region3")"
    succeeds ./status.sh
    prints "$(region), 1 MiB" "Region 2 $(region)-2, 2 MiB, device 0000:00:08.0" "Region 3 $(region)-3, 4 MiB, device 0000:00:09.0"
    same '1 2 3' "$(field '[.regions[].number] | join(" ")')"
    same '4194304 4194304 ok null' "$(field '.regions[2] | "\(.bytes) \(.bytes_at_start) \(.state) \(.advice)"')"
    succeeds ./stop.sh vm1
    sizes_are '1048576 2097152 4194304'
    succeeds ./stop.sh
    sizes_are ''
    same '' "$(find "$VM_DIR" -name 'region*')"
}

@test "SHMEM_MORE: VMs that run keep their regions, also after the one that started them was killed" {
    export SHMEM_MORE=2M
    succeeds ./start.sh
    fill "$(region)-2"
    kill -KILL "$(pid_of vm1)"
    wait_until gone "$(pid_of vm1)"
    succeeds ./start.sh
    cmp -n 2097152 "$(region)-2" <(yes pattern)
}

@test "SHMEM_MORE: another number or size of regions is refused while VMs run, and changes nothing" {
    local more
    SHMEM_MORE='2M 4M' succeeds ./start.sh vm1
    for more in '' 2M '2M 8M' '4M 2M' '2M 4M 1M'; do
        SHMEM_MORE=$more fails 1 ./start.sh vm2
        says "vm1 share $(region) of 1048576 bytes, $(region)-2 of 2097152 bytes, $(region)-3 of 4194304 bytes" './stop.sh first'
        sizes_are '1048576 2097152 4194304'
        [[ ! -e $FAKE/vm2.starts ]] || failure 'vm2 was started'
    done
    # Without a record, the files tell.
    rm "$VM_DIR/regions"
    SHMEM_MORE=2M fails 1 ./start.sh vm2
    says "$(region)-3 of 4194304 bytes"
    SHMEM_MORE='2M 4M' succeeds ./start.sh vm2
}

@test "SHMEM_MORE: a region in use keeps all of them; a link in the place of one is not followed" {
    local target
    for target in "$BATS_TEST_TMPDIR/file" /no/such/file; do
        echo precious >"$BATS_TEST_TMPDIR/file"
        ln -sf "$target" "$(region)-2"
        SHMEM_MORE=2M succeeds ./start.sh vm1
        same precious "$(cat "$BATS_TEST_TMPDIR/file")"
        [[ ! -L $(region)-2 ]] || failure 'still a link'
        SHMEM_MORE=2M succeeds ./stop.sh
    done
    SHMEM_MORE=2M succeeds ./start.sh vm1
    background user tail -f "$(region)-2"
    succeeds ./stop.sh
    says 'the region is kept' "$user (tail"
    sizes_are '1048576 2097152'
    fails 1 ./start.sh
    says "process $user (tail" 'still uses the region'
}

@test "SHMEM_MORE: no room is said before any memory is taken; the remedy names the knobs; no file is left" {
    stub fallocate <<<'echo called >>"$TMPDIR/fallocate"; exec /usr/bin/fallocate "$@"'
    SHMEM_MORE='2M 1T' fails 1 ./start.sh
    says 'no room for the 3 regions of 1048579M' 'lower SHMEM_SIZE or SHMEM_MORE' 'remount,size=' SHMEM_PREALLOC=no
    same 1 "${#stderr_lines[@]}"
    refuted test -e "$TMPDIR/fallocate"
    sizes_are ''
    same '' "$(find "$VM_DIR" -name 'region*')"
}

@test "memory that is gone between the look and the allocation: one line, and no file is left" {
    stub fallocate <<<'[[ $* != *-2 ]] && exec /usr/bin/fallocate "$@"; exit 1'
    SHMEM_MORE=2M fails 1 ./start.sh
    says 'no room for the region of 2M'
    same 1 "${#stderr_lines[@]}"
    sizes_are ''
}

@test "SHMEM_PREALLOC=no: regions larger than the host's memory take none" {
    SHMEM_PREALLOC=no SHMEM_MORE=1T succeeds ./start.sh vm1
    SHMEM_MORE=1T fails 1 ./start.sh vm2
    says 'is sparse: set SHMEM_PREALLOC=no'
    SHMEM_PREALLOC=no SHMEM_MORE=1T succeeds ./start.sh vm2
    sizes_are '1048576 1099511627776'
    same '0 0' "$(stat -c %b "$(region)"{,-2} | paste -sd ' ')"
    succeeds ./status.sh
    prints "$(region)-2, 1048576 MiB"
    truncate -s 0 "$(region)-2"
    SHMEM_PREALLOC=no succeeds ./status.sh
    prints "To give it back its size: truncate -s 1099511627776 $(region)-2"
}

# --- Removed or resized while VMs run

@test "a region that was removed while VMs use it: status.sh says which, start.sh and run.sh refuse" {
    local number
    local -a suffixes=(- '' -2 -3) labels=(- 'Region   ' 'Region 2 ' 'Region 3 ')
    export SHMEM_MORE='1M 1M'
    for number in 1 2 3; do
        succeeds ./start.sh vm1
        rm "$(region)${suffixes[number]}"
        succeeds ./status.sh
        prints "${labels[number]}removed while VMs use it" './stop.sh, then ./start.sh'
        same 'removed null null' "$(field ".regions[$((number - 1))] | \"\\(.state) \\(.path) \\(.bytes)\"")"
        same 2 "$(field '[.regions[] | select(.state == "ok")] | length')"
        fails 1 ./start.sh vm2
        says "region $number of vm1 was removed while VMs use it"
        fails 1 ./run.sh host true
        says "region $number of vm1 was removed"
        fails 1 ./run.sh clear
        says "region $number of vm1 was removed"
        [[ ! -e $(region)${suffixes[number]} && ! -e $FAKE/vm2.starts ]] || failure 'made again'
        succeeds ./stop.sh
    done
    same 'null []' "$(field '"\(.region) \(.regions)"')"
}

@test "a file that was truncated or grown under the VMs: status.sh, start.sh and run.sh say so; their remedies work" {
    local file size
    export SHMEM_MORE=2M
    succeeds ./start.sh vm1
    for file in "$(region)" "$(region)-2"; do
        for size in 0 4096 8388608; do
            truncate -s "$size" "$file"
            succeeds ./status.sh
            prints 'resized while VMs use it' "$file has $size bytes, and they were started with"
            same resized "$(field ".regions[] | select(.path == \"$file\").state")"
            [[ $(field ".regions[] | select(.path == \"$file\").advice") == *"$file has $size bytes"* ]] || failure 'no advice in JSON'
            fails 1 ./start.sh vm2
            says 'of vm1 was resized while VMs use it'
            fails 1 ./start.sh vm1
            says 'of vm1 was resized while VMs use it'
            fails 1 ./run.sh host true
            says 'was resized'
            fails 1 ./run.sh clear
            says 'was resized'
            refuted test -e "$FAKE/vm2.starts"
            # What the message ends with is a command.
            eval "${stderr##*its size: }"
            same ok "$(field ".regions[] | select(.path == \"$file\").state")"
        done
    done
    sizes_are '1048576 2097152'
    succeeds ./run.sh host true
}

@test "the size of regions that VMs were started with does not depend on the knobs of a later call" {
    SHMEM_SIZE=2M succeeds ./start.sh vm1
    succeeds ./status.sh --set SHMEM_SIZE=8M
    prints "$(region), 2 MiB"
    prints_not resized
}

# --- run.sh host

@test "run.sh host runs any command, with the regions in its environment" {
    export SHMEM_MORE='2M 4M' SHMEM_SOCKET=/of/another/lab SHMEM_FILE4=/of/another/lab
    succeeds ./start.sh vm1
    succeeds ./run.sh host sh -c 'env | grep "^SHMEM_[FS][IO]" | sort; echo "$#"' - 'a b' '*'
    same "SHMEM_FILE2=$(region)-2
SHMEM_FILE3=$(region)-3
SHMEM_FILE=$(region)
SHMEM_SIZE2=2097152
SHMEM_SIZE3=4194304
SHMEM_SIZE=1048576
2" "$output"
    succeeds ./run.sh host bash -c 'printf written | dd of="$SHMEM_FILE2" conv=notrunc status=none'
    same written "$(head -c 7 "$VM_DIR/region2")"
    succeeds ./run.sh host cat <<<'through'
    same through "$output"
    fails 7 ./run.sh host sh -c 'exit 7'
    # Relative to the folder of the caller.
    printf '#!/bin/sh\necho "mine on $SHMEM_SIZE bytes"\n' >mine
    chmod +x mine
    succeeds ./run.sh host ./mine
    same 'mine on 1048576 bytes' "$output"
    # Its regions are those of the VMs, not those of the knobs.
    SHMEM_SIZE=8M SHMEM_MORE='' succeeds ./run.sh host sh -c 'echo "$SHMEM_SIZE $SHMEM_SIZE3"'
    same '1048576 4194304' "$output"
    refuses 'host needs a command' ./run.sh host
    refuses 'no such program: no-such-thing' ./run.sh host no-such-thing
    refuses 'no such program: ./lib' ./run.sh host ./lib
    refuses 'no such program: __no_such' ./run.sh host __no_such
}

# --- run.sh clear

@test "run.sh clear zeroes the region that was named, in place, and no other" {
    local inode
    export SHMEM_MORE='2M 128M'
    succeeds ./start.sh vm1
    for file in "$(region)"{,-2,-3}; do
        fill "$file"
    done
    inode=$(stat -c %i "$(region)"{,-2,-3})
    # Never truncated, not even for a moment: a VM that touched the rest would be killed.
    stub dd <<<'/usr/bin/dd "$@" && stat -Lc %s "$VM_DIR/region3" >>"$TMPDIR/sizes"'
    succeeds ./run.sh clear
    says "region 1 is zeroed: $(region), 1 MiB"
    same '' "$output"
    is_zero "$(region)"
    cmp -n 2097152 "$(region)-2" <(yes pattern)
    succeeds ./run.sh clear 3
    is_zero "$(region)-3"
    cmp -n 2097152 "$(region)-2" <(yes pattern)
    same "$inode" "$(stat -c %i "$(region)"{,-2,-3})"
    sizes_are '1048576 2097152 134217728'
    same 134217728 $(($(stat -c '%b * %B' "$(region)-3")))
    same 134217728 "$(sort -u "$TMPDIR/sizes")"
}

@test "run.sh clear refuses what is no region, and says which there are" {
    local number
    fails 1 ./run.sh clear
    says 'no VM is running'
    SHMEM_MORE=2M succeeds ./start.sh vm1
    for number in 0 3 9 10 01 -- 1x x '' '1 2' 'a[$(touch x)]'; do
        refuses 'clear: no such region' ./run.sh clear "$number"
        says 'these VMs have 1 and 2'
    done
    refuses 'clear takes one number at most' ./run.sh clear 1 2
    [[ ! -e x ]] || failure 'executed'
}

@test "run.sh clear keeps a sparse region sparse" {
    SHMEM_PREALLOC=no SHMEM_MORE=1T succeeds ./start.sh vm1
    printf x | dd of="$(region)-2" bs=1 seek=$((1 << 35)) conv=notrunc status=none
    succeeds ./run.sh clear 2
    same 0 "$(stat -c %b "$(region)-2")"
    sizes_are '1048576 1099511627776'
}
