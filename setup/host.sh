# shellcheck shell=bash
# Step host, the packages that the host needs; and the look at everything else that could stand in the way.

HOST_PACKAGES=(
    gcc make vim screen qemu-system-x86 qemu-utils      # what spec.md names, of qemu-system the part for this machine
    debootstrap debian-archive-keyring gpgv             # the root file system
    bc bison flex libelf-dev libc6-dev xz-utils         # the kernel's build
    curl ca-certificates e2fsprogs jq                   # downloads, images, manifest
    openssh-client socat procps                         # reaching the guests, and QEMU over QMP
    gnuplot-nox                                         # the plots of bench.sh (with what it needs: 3.5 MB)
)

inputs_host() {
    printf 'packages=%s\n' "${HOST_PACKAGES[*]}"
}

present_host() {
    [[ -z $(host_missing) ]]
}

# The packages that are not installed, a line each.
host_missing() {
    comm -13 <(dpkg-query --show --showformat='${db:Status-Status} ${Package}\n' | sed -n 's/^installed //p' | sort -u) \
        <(printf '%s\n' "${HOST_PACKAGES[@]}" | sort -u)
}

step_host() {
    local -a missing
    mapfile -t missing < <(host_missing)
    ((${#missing[@]})) || return 0
    export DEBIAN_FRONTEND=noninteractive
    apt-get update || step_notice 'apt-get update failed: going on with the package lists as they are'
    apt-get install --yes --no-install-recommends -- "${missing[@]}"
}

# --- What --check looks at. Each check_ function reports with these three; OBSTACLES counts.

OBSTACLES=0

check_ok() {
    printf '%sok%s        %-9s %s\n' "$GREEN" "$PLAIN" "$1" "$2"
}

check_notice() {
    printf '%snotice%s    %-9s %s\n' "$YELLOW" "$PLAIN" "$1" "$2"
}

# check_obstacle SUBJECT WHAT REMEDY
check_obstacle() {
    printf '%sobstacle%s  %-9s %s\n%21s%s\n' "$RED" "$PLAIN" "$1" "$2" 'remedy: ' "$3"
    OBSTACLES=$((OBSTACLES + 1))
}

# Looks at everything and changes nothing. Fails if setup could not succeed.
host_check() {
    check_machine
    check_root
    check_packages
    check_disk
    check_memory
    check_shmem
    check_kvm
    if have curl && have gpgv; then
        check_kernel_source
        check_suite
    else
        check_homes
    fi
    ((OBSTACLES == 0))
}

check_machine() {
    if [[ $(uname -m) != x86_64 ]]; then
        check_obstacle machine "this host is $(uname -m)" 'use an x86_64 host: the guests are x86_64'
    elif ! have apt-get || ! have dpkg-query; then
        check_obstacle machine 'this host is no Debian: it has no apt' 'use a Debian host (12 and 13 were tried)'
    else
        check_ok machine "$(. /etc/os-release && echo "${PRETTY_NAME:-Debian}"), $(uname -m), $(nproc) processors"
    fi
}

check_root() {
    if ((EUID == 0)); then
        check_ok root 'yes'
    elif have sudo; then
        check_ok root 'through sudo'
    else
        check_obstacle root 'neither root nor sudo' 'call setup.sh as root: apt and debootstrap need it'
    fi
}

check_packages() {
    local missing
    missing=$(host_missing | paste -sd ' ')
    if [[ -z $missing ]]; then
        check_ok packages 'all there'
    else
        check_obstacle packages "missing: $missing" './setup.sh host installs them'
    fi
}

# Enough for the kernel's tree and objects, two copies of Debian and the image, all at their largest.
DISK_NEEDED_MB=5000

DISK_REMEDY='make room there, or set VM_DIR to a folder on a larger disk'

# Prints how much room there is for VM_DIR; fails if that is not enough for what is still to be built.
disk_room() {
    local folder=$VM_DIR free
    until [[ -d $folder ]]; do
        folder=$(dirname -- "$folder")
    done
    free=$(df --output=avail -BM -- "$folder" | tail -n 1 | tr -dc 0-9)
    printf '%d MB free under %s, %d needed while building' "$free" "$folder" "$DISK_NEEDED_MB"
    ((free >= DISK_NEEDED_MB)) || { present_kernel && present_bootstrap; }
}

check_disk() {
    local room
    if room=$(disk_room); then
        check_ok disk "$room"
    else
        check_obstacle disk "$room" "$DISK_REMEDY"
    fi
}

check_memory() {
    local free need=$(((VM_MEMORY_BYTES * VM_COUNT + SHMEM_BYTES) >> 20))
    free=$(awk '/^MemAvailable:/ { print int($2 / 1024) }' /proc/meminfo)
    if ((free >= need)); then
        check_ok memory "$free MB available, $need MB for $VM_COUNT VMs and the region"
    else
        check_obstacle memory "$free MB available, $need MB needed for $VM_COUNT VMs and the region" \
            'lower VM_MEMORY, VM_COUNT or SHMEM_SIZE'
    fi
}

check_shmem() {
    local file type free
    file=$(shmem_path)
    type=$(stat -f -c %T -- "${file%/*}" 2>/dev/null || echo missing)
    if [[ $SHMEM_HUGEPAGES == yes ]]; then
        check_hugepages "$type"
        return
    fi
    if [[ $type != tmpfs ]]; then
        check_obstacle region "/dev/shm is $type, not a tmpfs" 'sudo mount -t tmpfs tmpfs /dev/shm'
        return
    fi
    free=$(df --output=avail -B1 /dev/shm | tail -n 1)
    if ((free >= SHMEM_BYTES)) || [[ -e $file ]]; then
        check_ok region "$((free >> 20)) MB free in /dev/shm (tmpfs), $((SHMEM_BYTES >> 20)) for the region"
    else
        check_obstacle region "no room for $SHMEM_SIZE" "$(shmem_room_remedy "$file")"
    fi
}

check_hugepages() {
    local free
    free=$(awk '/^HugePages_Free:/ { print $2 }' /proc/meminfo)
    if [[ $1 != hugetlbfs ]]; then
        check_obstacle region "/dev/hugepages is $1, not a hugetlbfs" 'sudo mount -t hugetlbfs hugetlbfs /dev/hugepages'
    elif ((free * 2097152 < SHMEM_BYTES)); then
        check_obstacle region "$free huge pages of 2M are free" "$(shmem_room_remedy /dev/hugepages/)"
    else
        check_ok region "$free huge pages of 2M are free"
    fi
}

# Not having KVM is no obstacle: emulation works everywhere. But the user wants to know.
check_kvm() {
    if ! have qemu-system-x86_64 || [[ ! -s $VM_DIR/kernel/vmlinux ]]; then
        check_notice kvm "tried only when QEMU and the lab's kernel are there; without it the VMs are emulated (TCG)"
    elif ACCEL_WHY=$(accel_try_kvm); then
        check_ok kvm "$ACCEL_WHY"
    else
        check_notice kvm "$ACCEL_WHY: the VMs are emulated (TCG)"
    fi
}

# Without curl, and so before the host's packages are there: whether the homes answer at all.
check_homes() {
    local url host port
    for url in "${KERNEL_SOURCE:-$KERNEL_HOME}" "${DEBIAN_MIRROR:-$DEBIAN_ARCHIVE}"; do
        [[ $url == http* ]] || continue
        port=80
        [[ $url != https:* ]] || port=443
        host=${url#*://} host=${host%%/*}
        [[ $host != *:* ]] || port=${host#*:} host=${host%%:*}
        # shellcheck disable=SC2016 # for the other shell
        if timeout 10 bash -c ': <"/dev/tcp/$1/$2"' - "$host" "$port" 2>/dev/null; then
            check_ok source "$host answers"
        elif [[ $ALLOW_FALLBACK == yes ]]; then
            check_notice source "$host cannot be reached: setup falls back to the host's own mirror"
        else
            check_obstacle source "$host cannot be reached" 'ALLOW_FALLBACK=yes, or sources of your own'
        fi
    done
}

check_kernel_source() {
    local url=$KERNEL_HOME/v${KERNEL_VERSION%%.*}.x/linux-$KERNEL_VERSION.tar.xz
    case $KERNEL_SOURCE in
    '') ;;
    http*) url=$KERNEL_SOURCE ;;
    *)
        check_ok kernel "$KERNEL_SOURCE"
        return
        ;;
    esac
    if curl --head --fail --location --silent --connect-timeout 10 --max-time 30 --output /dev/null -- "$url"; then
        check_ok kernel "$url"
    elif [[ -z $KERNEL_SOURCE && $ALLOW_FALLBACK == yes ]]; then
        check_notice kernel "$url cannot be reached: setup takes the newest linux-source package of the host's mirror"
    else
        check_obstacle kernel "$url cannot be reached" 'set KERNEL_SOURCE to a tarball, or ALLOW_FALLBACK=yes'
    fi
}

check_suite() {
    local output
    if output=$(bootstrap_source 2>/dev/null && printf '\n%s %s' "$BOOTSTRAP_MIRROR" "$BOOTSTRAP_FALLBACK"); then
        case $output in
        *' false') check_ok suite "$DEBIAN_SUITE at $(tail -n 1 <<<"${output% *}")" ;;
        *) check_notice suite "$(sed -n 's/^notice: //p' <<<"$output")" ;;
        esac
    else
        check_obstacle suite "Debian $DEBIAN_SUITE cannot be had" \
            'set DEBIAN_MIRROR to a mirror that has it, or ALLOW_FALLBACK=yes'
    fi
}
