# shellcheck shell=bash
# The packages that the host needs: which are missing, and installing them without removing any.

HOST_PACKAGES=(
    gcc make vim screen qemu-system-x86 qemu-utils      # what spec.md names, of qemu-system the part for this machine
    debootstrap debian-archive-keyring gpgv             # the root file system
    bc bison flex libelf-dev libc6-dev xz-utils         # the kernel's build
    curl ca-certificates e2fsprogs jq                   # downloads, images, manifest
    openssh-client socat procps                         # reaching the guests, and QEMU over QMP
    gnuplot-nox                                         # the plots of bench.sh (with what it needs: 3.5 MB)
)

# The packages that are not installed, a line each. One that is there under another name counts if it says that it
# provides this one: gnuplot-qt is a gnuplot-nox, Proxmox's pve-qemu-kvm is a qemu-system-x86. They exclude each other.
host_missing() {
    comm -13 <(dpkg-query --show --showformat='${db:Status-Status} ${Package}, ${Provides}\n' |
        sed -n 's/^installed //p' | tr ',' '\n' | sed -E 's/^ *//; s/ .*//; s/:.*//' | sort -u) \
        <(printf '%s\n' "${HOST_PACKAGES[@]}" | sort -u)
}

# Installs packages, and removes none.
host_install() {
    local plan removed
    local -a apt
    plan=$(apt_plan "$@")
    removed=$(plan_names remove <<<"$plan")
    [[ -z $removed ]] || die "$(host_removes "$removed"): $HOST_REMOVES_REMEDY"
    host_announce "$plan"
    apt_wait
    mapfile -t apt < <(apt_command)
    wait "$!"
    # --no-remove: whatever happened since.
    "${apt[@]}" install --yes --no-remove --no-install-recommends -- "$@"
}

# plan_names install|remove: the names in the plan on stdin, in one line.
plan_names() {
    sed -n "s/^$1 //p" | paste -sd ' '
}

# Says which packages plan $1 would install, with all that they need, and how large that is.
host_announce() {
    local -a names
    read -r -a names < <(plan_names install <<<"$1") || return 0
    say "Installing ${#names[@]} packages on this host, $(apt_size "${names[@]}"): ${names[*]}"
}

host_removes() {
    printf 'apt would remove %s for what the lab needs, and setup removes nothing' "$1"
}
HOST_REMOVES_REMEDY='install what is missing by hand, in a way that keeps it, then call ./setup.sh again'
