#!/usr/bin/env bats
# shellcheck disable=SC2154 # what bats sets
# __shmem, on a file and on a made-up device.

load prog.bash

FOLDER=$TREE/0000:00:04.0

# whole_device: adds a device above 4 GiB that can be mapped in all three ways.
whole_device() {
    ivshmem 0000:00:04.0 0x140000000
    truncate -s 1M "$FOLDER/resource2_wc"
    truncate -s $((1 << 33)) "$MEMORY"
}

@test "a file: its size, and a measurement that says write-back" {
    succeeds __shmem -f region
    same '' "$stderr"
    same 'file      region, 1024 KiB' "${lines[0]}"
    [[ ${lines[1]} == 'machine   accelerator '* ]]
    grep -qE '^file +- +[0-9]+\.[0-9] +[0-9]+   (write-back|no cache model under TCG)$' <<<"$output"
    prints_not Why
}

@test "a device: where it is, and all three mappings with what the kernel says" {
    whole_device
    for line in 'PAT: [mem 0x0000000140000000-0x0000000140100000] write-combining' \
        'write-combining @ 0x140000000-0x140100000'; do # the form of older kernels
        printf '%s\n' 'PAT memtype list:' 'PAT: [mem 0x00000000fed00000-0x00000000fed01000] uncached-minus' "$line" >"$TYPES"
        succeeds __shmem
        same '' "$stderr"
        same 'device    0000:00:04.0' "${lines[0]}"
        same 'BAR 2     0x140000000, 1024 KiB, above 4 GiB' "${lines[1]}"
        for kind in uc wc wb; do
            grep -qE "^$kind +write-combining +[0-9]+\.[0-9] +[0-9]+   (write-back|no cache model under TCG)$" <<<"$output"
        done
        grep -q '^Why: .*' <<<"$output"
        ((${#lines[@]} <= 24))
    done
}

@test "uncached memory that behaves cached: what can cause it on this CPU is named, and not more" {
    local why='Either the hypervisor makes the'
    whole_device
    ! grep -qE '^vendor_id.*(AuthenticAMD|HygonGenuine)' /proc/cpuinfo || why='KVM on AMD does not do that; so'
    succeeds __shmem
    [[ $output == *'no cache model under TCG'* ]] || prints "Why: the mapping is cached although it asks for uncached. $why"
}

@test "what the kernel says counts only for all of the mapping" {
    whole_device
    for other in 'PAT: [mem 0x0000000140000000-0x00000001400ff000] write-combining' \
        'PAT: [mem 0x0000000140001000-0x0000000140100000] write-combining' 'rubbish' 'PAT: [mem 0x' ''; do
        echo "$other" >"$TYPES"
        succeeds __shmem
        grep -qE '^wb +- ' <<<"$output"
    done
    rm "$TYPES"
    succeeds __shmem
    grep -q 'mount -t debugfs none /sys/kernel/debug' <<<"$output"
}

@test "a mapping that is not available: the reason; the others are shown" {
    ivshmem 0000:00:04.0 0xf0000000
    succeeds __shmem
    [[ ${lines[1]} == *'below 4 GiB' ]]
    grep -qE '^uc +- +[0-9]' <<<"$output"
    grep -qE '^wc +not available: cannot open .*resource2_wc: No such file or directory; run as root, on a kernel with PAT' <<<"$output"
    grep -qE '^wb +not available: -m wb: BAR 2 of 0000:00:04.0 is at 0xf0000000, and below 4 GiB' <<<"$output"
    rm "$FOLDER/resource2"
    complains 1 'the shared memory cannot be mapped: ' __shmem
}

@test "no device, no file: one line, status 1" {
    complains 1 'cannot list' __shmem
    complains 1 'the shared memory cannot be mapped: cannot open absent' __shmem -f absent
}

@test "--json: a record for each mapping, had or not" {
    whole_device
    rm "$FOLDER/resource2_wc"
    echo 'PAT: [mem 0x0000000140000000-0x0000000140100000] uncached-minus' >"$TYPES"
    succeeds __shmem --json
    same '' "$stderr"
    same 'uc wc wb' "$(jq -r .mapping <<<"$output" | xargs)"
    jq -se '.[0] | .record == "mapping" and .available and .memory_type == "uncached-minus" and
        .physical_address == 5368709120 and .load_ns > 0 and .store_mb_s > 0 and
        .ordinary_load_ns > 0 and .ordinary_store_mb_s > 0 and (.verdict | test("write-back|TCG"))' <<<"$output"
    jq -se '.[1] | .available == false and (.reason | test("resource2_wc")) and .region_bytes == 1048576' <<<"$output"
}

@test "it writes to the area of __bandwidth only, and leaves no claim" {
    __shmem -f region
    untouched 0 0xf80
    untouched 0x1000 $((MIB / 2))
    untouched $((MIB / 2 + 16384)) "$MIB"
    refuted test "$(word region $((MIB / 2)))" = 0000000000000000
}

@test "--inject: lost stores are noticed, slow memory is told by its kind" {
    whole_device
    complains 1 'a value stored in the memory did not read back' "$SANITIZED/__shmem" --inject lost
    fresh region
    succeeds "$STATIC/__shmem" -f region --inject loads
    [[ $output == *' write-combining' ]]
    succeeds "$STATIC/__shmem" -f region --inject accesses
    [[ $output == *' uncached' ]]
    succeeds __shmem --inject accesses
    prints 'even the write-back mapping is not cached'
}
