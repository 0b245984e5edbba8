# shellcheck shell=bash disable=SC2154 # what bats sets
# What the tests of the models share: spin searches all states of a model for one that must not be.

# shellcheck source=tests/common.bash
source "$(dirname -- "${BASH_SOURCE[0]}")/../common.bash"

setup() {
    cd "$BATS_TEST_TMPDIR" || return
}

# search MODEL [-DMACRO...]: prints spin's report. (-w: pan.c is spin's.)
search() {
    spin "${@:2}" -a "$BATS_TEST_DIRNAME/$1.pml" && gcc -O1 -w -DSAFETY -DCOLLAPSE -o pan pan.c && ./pan -m100000
}

# holds MODEL [-DMACRO...]: all states were searched, and none is wrong. No step of the model was left out, except for the end
# of what never ends.
holds() {
    succeeds search "$@"
    prints 'errors: 0'
    prints_not 'Search not completed'
    prints_not 'max search depth too small'
    prints_not 'out of memory'
    refuted grep -E '\.pml:[0-9]+, state' <(grep -v '"-end-"' <<<"$output")
}

# breaks MODEL TEXT -DMACRO...: without what these macros take out, spin finds an error that holds TEXT.
breaks() {
    succeeds search "$1" "${@:3}"
    prints "pan:1: $2" 'errors: 1'
}

# each_is_taken_out FILE...: the tests take out everything that a macro of these models can take out.
each_is_taken_out() {
    local macro
    while read -r macro; do
        grep -q -e "^ *breaks .* -D$macro\b" "$BATS_TEST_FILENAME" || failure "no test takes out $macro"
    done < <(grep -ohE '\bNO_[A-Z_]+' "${@/#/$BATS_TEST_DIRNAME/}")
}
