#!/usr/bin/env bats
# shellcheck disable=SC2016,SC2154 # code in quotes; what bats sets
# Obstacles to setup: setup.sh --check lists them. setup.sh reports each in one line and exits before it changes anything.

load helpers

setup() {
    begin
    # If setup.sh continues by mistake, it must not get far.
    export SHMEM_SIZE=1M VM_MEMORY=128M KERNEL_HOME=http://127.0.0.1:1 DEBIAN_MIRROR=http://127.0.0.1:1 ALLOW_FALLBACK=no
    stub df <<'END'
case $* in
*iavail*) printf 'IFree\n%s\n' "${FREE_INODES:-900000}" ;;
*-BM*) printf 'Avail\n%sM\n' "${FREE_MB:-90000}" ;;
*) printf 'Avail\n%s\n' $((${FREE_MB:-90000} << 20)) ;;
esac
END
    script packages <<<'printf "installed %s, \n" "${HOST_PACKAGES[@]}"'
    installed_but
}

# installed_but [PACKAGE...]: makes all packages that the host needs look installed except these. Further installed packages
# can be listed in the file installed.more.
installed_but() {
    ./packages | grep -vxF -f <(printf 'installed %s, \n' "$@") >"$BATS_TEST_TMPDIR/installed"
    stub dpkg-query <<<"cat '$BATS_TEST_TMPDIR'/installed*"
}

as_root() {
    ((EUID == 0)) || skip 'needs root'
}

# obstacle SUBJECT TEXT REMEDY [COMMAND...]: --check must list the obstacle with its remedy, setup.sh must fail with both
# in one line, and neither may leave files behind. COMMAND is a prefix of ./setup.sh.
obstacle() {
    local before
    before=$(everything "$KIT")
    fails 1 "${@:4}" ./setup.sh --check
    grep -A 1 -E "^obstacle +$1 .*$2" <<<"$output" | grep -qE "remedy: .*$3" || failure "no obstacle $1: $2, $3"
    fails 1 "${@:4}" ./setup.sh
    grep -qE "^setup.sh: error: .*$2.*: .*$3" <<<"$stderr" || failure "setup does not say: $2, $3"
    says_not starts
    same "$before" "$(everything "$KIT")"
    [[ ! -e $VM_DIR ]] || failure 'VM_DIR was made'
}

# in_mount OPTIONS COMMAND...: runs COMMAND with VM_DIR in a private file system with these mount options.
in_mount() {
    mkdir -p "$BATS_TEST_TMPDIR/mount"
    VM_DIR=$BATS_TEST_TMPDIR/mount/lab unshare --mount bash -ec \
        'mount -t tmpfs -o "$1" tmpfs "$2"; exec "${@:3}"' - "$1" "$BATS_TEST_TMPDIR/mount" "${@:2}"
}

# without RIGHT COMMAND...: runs COMMAND as root without a capability, as in a container.
without() {
    setpriv --bounding-set "-$1" -- "${@:2}"
}

@test "obstacle: VM_DIR on a file system that is mounted nodev, noexec or ro" {
    local option
    as_root
    for option in nodev noexec ro; do
        obstacle folder "is mounted $option" 'set VM_DIR' in_mount "$option"
    done
}

@test "obstacle: VM_DIR on a network or Windows file system" {
    local type
    as_root
    for type in nfs4 fuse.sshfs vfat; do
        stub findmnt <<<"echo '$type rw,relatime'"
        obstacle folder "is $type, which does not" 'set VM_DIR to a folder on a local file system'
    done
}

@test "no obstacle: VM_DIR on a suitable file system" {
    as_root
    succeeds in_mount dev,exec bash -c '. lib/load.sh; . setup/load.sh; config_load; STEPS_DUE=" bootstrap "; check_folder; echo "$OBSTACLES"'
    same 0 "$output"
}

@test "obstacle: VM_OWNER cannot enter the folder of VM_DIR" {
    as_root
    mkdir -m 700 "$BATS_TEST_TMPDIR/closed"
    chmod 755 "$BATS_TEST_TMPDIR"
    VM_DIR=$BATS_TEST_TMPDIR/closed/lab VM_OWNER=nobody obstacle folder 'nobody, who will own the lab, cannot enter' VM_OWNER
}

@test "--check also reports a VM_DIR with other files in it" {
    mkdir "$VM_DIR"
    : >"$VM_DIR/file"
    fails 1 ./setup.sh --check
    prints "$VM_DIR is not empty and holds no lab" 'set VM_DIR to a new or empty folder'
}

@test "obstacle: a container without the rights that debootstrap needs" {
    local right
    as_root
    for right in sys_admin mknod sys_chroot; do
        obstacle rights 'lacks rights here that debootstrap needs \(.*' 'privileged container' without "$right"
    done
}

@test "a finished lab needs no rights and no disk space" {
    as_root
    make_lab
    script preflight <<'END'
config_load
for step in kernel bootstrap rootfs; do
    eval "inputs_$step() { echo 'size=1'; }; present_$step() { :; }"
    inputs_"$step" >"$VM_DIR/steps/$step"
done
"$@"
host_preflight kernel bootstrap rootfs
END
    succeeds env FREE_MB=150 FREE_INODES=1 setpriv --bounding-set -mknod -- ./preflight
    fails 1 env FREE_MB=150 FREE_INODES=1 setpriv --bounding-set -mknod -- ./preflight steps_force kernel bootstrap
    says '150 MB free' 'that debootstrap needs'
}

@test "obstacle: a file with Windows line ends in any folder that setup.sh uses" {
    local folder
    as_root
    mkdir -p prog server
    for folder in lib setup run bench kernel driver guest prog server; do
        printf 'one\r\ntwo\r\n' >"$folder/windows"
        obstacle checkout "lines end with CRLF .* in $folder/windows" 'get the files again'
        rm "$folder/windows"
    done
}

@test "obstacle: the machine or its Debian has another architecture" {
    as_root
    stub dpkg <<<'echo i386'
    obstacle machine 'Debian is for i386' amd64
    stub uname <<<'echo aarch64'
    obstacle machine 'this host is aarch64' 'x86_64 host'
}

@test "obstacle: not enough disk space or inodes" {
    as_root
    FREE_MB=200 obstacle disk '200 MB free in .*; the build needs' 'set VM_DIR'
    FREE_INODES=1000 obstacle disk '1000 inodes free in' 'set VM_DIR'
}

@test "--check reports a TMPDIR that is not a folder; setup.sh itself does not need it" {
    as_root
    fails 1 env TMPDIR=/no/such/folder ./setup.sh --check
    prints 'temporary' '/no/such/folder is not a writable folder' 'set TMPDIR'
}

@test "a file system that does not count inodes has enough of them" {
    as_root
    mkdir "$VM_DIR"
    touch "$VM_DIR/something"
    fails 1 env FREE_INODES=- ./setup.sh
    says 'holds no lab'
    says_not inodes
}

@test "obstacle: QEMU without slirp or without ivshmem" {
    as_root
    stub qemu-system-x86_64 <<<'[[ $1 != -netdev ]] && echo "name \"ivshmem-plain\"" && echo "name \"virtio-blk-pci\"" || printf "%s\n" socket tap'
    obstacle qemu 'no -netdev user: it was built without slirp' "Debian's qemu-system-x86"
    stub qemu-system-x86_64 <<<'[[ $1 != -netdev ]] || printf "%s\n" socket user'
    obstacle qemu 'no ivshmem-plain' "Debian's qemu-system-x86"
}

@test "obstacle: /run/screen is missing, and the user cannot make it" {
    as_root
    [[ ! -u $(command -v screen) && ! -g $(command -v screen) ]] || skip 'this screen makes it'
    unset SCREENDIR
    VM_OWNER=nobody obstacle screen '/run/screen is missing' 'install -d -m 1777 /run/screen' \
        unshare --mount bash -ec 'mount -t tmpfs tmpfs /run; exec "$@"' -
}

@test "setup.sh reports all obstacles at once" {
    as_root
    fails 1 env FREE_MB=200 setpriv --bounding-set -mknod -- ./setup.sh
    says '200 MB free' 'that debootstrap needs'
    same 2 "${#stderr_lines[@]}"
}

# --- Packages

# Makes apt-get --simulate print stdin. Installing fails, and the file calls gets its arguments.
stub_apt() {
    cat >"$BATS_TEST_TMPDIR/would"
    stub apt-get <<END
case " \$* " in
*' --simulate '*) cat '$BATS_TEST_TMPDIR/would' ;;
*' indextargets '*) echo 1 ;;
*) echo "\$*" >>'$BATS_TEST_TMPDIR/calls'; exit 1 ;;
esac
END
}

@test "an installed package that provides a needed one counts as that package" {
    installed_but gnuplot-nox qemu-utils
    printf 'installed %s\n' 'gnuplot-qt, gnuplot, gnuplot-nox, gnuplot-x11' 'pve-qemu-kvm, qemu-utils (= 9.0), qemu-system-arm' \
        >"$BATS_TEST_TMPDIR/installed.more"
    script missing <<<'host_missing'
    succeeds ./missing
    same '' "$output"
}

@test "obstacle: apt would remove packages of the user" {
    as_root
    installed_but qemu-system-x86
    stub_apt <<'END'
Remv proxmox-ve [8.0]
Remv pve-qemu-kvm [9.0]
Inst qemu-system-x86 (7.2 Debian:12/stable [amd64])
END
    obstacle packages 'apt would remove proxmox-ve pve-qemu-kvm' 'by hand'
    [[ ! -e $BATS_TEST_TMPDIR/calls ]] || failure "apt was called: $(<"$BATS_TEST_TMPDIR/calls")"
}

@test "step host removes no packages either, even if apt's lists have changed by then" {
    installed_but jq
    stub_apt <<<'Inst jq (1.6 Debian:12/stable [amd64])'
    stub apt-cache <<<'true'
    mkdir -p "$VM_DIR/cache"
    script host <<<'config_load; step_host'
    fails 1 ./host
    grep -q ' install --yes --no-remove ' "$BATS_TEST_TMPDIR/calls"
    stub_apt <<<'Remv gnuplot-x11 [5.4]'
    rm "$BATS_TEST_TMPDIR/calls"
    fails 1 ./host
    says 'apt would remove gnuplot-x11'
    refuted grep -q ' install ' "$BATS_TEST_TMPDIR/calls"
}

@test "setup.sh announces the packages it will install, with their sizes" {
    as_root
    installed_but jq
    stub_apt <<<$'Inst libjq1 (1.6 Debian)\nInst jq (1.6 Debian)\nConf jq (1.6 Debian)'
    stub apt-cache <<<'printf "Package: x\nInstalled-Size: 2000\nSize: 600000\n\nPackage: y\nInstalled-Size: 1000\nSize: 400000\n"'
    fails 1 ./setup.sh host
    says 'Installing 2 packages on this host, 1 MB to download, 3 MB on disk: libjq1 jq'
    stub_apt <<<'Inst jq (1.6 Debian)'
    fails 1 ./setup.sh host
    says 'Installing 1 package on this host, 1 MB to download, 3 MB on disk: jq'
}

@test "setup.sh announces no packages when an obstacle keeps it from installing any" {
    as_root
    installed_but jq
    stub_apt <<<'Inst jq (1.6 Debian)'
    FREE_MB=5 fails 1 ./setup.sh
    says 'free in'
    says_not Installing
}

@test "setup.sh announces no packages when apt would install none" {
    as_root
    installed_but jq
    stub_apt <<<'nothing to do'
    fails 1 ./setup.sh host
    says_not 'Installing 0 packages'
}

@test "if apt's lists are empty, setup.sh names the packages and says why it knows no more" {
    as_root
    installed_but jq
    stub_apt <<<'E: Unable to locate package jq'
    fails 1 ./setup.sh host
    says "Installing jq and their dependencies" 'empty or old'
}

@test "obstacle: apt cannot install, with apt's own error message" {
    as_root
    installed_but jq
    stub_apt <<<"E: Unmet dependencies. Try 'apt --fix-broken install' with no packages"
    obstacle packages 'apt cannot install jq \(Unmet dependencies' 'fix that'
}
