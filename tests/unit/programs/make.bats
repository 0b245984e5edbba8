#!/usr/bin/env bats
# shellcheck disable=SC2154 # what bats sets
# Building the programs, and changing them.

load prog.bash

@test "make: prog.h is amended by editing it and making again" {
    cp -r "$PROG" prog
    rm -rf prog/build
    make -s -C prog PROGRAMS=read_write
    succeeds prog/build/__read_write -f region
    same "$WRITTEN" "$output"
    sed -i -e 's/^\(#define SHMEM_SIZE\) 0$/\1 (2UL << 20)/' \
           -e 's/^\(#define SHMEM_BAR_ADDRESS\) ""$/\1 "0000:00:1e.7"/' prog/prog.h
    make -s -C prog PROGRAMS=read_write WERROR=1
    complains 1 'region has 1048576 bytes, SHMEM_SIZE in prog.h says 2097152; amend it and rebuild' prog/build/__read_write -f region
    truncate -s 4M region
    succeeds prog/build/__read_write -f region
    same "$READ" "$output"
    complains 1 'no ivshmem device (PCI 1af4:1110) at 0000:00:1e.7' prog/build/__read_write
    succeeds prog/build/__read_write -h
    prints '(default: 0000:00:1e.7;'
}

@test "make: the program in shmem.h's comment builds with one word and runs" {
    cp -r "$PROG" prog
    rm -rf prog/build
    {
        echo '#include "shmem.h"'
        sed -n '/^ \* A whole program:/,/^ \*\t}$/ s/^ \*\t//p' prog/lib/include/shmem.h
    } >prog/first.c
    make -s -C prog WERROR=1 PROGRAMS=first
    printf '\x2a' | put region $((0x3000))
    succeeds prog/build/__first -f region
    same 42 "$output"
}

@test "make install: static programs under PREFIX; make clean: nothing left" {
    make -s -C "$PROG" O="$PWD/out" DESTDIR="$PWD/root" install
    for program in __read_write __bandwidth; do
        [ -x "root/usr/local/bin/$program" ]
        succeeds readelf -l "root/usr/local/bin/$program"
        prints_not INTERP
    done
    make -s -C "$PROG" O="$PWD/out" PREFIX="$PWD/own" install
    [ -x own/bin/__read_write ]
    make -s -C "$PROG" O="$PWD/out" clean
    refuted test -e out
}

@test "libshmem: no cycle among its files" {
    succeeds nm -A -g "$STATIC/libshmem.a"
    # nm prints ARCHIVE:FILE:ADDRESS TYPE NAME; the type is U, without an address, if the file only uses the name.
    awk '{ split($1, place, ":"); file = place[2] }
        $2 != "U" { home[$3] = file }
        $2 == "U" { user[++count] = file; name[count] = $3 }
        END { for (i = 1; i <= count; i++) if (name[i] in home && home[name[i]] != user[i]) print user[i], home[name[i]] }' \
        <<<"$output" >"$BATS_TEST_TMPDIR/calls"
    grep -q '^hold.o time.o$' "$BATS_TEST_TMPDIR/calls"
    tsort "$BATS_TEST_TMPDIR/calls" >/dev/null || failure 'the files in a loop are above'
}

# Lists who calls whom in the library, a line each: the caller's object and the callee's.
library_calls() {
    nm --print-file-name "$STATIC/libshmem.a" | sed 's/^[^:]*://; s/:/ /' | awk '
        $(NF - 1) == "U" { caller[++n] = $1; callee[n] = $NF; next }
        $(NF - 1) ~ /^[A-Z]$/ { home[$NF] = $1 }
        END { for (i = 1; i <= n; i++) if (callee[i] in home) print caller[i], home[callee[i]] }' | sort -u
}

@test "libshmem: its files call each other without a cycle" {
    (($(library_calls | wc -l) > 50))
    library_calls | tsort >/dev/null || failure 'the files in a loop are above'
}
