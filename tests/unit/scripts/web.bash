# shellcheck shell=bash disable=SC2016,SC2030,SC2031,SC2034,SC2154 # code in quotes; what the tests use; what bats and background() set
# Shared by the download tests: a web server on the loopback, and scripts that fetch from it.

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
    # Nothing listens on port 1 of the loopback: a connection is refused at once.
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

# serve PATH [FILE]: puts FILE, or generated content, on the web server.
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

# requests_of PATH: the number of GET requests for PATH.
requests_of() {
    grep -c "^GET /$1 " "$WWW.log" || true
}
