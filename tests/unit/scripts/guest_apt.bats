#!/usr/bin/env bats
# shellcheck disable=SC2016,SC2030,SC2031,SC2154 # code in quotes; what bats and background() set
# apt's configuration in the guests: a mirror and proxies that a guest reaches, and the key that checks the mirror.

load helpers

setup() {
    begin
    make_lab
    unset http_proxy https_proxy no_proxy
    export ROOT=$BATS_TEST_TMPDIR/root
    mkdir -p "$ROOT"/{etc,var/lib/apt/lists,usr/share/keyrings}
    echo key >"$BATS_TEST_TMPDIR/host.gpg"
    bootstrapped
    # ./apt: configures apt in ROOT. stderr has what the user gets as a warning.
    script apt <<<'config_load; guest_apt "$ROOT"'
    # The guest's own keyring has the key. Names: lan.example is only in the host's file, my-host is on the loopback.
    stub gpgv <<<'[[ $* != *" $ROOT/usr/share/keyrings/debian-archive-keyring.gpg "* || -e $ROOT.lacks ]] || echo "[GNUPG:] VALIDSIG 1"'
    : >"$ROOT/usr/share/keyrings/debian-archive-keyring.gpg"
    stub getent <<'END'
case "$*" in
*' my-host') echo '127.0.1.1 STREAM my-host' ;;
*' localhost') printf '%s\n' '::1 STREAM' '127.0.0.1 STREAM' ;;
*' 127.0.0.1' | *' ::1' | *' 0.0.0.0') echo "${*: -1} STREAM" ;;
*' lan.example') echo '192.0.2.7      lan.example mirror' ;;
'ahosts mirror.example') printf '%s\n' '198.51.100.1 STREAM' '2001:db8::1 STREAM' ;;
'ahosts both.example') printf '%s\n' '127.0.1.1 STREAM' '198.51.100.1 STREAM' ;;
*) exit 2 ;;
esac
END
}

# bootstrapped [MIRROR [EXPIRED]]: what step bootstrap has left.
bootstrapped() {
    echo lists >"$ROOT/var/lib/apt/lists/mirror.example_debian_dists_bookworm_InRelease"
    jq -n --arg mirror "${1:-http://mirror.example/debian}" --argjson expired "${2:-false}" --arg keyring "$BATS_TEST_TMPDIR/host.gpg" \
        '{suite: "bookworm", mirror: $mirror, keyring: $keyring, expired: $expired}' >"$VM_DIR/bootstrap.json"
}

# source_is MIRROR: the guest's only source is the suite at this mirror, with the guest's own keyring.
source_is() {
    same "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $1 bookworm main" "$(<"$ROOT/etc/apt/sources.list")"
}

# settings: prints the guest's proxies as apt reads them.
settings() {
    APT_CONFIG=$ROOT/etc/apt/apt.conf.d/90lab apt-config dump Acquire::http::Proxy Acquire::https::Proxy | grep Proxy || true
}

@test "a mirror on the net: as it is, with the lists that are there, and no proxy" {
    succeeds ./apt
    source_is http://mirror.example/debian
    same '' "$(APT_CONFIG=/dev/null settings)"
    same lists "$(cat "$ROOT"/var/lib/apt/lists/*)"
    [[ ! -s $ROOT/etc/hosts ]]
}

@test "a mirror on the host's loopback is 10.0.2.2, whatever it is called" {
    local host
    for host in localhost 127.0.0.1 '[::1]' 0.0.0.0 my-host; do
        bootstrapped "http://$host/debian"
        succeeds ./apt
        source_is http://10.0.2.2/debian
        bootstrapped "http://$host:3142/ftp.example/debian"
        succeeds ./apt
        source_is http://10.0.2.2:3142/ftp.example/debian
    done
    same '' "$(ls "$ROOT/var/lib/apt/lists")" # apt in the guest would not find them
    for host in both.example unknown.example; do
        bootstrapped "http://$host:80/debian"
        succeeds ./apt
        source_is "http://$host:80/debian"
    done
}

@test "a mirror that the host knows only from /etc/hosts: the guest's /etc/hosts has it too" {
    bootstrapped http://lan.example/debian
    http_proxy=http://proxy.example:3128 succeeds ./apt
    source_is http://lan.example/debian
    same $'192.0.2.7\tlan.example' "$(<"$ROOT/etc/hosts")"
}

@test "a login in the mirror's URL is not copied, and setup says so" {
    bootstrapped http://me:secret@mirror.example/debian
    succeeds ./apt
    says 'notice: the URL of the mirror has a login, which is not copied' auth.conf
    says_not secret
    source_is http://mirror.example/debian
    refuted grep -r secret "$ROOT"
}

@test "the host's proxies are the guest's, with 10.0.2.2 for the loopback" {
    http_proxy=http://localhost:3142/ succeeds ./apt
    same $'Acquire::http::Proxy "http://10.0.2.2:3142/";\nAcquire::https::Proxy "DIRECT";' "$(settings)"
    http_proxy=http://proxy.example:3128 https_proxy=http://127.0.0.1:8080 succeeds ./apt
    same $'Acquire::http::Proxy "http://proxy.example:3128";\nAcquire::https::Proxy "http://10.0.2.2:8080";' "$(settings)"
}

@test "a mirror that the host reaches without the proxy: the guest does, too" {
    local excepted
    export http_proxy=http://proxy.example:3128
    for excepted in mirror.example .example '*.example' 'other.org, example' '*'; do
        no_proxy=$excepted succeeds ./apt
        grep -qxF 'Acquire::http::Proxy::mirror.example "DIRECT";' <(settings) || failure "$excepted: $(settings)"
    done
    for excepted in ample mirror.example.org other.org; do
        no_proxy=$excepted succeeds ./apt
        refuted grep mirror.example <(settings)
    done
    bootstrapped http://localhost/debian
    succeeds ./apt
    grep -qxF 'Acquire::http::Proxy::10.0.2.2 "DIRECT";' <(settings) || failure "$(settings)"
}

@test "a proxy with a login is not copied, and setup says so" {
    http_proxy=http://me:secret@proxy.example:3128 https_proxy=http://proxy.example:3129 succeeds ./apt
    says 'notice: the proxy for http has a login, which is not copied' Acquire::http::Proxy
    says_not secret
    same 'Acquire::https::Proxy "http://proxy.example:3129";' "$(settings)"
    refuted grep -r secret "$ROOT"
}

@test "an expired release: the guest's apt does not look at Valid-Until" {
    bootstrapped http://archive.example/debian true
    succeeds ./apt
    grep -qF ' check-valid-until=no] ' "$ROOT/etc/apt/sources.list" || failure "$(<"$ROOT/etc/apt/sources.list")"
}

@test "a release is expired when its Valid-Until has passed" {
    script expired <<<'release_expired "$1" && echo yes || echo no'
    echo 'Date: Sat, 11 Jul 2020 10:16:37 UTC' >release
    same no "$(./expired release)"
    echo 'Valid-Until: Sat, 18 Jul 2020 10:16:37 UTC' >>release
    same yes "$(./expired release)"
    echo 'Valid-Until: Sat, 18 Jul 2122 10:16:37 UTC' >release
    same no "$(./expired release)"
}

@test "a suite whose key the guest lacks: the host's keyring is copied, readable for all" {
    : >"$ROOT.lacks"
    chmod 600 "$BATS_TEST_TMPDIR/host.gpg"
    succeeds ./apt
    same 'deb [signed-by=/usr/share/keyrings/lab-debian.gpg] http://mirror.example/debian bookworm main' "$(<"$ROOT/etc/apt/sources.list")"
    same 'key 644' "$(<"$ROOT/usr/share/keyrings/lab-debian.gpg") $(stat -c %a "$ROOT/usr/share/keyrings/lab-debian.gpg")"
}

@test "an https mirror: the guest gets the certificates that were added on the host" {
    stub chroot <<<'echo "$2" >>"$ROOT.calls"'
    mkdir "$BATS_TEST_TMPDIR/certificates"
    sed -i "s#^config_load#HOST_CERTIFICATES=$BATS_TEST_TMPDIR/certificates; &#" apt
    bootstrapped https://mirror.example/debian
    succeeds ./apt
    [[ ! -e $ROOT.calls ]]
    echo mine >"$BATS_TEST_TMPDIR/certificates/mine.crt"
    succeeds ./apt
    same update-ca-certificates "$(<"$ROOT.calls")"
    same mine "$(<"$ROOT$BATS_TEST_TMPDIR/certificates/mine.crt")"
    bootstrapped http://mirror.example/debian
    succeeds ./apt
    same 1 "$(wc -l <"$ROOT.calls")"
}
