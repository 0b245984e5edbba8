# shellcheck shell=bash
# Checks for obstacles. `setup.sh --check` lists all of them and changes nothing. Every other call of setup.sh checks what
# its own steps need before it changes anything, and ends if there is an obstacle.

# host_check STEP...: setup.sh --check. Checks everything, and ends the program.
host_check() {
    CHECK_LISTED=yes
    check_machine
    check_root
    # The other checks need apt.
    if ! have apt-get || ! have dpkg-query; then
        exit 1
    fi
    check_setup "$@"
    check_packages "$(host_plan)"
    check_host_ready
    check_start
    check_sources
    ((OBSTACLES == 0)) || exit 1
    exit 0
}

# host_preflight STEP...: the checks that setup begins with. Ends the program if these steps cannot succeed; otherwise says
# which packages setup will install.
host_preflight() {
    local plan
    check_machine
    ((OBSTACLES == 0)) || exit 1
    check_setup "$@"
    plan=$(host_plan)
    check_packages "$plan"
    check_host_ready
    ((OBSTACLES == 0)) || exit 1
    ! due host || host_foretell "$plan"
}

# The checks at the end of step host, when its packages are installed.
host_ready() {
    check_host_ready
    ((OBSTACLES == 0)) || exit 1
}

# check_setup STEP...: the needs of those steps that are due.
check_setup() {
    steps_find_due "$@"
    check_checkout
    check_clock
    check_folder
    check_rights
    check_disk
}

# What the packages of step host must provide.
check_host_ready() {
    check_screen
    check_qemu
}

check_machine() {
    local arch
    if ! have apt-get || ! have dpkg-query; then
        check_obstacle machine 'this host is not Debian: it has no apt' 'use a Debian host (tested: 12 and 13)'
        return
    fi
    # Debian for i386 can run on a kernel for x86_64.
    arch=$(dpkg --print-architecture)
    if [[ $(uname -m) != x86_64 ]]; then
        check_obstacle machine "this host is $(uname -m)" 'use an x86_64 host: the guests are x86_64'
    elif [[ $arch != amd64 ]]; then
        check_obstacle machine "this host's Debian is for $arch" 'use Debian for amd64: the guests are x86_64'
    else
        check_ok machine "$(. /etc/os-release && echo "${PRETTY_NAME:-Debian}"), x86_64, $(processors) processors"
    fi
}

check_root() {
    if ((EUID == 0)); then
        check_ok root 'yes'
    elif have sudo; then
        check_ok root 'through sudo'
    else
        check_obstacle root 'neither root nor sudo' 'run setup.sh as root: apt and debootstrap need it'
    fi
}

# Files with Windows line ends. (setup.sh checks itself, in its first lines.)
check_checkout() {
    local files
    files=$(cd -- "$LAB_HOME" && grep -rlI $'\r$' -- ./*.sh lib setup run bench kernel driver guest prog server 2>/dev/null | paste -sd ' ') || true
    [[ -z $files ]] || check_obstacle checkout "lines end with CRLF (Windows) in $files" \
        'get the files again, with git or from the archive, without converting line ends'
}

# With a clock that is behind, signatures and certificates are not valid yet.
check_clock() {
    local newest
    newest=$(stat -c %Y -- "$LAB_HOME/setup.sh" /var/lib/dpkg/status 2>/dev/null | sort -n | tail -n 1)
    ((${newest:-0} <= $(date +%s) + 86400)) ||
        check_notice clock "this host has files from $(date -u -d "@$newest" +%Y-%m-%d): $(clock_behind)"
}

# Was dpkg killed while it worked? A dpkg that works now leaves the same files, but holds its lock.
dpkg_interrupted() {
    ((EUID == 0)) && [[ -n $(ls -A "$DPKG_UPDATES" 2>/dev/null) ]] && ! apt_lock_holder >/dev/null
}
DPKG_UPDATES=/var/lib/dpkg/updates

# check_packages PLAN: can the missing packages be installed? PLAN is the output of host_plan.
check_packages() {
    local missing removed reason
    missing=$(plan_names missing <<<"$1")
    if [[ -z $missing ]]; then
        check_ok packages 'all installed'
        return
    fi
    if ! due host; then
        check_obstacle packages "missing: $missing" './setup.sh host installs them'
        return
    fi
    removed=$(plan_names remove <<<"$1") reason=$(sed -n 's/^fail //p' <<<"$1" | head -n 1)
    if dpkg_interrupted; then
        check_obstacle packages 'dpkg was interrupted' 'sudo dpkg --configure -a'
    elif [[ -n $removed ]]; then
        check_obstacle packages "$(host_removes "$removed")" "$HOST_REMOVES_REMEDY"
    elif [[ -n $reason ]]; then
        check_obstacle packages "apt cannot install $missing ($reason)" 'fix that, then run ./setup.sh again'
    elif [[ $CHECK_LISTED == yes ]]; then
        check_obstacle packages "missing: $missing" './setup.sh host installs them'
    fi
}

# screen keeps its sockets in SCREEN_FOLDER. Only root can make it, and a container without systemd-tmpfiles lacks it.
check_screen() {
    local owner
    owner=$(lab_owner)
    have screen && [[ $owner != root && -z ${SCREENDIR:-} ]] || return 0
    # A setuid or setgid screen does not depend on the user's rights.
    if [[ -u $(command -v screen) || -g $(command -v screen) ]]; then
        return 0
    fi
    if [[ ! -d $SCREEN_FOLDER ]] || { ((EUID == 0)) && ! as_user "$owner" test -w "$SCREEN_FOLDER"; }; then
        check_obstacle screen "$owner cannot make screen sessions: $SCREEN_FOLDER is missing or not writable" \
            "sudo install -d -m 1777 $SCREEN_FOLDER"
    fi
}
SCREEN_FOLDER=/run/screen

# Debian's QEMU has all of this; a QEMU that somebody built may not.
check_qemu() {
    local found
    have qemu-system-x86_64 || return 0
    found=$(qemu-system-x86_64 -netdev help 2>&1; qemu-system-x86_64 -device help 2>&1) || true
    if [[ $found != *ivshmem-plain* || $found != *virtio-blk-pci* ]]; then
        check_obstacle qemu "this QEMU ($(command -v qemu-system-x86_64)) has no ivshmem-plain or virtio-blk-pci" "$QEMU_REMEDY"
    elif [[ $'\n'$found != *$'\nuser\n'* ]]; then
        check_obstacle qemu "this QEMU ($(command -v qemu-system-x86_64)) has no -netdev user: it was built without slirp" \
            "$QEMU_REMEDY"
    fi
}
QEMU_REMEDY="put Debian's qemu-system-x86 first in PATH"
