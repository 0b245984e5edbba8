#!/usr/bin/env bats
# README.md and docs/ agree with the code and the files.

load helpers

setup() {
    cd "$REPO" || return
}

@test "the program in README is prog/example.c, byte for byte" {
    sed -n '/^```c$/,/^```$/{/^```/!p}' README.md >"$BATS_TEST_TMPDIR/program"
    succeeds diff prog/example.c "$BATS_TEST_TMPDIR/program"
}

@test "README gives the disk space that setup checks for" {
    local needed
    needed=$(sed -nE 's/^DISK_NEEDED_MB=([0-9]+)000 .*/\1/p' setup/check_folder.sh)
    same "$needed GB of disk" "$(tr '\n' ' ' <README.md | grep -oE '[0-9]+ GB of disk')"
}

# limit NAME FACTOR: prints the limit of that name in the jq filters of bench/, times FACTOR.
limit() {
    jq -n "$(sed -nE "s/^def $1: ([0-9.]+);.*/\\1/p" bench/common.jq bench/noise.jq) * $2"
}

@test "docs/figures.md gives the limits that bench/ has for what is doubted, and for noise" {
    local figures text
    figures=$(tr '\n' ' ' <docs/figures.md)
    for text in "a rate above $(limit rate_allowance 1) times" "a time below $(limit time_allowance 1) times" \
        "Above $(limit spread_limit 1) % a figure" "have a spread above $(limit spread_limit 1) %" \
        "more than $(limit others_limit 1) CPUs" "more than $(limit steal_limit 100) % of the CPU time"; do
        [[ $figures == *"$text"* ]] || failure "docs/figures.md does not say: $text"
    done
}

@test "the index in docs/changing.md lists exactly the files of lib/, setup/, run/ and bench/" {
    printf "%s\n" lib/* setup/* run/* bench/* | sort >"$BATS_TEST_TMPDIR/files"
    sed -nE 's/^\| `((lib|setup|run|bench)\/[^`]+)` \|.*/\1/p' docs/changing.md | sort >"$BATS_TEST_TMPDIR/index"
    succeeds diff "$BATS_TEST_TMPDIR/files" "$BATS_TEST_TMPDIR/index"
}

@test "every link in README and docs that is no URL leads to a file" {
    local file link
    local -a dead=()
    while IFS=$'\t' read -r file link; do
        [[ $link == *://* || -e $(dirname -- "$file")/${link%%#*} ]] || dead+=("$file: $link")
    done < <(grep -oHE '\]\([^)]+\)|^\[[^]]+\]: .+' README.md docs/*.md | sed -E 's/^([^:]+):(\]\((.+)\)|\[[^]]+\]: (.+))$/\1\t\3\4/')
    ((${#dead[@]} == 0)) || failure "$(printf '%s\n' "${dead[@]}")"
}
