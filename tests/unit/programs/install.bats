#!/usr/bin/env bats
# shellcheck disable=SC2154 # what bats sets
# libshmem as it is installed: its headers in C and C++, what pkg-config says, and programs that are built with it alone.

load prog.bash

WARNINGS=(-Wall -Wextra -Wshadow -Wpedantic -Werror)

# Below it are the files of make install.
INSTALLED=$BATS_FILE_TMPDIR/root
HEADERS=$INSTALLED/usr/local/include/shmem

setup_file() {
    alone make -s -C "$PROG" O="$STATIC" WERROR=1 DESTDIR="$INSTALLED" install-library
}

setup() {
    begin_region 1M
    # Where DESTDIR is, pkg-config finds what it would find at / once it is there.
    export PKG_CONFIG_PATH=$INSTALLED/usr/local/lib/pkgconfig PKG_CONFIG_SYSROOT_DIR=$INSTALLED
}

# builds PROGRAM COMPILER...: with the flags that pkg-config prints, and without a warning.
builds() {
    local -a flags
    read -ra flags < <(pkg-config --cflags --libs shmem)
    succeeds "${@:2}" "${WARNINGS[@]}" -o "$1" "${flags[@]}"
    same '' "$stderr"
}

# --- Headers

# each_alone COMPILER...: every installed header compiles as the only include.
each_alone() {
    local header
    for header in "$HEADERS"/*.h; do
        succeeds "$@" "${WARNINGS[@]}" -I "$HEADERS" -fsyntax-only - <<<"#include <${header##*/}>"
        same '' "$stderr"
    done
}

@test "each header alone: C11 and C++17, gcc" {
    each_alone gcc -x c -std=c11
    each_alone g++ -x c++ -std=c++17
}

@test "each header alone: the newest C and C++, gcc" {
    each_alone gcc -x c -std=c2x
    each_alone g++ -x c++ -std=c++2b
}

@test "each header alone: C11 and C++17, clang" {
    type -P clang++ >/dev/null || skip 'no clang here'
    each_alone clang -x c -std=c11
    each_alone clang++ -x c++ -std=c++17
}

@test "the headers are those of prog/lib/include and layout.h, and none hides one of the C library's" {
    local header
    diff <(cd "$HEADERS" && ls) <({ echo layout.h; cd "$PROG/lib/include" && ls; } | sort)
    for header in "$HEADERS"/*.h; do
        fails 1 gcc -E - <<<"#include <${header##*/}>"
    done
}

@test "every name that the headers bring into a program begins with shmem or SHMEM, so that it collides with none of its own" {
    succeeds ctags-universal -x --language-force=C --kinds-C=defgpstux "$HEADERS"/*.h
    (($(grep -c ^SHMEM_ <<<"$output") > 100 && $(grep -c ^shmem_ <<<"$output") > 100))
    refuted grep -vE '^(SHMEM_|shmem_|shmem |__anon)' <<<"$output" # ctags says __anon for what has no name
}

# Lists what the archive defines and a header declares.
declared() {
    local kind name
    while read -r _ kind name; do
        ! grep -qw -- "$name" "$HEADERS"/*.h || printf '%s %s\n' "$kind" "$name"
    done < <(nm --defined-only --extern-only "$INSTALLED/usr/local/lib/libshmem.a")
}

@test "C++ links every function and every object that the headers declare" {
    (($(declared | grep -c '^T ') > 50))
    {
        for header in "$HEADERS"/*.h; do echo "#include <${header##*/}>"; done
        echo 'const void *volatile all[] = {'
        declared | sed -e 's/^T \(.*\)/reinterpret_cast<void *>(\1),/' -e 's/^[A-Z] \(.*\)/\&\1,/'
        echo '}; int main() { return all[0] == nullptr; }'
    } >all.cpp
    builds all g++ -std=c++17 all.cpp
    succeeds ./all
}

# --- pkg-config

@test "shmem.pc: the version of the library, and the PREFIX of make install" {
    same "$(sed -n 's/^#define SHMEM_VERSION "\(.*\)"/\1/p' "$HEADERS/shmem.h")" "$(pkg-config --modversion shmem)"
    unset PKG_CONFIG_SYSROOT_DIR
    same '-I/usr/local/include/shmem -L/usr/local/lib -lshmem' "$(pkg-config --cflags --libs shmem | sed 's/ *$//')"
    alone make -s -C "$PROG" O="$STATIC" PREFIX="$PWD/own" install-library
    PKG_CONFIG_PATH=own/lib/pkgconfig
    same "$PWD/own" "$(pkg-config --variable=prefix shmem)"
    builds both gcc "$BATS_TEST_DIRNAME/both.c"
}

@test "shmem.pc: in /usr/local, pkg-config finds it by default" {
    [[ :$(pkg-config --variable=pc_path pkg-config): == *:/usr/local/lib/pkgconfig:* ]]
}

@test "make install: shmem.pc is written whole, or the old one stays" {
    cp -r "$PROG" prog
    make -s -C prog O="$PWD/out" PREFIX="$PWD/own" install-library
    cp own/lib/pkgconfig/shmem.pc before
    rm prog/lib/shmem.pc.in
    fails 2 make -s -C prog O="$PWD/out" PREFIX="$PWD/own" install-library
    cmp own/lib/pkgconfig/shmem.pc before
}

# --- Programs

# meet ONE TWO: the two programs meet, and each says so; their words of the region are in the same places.
meet() {
    background one "./$1" -f region
    background two "./$2" -f region
    ends one 0
    ends two 0
    same "$(head -n 1 out.one)" "$(head -n 1 out.two)"
}

@test "a program in C and one in C++ meet, and understand each other's ring and words" {
    builds in_c gcc -std=c11 "$BATS_TEST_DIRNAME/both.c"
    builds in_cxx g++ -x c++ -std=c++17 "$BATS_TEST_DIRNAME/both.c" -x none
    meet in_c in_cxx
    same 'C met C++' "$(tail -n 1 out.one)"
    same 'C++ met C' "$(tail -n 1 out.two)"
}

@test "the same, the program in C++ by clang, and with the newest standards" {
    type -P clang++ >/dev/null || skip 'no clang here'
    builds in_c gcc -std=c2x "$BATS_TEST_DIRNAME/both.c"
    builds in_cxx clang++ -x c++ -std=c++2b "$BATS_TEST_DIRNAME/both.c" -x none
    meet in_c in_cxx
    same 'C++ met C' "$(tail -n 1 out.two)"
}

@test "README's program is built with the installed library as it is" {
    builds visit gcc "$PROG/example.c"
    succeeds ./visit -f region
    same 'visit 1; nobody was here before' "$output"
}

@test "clang compiles the library and the programs without a warning" {
    type -P clang >/dev/null || skip 'no clang here'
    succeeds make -s -C "$PROG" O="$PWD/clang" CC=clang WERROR=1
    same '' "$output$stderr"
}
