#!/usr/bin/env bats
# shellcheck disable=SC2154 # what bats sets
# prog/example.c: it is short, includes public headers only, and does what README.md says. (docs.bats compares it with README.)

load prog.bash

@test "__example counts its visitors" {
    succeeds __example -f region
    same 'visit 1; nobody was here before' "$output"
    succeeds "$STATIC/__example" -f region
    [[ $output =~ ^'visit 2; the visitor before left '[0-9]{1,2}$ ]]
    succeeds __example -f region --json
    jq -e '.record == "visit" and .program == "__example" and .count == 3' <<<"$output"
}

@test "__example: many at once are all counted" {
    for _ in {1..20}; do __example -f region >/dev/null 3>&- & done
    wait
    succeeds __example -f region
    [[ $output == 'visit 21; '* ]]
}

@test "__example waits for the visitor who holds the claim, and takes over from a dead one" {
    le64 $((0x123456780001)) | put region $((64 * 2)) # SHMEM_CLAIM_EXAMPLE of layout.h
    succeeds __example -f region
    same 'visit 1; nobody was here before' "$output"
    says '__example: took over the visits: its holder gave no sign of life'
    same 0000000000000000 "$(word region $((64 * 2)))"
}

@test "example.c fits into a README, and includes public headers only" {
    local header
    (($(wc -l <"$PROG/example.c") <= 40))
    while read -r header; do
        [[ -f $PROG/lib/include/$header ]] || failure "$header is no public header"
    done < <(sed -n 's/^#include "\(.*\)"/\1/p' "$PROG/example.c")
}
