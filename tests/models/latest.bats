#!/usr/bin/env bats
# The value that one publishes and others read: latest.pml.

load helpers.bash

TORN='assertion violated ( !(taken)||'

@test "latest: no torn value is taken, in memory of any order and with writers that die; the last one is found" {
    holds latest
}

@test "latest: both fences of the writer are needed" {
    breaks latest "$TORN" -DNO_FENCE_AFTER_ODD
    breaks latest "$TORN" -DNO_RELEASE
}

@test "latest: both fences of the reader are needed" {
    breaks latest "$TORN" -DNO_ACQUIRE
    breaks latest "$TORN" -DNO_FENCE_BEFORE_SECOND_LOOK
}

@test "latest: the sequence must be odd meanwhile, and the reader must look at that, twice" {
    breaks latest "$TORN" -DNO_ODD_SEQUENCE
    breaks latest "$TORN" -DNO_ODD_CHECK
    breaks latest "$TORN" -DNO_SECOND_LOOK
}

@test "latest: a writer must find out that the one before it died" {
    breaks latest "$TORN" -DNO_REPAIR
}

@test "latest: these are all macros of the model" {
    each_is_taken_out latest.pml
}
