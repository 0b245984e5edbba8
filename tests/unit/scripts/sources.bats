#!/usr/bin/env bats
# shellcheck disable=SC2016,SC2030,SC2031,SC2154 # code in quotes; what bats sets
# The checksum of the sources: equal for equal trees, wherever and however they were cloned, and different for others.

load helpers

setup() {
    begin
    script sum <<<'content_sum "$1"'
    script laid <<<'sources_tar "$1" | tar --list --verbose | sed -E "s/ +/ /g" | cut -d " " -f 1,2,6-'
    mkdir -p prog/sub
    echo one >prog/a_b.c
    echo two >prog/ab.c
    echo three >prog/sub/Z.c
    echo four >prog/sub/z.c
    printf '#!/bin/sh\n' >prog/run
    chmod +x prog/run
    ln -s a_b.c prog/link
    BEFORE=$(./sum prog)
    [[ $BEFORE =~ ^[0-9a-f]{16}$ ]]
}

unchanged() {
    same "$BEFORE" "$(./sum prog)"
}

changed() {
    [[ $(./sum prog) != "$BEFORE" ]] || failure "the same sum in spite of: $1"
}

@test "the sum does not depend on the place, times, umask of the clone, or order of files" {
    (umask 077 && cp -r "$KIT" "$KIT-2")
    chmod u+x "$KIT-2/sum"
    find "$KIT-2/prog" -exec touch -h -d 2001-01-01 {} +
    same "$BEFORE" "$("$KIT-2/sum" prog)"
    (umask 0 && cp -r --no-preserve=mode "$KIT/prog" "$KIT/other")
    chmod a+x other/run
    rm -r prog
    mkdir prog
    mv other/sub other/run other/link other/ab.c other/a_b.c prog
    unchanged
}

@test "the sum does not depend on the owner" {
    ((EUID == 0)) || skip 'only root can give files away'
    chown -R 12345:12345 prog
    unchanged
}

@test "the sum does not depend on the locale" {
    local locale
    while read -r locale; do
        same "$BEFORE" "$(LC_ALL=$locale ./sum prog 2>/dev/null)"
    done < <(locale -a)
}

@test "what run.sh module and make leave in driver/ changes nothing: neither the sum, nor what step modules compiles" {
    local before listed
    before=$(./sum driver) listed=$(./laid driver)
    touch driver/{ivshmem_uio{.o,.ko,.mod,.mod.c,.mod.o},Module.symvers,modules.order,uio_example,.ivshmem_uio.o.cmd,.module-common.o}
    same "$before" "$(./sum driver)"
    same "$listed" "$(./laid driver)"
    echo '/* more */' >driver/more.h
    refuted test "$before" = "$(./sum driver)"
}

@test "files left by make and editors do not change the sum, and are not copied to the guest" {
    local before
    before=$(./laid prog)
    mkdir prog/build prog/empty
    touch prog/build/__a prog/a_b.c~ prog/.a_b.c.swp prog/#ab.c# prog/ab.c.orig prog/ab.c.rej
    ln -s nobody@nowhere prog/.#ab.c
    unchanged
    same "$before" "$(./laid prog)"
}

@test "the sum depends on content, names, the set of files, links' targets, and the executable bit" {
    echo ONE >prog/a_b.c && changed content
    echo one >prog/a_b.c && unchanged
    mv prog/ab.c prog/ac.c && changed 'a name'
    mv prog/ac.c prog/ab.c && unchanged
    : >prog/empty && changed 'a file more'
    rm prog/empty
    mv prog/sub/z.c prog/z.c && changed 'another folder'
    mv prog/z.c prog/sub/z.c && unchanged
    ln -sfn ab.c prog/link && changed "a link's target"
    rm prog/link && cp prog/a_b.c prog/link && changed 'a file for a link'
    ln -sfn a_b.c prog/link && unchanged
    chmod -x prog/run && changed 'not executable'
    chmod +x prog/run && unchanged
    rm prog/run && changed 'a file less'
}

@test "the sum includes files whose names have blanks, newlines, quotes, dashes or stars" {
    local name
    for name in 'a b' $'a\nb' '-rf' '*' "it's" '"' '\x' $'\e[31m' 'ä'; do
        echo x >"prog/$name"
        changed "$name"
        rm -- "prog/$name"
    done
    unchanged
}

@test "the files copied to the guest belong to root and are readable by all" {
    chmod 600 prog/a_b.c
    chmod 700 prog/run
    run --separate-stderr ./laid prog
    prints '-rw-r--r-- 0/0 prog/a_b.c' '-rwxr-xr-x 0/0 prog/run' 'prog/link -> a_b.c'
}

@test "the sum fails with a message if the checkout lacks a folder or its files" {
    rm -r prog
    fails 1 ./sum prog
    says prog
    mkdir -p prog/build
    : >prog/build/a
    fails 1 ./sum prog
    says 'no file' prog incomplete
}
