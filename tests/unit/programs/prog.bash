# shellcheck shell=bash disable=SC2034,SC2059,SC2154 # what the tests use; formats that are made up; what bats sets
# What the tests of the C programs share. Several processes on one file, 'region', do what several VMs do on a device.
# A file that needs more before or after its tests has its own setup_file, setup or teardown.

# shellcheck source=tests/common.bash
source "$(dirname -- "${BASH_SOURCE[0]}")/../../common.bash"

SEPARATE_STDERR=yes
MIB=$((1 << 20))

# The sources, and the programs: SANITIZED for the tests, STATIC as they are installed. They are built once for all files of
# a run.
PROG=$REPO/prog SERVER=$REPO/server SANITIZED=$BATS_RUN_TMPDIR/sanitized STATIC=$BATS_RUN_TMPDIR/static

# The sanitized programs look in these files and folders below the current one: for devices, for /dev/mem, for the kernel's
# list of memory types, for /dev/vfio, for /dev with UIO devices, for the CPUs' topology, and for the kernel's command line.
# They do not know the size of the last-level cache.
TREE=devices MEMORY=memory TYPES=types VFIO=vfio UIO=uio CPUS=cpus CMDLINE=cmdline

# The exact output of __read_write.
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
    begin_region 1M
}

teardown() {
    end_background
}

# For setup_file: builds the programs.
build_programs() {
    local places="-DPCI_DEVICES='\"$TREE\"' -DDEV_MEM='\"$MEMORY\"' -DPAT_LIST='\"$TYPES\"' -DDEV_VFIO='\"$VFIO\"'"
    places+=" -DDEV_UIO='\"$UIO\"' -DCPU_DEVICES='\"$CPUS\"' -DKERNEL_COMMAND_LINE='\"$CMDLINE\"' -DCACHE_SIZE=0"
    alone make -s -C "$PROG" O="$STATIC" WERROR=1
    alone make -s -C "$PROG" O="$SANITIZED" WERROR=1 SANITIZE=1 CPPFLAGS="$places"
}

# For setup_file: builds the ivshmem server.
build_server() {
    alone make -s -C "$SERVER" O="$SANITIZED/server" WERROR=1 SANITIZE=1
}

# compile PROGRAM SOURCE [OPTION...]: for setup_file. Compiles a C source of the tests; only this file's tests have the
# program.
compile() {
    gcc -std=gnu11 -D_GNU_SOURCE -Wall -Wextra -Wshadow -Werror -I "$PROG" -I "$PROG/lib/include" -I "$PROG/lib" \
        -o "$BATS_FILE_TMPDIR/$1" "$BATS_TEST_DIRNAME/$2" "${@:3}"
}

# compile_sanitized PROGRAM SOURCE: the same with the library, after build_programs.
compile_sanitized() {
    compile "$@" -fsanitize=address,undefined "$SANITIZED/libshmem.a"
}

# alone COMMAND...: runs it while no other file of tests builds anything.
alone() {
    flock "$BATS_RUN_TMPDIR/build.lock" "$@"
}

# begin_region [SIZE]: for setup. Works in a folder with a region and nothing else. A sanitizer that finds something ends
# the program with status 99.
begin_region() {
    cd "$BATS_TEST_TMPDIR" || return
    PATH=$SANITIZED:$SANITIZED/server:$BATS_FILE_TMPDIR:$PATH
    export ASAN_OPTIONS=exitcode=99 UBSAN_OPTIONS=exitcode=99
    fresh region "${1:-1M}"
}

# --- What must hold, beyond common.bash

# refuses_each: each second line of stdin is a wrong command, in which EMPTY is an empty argument. The command refuses with
# the text of the line before.
refuses_each() {
    local text
    local -a command
    while read -r text; do
        read -ra command
        refuses "$text" "${command[@]/#EMPTY/}"
    done
}

# ends NAME STATUS [TEXT]: background_ended, and stderr is one line that holds TEXT; without TEXT, it is empty. Lines that
# say who was waited for, what was taken over, and how much was received do not count.
ends() {
    local said
    background_ended "$1" "$2"
    said=$(grep -vE ': (waiting for|took over|received [0-9]+ bytes in) ' <<<"$stderr") || true
    if [[ -n ${3:-} ]]; then
        [[ $said == *"$3"* && $said != *$'\n'* ]] || failure "stderr of $1 is not one line that says '$3'"
    else
        [[ -z $said ]] || failure "$1 complains"
    fi
}

# The copy kernels that this CPU has.
copy_kernels() {
    __bandwidth -k list | grep -v 'this CPU does not have it' | cut -d ' ' -f 1
}

# --- The ivshmem server

# serve [OPTION...]: starts the server at the socket 'server', with the memory 'region', and waits until it is ready.
# SERVE_UNDER is a command to run it under.
serve() {
    background server "${SERVE_UNDER[@]}" ivshmem-server --socket server --memory region --peers-file peers "$@" </dev/null
    wait_until_said out.server ready
}
SERVE_UNDER=()

# --- Bytes

# other_word OFFSET WORD: the region's word there is another one?
other_word() {
    [ "$(word region "$1")" != "$2" ]
}

# fresh FILE [SIZE]: makes it a region of zeros, as before the first VM writes to it.
fresh() {
    truncate -s 0 "$1"
    truncate -s "${2:-1M}" "$1"
}

# untouched FROM TO: all bytes of the region from there up to there are zeros.
untouched() {
    cmp -i $(($1)) -n $(($2 - $1)) region /dev/zero
}

# put FILE OFFSET: overwrites the file's bytes there with stdin.
put() {
    dd of="$1" bs=64K seek="$2" oflag=seek_bytes conv=notrunc status=none
}

# What __latency adds to a row where the clock is too coarse for single round trips, for grep -E. So it is on some CPUs.
export MEAN_IF_COARSE='(  mean of 64: [0-9]+\.[0-9]{3})?'

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

# device ADDRESS VENDOR DEVICE START SIZE [COMMAND]: adds one to TREE. START and SIZE are those of BAR 2.
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

# ivshmem ADDRESS [START [SIZE [COMMAND]]]: adds an ivshmem device to TREE.
ivshmem() {
    device "$1" 0x1af4 0x1110 "${2:-0xf0000000}" "${3:-$MIB}" "${4:-02}"
}
