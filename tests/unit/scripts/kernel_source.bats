#!/usr/bin/env bats
# shellcheck disable=SC2016,SC2030,SC2031,SC2154 # code in quotes; what bats and background() set
# The origin of the kernel's source. The web server is on the loopback.

load web.bash

# Puts Linux 6.10.11 on the server, in kernel.org's layout.
serve_kernel() {
    serve v6.x/linux-6.10.11.tar.xz
    {
        printf '%s\n' '-----BEGIN PGP SIGNED MESSAGE-----' 'Hash: SHA256' ''
        printf '%064d  linux-6.10.1.tar.xz\n' 1
        printf '%s  linux-6.10.11.tar.xz\n' "$(sum_of "$WWW/v6.x/linux-6.10.11.tar.xz")"
        printf '%064d  linux-6.10.11.tar.gz\n' 2
    } >"$WWW/v6.x/sha256sums.asc"
}

# A host whose mirror has kernel source packages of versions 6.9 and 6.12.
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

@test "kernel.org's layout is tried first, and the tarball is verified" {
    serve_kernel
    no_packages
    succeeds env KERNEL_HOME="$WEB" ./kernel_source
    prints "from=$WEB/v6.x/linux-6.10.11.tar.xz" fallback=false
    cmp "$WWW/v6.x/linux-6.10.11.tar.xz" "$(sed -n 's/^tarball=//p' <<<"$output")"
}

@test "a tarball with a wrong checksum is not built" {
    serve_kernel
    echo evil >>"$WWW/v6.x/linux-6.10.11.tar.xz"
    # The connection works, so no other kernel is used instead.
    fails 1 env KERNEL_HOME="$WEB" ./kernel_source
    says checksum
    same '' "$(find "$VM_DIR/cache" -name 'linux-*')"
}

@test "a version that is not in the list of checksums is an error" {
    serve_kernel
    serve v6.x/linux-6.10.12.tar.xz
    fails 1 env KERNEL_HOME="$WEB" KERNEL_VERSION=6.10.12 ./kernel_source
    says 'does not list linux-6.10.12.tar.xz' KERNEL_VERSION
    same 0 "$(requests_of v6.x/linux-6.10.12.tar.xz)"
    # A dot is no wildcard there.
    fails 1 env KERNEL_HOME="$WEB" ALLOW_FALLBACK=no KERNEL_VERSION=6.1 ./kernel_source
    says 'does not list linux-6.1.tar.xz'
}

@test "KERNEL_HOME cannot be reached: setup uses the host mirror's newest package and says so" {
    stub_packages
    succeeds env KERNEL_HOME="$NOWHERE" ./kernel_source
    prints 'from=Debian package linux-source-6.12 6.12.3-1' fallback=true
    says "notice: cannot get Linux 6.10.11 from $NOWHERE" 'building Debian package linux-source-6.12'
    same 'a kernel' "$(cat "$(sed -n 's/^tarball=//p' <<<"$output")")"
}

@test "a package from an earlier try does not disturb the fallback" {
    stub_packages
    mkdir -p "$VM_DIR/cache/kernel/package"
    echo old >"$VM_DIR/cache/kernel/package/linux-source-6.9.tar.xz"
    succeeds env KERNEL_HOME="$NOWHERE" ./kernel_source
    same 'a kernel' "$(cat "$(sed -n 's/^tarball=//p' <<<"$output")")"
}

@test "apt's lists are updated once if they are empty or too old for the mirror" {
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

@test "ALLOW_FALLBACK=no: a clear error, without a search for packages" {
    no_packages
    fails 1 env KERNEL_HOME="$NOWHERE" ALLOW_FALLBACK=no ./kernel_source
    says 'cannot get Linux 6.10.11' "$NOWHERE" ALLOW_FALLBACK=no KERNEL_SOURCE
    says_not 'must not be called'
}

@test "neither KERNEL_HOME nor a package: a clear error" {
    no_packages
    fails 1 env KERNEL_HOME="$NOWHERE" ./kernel_source
    says 'no linux-source package' KERNEL_SOURCE
}

@test "KERNEL_SOURCE is a URL or a file; no other source is tried" {
    no_packages
    serve own/linux-own.tar.gz
    succeeds env KERNEL_HOME="$NOWHERE" KERNEL_SOURCE="$WEB/own/linux-own.tar.gz" ./kernel_source
    prints "from=$WEB/own/linux-own.tar.gz" fallback=false
    succeeds env KERNEL_HOME="$NOWHERE" KERNEL_SOURCE="$WWW/own/linux-own.tar.gz" ./kernel_source
    prints "tarball=$WWW/own/linux-own.tar.gz" fallback=false
    fails 1 env ALLOW_FALLBACK=yes KERNEL_SOURCE="$WEB/own/none.tar.gz" ./kernel_source
    says "KERNEL_SOURCE=$WEB/own/none.tar.gz"
}
