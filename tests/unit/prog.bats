#!/usr/bin/env bats
# The C programs, without a VM: two processes on one file do what two VMs do on
# one ivshmem device, and a made-up tree of files stands in for sysfs.

bats_require_minimum_version 1.5.0
load prog.bash

GREETING='Other VM says hello world!'
WRITTEN="--- mmap successful
Written to shmem: '$GREETING'; run this program again on another VM"
READ="--- mmap successful
Read from shmem: '$GREETING'"

setup_file() {
    build_programs
    gcc -std=gnu11 -fsanitize=address,undefined -I "$PROG" -o "$SANITIZED/holder" \
        "$BATS_TEST_DIRNAME/holder.c" "$SANITIZED/libshmem.a"
}

setup() {
    begin
}

teardown() {
    [ -z "${holder:-}" ] || end_holder
}

# --- Helpers ------------------------------------------------------------------

# Holds the message's claim until its stdin, ${HOLDER[1]}, is closed.
hold() {
    coproc HOLDER { exec holder -f region 2>holder.err 3>&-; }
    holder=$HOLDER_PID
    expect held
}

# Returns when a program has said on this stderr that it waits for the holder.
says_waiting() {
    until_said "$1" 'waiting for the message, which another VM holds'
}

end_holder() {
    kill -9 "$holder" || true
    wait "$holder" || true # also takes bash's own 'Killed' message
} 2>/dev/null

expect() {
    local line
    read -r -t 30 line <&"${HOLDER[0]}"
    [ "$line" = "$1" ]
}

# --- __read_write -------------------------------------------------------------

@test "__read_write: the first writes, the others read, to the letter" {
    for folder in "$SANITIZED" "$STATIC"; do
        fresh region
        try "$folder/__read_write" -f region
        [ "$status" -eq 0 ]
        [ "$output" = "$WRITTEN" ]
        [ -z "$stderr" ]
        for _ in 1 2; do
            try "$folder/__read_write" -f region
            [ "$status" -eq 0 ]
            [ "$output" = "$READ" ]
            [ -z "$stderr" ]
        done
    done
}

@test "__read_write TEXT: replaces what is there; -c clears it" {
    __read_write -f region 'a rather long first message'
    try __read_write -f region short
    [ "${lines[1]}" = "Written to shmem: 'short'; run this program again on another VM" ]
    try __read_write -f region
    [ "${lines[1]}" = "Read from shmem: 'short'" ]
    try __read_write -f region -c
    [ "$status" -eq 0 ]
    [ "${#lines[@]}" -eq 2 ]
    [[ ${lines[1]} == Cleared* ]]
    try __read_write -f region
    [ "$output" = "$WRITTEN" ]
}

@test "__read_write: a text of any bytes comes out on one line, unambiguously" {
    __read_write -f region -- $'-\n\e[31m\x7f\xc3\xa4\\n\'~ '
    try __read_write -f region
    [ "${lines[1]}" = "Read from shmem: '-\\x0a\\x1b[31m\\x7f\\xc3\\xa4\\\\n'~ '" ]
    [ "${#lines[@]}" -eq 2 ]
}

@test "__read_write: the longest text passes whole, a longer one not at all" {
    longest=$(printf '%4072s' '' | tr ' ' '\1')
    __read_write -f region "$longest" >/dev/null
    run __read_write -f region
    [ "${lines[1]}" = "Read from shmem: '${longest//$'\1'/\\x01}'" ]
    cp region before
    try __read_write -f region "${longest}x"
    fails 2 '4073 bytes'
    cmp region before
}

@test "__read_write: of two at once one writes, the other reads" {
    hold # so that both have found no message before either may write
    __read_write -f region >one 2>one.err 3>&- & first=$!
    __read_write -f region >two 2>two.err 3>&- & second=$!
    says_waiting one.err
    says_waiting two.err
    # shellcheck disable=SC2093,SC1083 # a descriptor that an array's element names
    exec {HOLDER[1]}>&-
    wait "$first"
    wait "$second"
    run sort -u one two
    [ "$output" = "$(printf '%s\n%s\n' "$WRITTEN" "$READ" | sort -u)" ]
}

@test "__read_write: never reads a mixture of two messages" {
    a=$(printf '%3000s' '' | tr ' ' a) b=$(printf '%4000s' '' | tr ' ' b)
    __read_write -f region "$a" >/dev/null
    for _ in {1..15}; do
        __read_write -f region "$b" && __read_write -f region "$a"
    done >/dev/null 3>&- & writer=$!
    for _ in {1..30}; do
        __read_write -f region
    done | grep -v '^---' | sort -u >seen
    wait "$writer"
    grep -vxe "Read from shmem: '$a'" -e "Read from shmem: '$b'" seen && return 1
    [ -s seen ]
}

@test "__read_write: rubbish in the region is no message" {
    __read_write -f region 'a real message' >/dev/null
    cp region good
    [ "$(word good 4096)" = 0000000000000002 ]

    table=( # what: offset, then the words that are put there
        'sequence odd, as of a writer killed half-way: 4096 3'
        'length of 2^64-1: 4104 -1'
        'length of one more than fits: 4104 4073'
        'length of one byte less: 4104 13'
        'length of one byte more: 4104 15'
        'length 0: 4104 0'
        'length 0, checksum 0: 4104 0 0'
        'checksum wrong: 4112 1'
        'text altered: 4120 0'
        'no message, long ago: 4096 0 0 0'
        'everything at its maximum: 4096 -2 -1 -1 -1'
    )
    for row in "${table[@]}"; do
        echo "$row"
        read -ra words <<<"${row##*: }"
        cp good region
        le64 "${words[@]:1}" | put region "${words[0]}"
        try __read_write -f region
        [ "$output" = "$WRITTEN" ]
        [ -z "$stderr" ]
        try __read_write -f region
        [ "$output" = "$READ" ]
    done
}

# --- Claims -------------------------------------------------------------------

@test "claim: a region of random bytes is taken over" {
    head -c 1M /dev/urandom >region
    try __read_write -f region
    [ "$output" = "$WRITTEN" ]
    [[ $stderr == *'__read_write: took over the message: its holder gave no sign of life'* ]]
    [ "$(word region 0)" = 0000000000000000 ]
    try __read_write -f region
    [ "$output" = "$READ" ]
    [ -z "$stderr" ]
}

@test "claim: reading a message waits for nobody" {
    __read_write -f region >/dev/null
    hold
    try __read_write -f region
    [ "$output" = "$READ" ]
    [ -z "$stderr" ]
}

@test "claim: who waits says so, and goes on when it is dropped" {
    hold
    __read_write -f region >out 2>err 3>&- & waiter=$!
    says_waiting err
    # shellcheck disable=SC2093,SC1083 # a descriptor that an array's element names
    exec {HOLDER[1]}>&-
    wait "$waiter"
    [ "$(<out)" = "$WRITTEN" ]
    [ "$(wc -l <err)" -eq 1 ]
}

@test "claim: a holder that renews is not robbed" {
    hold
    __read_write -f region >out 2>err 3>&- & waiter=$!
    for _ in {1..45}; do
        echo >&"${HOLDER[1]}"
        expect renewed
        sleep .1 # no time to wait for anything, but for the waiter to go wrong
    done
    kill -0 "$waiter" # still waiting
    # shellcheck disable=SC2093,SC1083 # a descriptor that an array's element names
    exec {HOLDER[1]}>&-
    wait "$waiter"
    [ "$(<out)" = "$WRITTEN" ]
    run ! grep 'took over' err
}

@test "claim: a killed holder's is taken over" {
    hold
    end_holder
    try __read_write -f region
    [ "$output" = "$WRITTEN" ]
    [[ $stderr == *'took over the message'* ]]
}

@test "claim: a holder that was paused and robbed learns of it" {
    hold
    kill -STOP "$holder"
    try __read_write -f region
    [ "$output" = "$WRITTEN" ]
    kill -CONT "$holder"
    echo >&"${HOLDER[1]}"
    # shellcheck disable=SC2093,SC1083 # a descriptor that an array's element names
    exec {HOLDER[1]}>&-
    status=0
    wait "$holder" || status=$?
    [ "$status" -eq 1 ]
    grep '^holder: another VM took over the message' holder.err
    [ "$(word region 0)" = 0000000000000000 ]
}

# --- __bandwidth --------------------------------------------------------------

@test "__bandwidth: says what spec.md says, and leaves the message alone" {
    truncate -s 128M region
    __read_write -f region 'still here' >/dev/null
    for folder in "$SANITIZED" "$STATIC"; do
        try "$folder/__bandwidth" -f region
        [ "$status" -eq 0 ]
        [ -z "$stderr" ]
        [ "${#lines[@]}" -eq 2 ]
        [ "${lines[0]}" = '--- mmap successful' ]
        [[ ${lines[1]} =~ ^'memcpy bandwidth: '[0-9]+\.[0-9][0-9]' MB/s'$ ]]
    done
    [ "$(word region 64)" = 0000000000000000 ]
    try __read_write -f region
    [ "${lines[1]}" = "Read from shmem: 'still here'" ]
}

@test "__bandwidth: fills the upper half from end to end, and only that" {
    truncate -s 128M region
    __bandwidth -f region
    cmp -n $((64 * MIB)) region /dev/zero
    [ "$(word region $((64 * MIB)))" != 0000000000000000 ]
    [ "$(word region $((128 * MIB - 8)))" != 0000000000000000 ]
}

@test "__bandwidth: several at once all succeed" {
    truncate -s 128M region
    pids=()
    for i in 1 2 3; do
        __bandwidth -f region >"out$i" 3>&- & pids+=($!)
    done
    for pid in "${pids[@]}"; do wait "$pid"; done
    [ "$(cat out? | grep -c '^memcpy bandwidth: ')" -eq 3 ]
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
    gcc -static -Wl,--wrap=memcpy -o __liar "$STATIC"/bandwidth*.o liar.c "$STATIC/libshmem.a"
    truncate -s 128M region
    try ./__liar -f region
    fails 1 'does not hold what was copied'
    [ "$output" = '--- mmap successful' ]
}

@test "__bandwidth: a region that is too small is refused" {
    truncate -s 64M region
    try __bandwidth -f region
    fails 1 'has 64 MiB and this needs 128 MiB; set SHMEM_SIZE=128M'
}

# --- Command line and files ---------------------------------------------------

@test "-h explains each program on stdout, with an example" {
    read -ra programs < <(sed -n 's/^PROGRAMS := //p' "$PROG/Makefile")
    ((${#programs[@]} >= 2))
    for program in "${programs[@]/#/__}"; do
        try "$program" -h
        [ "$status" -eq 0 ]
        [ -z "$stderr" ]
        [[ $output == "Usage: $program "* ]]
        for option in '-d ADDRESS' '-m KIND' '-f FILE' --json -h; do
            [[ $output == *$'\n'"  $option "* ]]
        done
        [[ $output == *"root@vm"[12]":~# "*"$program"* ]]
        (($(wc -L <<<"$output") <= 100))
        help=$output
        try "$program" --help
        [ "$output" = "$help" ]
    done
}

@test "a wrong command line: one line, status 2, nothing touched" {
    cp region before
    while read -r expected; do
        read -ra command
        command=("${command[@]/EMPTY/}")
        try "${command[@]}"
        fails 2 "$expected"
        [ -z "$output" ]
    done <<'END'
        unknown option -x
            __read_write -x
        unknown option -c
            __bandwidth -c
        option -f needs a value
            __read_write -f
        -m fast: the kinds of mapping are uc, wc and wb
            __read_write -m fast
        -f is a file, -d and -m are about a device
            __read_write -f region -m uc
        -f is a file, -d and -m are about a device
            __read_write -d 0000:00:04.0 -f region
        unexpected argument 'two'
            __read_write -f region one two
        unexpected argument 'one'
            __bandwidth -f region one
        TEXT is empty
            __read_write -f region EMPTY
        give one or the other
            __read_write -f region -c text
        '' is not a PCI address
            __read_write -d EMPTY
        '0000:00:04' is not a PCI address
            __read_write -d 0000:00:04
        '0000:00:04.00' is not a PCI address
            __read_write -d 0000:00:04.00
        '../../00:04' is not a PCI address
            __read_write -d ../../00:04
        '0000:00:0g.0' is not a PCI address
            __read_write -d 0000:00:0g.0
END
    cmp region before
}

@test "files that are no region: one line that says why, status 1" {
    truncate -s 64K small
    truncate -s $((MIB + 1)) odd
    mkdir folder
    mkfifo fifo
    while read -r file expected; do
        try __read_write -f "$file"
        fails 1 "$expected"
    done <<'END'
        absent cannot open absent: No such file or directory; a new one is made with: truncate
        folder folder is not an ordinary file
        fifo fifo is not an ordinary file
        small small has 65536 bytes; a region is whole pages of memory, 1 MiB at least
        odd odd has 1048577 bytes; a region is whole pages of memory, 1 MiB at least
END
}

@test "a file without permission is refused" {
    chmod 0 region
    drop=()
    if ((EUID == 0)); then drop=(setpriv --bounding-set=-all --inh-caps=-all); fi
    try "${drop[@]}" "$STATIC/__read_write" -f region
    fails 1 'cannot open region: Permission denied'
}

@test "output that cannot be written: status 1, and not into the region" {
    for program in __read_write __bandwidth; do
        for arguments in -h '-f region'; do
            try bash -c "$program $arguments >/dev/full"
            fails 1 'cannot write to stdout: No space left on device'
            try bash -c "$program $arguments >&-"
            fails 1 'cannot write to stdout: Bad file descriptor'
        done
    done
    cmp -n "$MIB" region /dev/zero
}

# --- The device ---------------------------------------------------------------

@test "device: found among others by vendor and device" {
    device 0000:00:02.0 0x1af4 0x1000 0xe0000000 $MIB
    device 0000:00:03.0 0x8086 0x1110 0xe8000000 $MIB
    ivshmem 0000:00:04.0
    try __read_write
    [ "$output" = "$WRITTEN" ]
    [ -z "$stderr" ]
    try __read_write
    [ "$output" = "$READ" ]
    try __read_write -f "$TREE/0000:00:04.0/resource2"
    [ "$output" = "$READ" ]
}

@test "device: none, or no bus at all" {
    try __read_write
    fails 1 "cannot list $TREE: No such file or directory"
    device 0000:00:02.0 0x1af4 0x1000 0xe0000000 $MIB
    try __read_write
    fails 1 'this machine has no ivshmem device (PCI 1af4:1110)'
}

@test "device: of several, -d chooses" {
    ivshmem 0000:00:04.0
    ivshmem 0000:00:1f.0
    try __read_write
    fails 1 '2 ivshmem devices, the first two at 0000:00:04.0 and 0000:00:1f.0; choose with -d'
    try __read_write -d 00:1F.0 'to the second'
    [ "$status" -eq 0 ]
    try __read_write -d 0000:00:1f.0
    [ "${lines[1]}" = "Read from shmem: 'to the second'" ]
    try __read_write -d 0000:00:04.0
    [ "$output" = "$WRITTEN" ]
    try __read_write -d 0000:00:05.0
    fails 1 'there is no ivshmem device (PCI 1af4:1110) at 0000:00:05.0'
}

@test "device: BAR 2 without an address, too small, or unreadable" {
    ivshmem 0000:00:04.0 0
    try __read_write
    fails 1 'BAR 2 of 0000:00:04.0 has no memory'
    ivshmem 0000:00:04.0 0xf0000000 65536
    try __read_write
    fails 1 'resource2 has 65536 bytes; a region is whole pages of memory, 1 MiB at least'
    echo rubbish >"$TREE/0000:00:04.0/resource"
    try __read_write
    fails 1 'cannot read BAR 2 from'
}

@test "device: memory that is switched off is switched on, or refused" {
    ivshmem 0000:00:04.0 0xf0000000 $MIB 01
    try __read_write
    fails 1 'the memory of 0000:00:04.0 is switched off and cannot be switched on'
    [ "$(<"$TREE/0000:00:04.0/enable")" = 1 ]
}

@test "device: -m wc maps resource2_wc" {
    ivshmem 0000:00:04.0
    try __read_write -m wc
    fails 1 'resource2_wc: No such file or directory; run as root, on a kernel with PAT'
    truncate -s 1M "$TREE/0000:00:04.0/resource2_wc"
    try __read_write -m wc
    [ "$output" = "$WRITTEN" ]
    try __read_write -f "$TREE/0000:00:04.0/resource2_wc"
    [ "$output" = "$READ" ]
}

@test "device: -m wb maps /dev/mem where the BAR is, above 4 GiB only" {
    truncate -s $((1 << 33)) "$MEMORY"
    ivshmem 0000:00:04.0 0xfff00000
    try __read_write -m wb
    fails 1 '-m wb: BAR 2 of 0000:00:04.0 is at 0xfff00000, and below 4 GiB'
    ivshmem 0000:00:04.0 0x140000000
    try __read_write -m wb 'past 4 GiB'
    [ "$status" -eq 0 ]
    [ "$(dd if="$MEMORY" iflag=skip_bytes,count_bytes skip=$((0x140001018)) count=10 status=none)" = 'past 4 GiB' ]
    try __read_write -m uc
    [ "$output" = "$WRITTEN" ]
}

# --- Building -----------------------------------------------------------------

@test "make: prog.h is amended by editing it and making again" {
    cp -r "$PROG" prog
    rm -rf prog/build
    make -s -C prog PROGRAMS=read_write
    try prog/build/__read_write -f region
    [ "$output" = "$WRITTEN" ]
    sed -i -e 's/^\(#define SHMEM_SIZE\) 0$/\1 (2UL << 20)/' \
           -e 's/^\(#define SHMEM_BAR_ADDRESS\) ""$/\1 "0000:00:1e.7"/' prog/prog.h
    make -s -C prog PROGRAMS=read_write WERROR=1
    try prog/build/__read_write -f region
    fails 1 'region has 1048576 bytes, SHMEM_SIZE in prog.h says 2097152; amend it and rebuild'
    truncate -s 4M region
    try prog/build/__read_write -f region
    [ "$output" = "$READ" ]
    try prog/build/__read_write
    fails 1 'no ivshmem device (PCI 1af4:1110) at 0000:00:1e.7'
    try prog/build/__read_write -h
    [[ $output == *'(default: 0000:00:1e.7;'* ]]
}

@test "make: the program in shmem.h's comment builds with one word and runs" {
    cp -r "$PROG" prog
    rm -rf prog/build
    {
        echo '#include "shmem.h"'
        sed -n '/^ \* A whole program:/,/^ \*\t}$/ s/^ \*\t//p' prog/shmem.h
    } >prog/first.c
    make -s -C prog WERROR=1 PROGRAMS=first
    printf '\x2a' | put region $((0x3000))
    try prog/build/__first -f region
    [ "$status" -eq 0 ]
    [ "$output" = 42 ]
}

@test "make install: static programs under PREFIX; make clean: nothing left" {
    make -s -C "$PROG" O="$PWD/out" DESTDIR="$PWD/root" install
    for program in __read_write __bandwidth; do
        [ -x "root/usr/local/bin/$program" ]
        run readelf -l "root/usr/local/bin/$program"
        [ "$status" -eq 0 ]
        [[ $output != *INTERP* ]]
    done
    make -s -C "$PROG" O="$PWD/out" PREFIX="$PWD/own" install
    [ -x own/bin/__read_write ]
    make -s -C "$PROG" O="$PWD/out" clean
    [ ! -e out ]
}
