#!/usr/bin/env bats
# shellcheck disable=SC2016,SC2030,SC2031,SC2154 # code in quotes; what bats and background() set
# Step packages: GUEST_PACKAGES in a copy of the bootstrapped tree, with a fake apt.

load helpers

setup() {
    begin
    make_lab
    export LOG=$BATS_TEST_TMPDIR/installed
    : >"$LOG"
    installed NAME >"$LOG.entry"
    mkdir -p "$VM_DIR"/bootstrap/{proc,usr/sbin,var/lib/dpkg}
    echo '{"suite": "bookworm", "mirror": "http://mirror.example/debian", "keyring": "/k.gpg"}' >"$VM_DIR/bootstrap.json"
    installed make >"$VM_DIR/bootstrap/var/lib/dpkg/status"
    echo made=1 >"$VM_DIR/steps/bootstrap"
    # ./packages: runs the step as setup.sh does.
    script packages <<'END'
signals_catch
config_load
lab_create
lab_lock 60 setup.lock
trap steps_stop EXIT
steps_run packages
END
    # The mirror has these packages. apt installs them in the tree that its configuration names, and logs them.
    stub apt-cache <<<'printf "%s\n" make tree hello g++ libssl-dev'
    stub unshare <<<'while [[ $1 != apt-get ]]; do shift; done; exec "$@"'
    stub apt-get <<'END'
tree=$(sed -n 's/^Dir "\(.*\)";/\1/p' "$APT_CONFIG")
case " $* " in
*' update '*) ${UPDATE:-true} ;;
*' install '*)
    all="$*" names=${all##* -- }
    "$tree/usr/sbin/policy-rc.d" && exit 1
    for name in $names; do
        sed "s/^Package: .*/Package: $name/" "$LOG.entry" >>"$tree/var/lib/dpkg/status"
    done
    ${INSTALL:-true} || exit 100
    echo "$names" >>"$LOG"
    ;;
esac
END
}

teardown() {
    end_background
}

# installed NAME: prints an entry of dpkg's database.
installed() {
    printf '%s\n' "Package: $1" 'Status: install ok installed' 'Version: 1' 'Architecture: all' 'Maintainer: x' 'Description: x' ''
}

# Prints what the tree that the guests are made from has.
has() {
    script tree <<<'config_load; packages_tree'
    dpkg-query --admindir="$(./tree)/var/lib/dpkg" --show --showformat='${Package}\n' | sort | paste -sd ' '
}

@test "without GUEST_PACKAGES there is no second tree, and apt is not called" {
    UPDATE=false succeeds ./packages
    same make "$(has)"
    [[ ! -e $VM_DIR/packages ]]
}

@test "the knob is set in a finished lab: that is the reason that setup gives; a tree that was removed is made again" {
    succeeds ./packages
    export GUEST_PACKAGES=tree
    succeeds ./packages
    says 'packages   starts (changed: GUEST_PACKAGES)'
    rm -r "$VM_DIR/packages"
    succeeds ./packages
    says 'packages   starts (its result is gone'
    same 'make tree' "$(has)"
}

@test "packages are installed in a copy; those that the tree has already are not" {
    export GUEST_PACKAGES='tree make g++'
    succeeds ./packages
    same 'g++ make tree' "$(has)"
    same 'g++ tree' "$(<"$LOG")"
    installed make | cmp - "$VM_DIR/bootstrap/var/lib/dpkg/status"
    [[ ! -e $VM_DIR/packages/tree/usr/sbin/policy-rc.d ]] || failure 'policy-rc.d stays'
}

@test "if the tree has all of them, no mirror is needed" {
    GUEST_PACKAGES=make UPDATE=false succeeds ./packages
    same make "$(GUEST_PACKAGES='make' has)"
}

@test "a package that is added: it alone is installed, in the kept tree" {
    GUEST_PACKAGES=tree succeeds ./packages
    echo mine >"$VM_DIR/packages/tree/kept"
    export GUEST_PACKAGES='hello tree'
    succeeds ./packages
    same $'tree\nhello' "$(<"$LOG")"
    same 'hello make tree' "$(has)"
    same mine "$(<"$VM_DIR/packages/tree/kept")"
}

@test "a package that is taken out: the tree is made again without it" {
    GUEST_PACKAGES='hello tree' succeeds ./packages
    export GUEST_PACKAGES='g++ tree'
    succeeds ./packages
    same 'g++ make tree' "$(has)"
    GUEST_PACKAGES='' succeeds ./packages
    same make "$(GUEST_PACKAGES='' has)"
    [[ ! -e $VM_DIR/packages ]]
}

@test "other order, blanks and repeats are no change" {
    GUEST_PACKAGES='hello tree' succeeds ./packages
    GUEST_PACKAGES=$' tree\n hello tree' succeeds ./packages
    says 'nothing to do'
}

@test "after another bootstrap, all are installed in its tree" {
    export GUEST_PACKAGES=tree
    succeeds ./packages
    echo made=2 >"$VM_DIR/steps/bootstrap"
    installed less >"$VM_DIR/bootstrap/var/lib/dpkg/status"
    succeeds ./packages
    same 'less tree' "$(has)"
}

# unchanged: the tree of GUEST_PACKAGES=tree is as it was, and nothing else is left.
unchanged() {
    same "$BEFORE" "$(everything "$VM_DIR/packages")"
    same '' "$(find "$VM_DIR" -maxdepth 1 -name '*.old')"
    GUEST_PACKAGES='hello tree' succeeds ./packages
    same 'hello make tree' "$(GUEST_PACKAGES='hello tree' has)"
    same '' "$(find "$VM_DIR" -maxdepth 1 \( -name '*.old' -o -name '*.partial' -o -name '*.tmp' \))"
}

@test "a package that the suite lacks is named with the knob, in one line; the old tree stays" {
    local name
    GUEST_PACKAGES=tree succeeds ./packages
    BEFORE=$(everything "$VM_DIR/packages")
    for name in no-such-thing tree- 'libssl.dev' g+; do
        fails 1 env GUEST_PACKAGES="tree $name" ./packages
        grep -qE "^packages: error: .*Debian bookworm has no package ${name//+/\\+}: correct GUEST_PACKAGES" <<<"$stderr" ||
            failure "$name is not named"
    done
    unchanged
}

@test "the mirror cannot be reached, or apt fails: the cause in one line; the old tree stays" {
    GUEST_PACKAGES=tree succeeds ./packages
    BEFORE=$(everything "$VM_DIR/packages")
    stub no-mirror <<<'echo "E: Failed to fetch http://mirror.example/debian/InRelease  Could not connect" >&2; exit 100'
    GUEST_PACKAGES='tree hello' UPDATE=no-mirror fails 1 ./packages
    says 'error: step packages failed: cannot update the lists of Debian bookworm (E: Failed to fetch http://mirror.example'
    stub broken <<<'echo "E: You have held broken packages." >&2; exit 100'
    GUEST_PACKAGES='tree hello' INSTALL=broken fails 1 ./packages
    says 'error: step packages failed: cannot install hello of GUEST_PACKAGES (E: You have held broken packages'
    unchanged
}

@test "setup is killed while apt installs: the old tree stays, and the next setup installs" {
    GUEST_PACKAGES=tree succeeds ./packages
    BEFORE=$(everything "$VM_DIR/packages")
    mkfifo "$BATS_TEST_TMPDIR/never"
    stub slow <<<'touch "$LOG.busy"; read -r _ <"${LOG%/*}/never"'
    INSTALL=slow GUEST_PACKAGES='tree hello' background setup ./packages
    wait_until test -e "$LOG.busy"
    kill -KILL "$setup"
    await setup
    unchanged
}

@test "apt fetches as on the host, and reads and writes everything else in the tree" {
    local conf=$BATS_TEST_TMPDIR/conf
    echo 'Acquire::http::Proxy "http://proxy.example:3128"; DPkg::Pre-Invoke { "host"; }; Acquire::Languages { "de"; };' >"$conf"
    stub keep <<<'cp "$APT_CONFIG" "$LOG.conf"; cp "${APT_CONFIG%/*}/sources.list" "$LOG.sources"'
    APT_CONFIG=$conf GUEST_PACKAGES=tree UPDATE=keep succeeds ./packages
    same 'deb [signed-by=/k.gpg] http://mirror.example/debian bookworm main' "$(<"$LOG.sources")"
    same 'http://proxy.example:3128' "$(APT_CONFIG=$LOG.conf apt-config shell proxy Acquire::http::Proxy | sed "s/proxy='\(.*\)'/\1/")"
    refuted grep -qE 'Pre-Invoke|"de"' "$LOG.conf"
}
