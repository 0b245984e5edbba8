#!/usr/bin/env bats
# shellcheck disable=SC2016,SC2030,SC2031,SC2154 # code in quotes; what bats and background() set
# Downloads, and where the kernel's source and Debian come from, against a web server on the loopback.

load helpers

setup() {
    local root=$BATS_TEST_TMPDIR/www
    begin
    make_lab
    mkdir "$root"
    background server "$BATS_TEST_DIRNAME/http-server" "$root"
    wait_until test -s "$root.port"
    WEB=http://127.0.0.1:$(<"$root.port")
    WWW=$root
    # Nobody listens there: port 1 of the loopback is refused at once.
    NOWHERE=http://127.0.0.1:1/x

    script fetch_one <<<'fetch "$@"'
    script kernel_source <<'END'
config_load
mkdir -p "$VM_DIR/cache/kernel"
mapfile -d '' -t found < <(kernel_source)
wait "$!"
printf 'tarball=%s\nfrom=%s\nfallback=%s\n' "${found[@]}"
END
    script suite_source <<'END'
suite_found() {
    mapfile -d '' -t found < <(bootstrap_source)
    wait "$!"
    printf 'mirror=%s\nsuite=%s\nkeyring=%s\nfallback=%s\n' "${found[@]:0:2}" "${found[2]##*/}" "${found[3]}"
}
config_load
CHECK_LISTED=yes
DEBIAN_KEYRINGS=("$FIXTURES/known.gpg" "$FIXTURES/removed.gpg" /no/such/keyring)
${CALL:-suite_found}
END
    export FIXTURES=$BATS_TEST_DIRNAME/fixtures
    export no_proxy=127.0.0.1 NO_PROXY=127.0.0.1
}

teardown() {
    end_background
}

# serve PATH [FILE]: puts FILE, or some bytes of its own, on the web server.
serve() {
    mkdir -p "$WWW/$(dirname "$1")"
    if (($# > 1)); then
        cp "$2" "$WWW/$1"
    else
        seq 20000 >"$WWW/$1"
    fi
}

sum_of() {
    sha256sum "$1" | cut -d ' ' -f 1
}

# How often PATH was asked for.
requests_of() {
    grep -c "^GET /$1 " "$WWW.log" || true
}

# --- fetch

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

# --- The kernel's source

# Puts Linux 6.10.11 on the server as kernel.org has it.
serve_kernel() {
    serve v6.x/linux-6.10.11.tar.xz
    {
        printf '%s\n' '-----BEGIN PGP SIGNED MESSAGE-----' 'Hash: SHA256' ''
        printf '%064d  linux-6.10.1.tar.xz\n' 1
        printf '%s  linux-6.10.11.tar.xz\n' "$(sum_of "$WWW/v6.x/linux-6.10.11.tar.xz")"
        printf '%064d  linux-6.10.11.tar.gz\n' 2
    } >"$WWW/v6.x/sha256sums.asc"
}

# A host whose mirror has kernel source packages of two versions, the newer being 6.12.
stub_packages() {
    stub apt-cache <<<'printf "%s\n" "linux-source-6.9 - source" "linux-source-6.12 - source"'
    stub apt-get <<'END'
[[ " $* " == *" download "* ]] || exit 9
echo deb >"${*: -1}_6.12.3-1_all.deb"
END
    stub dpkg-deb <<'END'
case $1 in
--field) echo 6.12.3-1 ;;
--fsys-tarfile)
    cd "$(mktemp -d)" && mkdir -p usr/src && echo "a kernel" >usr/src/linux-source-6.12.tar.xz && tar -c ./usr
    ;;
esac
END
}

no_packages() {
    stub apt-cache <<<'exit 0'
    stub apt-get <<<'echo "apt-get must not be called: $*" >&2; exit 9'
}

@test "kernel.org's layout comes first, and is verified" {
    serve_kernel
    no_packages
    succeeds env KERNEL_HOME="$WEB" ./kernel_source
    prints "from=$WEB/v6.x/linux-6.10.11.tar.xz" fallback=false
    cmp "$WWW/v6.x/linux-6.10.11.tar.xz" "$(sed -n 's/^tarball=//p' <<<"$output")"
}

@test "a tarball that is not what its checksum says is not built" {
    serve_kernel
    echo evil >>"$WWW/v6.x/linux-6.10.11.tar.xz"
    # Not for want of a connection: no other kernel is taken instead.
    fails 1 env KERNEL_HOME="$WEB" ./kernel_source
    says checksum
    same '' "$(find "$VM_DIR/cache" -name 'linux-*')"
}

@test "a version that the sums do not know" {
    serve_kernel
    serve v6.x/linux-6.10.12.tar.xz
    fails 1 env KERNEL_HOME="$WEB" KERNEL_VERSION=6.10.12 ./kernel_source
    says 'does not list linux-6.10.12.tar.xz' KERNEL_VERSION
    same 0 "$(requests_of v6.x/linux-6.10.12.tar.xz)"
    # A dot is no wild card there.
    fails 1 env KERNEL_HOME="$WEB" ALLOW_FALLBACK=no KERNEL_VERSION=6.1 ./kernel_source
    says 'does not list linux-6.1.tar.xz'
}

@test "the kernel's home cannot be reached: the newest package of the host's mirror, and it is said" {
    stub_packages
    succeeds env KERNEL_HOME="$NOWHERE" ./kernel_source
    prints 'from=Debian package linux-source-6.12 6.12.3-1' fallback=true
    says "notice: cannot get Linux 6.10.11 from $NOWHERE" 'building Debian package linux-source-6.12'
    same 'a kernel' "$(cat "$(sed -n 's/^tarball=//p' <<<"$output")")"
}

@test "a package of an earlier try does not get in the way of the fallback" {
    stub_packages
    mkdir -p "$VM_DIR/cache/kernel/package"
    echo old >"$VM_DIR/cache/kernel/package/linux-source-6.9.tar.xz"
    succeeds env KERNEL_HOME="$NOWHERE" ./kernel_source
    same 'a kernel' "$(cat "$(sed -n 's/^tarball=//p' <<<"$output")")"
}

@test "apt's lists are empty, or too old for the mirror: they are updated once" {
    stub_packages
    stub apt-cache <<<'[[ ! -e $TMPDIR/updated ]] || printf "%s\n" "linux-source-6.12 - source"'
    stub apt-get <<'END'
case " $* " in
*' update '*) : >"$TMPDIR/updated" ;;
*' download '*) [[ -e $TMPDIR/updated ]] && echo deb >"${*: -1}_6.12.3-1_all.deb" ;;
*) exit 9 ;;
esac
END
    succeeds env KERNEL_HOME="$NOWHERE" ./kernel_source
    prints 'from=Debian package linux-source-6.12 6.12.3-1'
    rm "$TMPDIR/updated"
    stub apt-cache <<<'printf "%s\n" "linux-source-6.12 - source"'
    succeeds env KERNEL_HOME="$NOWHERE" ./kernel_source
    prints 'from=Debian package linux-source-6.12 6.12.3-1'
}

@test "ALLOW_FALLBACK=no: a clear failure, and no package is looked for" {
    no_packages
    fails 1 env KERNEL_HOME="$NOWHERE" ALLOW_FALLBACK=no ./kernel_source
    says 'cannot get Linux 6.10.11' "$NOWHERE" ALLOW_FALLBACK=no KERNEL_SOURCE
    says_not 'must not be called'
}

@test "no home and no package either: a clear failure" {
    no_packages
    fails 1 env KERNEL_HOME="$NOWHERE" ./kernel_source
    says 'no linux-source package' KERNEL_SOURCE
}

@test "a kernel source of one's own: a URL, or a file; nothing else is asked" {
    no_packages
    serve own/linux-own.tar.gz
    succeeds env KERNEL_HOME="$NOWHERE" KERNEL_SOURCE="$WEB/own/linux-own.tar.gz" ./kernel_source
    prints "from=$WEB/own/linux-own.tar.gz" fallback=false
    succeeds env KERNEL_HOME="$NOWHERE" KERNEL_SOURCE="$WWW/own/linux-own.tar.gz" ./kernel_source
    prints "tarball=$WWW/own/linux-own.tar.gz" fallback=false
    fails 1 env ALLOW_FALLBACK=yes KERNEL_SOURCE="$WEB/own/none.tar.gz" ./kernel_source
    says "KERNEL_SOURCE=$WEB/own/none.tar.gz"
}

# --- Debian

# A host whose apt takes Debian "bookworm" from mirror $1; none if that is empty.
stub_host_mirror() {
    stub apt-get <<END
[[ \$1 == indextargets ]] || exit 9
. /etc/os-release
[[ -z "$1" ]] || printf '%s\n' "Other|x|main|http://other/" "Debian|\$VERSION_CODENAME|main|$1/"
END
    HOST_SUITE=$(. /etc/os-release && echo "$VERSION_CODENAME")
}

# serve_suite PLACE SUITE KEY
serve_suite() {
    serve "$1/dists/$2/InRelease" "$FIXTURES/InRelease-by-$3"
}

@test "the suite comes from the host's mirror, when that has it" {
    stub_host_mirror "$WEB/host"
    serve_suite host buster known
    serve_suite archive buster known
    succeeds env DEBIAN_ARCHIVE="$WEB/archive" ./suite_source
    prints "mirror=$WEB/host" suite=buster keyring=known.gpg fallback=false
    same 0 "$(requests_of archive/dists/buster/InRelease)"
}

@test "the suite comes from the archive, when the host's mirror has it no longer" {
    stub_host_mirror "$WEB/host"
    serve_suite archive buster removed
    succeeds env DEBIAN_ARCHIVE="$WEB/archive" ./suite_source
    prints "mirror=$WEB/archive" suite=buster keyring=removed.gpg fallback=false
    says_not notice
}

@test "DEBIAN_MIRROR is asked alone" {
    stub_host_mirror "$WEB/host"
    serve_suite host buster known
    serve_suite mine buster known
    succeeds env DEBIAN_MIRROR="$WEB/mine" DEBIAN_ARCHIVE="$WEB/archive" ./suite_source
    prints "mirror=$WEB/mine" fallback=false
    rm -r "$WWW/mine"
    fails 1 env DEBIAN_MIRROR="$WEB/mine" DEBIAN_ARCHIVE="$WEB/archive" ALLOW_FALLBACK=no ./suite_source
    says "$WEB/mine"
}

@test "a suite whose signature is of no known key, or broken, is not taken" {
    stub_host_mirror ''
    serve_suite archive buster known
    sed -i 's/oldstable/evil/' "$WWW/archive/dists/buster/InRelease"
    fails 1 env DEBIAN_ARCHIVE="$WEB/archive" ./suite_source
    says "$WEB/archive/dists/buster" 'not signed by any key'
    echo 'not signed at all' >"$WWW/archive/dists/buster/InRelease"
    fails 1 env DEBIAN_ARCHIVE="$WEB/archive" ALLOW_FALLBACK=no ./suite_source
    says 'not signed by any key'
}

@test "a suite that was signed later than it is now: the clock is behind, and that is said" {
    stub_host_mirror ''
    serve_suite archive buster later
    sed -i 's/removed.gpg/later.gpg/' suite_source
    fails 1 env DEBIAN_ARCHIVE="$WEB/archive" ./suite_source
    says 'from the future' 'the clock of this host is behind' 'timedatectl'
    says_not 'any key'
}

@test "--check tells what is wrong with the suite: the clock, or that apt's lists are empty" {
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

@test "a suite with several signatures: one valid one will do, a bad one will not" {
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

@test "a suite that nobody has, though all were reached: no other is taken instead" {
    stub_host_mirror ''
    serve_suite archive buster known
    fails 1 env DEBIAN_SUITE=bustr DEBIAN_ARCHIVE="$WEB/archive" ./suite_source
    says 'no Debian bustr' DEBIAN_SUITE
}

@test "the suite is nowhere: the host's own, and it is said" {
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

@test "the suite is nowhere, and nothing to fall back to" {
    stub_host_mirror "$WEB/host"
    serve_suite host "$HOST_SUITE" known
    fails 1 env DEBIAN_ARCHIVE="$NOWHERE" ALLOW_FALLBACK=no ./suite_source
    says 'cannot get Debian buster' 'ALLOW_FALLBACK=no' DEBIAN_MIRROR
    stub_host_mirror ''
    fails 7 env DEBIAN_ARCHIVE="$NOWHERE" ./suite_source
    says 'cannot get Debian buster' DEBIAN_MIRROR
}

@test "no download leaves anything in TMPDIR" {
    stub_host_mirror "$WEB/host"
    serve_suite host buster known
    succeeds env DEBIAN_ARCHIVE="$NOWHERE" ./suite_source
    fails 1 env DEBIAN_SUITE=none DEBIAN_ARCHIVE="$NOWHERE" ALLOW_FALLBACK=no ./suite_source
    same '' "$(ls "$TMPDIR")"
}
