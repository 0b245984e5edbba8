#!/usr/bin/env bats
# shellcheck disable=SC2154 # what bats sets
# Fuzzes the code that reads what other VMs write, over bytes that change meanwhile: see tests/fuzz/run.

load prog.bash

@test "fuzz: the ring's ends and the message's reader, for a few seconds" {
    succeeds env -u FUZZER nice -n 19 "$BATS_TEST_DIRNAME/../../fuzz/run" "${FUZZ_SECONDS:-10}"
    [[ ${lines[0]} =~ ^'ring: '[1-9][0-9]*' executions in ' ]]
    [[ ${lines[1]} =~ ^'message: '[1-9][0-9]*' executions in ' ]]
}
