# shellcheck shell=bash
# The packages that the host needs: finds the missing ones, and installs them without removing any.

HOST_PACKAGES=(
    gcc make vim screen qemu-system-x86 qemu-utils      # named in docs/specification.md (qemu-system: for x86)
    debootstrap debian-archive-keyring gpgv             # the root file system
    bc bison flex libelf-dev libc6-dev pkg-config xz-utils   # the kernel's build
    curl ca-certificates e2fsprogs jq                   # downloads, images, manifest
    openssh-client socat procps                         # ssh into the guests, QMP to QEMU
    gnuplot-nox cmark-gfm xsltproc                      # the reports of bench.sh: plots (3.5 MB with dependencies), pages
)

# Prints the packages that are not installed, a line each. A package counts as installed if another one provides it:
# gnuplot-qt provides gnuplot-nox, Proxmox's pve-qemu-kvm provides qemu-system-x86. Both could not be installed at once.
host_missing() {
    comm -13 <(dpkg-query --show --showformat='${db:Status-Status} ${Package}, ${Provides}\n' |
        sed -n 's/^installed //p' | tr ',' '\n' | sed -E 's/^ *//; s/ .*//; s/:.*//' | sort -u) \
        <(printf '%s\n' "${HOST_PACKAGES[@]}" | sort -u)
}

# Prints the packages that are missing, lines "missing NAME", and what apt would do to install them (apt_plan). Prints nothing if
# none is missing.
host_plan() {
    local -a missing
    lines_of missing host_missing
    ((${#missing[@]} > 0)) || return 0
    printf 'missing %s\n' "${missing[@]}"
    apt_plan "${missing[@]}"
}

# host_install PACKAGE...: installs them, and removes none.
host_install() {
    local plan removed
    local -a apt
    plan=$(apt_plan "$@")
    removed=$(plan_names remove <<<"$plan")
    [[ -z $removed ]] || die "$(host_removes "$removed"): $HOST_REMOVES_REMEDY"
    host_announce "$plan"
    apt_wait
    lines_of apt apt_command
    # --no-remove, because the plan may be out of date by now.
    "${apt[@]}" install --yes --no-remove --no-install-recommends -- "$@"
}

# plan_names install|remove|missing: prints those names of the plan on stdin, in one line.
plan_names() {
    sed -n "s/^$1 //p" | paste -sd ' '
}

# host_foretell PLAN: says which packages step host will install, by apt's lists as they are now. PLAN is the output of host_plan.
host_foretell() {
    if [[ $1 == *unknown* ]]; then
        say "Installing $(plan_names missing <<<"$1") and their dependencies (size unknown: apt's lists are empty or old)"
    else
        host_announce "$1"
    fi
}

# host_announce PLAN: says which packages it installs, with their dependencies, and how large they are.
host_announce() {
    local noun=packages
    local -a names
    read -r -a names <<<"$(plan_names install <<<"$1")"
    ((${#names[@]} > 0)) || return 0
    ((${#names[@]} > 1)) || noun=package
    say "Installing ${#names[@]} $noun on this host, $(apt_size "${names[@]}"): ${names[*]}"
}

host_removes() {
    printf 'apt would remove %s to install what the lab needs, but setup removes nothing' "$1"
}
HOST_REMOVES_REMEDY='install the missing packages by hand without removing any, then run ./setup.sh again'
