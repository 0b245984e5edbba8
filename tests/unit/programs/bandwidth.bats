#!/usr/bin/env bats
# shellcheck disable=SC2154 # what bats sets
# __bandwidth, on files.

load prog.bash

# --- As the specification has it ----------------------------------------------

@test "__bandwidth: the output of the specification; the message is left alone" {
    truncate -s 128M region
    __read_write -f region 'still here' >/dev/null
    for folder in "$SANITIZED" "$STATIC"; do
        succeeds "$folder/__bandwidth" -f region
        same '' "$stderr"
        same 2 "${#lines[@]}"
        same '--- mmap successful' "${lines[0]}"
        [[ ${lines[1]} =~ ^'memcpy bandwidth: '[0-9]+\.[0-9][0-9]' MB/s'$ ]]
    done
    same 0000000000000000 "$(word region 64)"
    succeeds __read_write -f region
    same "Read from shmem: 'still here'" "${lines[1]}"
}

@test "__bandwidth: fills the upper half from end to end, and only that" {
    truncate -s 128M region
    __bandwidth -f region
    untouched 0x1000 $((64 * MIB))
    refuted test "$(word region $((64 * MIB)))" = 0000000000000000
    refuted test "$(word region $((128 * MIB - 8)))" = 0000000000000000
}

@test "__bandwidth: an even number of samples: the median is one of them, not a number between two" {
    truncate -s 128M region
    succeeds __bandwidth -f region -s 4K -r 2 --json
    jq -e '.count == 2 and .median_mb_s == .min_mb_s and .min_mb_s < .max_mb_s' <<<"$output"
}

@test "__bandwidth: several at once all succeed" {
    truncate -s 128M region
    pids=()
    for i in 1 2 3; do
        __bandwidth -f region >"out$i" 3>&- & pids+=($!)
    done
    for pid in "${pids[@]}"; do wait "$pid"; done
    same 3 "$(cat out? | grep -c '^memcpy bandwidth: ')"
}

@test "__bandwidth: bytes that did not arrive fail the run" {
    cat >liar.c <<'END'
#include <string.h>
void *__real_memcpy(void *to, const void *from, size_t size);
void *__wrap_memcpy(void *to, const void *from, size_t size);
void *__wrap_memcpy(void *to, const void *from, size_t size)
{
	__real_memcpy(to, from, size);
	((unsigned char *)to)[size - 1] ^= 1;
	return to;
}
END
    gcc -static -Wl,--wrap=memcpy -o __liar "$STATIC"/bandwidth/*.o liar.c "$STATIC/libshmem.a"
    truncate -s 128M region
    complains 1 'does not hold the copied bytes' ./__liar -f region
    same '--- mmap successful' "$output"
}

@test "__bandwidth: a region that is too small is refused" {
    truncate -s 64M region
    complains 1 'has 64 MiB, but 128 MiB are needed; set SHMEM_SIZE=128M' __bandwidth -f region
}

@test "__bandwidth: a holder that takes long to fill memory keeps its claim" {
    background holder __bandwidth -f region --local -s 70M -r 1 --inject slow # filling takes 3.5 s each time
    wait_until other_word 64 0000000000000000
    background waiter __bandwidth -f region -s 4K -r 1
    ends holder 0
    ends waiter 0
    refuted grep 'took over' err.waiter
}

@test "__bandwidth: a holder whose output is not read does not keep others waiting" {
    mkfifo pipe
    exec {gate}<>pipe
    head -c 64K /dev/zero | tr '\0' x >&"$gate" # now the pipe is full
    background holder bash -c 'exec __bandwidth -f region -s 4K -r 1 -k all --json >pipe'
    wait_until grep -q poll "/proc/$holder/wchan" # the holder waits for room in the pipe
    background waiter __bandwidth -f region -s 4K -r 1
    ends waiter 0
    refuted grep 'took over' err.waiter
    head -c 64K <&"$gate" >/dev/null
    ends holder 0
}

# --- Options ------------------------------------------------------------------

@test "-k list: needs no region; memcpy first" {
    succeeds __bandwidth -k list
    same '' "$stderr"
    same 'memcpy words sse2 avx2 nt ntload movsb' "$(cut -d ' ' -f 1 <<<"$output" | xargs)"
}

@test "every kernel, in every direction, on every size, copies every byte" {
    for direction in --to --from --local; do
        for size in 4K 252K; do
            for kernel in $(copy_kernels); do
                succeeds __bandwidth -f region -r 1 -s $size $direction -k "$kernel"
                same '' "$stderr"
                same '--- mmap successful' "${lines[0]}"
                [[ ${lines[1]} =~ ^"$kernel bandwidth".*': '[0-9]+\.[0-9][0-9]' MB/s'$ ]]
            done
        done
    done
    succeeds "$STATIC/__bandwidth" -f region -r 1 -s 512K -k all
    same "$(copy_kernels | wc -l)" "$(grep -cE '^[a-z0-9]+( +[0-9]+\.[0-9]{2}){4} +0\.0 %$' <<<"$output")"
}

@test "--to writes to the given bytes only; --from and --local write nothing but the pattern" {
    __bandwidth -f region -r 1 -s 64K
    untouched 0x1000 $((MIB / 2))
    untouched $((MIB / 2 + 65536)) "$MIB"
    refuted test "$(word region $((MIB / 2 + 65536 - 8)))" = 0000000000000000
    cp region before
    __bandwidth -f region -r 1 -s 64K --local
    cmp region before
}

@test "--sweep: from 4 KiB to the area; all kernels" {
    succeeds __bandwidth -f region -r 1 --sweep -k all
    same '4 KiB 16 KiB 64 KiB 256 KiB 512 KiB' "$(sed -n 's/^ *\([0-9]* KiB\) .*/\1/p' <<<"$output" | xargs)"
    grep -qx "block *$(copy_kernels | xargs | sed 's/ / */g') *spread" <<<"$output"
    same 5 "$(grep -cE '^ *[0-9]+ KiB .* 0\.0 %$' <<<"$output")"
    ((${#lines[@]} <= 24))
    succeeds __bandwidth -f region -r 1 --sweep -s 20K --json
    same '"4096,16384,20480"' "$(jq -s 'map(.block_bytes) | @csv' <<<"$output")"
}

@test "-k best: the figure of one of the kernels, and of one for each size of a sweep" {
    succeeds __bandwidth -f region -r 1 -s 64K -k best
    copy_kernels | grep -qx "$(sed -nE 's/^([a-z0-9]+) bandwidth: [0-9.]+ MB.s$/\1/p' <<<"$output")"
    succeeds __bandwidth -f region -r 1 -s 64K -k best --json
    copy_kernels | grep -qx "$(jq -r .copy <<<"$output")"
    succeeds __bandwidth -f region -r 1 -s 16K -k best --sweep
    same '4 KiB 16 KiB' "$(sed -nE 's/^ *([0-9]+ KiB) +[0-9.]+ [a-z0-9]+ +0\.0 %$/\1/p' <<<"$output" | xargs)"
    grep -qxE 'block +best +spread' <<<"$output"
}

@test "--json: a record each, and nothing else" {
    succeeds __bandwidth -f region -s 64K -r 5 -k all --json
    same "$(copy_kernels)" "$(jq -r .copy <<<"$output")"
    jq -e '.record == "bandwidth" and .direction == "to" and .block_bytes == 65536 and .count == 5 and
        .copies_per_sample >= 1 and 0 < .min_mb_s and .min_mb_s <= .median_mb_s and
        .median_mb_s <= .max_mb_s and .spread_percent >= 0 and .spread_percent < 100 and
        has("fits_cache") == false and .verified' <<<"$output"
}

# --- How sure a figure is

@test "samples are taken until they are stable, or for half a second; -r takes as many as it says" {
    succeeds __bandwidth -f region -s 4K --json
    jq -e '.count >= 9 and (.spread_percent < 2 or .count > 9)' <<<"$output"
    succeeds __bandwidth -f region -s 4K --inject uneven --json
    jq -e '.count > 9 and .spread_percent > 10' <<<"$output"
    succeeds __bandwidth -f region -s 4K --inject uneven -r 12 --json
    jq -e '.count == 12' <<<"$output"
}

@test "every row of a table has its spread, and a wide one is marked" {
    succeeds __bandwidth -f region -s 4K -r 12 -k all --inject uneven
    prints 'spread: of the faster half of the samples, !: above 10 %'
    same "$(copy_kernels | wc -l)" "$(grep -cE '^[a-z0-9]+( +[0-9]+\.[0-9]{2}){4} +[0-9]{2}\.[0-9] % !$' <<<"$output")"
    succeeds __bandwidth -f region -s 16K -r 12 --sweep --inject uneven
    same 2 "$(grep -cE '^ *[0-9]+ KiB +[0-9.]+ +[0-9]{2}\.[0-9] % !$' <<<"$output")"
}

@test "a disturbed sample does not end the calibration" {
    succeeds __bandwidth -f region -s 4K -r 1 --inject disturbed --json
    jq -e '.copies_per_sample > 1' <<<"$output"
}

# with_cache BYTES: from here on, __bandwidth is one whose last-level cache has that size.
with_cache() {
    gcc -std=gnu11 -D_GNU_SOURCE "-DCACHE_SIZE=$1" -I "$PROG" -I "$PROG/lib/include" -o __bandwidth "$PROG"/bandwidth/*.c \
        "$STATIC/libshmem.a"
    PATH=$PWD:$PATH
}

@test "blocks that fit into the last-level cache are warned of; a cache of unknown size is not spoken of" {
    local fits='both blocks fit into the last-level cache of 128 KiB: this is the speed of the cache'
    succeeds __bandwidth -f region -s 64K -r 1 --from # the tests' programs do not know the size
    same '' "$stderr"
    with_cache 131072
    succeeds __bandwidth -f region -s 64K -r 1 --from --json
    [[ $(jq -r .accelerator <<<"$output") != tcg ]] || skip 'under TCG the size is unknown'
    jq -e .fits_cache <<<"$output"
    same '' "$stderr"
    succeeds __bandwidth -f region -s 64K -r 1 --from
    says "$fits"
    succeeds __bandwidth -f region -s 68K -r 1 --from
    same '' "$stderr"
    succeeds __bandwidth -f region -s 68K -r 1 --from --json
    jq -e '.fits_cache == false' <<<"$output"
    succeeds __bandwidth -f region -r 1 --sweep
    prints 'blocks of up to 64 KiB are copied within the last-level cache, 128 KiB'
    # The output of the specification's own command is fixed.
    fresh region 128M
    with_cache $((1 << 40))
    succeeds __bandwidth -f region
    same '' "$stderr"
    same 2 "${#lines[@]}"
}

@test "--inject: every fault is noticed with every kernel, to and from, and no figure is printed" {
    for fault in lost short clock; do
        for direction in --to --from; do
            # The check of the clock is the same for every kernel, and takes a second.
            for kernel in $([ "$fault" = clock ] && echo memcpy || copy_kernels); do
                fresh region
                complains 1 "__bandwidth: $kernel: " "$STATIC/__bandwidth" -f region -r 1 -s 128K $direction -k "$kernel" --inject "$fault"
                same '--- mmap successful' "$output"
            done
        done
    done
}

@test "--inject: the message says what is wrong" {
    complains 1 'the shared memory does not hold the copied bytes' __bandwidth -f region -s 64K -r 1 --inject lost
    fresh region
    complains 1 "this VM's memory does not hold the copied bytes" __bandwidth -f region -s 64K -r 1 --from --inject short
    fresh region
    complains 1 'that cannot be, so nothing is reported' __bandwidth -f region -s 64K -r 1 --inject clock
}

@test "a kernel that is slow in the VM's own memory is compared with others" {
    for kernel in $(copy_kernels); do
        succeeds __bandwidth -f region -r 1 -s 4K -k "$kernel" --inject far
        [[ ${lines[1]} =~ ^"$kernel bandwidth".*': '[0-9.]+' MB/s'$ ]]
    done
}

@test "a wrong command line, and a region without the room" {
    cp region before
    refuses_each <<'END'
        -k fast: there is no such kernel; -k list shows them
            __bandwidth -k fast
        -s 5K: whole pages of 4 KiB are needed
            __bandwidth -s 5K
        -s 4095: bytes from 4096
            __bandwidth -s 4095
        -r 0: a whole number from 1 to 1000
            __bandwidth -r 0
END
    complains 1 'the region has 1024 KiB, but 1032 KiB are needed' __bandwidth -f region -s 516K
    cmp region before
}
