# shellcheck shell=bash
# Step packages: the user's own packages, GUEST_PACKAGES, in a copy of the bootstrapped tree, which is kept:
#
#   VM_DIR/packages/tree       the tree
#   VM_DIR/packages/contents   what it is made from: the id of the bootstrapped tree, and the packages, a line each
#
# Packages that the knob gains are installed in a copy of the kept tree. When it loses one, the tree is made from the
# bootstrapped one again: apt could not take out all that a package and its dependencies left.

inputs_packages() {
    printf 'bootstrap=%s\n' "$(step_made bootstrap)"
    printf 'GUEST_PACKAGES=%s\n' "$GUEST_PACKAGES"
}

# The stamp tells whether there should be a tree.
present_packages() {
    grep -qxF GUEST_PACKAGES= "$VM_DIR/steps/packages" || [[ -s $VM_DIR/packages/contents ]]
}

# Prints the tree that the root file system is a copy of.
packages_tree() {
    if [[ -n $GUEST_PACKAGES ]]; then
        printf '%s/packages/tree' "$VM_DIR"
    else
        printf '%s/bootstrap' "$VM_DIR"
    fi
}

step_packages() {
    local partial=$VM_DIR/packages.partial from=$VM_DIR/bootstrap
    local -a wanted missing
    lab_remove "$partial"
    if [[ -z $GUEST_PACKAGES ]]; then
        lab_remove "$VM_DIR/packages"
        return
    fi
    [[ -d $from ]] || die "there is no bootstrapped tree in $VM_DIR: run ./setup.sh bootstrap packages"
    ! packages_extend || from=$VM_DIR/packages/tree
    step_says "Copying ${from#"$VM_DIR"/}"
    mkdir -- "$partial"
    cp -a --reflink=auto -- "$from" "$partial/tree"
    read -r -a wanted <<<"$GUEST_PACKAGES"
    lines_of missing packages_missing "$partial/tree" "${wanted[@]}"
    ((${#missing[@]} == 0)) || packages_install "$partial/tree" "${missing[@]}"
    packages_contents >"$partial/contents"
    result_replace "$partial" "$VM_DIR/packages"
}

packages_contents() {
    step_made bootstrap
    tr ' ' '\n' <<<"$GUEST_PACKAGES"
}

# Is all of the kept tree wanted, so that packages need only be added to it?
packages_extend() {
    local contents
    contents=$(packages_contents)
    [[ -s $VM_DIR/packages/contents ]] && ! grep -qvxF -f <(printf '%s\n' "$contents") "$VM_DIR/packages/contents"
}

# packages_missing TREE PACKAGE...: prints those that are not installed in the tree.
packages_missing() {
    printf '%s\n' "${@:2}" | grep -vxF -f <(dpkg-query --admindir="$1/var/lib/dpkg" --show \
        --showformat='${db:Status-Status} ${Package}\n' | sed -n 's/^installed //p') || true
}

# packages_install TREE PACKAGE...: installs them with the host's apt, so it fetches as on the host: with the host's name servers,
# proxies and certificates. Only dpkg, and with it the scripts of the packages, runs in the tree.
packages_install() {
    local tree=$1 suite lacking
    local -a packages=("${@:2}")
    suite=$(jq -r .suite "$VM_DIR/bootstrap.json")
    packages_apt_config "$tree" >"$TMPDIR/apt.conf"
    local -x APT_CONFIG=$TMPDIR/apt.conf DEBIAN_FRONTEND=noninteractive
    step_says "Updating the lists of Debian $suite"
    apt-get -o APT::Update::Error-Mode=any update ||
        die "cannot update the lists of Debian $suite (see above), so GUEST_PACKAGES cannot be installed"
    # apt would take an unknown name for a pattern, or for a package to remove (apt-get(8), install).
    lacking=$(printf '%s\n' "${packages[@]}" | grep -vxF -f <(apt-cache pkgnames)) || true
    [[ -z $lacking ]] || die "Debian $suite has no package ${lacking//$'\n'/, }: correct GUEST_PACKAGES"
    step_says "Installing ${packages[*]}"
    printf '#!/bin/sh\nexit 101\n' >"$tree/usr/sbin/policy-rc.d" # starts no service: Debian Policy, 9.3.3.2
    chmod 755 "$tree/usr/sbin/policy-rc.d"
    # As for debootstrap, its mounts and processes are in namespaces of their own.
    # shellcheck disable=SC2016 # for the other shell
    unshare --mount --pid --fork --kill-child=KILL -- bash -ec 'mount -t proc proc "$1/proc"; exec "${@:2}"' - "$tree" \
        apt-get install --yes --no-remove --no-install-recommends -- "${packages[@]}" ||
        die "cannot install ${packages[*]} of GUEST_PACKAGES (see above)"
    apt-get clean
    rm -- "$tree/usr/sbin/policy-rc.d"
}

# packages_apt_config TREE: prints the configuration of the host's apt that installs in this tree: what the host has under
# Acquire, without the lists that only programs of the host read; everything else from the tree.
packages_apt_config() {
    debian_source "$(jq -r .mirror "$VM_DIR/bootstrap.json")" "$(jq -r .keyring "$VM_DIR/bootstrap.json")" >"$TMPDIR/sources.list"
    apt-config dump Acquire | grep -vE '^Acquire::(IndexTargets|Languages)'
    cat <<EOF_APT
Dir "$1";
Dir::Etc::SourceList "$TMPDIR/sources.list";
Dir::Etc::SourceParts "/dev/null";
Dir::Cache::pkgcache "";
Dir::Cache::srcpkgcache "";
DPkg::Chroot-Directory "$1";
Dir::Bin::dpkg "env";
DPkg::Options { "--unset=TMPDIR"; "--unset=APT_CONFIG"; "dpkg"; "--force-confold"; "--force-unsafe-io"; };
DPkg::Use-Pty "no";
Acquire::Languages "none";
APT::Sandbox::User "root";
EOF_APT
}
