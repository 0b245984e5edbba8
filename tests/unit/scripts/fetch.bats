#!/usr/bin/env bats
# shellcheck disable=SC2016,SC2030,SC2031,SC2154 # code in quotes; what bats and background() set
# Downloads, against a web server on the loopback.

load web.bash

@test "a file is fetched completely" {
    serve file
    succeeds ./fetch_one "$WEB/file" "$TMPDIR/got" "$(sum_of "$WWW/file")"
    cmp "$WWW/file" "$TMPDIR/got"
    same got "$(ls "$TMPDIR")"
    same '' "$stderr"
}

@test "a file is fetched without a checksum, too" {
    serve file
    succeeds ./fetch_one "$WEB/file" "$TMPDIR/got"
    cmp "$WWW/file" "$TMPDIR/got"
}

@test "a file with a wrong checksum is removed" {
    serve file
    fails 5 ./fetch_one "$WEB/file" "$TMPDIR/got" "$(sum_of /dev/null)"
    says "$WEB/file" checksum
    same '' "$(ls "$TMPDIR")"
}

@test "a wrong checksum leaves the previous file unchanged" {
    serve file
    echo before >"$TMPDIR/got"
    fails 5 ./fetch_one "$WEB/file" "$TMPDIR/got" "$(sum_of /dev/null)"
    same before "$(<"$TMPDIR/got")"
}

@test "after a broken connection the download is resumed" {
    serve file
    echo 5000 >"$WWW/file.cut"
    succeeds ./fetch_one "$WEB/file" "$TMPDIR/got" "$(sum_of "$WWW/file")"
    cmp "$WWW/file" "$TMPDIR/got"
    grep -qx 'GET /file 5000' "$WWW.log" || failure "began again: $(<"$WWW.log")"
    same got "$(ls "$TMPDIR")"
}

@test "a partial file from an earlier call is resumed" {
    serve file
    head -c 5000 "$WWW/file" >"$TMPDIR/got.part"
    succeeds ./fetch_one "$WEB/file" "$TMPDIR/got" "$(sum_of "$WWW/file")"
    cmp "$WWW/file" "$TMPDIR/got"
    grep -qx 'GET /file 5000' "$WWW.log" || failure "began again: $(<"$WWW.log")"
    same got "$(ls "$TMPDIR")"
}

@test "a partial file that is too long or from another file does not corrupt the download" {
    serve file
    seq 90000 >"$TMPDIR/got.part"
    succeeds ./fetch_one "$WEB/file" "$TMPDIR/got" "$(sum_of "$WWW/file")"
    cmp "$WWW/file" "$TMPDIR/got"
    head -c 3000 /dev/zero >"$TMPDIR/other.part"
    succeeds ./fetch_one "$WEB/file" "$TMPDIR/other" "$(sum_of "$WWW/file")"
    cmp "$WWW/file" "$TMPDIR/other"
}

@test "without a checksum nothing is resumed: the parts might not match" {
    serve file
    head -c 3000 /dev/zero >"$TMPDIR/got.part"
    succeeds ./fetch_one "$WEB/file" "$TMPDIR/got"
    cmp "$WWW/file" "$TMPDIR/got"
}

@test "a partial file that is already complete (the earlier call was killed) is used" {
    serve file
    cp "$WWW/file" "$TMPDIR/got.part"
    succeeds ./fetch_one "$WEB/file" "$TMPDIR/got" "$(sum_of "$WWW/file")"
    cmp "$WWW/file" "$TMPDIR/got"
}

@test "no such file on the server, no server, no folder: an error each, and no file" {
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
