# shellcheck shell=bash disable=SC2059,SC2154 # made-up printf formats; what bats sets
# What the tests of programs that run in several VMs share: here they are processes on one file.

# Builds the programs into the test file's folder, with the sanitizers, which end them with a status of their own.
build() {
    export PROG=$BATS_TEST_DIRNAME/../../prog
    export BUILT=$BATS_FILE_TMPDIR/built
    make -s -C "$PROG" O="$BUILT" WERROR=1 SANITIZE=1 "${@/#/$BUILT/__}"
}

# Works in the test's folder, on an empty region of that size.
begin() {
    cd "$BATS_TEST_TMPDIR" || return
    PATH=$BUILT:$PATH
    export ASAN_OPTIONS=exitcode=99 UBSAN_OPTIONS=exitcode=99
    fresh "$1"
}

fresh() {
    truncate -s 0 region
    truncate -s "$1" region
}

# start NAME COMMAND...: in the background; stdin as it is, the rest in NAME.out and NAME.err. Without the descriptor
# $gate of this shell, so that closing it here is the end of that file.
declare -gA PID
start() {
    local name=$1
    (
        [[ -z ${gate:-} ]] || exec {gate}>&-
        if [[ $(type -t "$2") == function ]]; then "${@:2}"; fi # which ends with an exec of its own
        exec "${@:2}"
    ) <&0 >"$name.out" 2>"$name.err" 3>&- &
    PID[$name]=$!
}

# ends NAME STATUS [TEXT]: waits for it; TEXT is in its one line of stderr, apart from notices of waiting or taking over.
ends() {
    local status=0 said
    wait "${PID[$1]}" 2>/dev/null || status=$?
    unset "PID[$1]"
    printf '[%s: status %s]\n' "$1" "$status"
    head -c 1000 "$1.out" "$1.err" | tr -c '[:print:]\n' '?'
    ((status == $2)) || return 1
    said=$(grep -vE ': (waiting for|took over) ' "$1.err") || true
    if [[ -n ${3:-} ]]; then
        [[ $said == *"$3"* && $said != *$'\n'* ]]
    else
        [[ -z $said ]]
    fi
}

# With wait's own words about a killed job kept away.
end_all() {
    local name
    for name in "${!PID[@]}"; do
        kill -9 "${PID[$name]}" || true
        wait "${PID[$name]}" || true
    done
} 2>/dev/null

# until_said FILE TEXT: when TEXT is in the file.
until_said() {
    local i
    for ((i = 0; i < 3000; i++)); do
        if grep -qF -- "$2" "$1" 2>/dev/null; then return; fi
        sleep .01
    done
    echo "not said within 30 s in $1: $2"
    cat "$1"
    return 1
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
    [[ $stderr == __*:\ *$2* ]]
}

# put OFFSET: overwrites the region's bytes there with stdin.
put() {
    dd of=region bs=64K seek="$1" oflag=seek_bytes conv=notrunc status=none
}

# word OFFSET: the eight bytes there as a hexadecimal number.
word() {
    od -An -tx8 -j "$1" -N 8 region | tr -d ' '
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
