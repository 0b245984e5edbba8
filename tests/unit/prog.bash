# shellcheck shell=bash disable=SC2034,SC2059,SC2154 # what bats sets, and the tests use; formats that are made up
# What the tests of the C programs share. Beside each test's region, 'region', of 1 MiB, lies nothing.

MIB=$((1 << 20))

# Builds the programs, once for all files of a run: SANITIZED for all that is tried, STATIC as they are installed. The
# sanitized ones look for devices in TREE, for /dev/mem in MEMORY, and for the kernel's list of memory types in TYPES.
build_programs() {
    export PROG=$BATS_TEST_DIRNAME/../../prog
    export SANITIZED=$BATS_RUN_TMPDIR/sanitized STATIC=$BATS_RUN_TMPDIR/static
    export TREE=$BATS_RUN_TMPDIR/devices MEMORY=$BATS_RUN_TMPDIR/memory TYPES=$BATS_RUN_TMPDIR/types
    local places="-DPCI_DEVICES='\"$TREE\"' -DDEV_MEM='\"$MEMORY\"' -DPAT_LIST='\"$TYPES\"'"
    (
        flock 9
        make -s -C "$PROG" O="$STATIC" WERROR=1 || exit
        make -s -C "$PROG" O="$SANITIZED" WERROR=1 SANITIZE=1 CPPFLAGS="$places"
    ) 9>"$BATS_RUN_TMPDIR/build.lock"
}

# device ADDRESS VENDOR DEVICE START SIZE [COMMAND]: one more in TREE.
device() {
    local folder=$TREE/$1 none='0x0000000000000000 0x0000000000000000 0x0000000000000000'
    mkdir -p "$folder"
    echo "$2" >"$folder/vendor"
    echo "$3" >"$folder/device"
    {
        echo '0x00000000febf1000 0x00000000febf10ff 0x0000000000040200'
        echo "$none"
        printf '0x%016x 0x%016x 0x000000000014220c\n' "$4" $(($4 + $5 - 1))
        echo "$none"
    } >"$folder/resource"
    truncate -s "$5" "$folder/resource2"
    truncate -s 64 "$folder/config"
    printf "\\x${6:-02}" | put "$folder/config" 4
    echo 0 >"$folder/enable"
}

ivshmem() {
    device "$1" 0x1af4 0x1110 "${2:-0xf0000000}" "${3:-$MIB}" "${4:-02}"
}

# In setup: an empty folder with a region.
begin() {
    cd "$BATS_TEST_TMPDIR" || return
    PATH=$SANITIZED:$PATH
    fresh region
}

# fresh FILE [SIZE]: a region of zeros, as before the first VM writes to it.
fresh() {
    truncate -s 0 "$1"
    truncate -s "${2:-1M}" "$1"
}

# put FILE OFFSET: overwrite the file's bytes there with stdin.
put() {
    dd of="$1" bs=64K seek="$2" oflag=seek_bytes conv=notrunc status=none
}

# le64 NUMBER...: each as eight bytes, little-endian.
le64() {
    local number i
    for number; do
        for ((i = 0; i < 64; i += 8)); do
            printf "\\x$(printf %02x $((number >> i & 255)))"
        done
    done
}

# word FILE OFFSET: the eight bytes there as a hexadecimal number.
word() {
    od -An -tx8 -j "$2" -N 8 "$1" | tr -d ' '
}

# Runs it with stdout, stderr and status apart, and shows them if the test fails.
try() {
    run --separate-stderr "$@"
    printf '%q ' "$@"
    printf '\n[status %s]\n%s\n[stderr]\n%s\n' "$status" "$output" "$stderr"
}

# fails STATUS TEXT: the last try said exactly one line, as its program.
fails() {
    [ "$status" -eq "$1" ]
    [ "${#stderr_lines[@]}" -eq 1 ]
    [[ $stderr == __*:\ * ]]
    [[ $stderr == *$2* ]]
}

# spawn NAME COMMAND...: in the background; its output in NAME and NAME.err, its process in pid[NAME].
declare -gA pid
spawn() {
    "${@:2}" >"$1" 2>"$1.err" 3>&- &
    pid[$1]=$!
}

# ended NAME: sets status to that of the command, and shows what it said if the test fails.
ended() {
    status=0
    wait "${pid[$1]}" || status=$?
    unset "pid[$1]"
    printf '%s [status %s]\n%s\n[stderr]\n%s\n' "$1" "$status" "$(<"$1")" "$(<"$1.err")"
}

# soon COMMAND...: returns as soon as it succeeds, fails after some 30 s.
soon() {
    local i
    for ((i = 0; i < 3000; i++)); do
        if "$@"; then return; fi
        sleep .01
    done
    return 1
}

# In teardown: nothing that was spawned stays.
end_spawned() {
    local name
    for name in "${!pid[@]}"; do
        kill -9 "${pid[$name]}" || true
        wait "${pid[$name]}" || true
    done
} 2>/dev/null
