#!/usr/bin/env bats
# Claims, and the words that programs hold: claim.pml and hold.pml.

load helpers.bash

LOST='assertion violated ((seen==0)||late[' # a program that was not late lost the claim
LEFT='assertion violated ((word[at]/16)!=_pid)' # a program has ended, and its ticket is still there

@test "claim: of several holders all but one are late, only they lose it, and a signal leaves nothing behind" {
    holds claim
}

@test "claim: taking it compares the word, with its beat" {
    breaks claim "$LOST" -DNO_TAKE_COMPARE
    breaks claim "$LOST" -DNO_BEAT_COMPARE
}

@test "claim: a beat compares the word, so a late holder finds out" {
    breaks claim 'assertion violated (((other==_pid)||' -DNO_RENEW_COMPARE
}

@test "claim: giving it back compares the word, so a late holder takes it from nobody" {
    breaks claim 'assertion violated late[_pid]' -DNO_RETURN_COMPARE
}

@test "claim: looks count, not time, in which all VMs may be paused" {
    breaks claim "$LOST" -DNO_COUNTED_LOOKS
}

@test "claim: the note before the exchange, and the second attempt to give back, are needed when a signal comes" {
    breaks claim "$LEFT" -DNO_NOTE_FIRST
    breaks claim "$LEFT" -DNO_SECOND_ATTEMPT
}

@test "claim: these are all macros of the models" {
    each_is_taken_out claim.pml hold.pml
}
