# shellcheck shell=bash
# Where the kernel's source comes from: a tarball of the user's own, KERNEL_HOME, or a package of the host's mirror.

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
