#!/usr/bin/env bats
# shellcheck disable=SC2016,SC2030,SC2031,SC2154 # code in quotes; what bats and background() set
# apt on real hosts: locks that other processes hold, empty or old lists, discs among the sources, proxies.

load helpers

setup() {
    begin
    make_lab
    LOCK=$BATS_TEST_TMPDIR/lock-frontend
    # ./call FUNCTION ARGUMENT...: calls a function of the kit, with the test's own lock and sources.
    script call <<END
APT_LOCKS=('$LOCK') APT_SOURCE_LIST='$BATS_TEST_TMPDIR/sources.list'
config_load
"\$@"
END
    export APT_CONFIG=$BATS_TEST_TMPDIR/apt.conf
    : >"$APT_CONFIG"
}

teardown() {
    end_background
}

# Starts a process that holds the lock as dpkg does (fcntl(2)), until the test ends or something is written to the pipe.
hold_lock() {
    mkfifo "$BATS_TEST_TMPDIR/release"
    background holder perl -e 'use Fcntl; open my $f, ">>", $ARGV[0] or die;
        fcntl($f, F_SETLK, my $l = pack("s s l! l! i", F_WRLCK, 0, 0, 0, 0)) or die;
        open my $held, ">", "$ARGV[0].held"; close $held; open my $r, "<", $ARGV[1]; <$r>' "$LOCK" "$BATS_TEST_TMPDIR/release"
    wait_until test -e "$LOCK.held"
}

@test "setup waits for apt's lock and says who holds it" {
    hold_lock
    background waiting ./call apt_wait
    wait_until grep -q "Waiting for perl (process $holder), which has the lock $LOCK" "$BATS_TEST_TMPDIR/out.waiting"
    echo >"$BATS_TEST_TMPDIR/release"
    background_ended waiting 0
    same 1 "$(wc -l <"$BATS_TEST_TMPDIR/out.waiting")" # said once
}

@test "a lock that is held too long: the error says who holds it and what to do" {
    hold_lock
    sed -i 's/^config_load/APT_PATIENCE=0\n&/' call
    fails 1 ./call apt_wait
    says "is still locked after 0 s by perl (process $holder)" 'stop it'
}

@test "a lock file that nobody holds does not block" {
    : >"$LOCK"
    succeeds ./call apt_wait
    same '' "$stderr"
}

@test "every call that takes a lock waits for it, and tells apt to wait, too" {
    stub apt-get <<<'echo "$*"'
    succeeds ./call apt_update
    says 'DPkg::Lock::Timeout=' ' update'
}

@test "lists that cannot be updated give a notice with apt's reason" {
    stub apt-get <<<'echo "W: Failed to fetch http://mirror/dists/x/InRelease  Could not connect"; exit 100'
    succeeds ./call apt_update
    says "notice: cannot update apt's lists (Failed to fetch http://mirror"
}

@test "lists that are not valid yet: the error says that the clock is behind" {
    stub apt-get <<<'echo "E: Release file for http://mirror/InRelease is not valid yet (invalid for another 3h)."; exit 100'
    fails 1 ./call apt_update
    says 'not valid yet' 'clock of this host is behind' timedatectl
}

@test "without lists step host is due, and downloads them" {
    mkdir "$BATS_TEST_TMPDIR/lists"
    echo "Dir::State::Lists \"$BATS_TEST_TMPDIR/lists\";" >"$APT_CONFIG"
    fails 1 ./call apt_has_lists
    sed -i 's/^config_load/host_missing() { :; }; host_ready() { :; }; apt_update() { echo updated; }\n&/' call
    fails 1 ./call present_host
    succeeds ./call step_host
    same updated "$output"
    stub apt-get <<<'echo 1'
    succeeds ./call present_host
}

@test "the installer's disc among the sources is left out if there is another source" {
    local list=$BATS_TEST_TMPDIR/sources.list
    printf '%s\n' 'deb cdrom:[Debian GNU/Linux 12 _Bookworm_]/ bookworm main' '# deb cdrom:[x]/ y main' \
        'deb [signed-by=/x] http://mirror/debian bookworm main' >"$list"
    succeeds ./call apt_source_list
    same $'# deb cdrom:[x]/ y main\ndeb [signed-by=/x] http://mirror/debian bookworm main' "$(<"$output")"
    same "$list" "$(sed -i '/http/d' "$list" && ./call apt_source_list)"
    same "$list" "$(rm "$list" && ./call apt_source_list)"
}

# host_mirror_of URI...: the mirror that host_mirror finds when these are apt's sources, in this order.
host_mirror_of() {
    stub apt-get <<END
. /etc/os-release
printf "Debian|\$VERSION_CODENAME|main|%s\n" $(printf '%q ' "$@")
END
    ./call host_mirror
}

@test "the host's mirror is the first source that other programs can read, too" {
    local suite
    suite=$(. /etc/os-release && echo "$VERSION_CODENAME")
    printf '# mine\nhttps://one/debian\tpriority:1\n' >"$BATS_TEST_TMPDIR/mirrors"
    same "http://m/debian $suite" "$(host_mirror_of 'cdrom:[Debian 12]/' http://m/debian/)"
    same "http://m/debian $suite" "$(host_mirror_of tor+http://x/ mirror://x/y http://m/debian)"
    same "https://one/debian $suite" "$(host_mirror_of "mirror+file:$BATS_TEST_TMPDIR/mirrors/")"
    fails 1 host_mirror_of 'cdrom:[Debian 12]/'
}

# --- Proxies

# Prints the proxies that proxies_settle sets, with the current environment and apt's configuration from stdin.
settled() {
    cat >"$APT_CONFIG"
    env -u http_proxy -u https_proxy -u HTTP_PROXY -u HTTPS_PROXY -u all_proxy -u ALL_PROXY -u no_proxy -u NO_PROXY "$@" \
        bash -ec '. lib/load.sh; . setup/load.sh; config_load; proxies_settle; echo "${http_proxy:-} ${https_proxy:-} ${no_proxy:-}"'
}

@test "proxies from the environment: lower-case names win over upper-case names, both over apt's proxies" {
    same 'http://a http://b c,d' "$(settled HTTP_PROXY=http://a HTTPS_PROXY=http://b NO_PROXY=c,d <<<'')"
    same 'http://a http://b e' "$(settled http_proxy=http://a https_proxy=http://b HTTP_PROXY=http://x HTTPS_PROXY=http://x \
        no_proxy=e NO_PROXY=f <<<'Acquire::http::Proxy "http://y";')"
    same 'http://a http://a ' "$(settled ALL_PROXY=http://a <<<'')"
    same 'http://b http://a ' "$(settled all_proxy=http://a http_proxy=http://b <<<'')"
    # curl uses this proxy unchanged; wget and apt do not support it.
    same '  ' "$(settled ALL_PROXY=socks5h://a <<<'')"
}

@test "apt's proxies: for http, for https, DIRECT, and hosts without a proxy" {
    same 'http://a  ' "$(settled <<<'Acquire::http::Proxy "http://a";')"
    same ' http://b ' "$(settled <<<'Acquire::https::Proxy "http://b";')"
    same '  ' "$(settled <<<'Acquire::http::Proxy "DIRECT";')"
    same 'http://a  my.mirror,other' "$(settled \
        <<<'Acquire::http::Proxy "http://a"; Acquire::http::Proxy::my.mirror "DIRECT"; Acquire::https::Proxy::other "DIRECT";')"
}

@test "apt's proxy can come from a program" {
    local option
    # apt runs the program as its own user, who cannot enter the test's folder. /bin/echo prints its argument.
    for option in Proxy-Auto-Detect ProxyAutoDetect; do
        same 'http://archive/x  ' "$(settled DEBIAN_MIRROR=http://archive/x <<<"Acquire::http::$option \"/bin/echo\";")"
        same ' https://home/x ' "$(settled KERNEL_HOME=https://home/x <<<"Acquire::https::$option \"/bin/echo\";")"
    done
    stub apt-helper <<<"echo \"Using proxy 'DIRECT' for URL 'x'\""
    sed -i "s#^APT_HELPER=.*#APT_HELPER=$BATS_TEST_TMPDIR/bin/apt-helper#" setup/debian.sh
    same '  ' "$(settled <<<'Acquire::http::Proxy-Auto-Detect "/x"; Acquire::http::Proxy "http://a";')"
}

@test "proxies and trusted certificates are passed through sudo, and none is on a command line" {
    local name
    unshare --user true || skip 'no user namespaces here'
    stub sudo <<'END'
printf '%s\n' "$@" >"$TMPDIR/arguments"
exec bash ./setup.sh "${@:4}" --help
END
    sed -i 's/^usage() {/&\n    env >"$TMPDIR\/environment"/' setup.sh
    for name in http_proxy HTTPS_PROXY ALL_PROXY NO_PROXY CURL_CA_BUNDLE SSL_CERT_FILE SSL_CERT_DIR; do
        export "$name=http://user:secret@$name"
    done
    # sudo drops most environment variables.
    sed -i 's/^exec bash/exec env -i PATH="$PATH" TMPDIR="$TMPDIR" bash/' "$BATS_TEST_TMPDIR/bin/sudo"
    succeeds unshare --user -- ./setup.sh
    for name in http_proxy HTTPS_PROXY ALL_PROXY NO_PROXY CURL_CA_BUNDLE SSL_CERT_FILE SSL_CERT_DIR; do
        grep -qxF "$name=http://user:secret@$name" "$TMPDIR/environment" || failure "$name was lost"
    done
    refuted grep -q secret "$TMPDIR/arguments"
}
