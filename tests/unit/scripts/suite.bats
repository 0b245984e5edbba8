#!/usr/bin/env bats
# shellcheck disable=SC2016,SC2030,SC2031,SC2154 # code in quotes; what bats and background() set
# The choice of Debian's suite and mirror, tested with a web server on the loopback.

load web.bash

# Makes apt-get report that the host gets Debian from mirror $1, or from no mirror if $1 is empty. Sets HOST_SUITE.
stub_host_mirror() {
    stub apt-get <<END
[[ \$1 == indextargets ]] || exit 9
. /etc/os-release
[[ -z "$1" ]] || printf '%s\n' "Other|x|main|http://other/" "Debian|\$VERSION_CODENAME|main|$1/"
END
    HOST_SUITE=$(. /etc/os-release && echo "$VERSION_CODENAME")
}

# serve_suite PLACE SUITE KEY: makes the web server offer SUITE under PLACE, signed with KEY.
serve_suite() {
    serve "$1/dists/$2/InRelease" "$FIXTURES/InRelease-by-$3"
}

@test "the suite comes from the host's mirror if that has it" {
    stub_host_mirror "$WEB/host"
    serve_suite host buster known
    serve_suite archive buster known
    succeeds env DEBIAN_ARCHIVE="$WEB/archive" ./suite_source
    prints "mirror=$WEB/host" suite=buster keyring=known.gpg fallback=false
    same 0 "$(requests_of archive/dists/buster/InRelease)"
}

@test "the suite comes from the archive if the host's mirror no longer has it" {
    stub_host_mirror "$WEB/host"
    serve_suite archive buster removed
    succeeds env DEBIAN_ARCHIVE="$WEB/archive" ./suite_source
    prints "mirror=$WEB/archive" suite=buster keyring=removed.gpg fallback=false
    says_not notice
}

@test "if DEBIAN_MIRROR is set, no other mirror is tried" {
    stub_host_mirror "$WEB/host"
    serve_suite host buster known
    serve_suite mine buster known
    succeeds env DEBIAN_MIRROR="$WEB/mine" DEBIAN_ARCHIVE="$WEB/archive" ./suite_source
    prints "mirror=$WEB/mine" fallback=false
    rm -r "$WWW/mine"
    fails 1 env DEBIAN_MIRROR="$WEB/mine" DEBIAN_ARCHIVE="$WEB/archive" ALLOW_FALLBACK=no ./suite_source
    says "$WEB/mine"
}

@test "a suite with a broken signature, or none, is refused" {
    stub_host_mirror ''
    serve_suite archive buster known
    sed -i 's/oldstable/evil/' "$WWW/archive/dists/buster/InRelease"
    fails 1 env DEBIAN_ARCHIVE="$WEB/archive" ./suite_source
    says "$WEB/archive/dists/buster" 'not signed by any key'
    echo 'not signed at all' >"$WWW/archive/dists/buster/InRelease"
    fails 1 env DEBIAN_ARCHIVE="$WEB/archive" ALLOW_FALLBACK=no ./suite_source
    says 'not signed by any key'
}

@test "a suite signed in the future is reported as a host clock that is behind" {
    stub_host_mirror ''
    serve_suite archive buster later
    sed -i 's/removed.gpg/later.gpg/' suite_source
    fails 1 env DEBIAN_ARCHIVE="$WEB/archive" ./suite_source
    says 'from the future' 'the clock of this host is behind' 'timedatectl'
    says_not 'any key'
}

@test "--check says why the suite cannot be used: the clock, empty apt lists, or no mirror" {
    serve_suite archive buster later
    stub_host_mirror ''
    sed -i 's/removed.gpg/later.gpg/' suite_source
    export CALL=check_suite
    succeeds env DEBIAN_ARCHIVE="$WEB/archive" ./suite_source
    prints obstacle 'the clock of this host is behind'
    stub apt-get <<<'true'
    succeeds env DEBIAN_ARCHIVE="$NOWHERE" ./suite_source
    prints notice "apt's lists are empty"
    stub apt-get <<<'echo 1'
    succeeds env DEBIAN_ARCHIVE="$NOWHERE" ./suite_source
    prints obstacle 'no Debian mirror to fall back to'
}

@test "of several signatures one valid signature suffices, but none may be bad" {
    stub_host_mirror ''
    serve_suite archive buster known
    stub gpgv <<'END'
echo '[GNUPG:] NO_PUBKEY 1'
echo '[GNUPG:] VALIDSIG 2'
exit 2
END
    succeeds env DEBIAN_ARCHIVE="$WEB/archive" ./suite_source
    prints "mirror=$WEB/archive" fallback=false
    stub gpgv <<'END'
echo '[GNUPG:] VALIDSIG 2'
echo '[GNUPG:] BADSIG 3'
exit 1
END
    fails 1 env DEBIAN_ARCHIVE="$WEB/archive" ./suite_source
    says 'not signed by any key'
}

@test "if all mirrors were reached and none has the suite, there is no fallback" {
    stub_host_mirror ''
    serve_suite archive buster known
    fails 1 env DEBIAN_SUITE=bustr DEBIAN_ARCHIVE="$WEB/archive" ./suite_source
    says 'no Debian bustr' DEBIAN_SUITE
}

@test "if the suite cannot be fetched, the host's own suite is used, with a notice" {
    stub_host_mirror "$WEB/host"
    serve_suite host "$HOST_SUITE" known
    succeeds env DEBIAN_ARCHIVE="$NOWHERE" ./suite_source
    prints "mirror=$WEB/host" "suite=$HOST_SUITE" keyring=known.gpg fallback=true
    says 'notice: cannot get Debian buster' "taking the host's own suite, $HOST_SUITE"
    succeeds env DEBIAN_ARCHIVE="$NOWHERE" CALL=check_suite ./suite_source
    same "notice    suite     cannot get Debian buster: setup takes the host's own suite, $HOST_SUITE, from $WEB/host" "$output"
    serve_suite host buster known
    succeeds env DEBIAN_ARCHIVE="$NOWHERE" CALL=check_suite ./suite_source
    same "ok        suite     buster at $WEB/host" "$output"
}

@test "if the suite cannot be fetched and there is no fallback, setup fails" {
    stub_host_mirror "$WEB/host"
    serve_suite host "$HOST_SUITE" known
    fails 1 env DEBIAN_ARCHIVE="$NOWHERE" ALLOW_FALLBACK=no ./suite_source
    says 'cannot get Debian buster' 'ALLOW_FALLBACK=no' DEBIAN_MIRROR
    stub_host_mirror ''
    fails 7 env DEBIAN_ARCHIVE="$NOWHERE" ./suite_source
    says 'cannot get Debian buster' DEBIAN_MIRROR
}

@test "downloads leave no files in TMPDIR" {
    stub_host_mirror "$WEB/host"
    serve_suite host buster known
    succeeds env DEBIAN_ARCHIVE="$NOWHERE" ./suite_source
    fails 1 env DEBIAN_SUITE=none DEBIAN_ARCHIVE="$NOWHERE" ALLOW_FALLBACK=no ./suite_source
    same '' "$(ls "$TMPDIR")"
}
