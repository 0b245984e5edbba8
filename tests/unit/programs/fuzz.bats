#!/usr/bin/env bats
# shellcheck disable=SC2154 # what bats sets
# Fuzzes the code that reads what other VMs, and the ivshmem server, write: see tests/fuzz/run.

load prog.bash

@test "fuzz: what reads the words and bytes of others, for a few seconds each" {
    local -a targets=(ring message channel socket stream peers meeting)
    local i
    succeeds env -u FUZZER nice -n 19 "$BATS_TEST_DIRNAME/../../fuzz/run" "${FUZZ_SECONDS:-3}"
    for i in "${!targets[@]}"; do
        [[ ${lines[i]} =~ ^"${targets[i]}: "[1-9][0-9]*' executions in ' ]]
    done
}
