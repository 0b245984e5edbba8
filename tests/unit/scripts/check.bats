#!/usr/bin/env bats
# shellcheck disable=SC2016,SC2154 # code in quotes; what bats sets
# setup.sh --check, which lists all obstacles; continuing through sudo; and the choice of ACCEL=auto.

load helpers

setup() {
    begin
    export SHMEM_SIZE=1M VM_MEMORY=128M KERNEL_HOME=http://127.0.0.1:1 DEBIAN_MIRROR=http://127.0.0.1:1
    stub df <<'END'
case $* in
*-BM*) printf 'Avail\n%sM\n' "${FREE_MB:-90000}" ;;
*) printf 'Avail\n%s\n' $((${FREE_MB:-90000} << 20)) ;;
esac
END
    packages_missing
    stub qemu-system-x86_64 <<<'exit 1'
}

# packages_missing [NAME...]: all host packages except these (at most two) are installed.
packages_missing() {
    script packages <<<'printf "%s\n" "${HOST_PACKAGES[@]}"'
    ./packages | grep -vxF -e "${1:-none}" -e "${2:-none}" >"$BATS_TEST_TMPDIR/installed"
    stub dpkg-query <<END
sed 's/^/installed /' '$BATS_TEST_TMPDIR/installed'
END
}

# obstacle SUBJECT TEXT REMEDY: --check listed this obstacle, with the remedy below it.
obstacle() {
    grep -A 1 -E "^obstacle +$1 .*$2" <<<"$output" | grep -qE "remedy: .*$3" || failure "no obstacle $1: $2, $3"
}

@test "--check lists all obstacles at once, each with its remedy, and changes nothing" {
    local before
    packages_missing screen debootstrap
    before=$(everything "$KIT")
    fails 1 env FREE_MB=100 ALLOW_FALLBACK=no VM_MEMORY=1T ./setup.sh --check
    obstacle packages 'missing: debootstrap screen' './setup.sh host'
    obstacle disk '100 MB free in .*; the build needs' 'set VM_DIR'
    obstacle memory 'MB needed for 2 VMs' 'lower VM_MEMORY'
    obstacle kernel '127.0.0.1:1.* cannot be reached' KERNEL_SOURCE
    obstacle suite 'cannot get Debian buster' DEBIAN_MIRROR
    same "$before" "$(everything "$KIT")"
    [[ ! -e $VM_DIR ]]
}

# A host without obstacles. It can reach only the servers that match the pattern $REACHED.
good_host() {
    export VM_OWNER SCREENDIR=$TMPDIR REACHED=$1
    VM_OWNER=$(id -un)
    stub sudo <<<'exit 9'
    stub findmnt <<<'echo ext4 rw,relatime'
    stub unshare <<<'exit 0'
    stub qemu-system-x86_64 <<<'printf "%s\n" user ivshmem-plain virtio-blk-pci'
    stub curl <<'END'
[[ " $* " != *' --write-out '* ]] || code=200
while (($# > 1)); do
    [[ $1 != --output ]] || file=$2
    shift
done
[[ $1 == $REACHED ]] || { echo "curl: cannot reach $1" >&2; exit 7; }
echo "the answer to $1" >"$file"
printf '%s' "${code:-}"
END
    stub gpgv <<<'echo "[GNUPG:] VALIDSIG 1"'
    script packages <<<'printf "%s\n" "${DEBIAN_KEYRINGS[0]}"'
    [[ -r $(./packages) ]] || skip 'needs debian-archive-keyring'
    stub apt-get <<'END'
. /etc/os-release
[[ $1 != indextargets ]] || echo "Debian|$VERSION_CODENAME|main|http://mirror/debian"
END
}

# listed KIND SUBJECT TEXT: --check printed this line.
listed() {
    grep -qE "^$1 +$2 +$3$" <<<"$output" || failure "no $1 $2: $3"
}

@test "--check without an obstacle reports ok and succeeds" {
    good_host 'http*'
    succeeds ./setup.sh --check
    listed ok packages 'all installed'
    listed ok disk '90000 MB free .*'
    listed ok kernel "$KERNEL_HOME/v6.x/linux-6.10.11.tar.xz"
    listed ok suite "buster at $DEBIAN_MIRROR"
    listed notice kvm 'tested once .*'
    same 1 "$(grep -vc '^ok ' <<<"$output")"
    : >linux.tar.xz
    succeeds env KERNEL_SOURCE="$PWD/linux.tar.xz" ./setup.sh --check
    listed ok kernel "$PWD/linux.tar.xz"
}

@test "--check: a source that needs a fallback gives a notice, and --check succeeds" {
    good_host 'http://mirror/*'
    succeeds ./setup.sh --check
    listed notice kernel "$KERNEL_HOME/.* cannot be reached: .*linux-source.*"
    listed notice suite "cannot get Debian buster: .*, from http://mirror/debian"
    prints_not obstacle
    fails 1 env ALLOW_FALLBACK=no ./setup.sh --check
    obstacle kernel 'cannot be reached' KERNEL_SOURCE
    obstacle suite 'ALLOW_FALLBACK=no forbids another suite' DEBIAN_MIRROR
}

@test "--check: a region larger than /dev/shm is an obstacle; the remedy says how to make room" {
    fails 1 env FREE_MB=100 SHMEM_SIZE=128M ./setup.sh --check
    obstacle region 'no room for 128M' 'lower SHMEM_SIZE, or: sudo mount -o remount,size=256M /dev/shm'
}

# --- sudo

# as_somebody COMMAND...: runs COMMAND without root, in a user namespace without a mapping.
as_somebody() {
    unshare --user -- "$@"
}

@test "without root, setup.sh continues through sudo with the same knobs, and no password is on a command line" {
    as_somebody true || skip 'no user namespaces here'
    stub sudo <<'END'
printf '%s\n' "$@" >"$TMPDIR/arguments"
tr '\0' '\n' >"$TMPDIR/knobs"
END
    succeeds as_somebody env ROOT_PASSWORD='se cret' ./setup.sh --set VM_COUNT=5 host
    says 'need root: continuing through sudo'
    grep -qxF "$KIT/setup.sh" "$TMPDIR/arguments"
    same bash "$(grep -vx -e -- "$TMPDIR/arguments" | head -n 1)" # works even if setup.sh is not executable
    grep -qx host "$TMPDIR/arguments"
    refuted grep -q cret "$TMPDIR/arguments"
    grep -qx 'ROOT_PASSWORD=se cret' "$TMPDIR/knobs"
    grep -qx 'VM_COUNT=5' "$TMPDIR/knobs"
    grep -qx "VM_DIR=$VM_DIR" "$TMPDIR/knobs"
}

@test "setup.sh accepts the knobs that it passes itself on stdin" {
    run --separate-stderr ./setup.sh --knobs-on-stdin --help < <(printf 'VM_COUNT=7\0KERNEL_VERSION=6.6.1\0')
    prints 'disks of 7 VMs' 'Linux 6.6.1'
}

@test "without root and sudo, setup.sh says so" {
    as_somebody true || skip 'no user namespaces here'
    script become <<<'have() { [[ $1 != sudo ]] && command -v "$1" >/dev/null; }; config_load; CHECK_LISTED=yes; check_root'
    succeeds as_somebody ./become
    prints 'neither root nor sudo' 'run setup.sh as root'
}

# --- ACCEL=auto tries KVM

# Prints the choice of ACCEL=auto: the accelerator, the CPU model, and the reason. The fake QEMU counts its calls.
choose_accel() {
    [[ -r /dev/kvm && -w /dev/kvm ]] || skip 'no /dev/kvm that one could try'
    make_lab
    script choose <<<'config_load; accel_choose accel reason cpu; echo "$accel $cpu $reason"'
    succeeds ./choose
}

@test "a kernel prints its banner under KVM: kvm is chosen, and the verdict is kept" {
    stub qemu-system-x86_64 <<<'echo called >>"$TMPDIR/calls"; echo "[    0.000000] Linux version 6.10.11"'
    choose_accel
    same "kvm host,host-cache-info=on the lab's kernel boots under KVM" "$output"
    succeeds ./choose
    same "kvm host,host-cache-info=on the lab's kernel boots under KVM" "$output"
    same 1 "$(wc -l <"$TMPDIR/calls")"
    script check_kvm <<<'config_load; CHECK_LISTED=yes; check_kvm'
    succeeds ./check_kvm
    listed ok kvm "the lab's kernel boots under KVM"
}

@test "the CPU model is the first with which a kernel boots" {
    stub qemu-system-x86_64 <<<'[[ $* == *"-cpu host,pmu=off "* ]] && echo "[    0.000000] Linux version 6.10.11"'
    choose_accel
    same "kvm host,pmu=off the lab's kernel boots under KVM" "$output"
    succeeds ./choose
    same "kvm host,pmu=off the lab's kernel boots under KVM" "$output"
    succeeds env ACCEL=tcg ./choose
    same 'tcg max ACCEL=tcg' "$output"
}

@test "/dev/kvm opens but boots no kernel: tcg, with the reason; a new kernel is tried again" {
    stub qemu-system-x86_64 <<<'echo called >>"$TMPDIR/calls"; echo "qemu: error: failed to set MSR 0x345" >&2; exit 134'
    choose_accel
    same "tcg max /dev/kvm is there, but the lab's kernel does not boot under it (qemu: error: failed to set MSR 0x345)" "$output"
    touch -d '2001-01-01' "$VM_DIR/kernel/vmlinux"
    succeeds ./choose
    same 6 "$(wc -l <"$TMPDIR/calls")"
    succeeds env ACCEL=kvm ./choose
    same 'kvm host,host-cache-info=on ACCEL=kvm' "$output"
    script check_kvm <<<'config_load; CHECK_LISTED=yes; check_kvm'
    succeeds ./check_kvm
    listed notice kvm ".*, but the lab's kernel does not boot under it .*: the VMs are emulated \(TCG\)"
}
