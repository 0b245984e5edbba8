#!/usr/bin/env bats
# Sleeping and waking: sleep.pml.

load helpers.bash

LOST='invalid end state'

@test "sleep: no wake-up is lost, whenever a store becomes visible and a deadline comes" {
    holds sleep
}

@test "sleep: nor in write-combining memory, where stores become visible in any order" {
    holds sleep -DWRITE_COMBINING
}

@test "sleep: the fence of the sleeper and that of the waker are both needed" {
    breaks sleep "$LOST" -DNO_SLEEPER_FENCE
    breaks sleep "$LOST" -DNO_WAKER_FENCE
}

@test "sleep: the look after the notice is needed" {
    breaks sleep "$LOST" -DNO_SECOND_LOOK
}

@test "sleep: each sleep needs a new number" {
    breaks sleep "$LOST" -DNO_NEW_NUMBER
}

@test "sleep: a late ring needs the notice that stays up" {
    breaks sleep "$LOST" -DNO_NOTICE_KEPT
}

@test "sleep: the count that a sleeper wants must only grow, since the waker may see an old one" {
    breaks sleep "$LOST" -DNO_GROWTH
}

@test "sleep: these are all macros of the model" {
    each_is_taken_out sleep.pml
}
