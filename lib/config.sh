# shellcheck shell=bash
# Reads the knobs and checks each. The command line wins over the environment, the environment over config.local.sh, and that
# over config.sh.
#
# After config_load the knobs are plain shell variables, and these are set too:
#   SHMEM_BYTES, VM_MEMORY_BYTES, VM_DISK_BYTES    SHMEM_SIZE, VM_MEMORY and VM_DISK_SIZE in bytes. Pass these to other
#                   programs: each has its own units for a plain number
#   REGION_BYTES    the size of each region in bytes, by its number: [1] is SHMEM_SIZE, [2], … are SHMEM_MORE
#   SHMEM_TOTAL     their sum
#   QEMU_EXTRA      QEMU_ARGS as an array
#   CONFIG_FROM     for each knob without its default: where its value comes from, for messages
#   CONFIG_KNOBS    the names of all knobs, in the order of config.sh

# Prints the names of the knobs. config.sh is the only list of them.
config_names() {
    sed -n 's/^: "${\([A-Z_0-9]*\):=.*/\1/p' "$LAB_HOME/config.sh"
}

# config_read [NAME=VALUE...]: sets every knob; the given values win. Checks the names, not the values.
config_read() {
    local name assignment
    local -A from_environment=() emptied=()
    mapfile -t CONFIG_KNOBS < <(config_names)
    declare -gA CONFIG_FROM=()

    for name in "${CONFIG_KNOBS[@]}"; do
        [[ ! -v $name ]] || from_environment[$name]=${!name}
    done
    config_read_local
    for name in "${CONFIG_KNOBS[@]}"; do
        if [[ -v $name && ! -v from_environment[$name] ]]; then
            CONFIG_FROM[$name]=config.local.sh
        fi
    done
    for name in "${!from_environment[@]}"; do
        printf -v "$name" %s "${from_environment[$name]}"
        CONFIG_FROM[$name]='the environment'
    done
    for assignment; do
        name=${assignment%%=*}
        [[ $assignment == *=* && " ${CONFIG_KNOBS[*]} " == *" $name "* ]] ||
            usage_error "--set $(quoted "$assignment"): not NAME=VALUE with the name of a knob in config.sh"
        printf -v "$name" %s "${assignment#*=}"
        CONFIG_FROM[$name]='the command line'
    done

    # config.sh replaces an empty value by the default. If the default is not empty, refuse the empty value.
    for name in "${CONFIG_KNOBS[@]}"; do
        [[ -v $name && -z ${!name} ]] && emptied[$name]=1
    done
    # shellcheck source=../config.sh
    source "$LAB_HOME/config.sh"
    for name in "${!emptied[@]}"; do
        [[ -z ${!name} ]] || config_empty "$name"
    done
}

# Ends the program: knob $1 was set to an empty value. By now it has its default.
config_empty() {
    error "$1= (from ${CONFIG_FROM[$1]}) is empty; leave it unset for the default, ${!1}; see config.sh"
    exit 2
}

# Sources config.local.sh. Before that, looks for misspelt names, which would otherwise go unnoticed.
config_read_local() {
    local file=$LAB_HOME/config.local.sh name
    [[ -f $file ]] || return 0
    ! grep -q $'\r$' "$file" || usage_error "config.local.sh has line ends of Windows (CRLF): sed -i 's/\\r\$//' config.local.sh"
    while read -r name; do
        [[ " ${CONFIG_KNOBS[*]} " == *" $name "* ]] ||
            usage_error "config.local.sh sets $name, but config.sh has no knob of that name"
    done < <(sed -nE 's/^[[:space:]]*(export[[:space:]]+)?([A-Za-z_][A-Za-z_0-9]*)=.*/\2/p' "$file")
    # shellcheck disable=SC1090 # the user's own file
    source "$file" || usage_error "config.local.sh failed (see above)"
}

# config_load [NAME=VALUE...]: reads the knobs (config_read) and checks every value. Ends the program with status 2 if one is
# bad.
config_load() {
    config_read "$@"

    config_check_path VM_DIR
    config_check_number VM_COUNT 1 64
    config_check_pattern VM_OWNER '^([A-Za-z_][A-Za-z0-9_.-]{0,31})?$' "the name of a user"
    if [[ -n $VM_OWNER ]] && ! id -u -- "$VM_OWNER" >/dev/null 2>&1; then
        config_bad VM_OWNER "is not a user of this host"
    fi

    config_check_word SHMEM_MODE plain doorbell
    config_check_word GUEST_DRIVER vfio uio none
    config_check_number SERVER_VECTORS 1 64
    config_check_word SHMEM_HUGEPAGES yes no
    config_check_word SHMEM_PREALLOC yes no
    config_check_regions

    config_check_size VM_MEMORY 128M 1T
    VM_MEMORY_BYTES=$(size_in_bytes "$VM_MEMORY")
    config_check_cpus VM_CPUS
    [[ -n $VM_MAXCPUS ]] || VM_MAXCPUS=$((VM_CPUS > 2 ? VM_CPUS : 2))
    config_check_cpus VM_MAXCPUS
    ((VM_MAXCPUS >= VM_CPUS)) || config_bad VM_MAXCPUS "is less than VM_CPUS, $VM_CPUS"
    config_check_size VM_DISK_SIZE 2G 8T
    VM_DISK_BYTES=$(size_in_bytes "$VM_DISK_SIZE")

    config_check_pattern VM_PIN '^(no|auto|[0-9]{1,4}(-[0-9]{1,4})?(,[0-9]{1,4}(-[0-9]{1,4})?){0,63})$' \
        "no, auto, or a list of CPUs such as 2,3 or 2-5"

    config_check_word ACCEL auto kvm tcg
    config_check_word BAR_ABOVE_4G auto yes no
    config_split_qemu_args
    config_check_number START_TIMEOUT 1 86400
    config_check_number STOP_TIMEOUT 1 86400

    config_check_pattern KERNEL_VERSION '^[1-9][0-9]?\.[0-9]{1,3}(\.[0-9]{1,4})?$' "a kernel version such as 6.10.11"
    config_check_url KERNEL_HOME
    config_check_kernel_source
    config_check_kernel_config
    config_check_word KERNEL_KEEP_SOURCE yes no
    [[ -z $BUILD_JOBS ]] || config_check_number BUILD_JOBS 1 1024

    config_check_pattern DEBIAN_SUITE '^[a-z][a-z0-9-]{0,30}$' "the name of a Debian suite such as buster"
    [[ -z $DEBIAN_MIRROR ]] || config_check_url DEBIAN_MIRROR
    config_check_url DEBIAN_ARCHIVE
    config_check_packages
    config_check_pattern ROOT_PASSWORD '^[[:print:]]{0,128}$' "at most 128 printable characters in one line"
    config_check_word ALLOW_FALLBACK yes no
}

# config_bad KNOB WHAT: ends the program. WHAT says what is wrong with the value.
config_bad() {
    error "$1=$(quoted "${!1}") (from ${CONFIG_FROM[$1]:-config.sh}) $2; see config.sh"
    exit 2
}

config_check_word() {
    local knob=$1 word
    shift
    for word; do
        [[ ${!knob} == "$word" ]] && return
    done
    config_bad "$knob" "is not one of: $*"
}

config_check_pattern() {
    [[ ${!1} =~ $2 ]] || config_bad "$1" "is not $3"
}

config_check_number() {
    local knob=$1 least=$2 most=$3
    if [[ ! ${!knob} =~ ^(0|[1-9][0-9]{0,8})$ ]] || ((${!knob} < least || ${!knob} > most)); then
        config_bad "$knob" "is not a whole number from $least to $most"
    fi
}

# The guests have no ACPI, so they find their CPUs in the firmware's MP table. SeaBIOS leaves the table out when it is larger
# than 600 bytes (src/config.h, BUILD_MAX_MPTABLE_FSEG). A CPU takes 20 bytes, a PCI device with an interrupt 8. With the
# lab's devices 18 CPUs fit. With 19, the guest has no table and finds one CPU.
config_check_cpus() {
    config_check_number "$1" 1 64
    ((${!1} <= 18)) || config_bad "$1" "is more than 18: the firmware's table of CPUs (SeaBIOS, MP table) has no room for more"
}

config_check_size() {
    local knob=$1 least=$2 most=$3 bytes
    bytes=$(size_in_bytes "${!knob}") || config_bad "$knob" "is not a size such as 128M or 4G"
    ((bytes >= $(size_in_bytes "$least") && bytes <= $(size_in_bytes "$most"))) ||
        config_bad "$knob" "is not a size from $least to $most"
}

# Checks SHMEM_SIZE and SHMEM_MORE, and sets what depends on them. The devices of SHMEM_MORE have slots 8 to f (shmem_slot).
config_check_regions() {
    local size number knob=SHMEM_SIZE
    local -a more
    config_check_size SHMEM_SIZE 1M 1T
    SHMEM_BYTES=$(size_in_bytes "$SHMEM_SIZE")
    (((SHMEM_BYTES & (SHMEM_BYTES - 1)) == 0)) || config_bad SHMEM_SIZE "is not a power of two such as 128M"
    REGION_BYTES=([1]="$SHMEM_BYTES")
    config_check_pattern SHMEM_MORE '^[0-9KMGT ]*$' "sizes with spaces between them, such as 64M 1G"
    read -r -a more <<<"$SHMEM_MORE"
    ((${#more[@]} <= 8)) || config_bad SHMEM_MORE "has more than 8 sizes: there are no more PCI addresses for such devices"
    for size in "${more[@]}"; do
        REGION_BYTES+=("$(config_region_size "$size")")
        [[ ${REGION_BYTES[-1]} ]] || config_bad SHMEM_MORE "has $size, which is not a power of two from 1M to 1T"
    done
    SHMEM_TOTAL=0
    for number in "${!REGION_BYTES[@]}"; do
        SHMEM_TOTAL=$((SHMEM_TOTAL + REGION_BYTES[number]))
        if [[ $SHMEM_HUGEPAGES == yes ]] && ((REGION_BYTES[number] < 2097152)); then
            ((number == 1)) || knob=SHMEM_MORE
            config_bad "$knob" "is smaller than one huge page (2M), and SHMEM_HUGEPAGES=yes needs at least one for each region"
        fi
    done
}

# Prints size $1 in bytes; nothing if a region cannot have it.
config_region_size() {
    local bytes
    bytes=$(size_in_bytes "$1") || return 0
    ((bytes < 1 << 20 || bytes > 1 << 40 || (bytes & (bytes - 1)))) || printf '%d' "$bytes"
}

# Prints size $1, such as 128M, in bytes. The units are K, M, G and T. Fails if it is not a size, or more than 2^53 bytes.
size_in_bytes() {
    local -A shift_of=([K]=10 [M]=20 [G]=30 [T]=40)
    local bits=0 number
    [[ $1 =~ ^([1-9][0-9]{0,15})([KMGT]?)$ ]] || return 1
    number=${BASH_REMATCH[1]}
    [[ -z ${BASH_REMATCH[2]} ]] || bits=${shift_of[${BASH_REMATCH[2]}]}
    ((number <= (1 << 53 >> bits))) || return 1
    printf '%d' $((number << bits))
}

# Prints $1 bytes as a size with the largest unit that divides it.
size_for_people() {
    local size=$1 unit=''
    local -a units=(K M G T)
    while ((size % 1024 == 0 && ${#units[@]})); do
        size=$((size / 1024)) unit=${units[0]} units=("${units[@]:1}")
    done
    printf '%d%s' "$size" "$unit"
}

# Checks that knob $1 names a folder for a lab, and not one of the system. The path is absolute, has only plain characters
# (a comma, for instance, is special to QEMU), and is short enough for the sockets in it (108 bytes, unix(7)).
config_check_path() {
    local knob=$1 path plain='^/[A-Za-z0-9._/+@-]{1,70}$'
    local what='an absolute path of at most 71 letters, digits and . _ + @ - /'
    config_check_pattern "$knob" "$plain" "$what"
    path=$(realpath -m -- "${!knob}")
    case $path in
    / | /home | /root | /tmp | /opt | /srv | /mnt | /media | /var | /var/* | "${HOME:-/root}")
        # These folders of /var are meant for data like this.
        [[ $path == /var/lib/?* || $path == /var/tmp/?* || $path == /var/local/?* ]] ||
            config_bad "$knob" "is a folder that others use: name a folder in it"
        ;;
    /bin | /bin/* | /boot | /boot/* | /dev | /dev/* | /etc | /etc/* | /lib | /lib/* | /lib[36x]* | /proc | /proc/* | /run | /run/* | \
        /sbin | /sbin/* | /sys | /sys/* | /usr | /usr/* | /lost+found*)
        config_bad "$knob" "is a system folder"
        ;;
    esac
    if [[ -e $path && ! -d $path ]]; then
        config_bad "$knob" "is not a folder"
    fi
    printf -v "$knob" %s "$path"
    config_check_pattern "$knob" "$plain" "$what, after its links are resolved"
}

config_check_url() {
    config_check_pattern "$1" '^https?://[A-Za-z0-9._~:/@%+-]+$' "a URL such as http://HOST/PATH"
}

config_check_kernel_source() {
    case $KERNEL_SOURCE in
    '') ;;
    http://* | https://*) config_check_url KERNEL_SOURCE ;;
    *)
        [[ -f $KERNEL_SOURCE && -r $KERNEL_SOURCE ]] || config_bad KERNEL_SOURCE "is neither a URL nor a readable file"
        KERNEL_SOURCE=$(realpath -- "$KERNEL_SOURCE")
        ;;
    esac
}

config_check_kernel_config() {
    local file
    config_check_pattern KERNEL_CONFIG '^[A-Za-z0-9._/+@ -]*$' "paths of letters, digits and . _ + @ - /, separated by blanks"
    for file in $KERNEL_CONFIG; do
        [[ $file == /* ]] || file=$LAB_HOME/$file
        [[ -f $file && -r $file ]] || config_bad KERNEL_CONFIG "names $file, which is not a readable file"
    done
}

# Checks that GUEST_PACKAGES is names of packages (Debian Policy, 5.6.1), and makes it a sorted list without repeats.
config_check_packages() {
    local name
    local -a names
    read -r -d '' -a names <<<"$GUEST_PACKAGES" || true # read fails because there is no delimiter
    for name in "${names[@]}"; do
        [[ $name =~ ^[a-z0-9][a-z0-9+.-]+$ ]] ||
            config_bad GUEST_PACKAGES "has $(quoted "$name"), which is not the name of a Debian package such as libssl-dev"
    done
    GUEST_PACKAGES=''
    ((${#names[@]} == 0)) || GUEST_PACKAGES=$(printf '%s\n' "${names[@]}" | LC_ALL=C sort -u | paste -sd ' ')
}

# Splits QEMU_ARGS into words as a shell does, without expanding anything. xargs knows the same quotes.
config_split_qemu_args() {
    QEMU_EXTRA=()
    [[ -n $QEMU_ARGS ]] || return 0
    config_check_pattern QEMU_ARGS '^[[:print:]]*$' "printable characters in one line"
    xargs -r true <<<"$QEMU_ARGS" 2>/dev/null || config_bad QEMU_ARGS "has quotes that do not match"
    mapfile -t QEMU_EXTRA < <(xargs -r printf '%s\n' <<<"$QEMU_ARGS")
}
