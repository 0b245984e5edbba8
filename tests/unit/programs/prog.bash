# shellcheck shell=bash disable=SC2034,SC2059,SC2154 # what the tests use; formats that are made up; what bats sets
# What the tests of the C programs share. Several processes on one file, 'region', do what several VMs do on a device.
# A file that needs more before or after its tests has functions of its own in place of setup_file, setup or teardown.

bats_require_minimum_version 1.5.0

MIB=$((1 << 20))

# Where the sanitized programs look for devices, for /dev/mem, for the kernel's list of memory types, for /dev/vfio, and
# for the CPUs' topology: in the folder that they are started in.
TREE=devices MEMORY=memory TYPES=types VFIO=vfio CPUS=cpus

# What __read_write says, to the letter.
GREETING='Other VM says hello world!'
WRITTEN="--- mmap successful
Written to shmem: '$GREETING'; run this program again on another VM"
READ="--- mmap successful
Read from shmem: '$GREETING'"

# --- Before and after

setup_file() {
    build_programs
}

setup() {
    begin 1M
}

teardown() {
    end_all
}

# In setup_file. Builds the programs, once for all files of a run: SANITIZED for all that is tried, STATIC as they are
# installed.
build_programs() {
    export PROG=$BATS_TEST_DIRNAME/../../../prog
    export SANITIZED=$BATS_RUN_TMPDIR/sanitized STATIC=$BATS_RUN_TMPDIR/static
    local places="-DPCI_DEVICES='\"$TREE\"' -DDEV_MEM='\"$MEMORY\"' -DPAT_LIST='\"$TYPES\"' -DDEV_VFIO='\"$VFIO\"'"
    places+=" -DCPU_DEVICES='\"$CPUS\"'"
    (
        flock 9
        make -s -C "$PROG" O="$STATIC" WERROR=1 || exit
        make -s -C "$PROG" O="$SANITIZED" WERROR=1 SANITIZE=1 CPPFLAGS="$places"
    ) 9>"$BATS_RUN_TMPDIR/build.lock"
}

# build_server: in setup_file, after build_programs. The ivshmem server, SANITIZED.
build_server() {
    (
        flock 9
        make -s -C "$PROG/../server" O="$SANITIZED/server" WERROR=1 SANITIZE=1
    ) 9>"$BATS_RUN_TMPDIR/build.lock"
}

# build_helper NAME: in setup_file, after build_programs. Builds the program NAME.c of the tests over the library.
build_helper() {
    gcc -std=gnu11 -D_GNU_SOURCE -Wall -Wextra -Werror -fsanitize=address,undefined -I "$PROG" -I "$PROG/lib/include" -I "$PROG/lib" \
        -o "$SANITIZED/__$1" "$BATS_TEST_DIRNAME/$1.c" "$SANITIZED/libshmem.a"
}

# begin [SIZE]: in setup. A folder with a region and nothing else; the sanitizers end programs with a status of their own.
begin() {
    cd "$BATS_TEST_TMPDIR" || return
    PATH=$SANITIZED:$PATH
    export ASAN_OPTIONS=exitcode=99 UBSAN_OPTIONS=exitcode=99
    fresh region "${1:-1M}"
}

# In teardown: nothing that was started stays. With wait's own words about a killed job kept away.
end_all() {
    local name
    for name in "${!PID[@]}"; do
        kill -9 "${PID[$name]}" || true
        wait "${PID[$name]}" || true
    done
} 2>/dev/null

# --- A program that is waited for

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

# rejects: each second line of stdin is a wrong command, in which EMPTY is an empty argument; the line before it is in what
# it says. It prints nothing and ends with status 2.
rejects() {
    local expected
    local -a command
    while read -r expected; do
        read -ra command
        try "${command[@]/#EMPTY/}"
        fails 2 "$expected"
        [ -z "$output" ]
    done
}

# --- Programs side by side

# start NAME COMMAND...: in the background, its process in PID[NAME]; stdin as it is, the rest in NAME.out and NAME.err.
# Without the descriptor $gate of this shell, so that closing it here is the end of that file.
declare -gA PID
start() {
    local name=$1
    : >"$name.out" # before anybody reads what an earlier one of this name has said
    : >"$name.err"
    (
        [[ -z ${gate:-} ]] || exec {gate}>&-
        if [[ $(type -t "$2") == function ]]; then "${@:2}"; fi # which ends with an exec of its own
        exec "${@:2}"
    ) <&0 >"$name.out" 2>"$name.err" 3>&- &
    PID[$name]=$!
}

# ended NAME: waits for it, sets status to its own, and shows what it said if the test fails.
ended() {
    status=0
    wait "${PID[$1]}" 2>/dev/null || status=$?
    unset "PID[$1]"
    printf '[%s: status %s]\n' "$1" "$status"
    head -c 1000 "$1.out" "$1.err" | tr -c '[:print:]\n' '?'
}

# ends NAME STATUS [TEXT]: waits for it; TEXT is in its one line of stderr, apart from notices of waiting or taking over,
# and of what was received.
ends() {
    local status said
    ended "$1"
    ((status == $2)) || return 1
    said=$(grep -vE ': (waiting for|took over|received [0-9]+ bytes in) ' "$1.err") || true
    if [[ -n ${3:-} ]]; then
        [[ $said == *"$3"* && $said != *$'\n'* ]]
    else
        [[ -z $said ]]
    fi
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

# until_said FILE TEXT: when TEXT is in the file.
until_said() {
    if soon grep -qsF -- "$2" "$1"; then return; fi
    echo "not said within 30 s in $1: $2"
    cat "$1"
    return 1
}

# other_word OFFSET WORD: the region has another one there than word said.
other_word() {
    [ "$(word region "$1")" != "$2" ]
}

# --- Bytes

# fresh FILE [SIZE]: a region of zeros, as before the first VM writes to it.
fresh() {
    truncate -s 0 "$1"
    truncate -s "${2:-1M}" "$1"
}

# put FILE OFFSET: overwrites the file's bytes there with stdin.
put() {
    dd of="$1" bs=64K seek="$2" oflag=seek_bytes conv=notrunc status=none
}

# word FILE OFFSET: the eight bytes there as a hexadecimal number.
word() {
    od -An -tx8 -j "$2" -N 8 "$1" | tr -d ' '
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

# --- Devices

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

# ivshmem ADDRESS [START [SIZE [COMMAND]]]
ivshmem() {
    device "$1" 0x1af4 0x1110 "${2:-0xf0000000}" "${3:-$MIB}" "${4:-02}"
}
