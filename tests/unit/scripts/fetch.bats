#!/usr/bin/env bats
# shellcheck disable=SC2016,SC2030,SC2031,SC2154 # code in quotes; what bats and background() set
# Downloads, against a web server on the loopback.

load web.bash

@test "a file is fetched whole" {
    serve file
    succeeds ./fetch_one "$WEB/file" "$TMPDIR/got" "$(sum_of "$WWW/file")"
    cmp "$WWW/file" "$TMPDIR/got"
    same got "$(ls "$TMPDIR")"
    same '' "$stderr"
}

@test "a file without a checksum is fetched, too" {
    serve file
    succeeds ./fetch_one "$WEB/file" "$TMPDIR/got"
    cmp "$WWW/file" "$TMPDIR/got"
}

@test "a wrong checksum: nothing is left of the file" {
    serve file
    fails 5 ./fetch_one "$WEB/file" "$TMPDIR/got" "$(sum_of /dev/null)"
    says "$WEB/file" checksum
    same '' "$(ls "$TMPDIR")"
}

@test "a wrong checksum leaves the file of before alone" {
    serve file
    echo before >"$TMPDIR/got"
    fails 5 ./fetch_one "$WEB/file" "$TMPDIR/got" "$(sum_of /dev/null)"
    same before "$(<"$TMPDIR/got")"
}

@test "a cut connection is taken up again where it broke off" {
    serve file
    echo 5000 >"$WWW/file.cut"
    succeeds ./fetch_one "$WEB/file" "$TMPDIR/got" "$(sum_of "$WWW/file")"
    cmp "$WWW/file" "$TMPDIR/got"
    grep -qx 'GET /file 5000' "$WWW.log" || failure "began again: $(<"$WWW.log")"
    same got "$(ls "$TMPDIR")"
}

@test "what an earlier call left of the file is continued" {
    serve file
    head -c 5000 "$WWW/file" >"$TMPDIR/got.part"
    succeeds ./fetch_one "$WEB/file" "$TMPDIR/got" "$(sum_of "$WWW/file")"
    cmp "$WWW/file" "$TMPDIR/got"
    grep -qx 'GET /file 5000' "$WWW.log" || failure "began again: $(<"$WWW.log")"
    same got "$(ls "$TMPDIR")"
}

@test "what was there of a longer or other file does not spoil the next" {
    serve file
    seq 90000 >"$TMPDIR/got.part"
    succeeds ./fetch_one "$WEB/file" "$TMPDIR/got" "$(sum_of "$WWW/file")"
    cmp "$WWW/file" "$TMPDIR/got"
    head -c 3000 /dev/zero >"$TMPDIR/other.part"
    succeeds ./fetch_one "$WEB/file" "$TMPDIR/other" "$(sum_of "$WWW/file")"
    cmp "$WWW/file" "$TMPDIR/other"
}

@test "without a checksum nothing is continued: nobody could tell whether it belongs together" {
    serve file
    head -c 3000 /dev/zero >"$TMPDIR/got.part"
    succeeds ./fetch_one "$WEB/file" "$TMPDIR/got"
    cmp "$WWW/file" "$TMPDIR/got"
}

@test "a part that is whole already, from a call that was killed then" {
    serve file
    cp "$WWW/file" "$TMPDIR/got.part"
    succeeds ./fetch_one "$WEB/file" "$TMPDIR/got" "$(sum_of "$WWW/file")"
    cmp "$WWW/file" "$TMPDIR/got"
}

@test "no such file on the server, no server, no folder: one line each, and no file" {
    fails 4 ./fetch_one "$WEB/none" "$TMPDIR/got"
    says 404
    same '' "$(ls "$TMPDIR")"
    fails 1 ./fetch_one "$NOWHERE" "$TMPDIR/got"
    says 127.0.0.1
    same '' "$(ls "$TMPDIR")"
    serve file
    fails 6 ./fetch_one "$WEB/file" "$TMPDIR/no/folder"
    [[ -n $stderr ]]
}
