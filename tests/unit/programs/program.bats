#!/usr/bin/env bats
# shellcheck disable=SC2154 # what bats sets
# All programs alike: command line, files, output.

load prog.bash

@test "-h explains each program on stdout, with an example" {
    read -ra programs < <(sed -n 's/^PROGRAMS := //p' "$PROG/Makefile")
    ((${#programs[@]} >= 2))
    for program in "${programs[@]/#/__}"; do
        succeeds "$program" -h
        same '' "$stderr"
        [[ $output == "Usage: $program "* ]]
        for option in '-d ADDRESS' '-m KIND' '-f FILE' --json -h; do
            prints $'\n'"  $option "
        done
        [[ $output == *"root@vm"[12]":~# "*"$program"* ]]
        (($(wc -L <<<"$output") <= 100))
        help=$output
        succeeds "$program" --help
        same "$help" "$output"
    done
}

@test "a wrong command line: one line, status 2, nothing touched" {
    cp region before
    refuses_each <<'END'
        unknown option -x
            __read_write -x
        unknown option -c
            __bandwidth -c
        option -f needs a value
            __read_write -f
        -m fast: the kinds of mapping are uc, wc and wb
            __read_write -m fast
        -f is a file, -d and -m are about a device
            __read_write -f region -m uc
        -f is a file, -d and -m are about a device
            __read_write -d 0000:00:04.0 -f region
        unexpected argument 'two'
            __read_write -f region one two
        unexpected argument 'one'
            __bandwidth -f region one
        TEXT is empty
            __read_write -f region EMPTY
        give one or the other
            __read_write -f region -c text
        '' is not a PCI address
            __read_write -d EMPTY
        '0000:00:04' is not a PCI address
            __read_write -d 0000:00:04
        '0000:00:04.00' is not a PCI address
            __read_write -d 0000:00:04.00
        '../../00:04' is not a PCI address
            __read_write -d ../../00:04
        '0000:00:0g.0' is not a PCI address
            __read_write -d 0000:00:0g.0
END
    cmp region before
}

@test "files that are no region: one line that says why, status 1" {
    truncate -s 64K small
    truncate -s $((MIB + 1)) odd
    mkdir folder
    mkfifo fifo
    while read -r file expected; do
        complains 1 "$expected" __read_write -f "$file"
    done <<'END'
        absent cannot open absent: No such file or directory; to create one: truncate
        folder folder is not an ordinary file
        fifo fifo is not an ordinary file
        small small has 65536 bytes; a region is whole pages of memory, 1 MiB at least
        odd odd has 1048577 bytes; a region is whole pages of memory, 1 MiB at least
END
}

@test "a file without permission is refused" {
    chmod 0 region
    drop=()
    if ((EUID == 0)); then drop=(setpriv --bounding-set=-all --inh-caps=-all); fi
    complains 1 'cannot open region: Permission denied' "${drop[@]}" "$STATIC/__read_write" -f region
}

@test "output that cannot be written: status 1, and not into the region" {
    for program in __read_write __bandwidth; do
        for arguments in -h '-f region'; do
            complains 1 'cannot write to stdout: No space left on device' bash -c "$program $arguments >/dev/full"
            complains 1 'cannot write to stdout: Bad file descriptor' bash -c "$program $arguments >&-"
        done
    done
    cmp -n "$MIB" region /dev/zero
}
