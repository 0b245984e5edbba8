# shellcheck shell=bash
# Step kernel: builds VM_DIR/kernel/vmlinux.

KERNEL_FRAGMENT=kernel/lab.config

# Files that no x86 kernel compiles, as patterns for tar: a third of the source, which takes seconds to write and to remove.
# The Kconfig files of other architectures are kept, because the configuration reads all of them.
KERNEL_NOT_COMPILED=('arch/[!x]*/*.[chS]' 'arch/*.dts' 'arch/*.dtsi' 'Documentation/*/*' 'tools/testing/*' 'tools/perf/*')

inputs_kernel() {
    local fragment
    if [[ -n $KERNEL_SOURCE ]]; then
        printf 'KERNEL_SOURCE=%s\n' "$KERNEL_SOURCE"
        [[ ! -f $KERNEL_SOURCE ]] || printf 'file=%s\n' "$(stat -c '%s %Y' -- "$KERNEL_SOURCE")"
    else
        printf 'KERNEL_VERSION=%s\nKERNEL_HOME=%s\n' "$KERNEL_VERSION" "$KERNEL_HOME"
    fi
    fragment=$(content_sum "$KERNEL_FRAGMENT")
    printf '%s=%s\n' "$KERNEL_FRAGMENT" "$fragment"
}

present_kernel() {
    [[ -s $VM_DIR/kernel/vmlinux ]] || return 1
    ! fallback_unwanted "$VM_DIR/kernel/manifest.json" || return 1
    [[ $KERNEL_KEEP_SOURCE == no || -d $VM_DIR/kernel/source ]]
}

# Does manifest $1 name a fallback, although none is allowed?
fallback_unwanted() {
    [[ $ALLOW_FALLBACK == no ]] && jq -e .fallback "$1" >/dev/null 2>&1
}

step_kernel() {
    local work=$VM_DIR/kernel.partial tarball origin fallback sha256
    local -a found
    lab_remove "$work"
    mkdir -p -- "$work/source" "$VM_DIR/cache/kernel"
    mapfile -d '' -t found < <(kernel_source)
    wait "$!"
    tarball=${found[0]} origin=${found[1]} fallback=${found[2]}
    sha256=$(sha256sum -- "$tarball" | cut -d ' ' -f 1)
    kernel_unpack "$tarball" "$work/source"
    step_says 'Configuring and compiling'
    kernel_configure "$work/source"
    kernel_make "$work/source" vmlinux
    kernel_install "$work" "$origin" "$sha256" "$fallback"
    lab_remove "$work" "$VM_DIR/cache/kernel"
}

# kernel_unpack TARBALL FOLDER
kernel_unpack() {
    local -a left_out=()
    [[ $KERNEL_KEEP_SOURCE == yes ]] || left_out=("${KERNEL_NOT_COMPILED[@]/#/--exclude=}")
    step_says "Unpacking $1"
    # --touch: make warns about files from the future when the clock is behind.
    tar --extract --touch --strip-components=1 --directory "$2" "${left_out[@]}" --file "$1"
    [[ -f $2/Kconfig ]] || die "$1 holds no Linux source"
}

kernel_make() {
    make -C "$1" --no-print-directory -j "${BUILD_JOBS:-$(build_jobs)}" "${@:2}"
}

# Configures: allnoconfig plus the lines of the fragment. Then checks that each of them survived.
kernel_configure() {
    local source=$1 lines
    KCONFIG_ALLCONFIG=$LAB_HOME/$KERNEL_FRAGMENT kernel_make "$source" allnoconfig
    lines=$(kernel_config_lost "$LAB_HOME/$KERNEL_FRAGMENT" "$source/.config" '# ')
    [[ -z $lines ]] || step_notice "this kernel cannot be built without: ${lines//$'\n'/, }"
    lines=$(kernel_config_lost "$LAB_HOME/$KERNEL_FRAGMENT" "$source/.config" CONFIG_)
    [[ -z $lines ]] || die "this kernel does not take ${lines//$'\n'/, } from $KERNEL_FRAGMENT: it renamed the option, or one that" \
        "it depends on is off. Look it up in the kernel's Kconfig files and mend $KERNEL_FRAGMENT, or set KERNEL_VERSION to" \
        "$KERNEL_TRIED"
}

# The versions that the fragment was built and booted with (docs/measurements.md).
KERNEL_TRIED='6.1, 6.12 or 7.3'

# kernel_config_lost FRAGMENT CONFIG BEGINNING: the options of the fragment's lines with this beginning (CONFIG_, or "# " for what
# is to be off) that CONFIG has otherwise.
kernel_config_lost() {
    local line option
    while read -r line; do
        option=${line#'# '} option=${option%%[ =]*}
        case $line in
        CONFIG_*=*) kernel_config_has "$2" "$line" || printf '%s\n' "$line" ;;
        '# CONFIG_'*' is not set') ! grep -q "^$option=" "$2" || printf '%s\n' "$option" ;;
        esac
    done < <(grep "^$3" "$1")
}

# Has .config $1 this line, or the same for the name that later kernels have for the option?
kernel_config_has() {
    local option=${2%%=*}
    grep -qxF -e "$2" -e "${KERNEL_RENAMED[$option]:-$option}=${2#*=}" -- "$1"
}
declare -A KERNEL_RENAMED=([CONFIG_PROC_SYSCTL]=CONFIG_SYSCTL) # Linux 7.3

# kernel_install FOLDER ORIGIN SHA256 FALLBACK: puts the built kernel in its place, with a manifest.
kernel_install() {
    local work=$1 release
    release=$(<"$work/source/include/config/kernel.release")
    mkdir -- "$work/done"
    cp -- "$work/source/vmlinux" "$work/source/.config" "$work/done/"
    sync -- "$work/done/vmlinux"
    jq -n --arg release "$release" --arg source "$2" --arg sha256 "$3" --argjson fallback "$4" \
        '{release: $release, source: $source, sha256: $sha256, fallback: $fallback}' >"$work/done/manifest.json"
    if [[ $KERNEL_KEEP_SOURCE == yes ]]; then
        mv -- "$work/source" "$work/done/source"
    fi
    chmod -R u+rwX,go+rX "$work/done"
    result_replace "$work/done" "$VM_DIR/kernel"
}

# Gets the source. Prints the path of the tarball, where it came from, and whether it is a fallback (true or false), each
# ended by a NUL. So do the functions for the three origins.
kernel_source() {
    if [[ -n $KERNEL_SOURCE ]]; then
        kernel_source_own
    else
        kernel_source_home
    fi
}

# The tarball that KERNEL_SOURCE names.
kernel_source_own() {
    local tarball=$KERNEL_SOURCE
    if [[ $KERNEL_SOURCE == http*://* ]]; then
        tarball=$VM_DIR/cache/kernel/${KERNEL_SOURCE##*/}
        [[ -n ${KERNEL_SOURCE##*/} ]] || die "KERNEL_SOURCE=$KERNEL_SOURCE does not end with a file name"
        step_says "Fetching $KERNEL_SOURCE"
        fetch "$KERNEL_SOURCE" "$tarball" &
        wait "$!" || die "cannot fetch KERNEL_SOURCE=$KERNEL_SOURCE (see above)"
    fi
    printf '%s\0' "$tarball" "$KERNEL_SOURCE" false
}

# linux-VERSION.tar.xz from KERNEL_HOME, or a package instead.
kernel_source_home() {
    local folder=$KERNEL_HOME/v${KERNEL_VERSION%%.*}.x tarball=linux-$KERNEL_VERSION.tar.xz status=0
    step_says "Fetching $folder/$tarball"
    kernel_fetch "$folder" "$tarball" &
    wait "$!" || status=$?
    case $status in
    0) printf '%s\0' "$VM_DIR/cache/kernel/$tarball" "$folder/$tarball" false ;;
    "$FETCH_NOT_THERE") die "$KERNEL_HOME has no Linux $KERNEL_VERSION: set KERNEL_VERSION to one that it has" ;;
    "$FETCH_WRONG") die "Linux $KERNEL_VERSION from $KERNEL_HOME has the wrong checksum (see above)" ;;
    "$FETCH_NO_ROOM") die "cannot write to $VM_DIR/cache (see above): free some space there" ;;
    *)
        [[ $ALLOW_FALLBACK == yes ]] ||
            die "cannot get Linux $KERNEL_VERSION from $KERNEL_HOME (see above), and ALLOW_FALLBACK=no forbids" \
                "another version: set KERNEL_SOURCE to a tarball"
        kernel_source_package
        ;;
    esac
}

# kernel_fetch FOLDER TARBALL: fetches it, with the checksum that is published beside it. Its statuses are those of fetch.
kernel_fetch() {
    local sums=$VM_DIR/cache/kernel/sha256sums.asc sha256
    rm -f -- "$sums" "$sums.part"
    fetch "$1/sha256sums.asc" "$sums"
    sha256=$(awk -v name="$2" '$2 == name && length($1) == 64 { print $1; exit }' "$sums")
    if [[ -z $sha256 ]]; then
        error "$1/sha256sums.asc does not list $2"
        return "$FETCH_NOT_THERE"
    fi
    fetch "$1/$2" "$VM_DIR/cache/kernel/$2" "$sha256"
}

# The name of the linux-source package of the host's mirror whose version is nearest to KERNEL_VERSION: the first that is the
# same or newer, else the newest. Nothing if apt's lists have none.
kernel_package() {
    local wanted version nearest=''
    wanted=$(cut -d . -f 1,2 <<<"$KERNEL_VERSION")
    while read -r version; do
        nearest=$version
        ! dpkg --compare-versions "$version" ge "$wanted" || break
    done < <(apt-cache search --names-only '^linux-source-[0-9.]+$' | sed -n 's/^linux-source-\([^ ]*\) .*/\1/p' | sort -V)
    [[ -z $nearest ]] || printf 'linux-source-%s' "$nearest"
}

# That package's source. apt checks its signature; the package is not installed.
kernel_source_package() {
    local package origin folder=$VM_DIR/cache/kernel/package
    local -a download
    package=$(kernel_package)
    if [[ -z $package ]]; then
        apt_update
        package=$(kernel_package)
    fi
    [[ -n $package ]] || die "cannot get Linux $KERNEL_VERSION from $KERNEL_HOME, and the host's mirror has no" \
        "linux-source package: set KERNEL_SOURCE to a tarball"
    step_says "Fetching $package from the host's mirror"
    lab_remove "$folder"
    mkdir -p -- "$folder"
    # Without apt's sandbox user, who cannot write to root's folder.
    download=(env --chdir="$folder" apt-get -o APT::Sandbox::User=root -o Dir::Etc::SourceList="$(apt_source_list)"
        download -- "$package")
    if ! "${download[@]}" >&2; then
        # The mirror has a newer package by now, and has removed the one in our lists.
        apt_update
        "${download[@]}" >&2
    fi
    dpkg-deb --fsys-tarfile "$folder/$package"_*.deb |
        tar --extract --directory "$folder" --strip-components=3 --wildcards './usr/src/linux-source-*.tar.*'
    origin="Debian package $package $(dpkg-deb --field "$folder/$package"_*.deb Version)"
    rm -f -- "$folder"/*.deb
    step_notice "cannot get Linux $KERNEL_VERSION from $KERNEL_HOME: building $origin instead"
    printf '%s\0' "$folder"/linux-source-*.tar.* "$origin" true
}
