#!/usr/bin/env bats
# shellcheck disable=SC2016,SC2030,SC2031,SC2154 # code in quotes; what bats and background() set
# The knobs: precedence, and valid values.

load helpers

setup() {
    begin
    make_load_each
}

# value_of KNOB [OPTION...]: the knob's value according to start.sh --help.
value_of() {
    ./start.sh --help "${@:2}" | sed -n "s/^.*[ ]$1=\([^ ]*\).*/\1/p"
}

# --- Precedence

@test "precedence: config.sh < config.local.sh < environment < command line" {
    same 128M "$(value_of SHMEM_SIZE)"
    echo SHMEM_SIZE=256M >config.local.sh
    same 256M "$(value_of SHMEM_SIZE)"
    export SHMEM_SIZE=512M
    same 512M "$(value_of SHMEM_SIZE)"
    same 1G "$(value_of SHMEM_SIZE --set SHMEM_SIZE=1G)"
    same 2G "$(value_of SHMEM_SIZE --set SHMEM_SIZE=1G --set SHMEM_SIZE=2G)"
}

@test "an exported value in config.local.sh does not win over the environment" {
    echo 'export VM_COUNT=5' >config.local.sh
    same 5 "$(value_of VM_COUNT)"
    same 6 "$(VM_COUNT=6 value_of VM_COUNT)"
}

@test "a changed default in config.sh takes effect" {
    sed -i 's/VM_MEMORY:=512M/VM_MEMORY:=640M/' config.sh
    same 640M "$(value_of VM_MEMORY)"
}

@test "config.local.sh may hold comments, quotes and expressions" {
    cat >config.local.sh <<'END'
# mine

VM_COUNT="3" # three
if true; then
    VM_MEMORY=$((256 * 2))M
fi
END
    same 3 "$(value_of VM_COUNT)"
    same 512M "$(value_of VM_MEMORY)"
}

@test "a misspelt knob in --set is named" {
    refuses SHMEM_SZIE ./start.sh --set SHMEM_SZIE=1M
    refuses shmem_size ./start.sh --set shmem_size=1M
    refuses PATH ./start.sh --set PATH=/tmp
    refuses 'VM_COUNT' ./start.sh --set ' VM_COUNT=1'
}

@test "a misspelt knob in config.local.sh is named" {
    local line
    for line in SHMEM_SZIE=1M '  SHMEM_SZIE=1M' 'export SHMEM_SZIE=1M'; do
        echo "$line" >config.local.sh
        refuses 'config.local.sh' ./start.sh
        says SHMEM_SZIE
    done
}

@test "a config.local.sh with Windows line endings is named, with the remedy" {
    printf 'VM_COUNT=3\r\n' >config.local.sh
    refuses 'config.local.sh has line ends of Windows' ./start.sh
    eval "$(sed -n "s/.*: \(sed -i .*\) (see.*/\1/p" <<<"$stderr")"
    same 3 "$(value_of VM_COUNT)"
}

@test "a config.local.sh that fails is named" {
    echo false >config.local.sh
    fails 2 ./start.sh
    says config.local.sh
    echo 'if then' >config.local.sh
    fails 2 ./start.sh
    says config.local.sh
}

@test "an invalid value from any place is refused, and the place is named" {
    echo SHMEM_SIZE=3M >config.local.sh
    refuses 'SHMEM_SIZE=3M (from config.local.sh) is not a power of two such as 128M; see config.sh' ./start.sh
    refuses 'SHMEM_SIZE=5M (from the command line) is not a power of two' ./start.sh --set SHMEM_SIZE=5M
    SHMEM_SIZE=6M refuses 'SHMEM_SIZE=6M (from the environment) is not a power of two' ./start.sh
    SHMEM_SIZE='' refuses 'SHMEM_SIZE= (from the environment) is empty; leave it unset for the default, 128M' ./start.sh
}

@test "every script checks the values" {
    local script
    for script in setup start stop run status bench; do
        refuses 'SHMEM_SIZE=3M' "./$script.sh" --set SHMEM_SIZE=3M
    done
}

# --- Valid values

# bad KNOB VALUE...: each value is refused with a line that names the knob, and nothing happens.
bad() {
    local before
    before=$(everything)
    refuses "$1=" ./start.sh --set "$1=$2"
    succeeds ./load_each 2 "$@"
    same "$before" "$(everything)"
}

# good KNOB VALUE...: each value is accepted.
good() {
    fails 1 ./start.sh --set "$1=$2"
    says 'there is no lab in' # the only error
    succeeds ./load_each 0 "$@"
}

# ./load_each STATUS KNOB VALUE... loads the configuration with each value, like the scripts, but faster: there are hundreds.
# Fails if a value does not end with STATUS, or, if STATUS is 2, does not give exactly one line about KNOB.
make_load_each() {
    script load_each <<'END'
expected=$1 knob=$2
for value in "${@:3}"; do
    set +e
    said=$(set -e; config_load "$knob=$value" 2>&1)
    status=$?
    set -e
    ((status == expected)) || die "$knob=$(quoted "$value"): status $status: $said"
    case $expected in
    0) [[ -z $said ]] || die "$knob=$(quoted "$value") is taken, but with: $said" ;;
    2) [[ $said == *" $knob="* && $said != *$'\n'* ]] || die "$knob=$(quoted "$value"): not one line about it: $said" ;;
    esac
done
END
}

HUGE=99999999999999999999999999999
# Values that are valid only for free-text knobs.
NASTY=('  ' ' 1' $'1\n2' "'" '"' '*' '$(touch x)' '`touch x`' 'a[$(touch x)]')

@test "this file checks the values of every knob" {
    local knob
    for knob in $(knobs); do
        grep -qE "^    (bad|good) $knob( |\$)" "$BATS_TEST_FILENAME" || failure "$knob is not"
    done
}

@test "numbers" {
    local knob
    for knob in VM_COUNT VM_CPUS SERVER_VECTORS START_TIMEOUT STOP_TIMEOUT; do
        bad "$knob" '' 0 -1 1.5 010 many 999999999 "$HUGE" "${NASTY[@]}"
    done
    bad VM_MAXCPUS 0 -1 1.5 010 many 999999999 "$HUGE" "${NASTY[@]}"
    bad BUILD_JOBS 0 -1 +1 1.5 1e3 0x10 010 1k many 999999999 "$HUGE" "${NASTY[@]}"
    good VM_COUNT 1 2 64
    good VM_CPUS 1 2 4 18
    good SERVER_VECTORS 1 8 64
    good VM_PIN no auto 0 2,3 0-3,8
    bad VM_PIN yes AUTO '1,' 1-2- -1 '1,,2' 0x1 12345
    good VM_MAXCPUS '' 1 18
    good START_TIMEOUT 1 86400
    good STOP_TIMEOUT 1 86400
    good BUILD_JOBS '' 1 1024
    bad VM_COUNT 65 +1 1e3 0x10 1k
    bad VM_CPUS 19 64 65
    bad SERVER_VECTORS 65 +8 0x8
    bad VM_MAXCPUS 19 64 65
    fails 1 ./start.sh --set VM_CPUS=4 --set VM_MAXCPUS=4
    refuses VM_MAXCPUS=2 ./start.sh --set VM_CPUS=4 --set VM_MAXCPUS=2
}

@test "sizes" {
    local knob
    for knob in SHMEM_SIZE VM_MEMORY VM_DISK_SIZE; do
        bad "$knob" '' 0 -1 -128M 128MB 128m '128 M' M 1.5G 0x100M 010M 0M 1 1K 9999T 9999999999999999T "$HUGE" "${HUGE}G" "${NASTY[@]}"
    done
    bad SHMEM_SIZE 3M 100M 134217729 512K 2T
    good SHMEM_SIZE 1M 128M 134217728 131072K 1G
    bad VM_MEMORY 127M
    good VM_MEMORY 128M 1G 536870912
    bad VM_DISK_SIZE 1G 9T 16T
    good VM_DISK_SIZE 2G 4294967296 8T
    refuses SHMEM_SIZE=1M ./start.sh --set SHMEM_SIZE=1M --set SHMEM_HUGEPAGES=yes
    bad SHMEM_MORE 0 -1 3M 64MB 64m 64M,1G '64M 3M' '64M 512K' '1G 2T' ' 1' many "$HUGE" "${HUGE}G" $'64M\n1G' '*' '$(touch x)' \
        '1M 1M 1M 1M 1M 1M 1M 1M 1M'
    good SHMEM_MORE '' ' ' 1M '64M 1G' '  64M  1G ' 8G '1M 1M 1M 1M 1M 1M 1M 1M'
    refuses 'SHMEM_MORE=64M\ 3M (from the command line) has 3M, which is not a power of two from 1M to 1T' \
        ./start.sh --set 'SHMEM_MORE=64M 3M'
    refuses SHMEM_MORE=1M ./start.sh --set SHMEM_MORE=1M --set SHMEM_HUGEPAGES=yes
}

@test "choices" {
    local knob
    for knob in SHMEM_HUGEPAGES SHMEM_PREALLOC KERNEL_KEEP_SOURCE ALLOW_FALLBACK BAR_ABOVE_4G ACCEL; do
        bad "$knob" '' 0 1 -1 Yes maybe 'yes no' "$HUGE" "${NASTY[@]}"
    done
    good SHMEM_HUGEPAGES yes no
    good SHMEM_PREALLOC yes no
    good SHMEM_MODE plain doorbell
    bad SHMEM_MODE '' yes Plain 'plain doorbell' "$HUGE" "${NASTY[@]}"
    good GUEST_DRIVER vfio uio none
    bad GUEST_DRIVER '' yes vfio-pci UIO 'vfio uio' "$HUGE" "${NASTY[@]}"
    good KERNEL_KEEP_SOURCE yes no
    good ALLOW_FALLBACK yes no
    good BAR_ABOVE_4G auto yes no
    good ACCEL auto kvm tcg
    bad ACCEL hvf TCG
}

@test "versions, suites and users" {
    bad KERNEL_VERSION '' 6 -6.1 6.10.11.12 v6.10 6.10-rc1 "$HUGE" 6..1 ../6.1 6.1/.. "${NASTY[@]}"
    good KERNEL_VERSION 6.10.11 5.4 6.12.1
    bad DEBIAN_SUITE '' 12 -x Buster ../sid "$HUGE" 'buster sid' "${NASTY[@]}"
    good DEBIAN_SUITE buster trixie sid oldstable
    bad VM_OWNER -1 "$HUGE" nobody-of-that-name "${NASTY[@]}"
    good VM_OWNER '' root nobody
}

@test "URLs" {
    local knob
    for knob in KERNEL_HOME DEBIAN_MIRROR DEBIAN_ARCHIVE; do
        bad "$knob" 0 -1 "$HUGE" x http:// ftp://host/x file:///etc/passwd 'http://host/a b' 'http://host/$(touch x)' \
            $'http://host/\nx' 'http://host/*' "http://host/'" 'http://host/"' "${NASTY[@]}"
        good "$knob" http://host/path https://host:8080/a/b~c
    done
    bad KERNEL_HOME ''
    bad DEBIAN_ARCHIVE ''
    good DEBIAN_MIRROR ''
}

@test "KERNEL_CONFIG: readable files, relative to the checkout or absolute" {
    bad KERNEL_CONFIG /no/such/file no/such/file "$BATS_TEST_TMPDIR" 'kernel/lab.config;x' 'kernel/lab.config /no/such/file'
    touch "$BATS_TEST_TMPDIR/mine.config"
    good KERNEL_CONFIG '' kernel/debug.config "kernel/debug.config  $BATS_TEST_TMPDIR/mine.config"
}

@test "KERNEL_SOURCE: a file or a URL" {
    bad KERNEL_SOURCE 0 -1 "$HUGE" /no/such/file "$BATS_TEST_TMPDIR" http:// 'http://host/a b' "${NASTY[@]}"
    echo x >"$BATS_TEST_TMPDIR/linux.tar.xz"
    echo x >"$BATS_TEST_TMPDIR/with space ' and *.tar"
    good KERNEL_SOURCE '' "$BATS_TEST_TMPDIR/linux.tar.xz" "$BATS_TEST_TMPDIR/with space ' and *.tar" http://host/linux.tar.xz
}

@test "free text is used unchanged and never executed" {
    local before
    before=$(everything)
    bad ROOT_PASSWORD $'a\nb' $'\e[31m' $'\t' "$(printf '%0200d' 0)"
    good ROOT_PASSWORD '' '!' -1 0 "$HUGE" 'two words' "it's" '"' '*' '$(touch x)' '`touch x`'
    bad QEMU_ARGS $'a\nb' "'" '"' '-name "x' "-name 'x" $'\e[31m'
    good QEMU_ARGS '' '-s' '-name "two words"' '*' '$(touch x)' '`touch x`' '  '
    same "$before" "$(everything)"
}

@test "GUEST_PACKAGES: names of Debian packages, in words" {
    bad GUEST_PACKAGES x CMake 'cmake,g++' 'cmake=3.1' cmake/sid 'libssl-dev:i386' '-y' 'tree -y' '--purge' '../x' 'g*' "$HUGE"' %' \
        ' 1' "'" '"' '*' '$(touch x)' '`touch x`' 'a[$(touch x)]' 'lib_x' $'tree\x01'
    good GUEST_PACKAGES '' tree '  ' 'cmake pkg-config g++ libssl-dev python3' '  tree   hello ' $'tree\n    hello\n' $'0ad\ttree' libstdc++6 'vim-'
}

@test "GUEST_PACKAGES: neither order, repeats nor blanks make another value" {
    script packages <<<'config_load; printf "<%s>" "$GUEST_PACKAGES"'
    same '<>' "$(./packages)"
    same '<>' "$(GUEST_PACKAGES='  ' ./packages)"
    same '<g++ hello tree>' "$(GUEST_PACKAGES=$' tree hello\n  g++ tree' ./packages)"
}

@test "VM_DIR: only a separate folder is accepted" {
    ln -s /etc "$BATS_TEST_TMPDIR/link"
    echo x >"$BATS_TEST_TMPDIR/file"
    bad VM_DIR '' 0 -1 "$HUGE" / // /. /.. /etc /etc/ /etc/x /usr /usr/x /usr/local/x /bin /sbin/x /lib /lib64 /boot/x /dev/shm/x \
        /proc/x /sys/x /run/x /var /var/x /var/log/x /home /root /tmp /opt /srv "$HOME" \
        relative ./x ../x /home/../etc/x /tmp/../usr/x "$BATS_TEST_TMPDIR/link/x" "$BATS_TEST_TMPDIR/file" \
        /tmp/a,b /tmp/a:b "/tmp/$(printf '%0100d' 0)" "/tmp/a b" '/tmp/*' "/tmp/'" '/tmp/"' $'/tmp/a\nb' '/tmp/$(touch x)' "${NASTY[@]}"
    good VM_DIR "$BATS_TEST_TMPDIR/new" "$BATS_TEST_TMPDIR/a/b/c" /home/vms-x86_64-of-nobody /var/tmp/of-nobody
    [[ ! -e $BATS_TEST_TMPDIR/new && ! -e $BATS_TEST_TMPDIR/a ]]
}

@test "VM_DIR: a folder with other files in it is left unchanged" {
    local before
    # If setup continues by mistake, it must not get far.
    stub apt-get <<<'exit 1'
    stub sudo <<<'exit 1'
    export KERNEL_HOME=http://127.0.0.1:1 ALLOW_FALLBACK=no
    mkdir "$VM_DIR"
    echo precious >"$VM_DIR/file"
    before=$(everything)
    ((EUID == 0)) || skip 'setup.sh needs root'
    fails 1 ./setup.sh
    ((${#stderr_lines[@]} == 1))
    says "$VM_DIR" 'no lab' 'touch'
    fails 1 ./start.sh
    fails 1 ./stop.sh
    same "$before" "$(everything)"
}

@test "a checkout with a space and a quote in its path works" {
    cp -r "$KIT" "$BATS_TEST_TMPDIR/it's a kit"
    cd "$BATS_TEST_TMPDIR/it's a kit"
    same 128M "$(value_of SHMEM_SIZE)"
    fails 1 ./start.sh
    says 'there is no lab in'
}
