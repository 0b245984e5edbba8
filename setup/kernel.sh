# shellcheck shell=bash
# Step kernel: builds VM_DIR/kernel/vmlinux, and the tree against which modules for it are built.

# Files that no x86 kernel compiles, as patterns for tar: a third of the source, which takes seconds to write and to remove.
# The Kconfig files of other architectures are kept, because the configuration reads all of them.
KERNEL_NOT_COMPILED=('arch/[!x]*/*.[chS]' 'arch/*.dts' 'arch/*.dtsi' 'Documentation/*/*' 'tools/testing/*' 'tools/perf/*')

inputs_kernel() {
    local fragment fragments
    if [[ -n $KERNEL_SOURCE ]]; then
        printf 'KERNEL_SOURCE=%s\n' "$KERNEL_SOURCE"
        [[ ! -f $KERNEL_SOURCE ]] || printf 'file=%s\n' "$(stat -c '%s %Y' -- "$KERNEL_SOURCE")"
    else
        printf 'KERNEL_VERSION=%s\nKERNEL_HOME=%s\n' "$KERNEL_VERSION" "$KERNEL_HOME"
    fi
    fragments=$(kernel_fragments)
    for fragment in $fragments; do
        printf '%s=%s\n' "${fragment#"$LAB_HOME/"}" "$(sha256sum <"$fragment" | cut -c 1-16)"
    done
}

present_kernel() {
    [[ -s $VM_DIR/kernel/vmlinux && -f $VM_DIR/kernel/build/Module.symvers ]] || return 1
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
    items_of found kernel_source
    tarball=${found[0]} origin=${found[1]} fallback=${found[2]}
    sha256=$(sha256sum -- "$tarball" | cut -d ' ' -f 1)
    kernel_unpack "$tarball" "$work/source"
    step_says 'Configuring and compiling'
    kernel_configure "$work/source" "$work/wanted.config"
    kernel_make "$work/source" "${KERNEL_TOOLS_STATIC[@]}" vmlinux modules
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

# The programs that a build needs on the host (fixdep, modpost, objtool) are linked statically, because they also run in the
# guest, whose C library may be older. objtool needs libelf, and pkg-config knows what else that needs then.
KERNEL_TOOLS_STATIC=(HOSTLDFLAGS=-static 'HOSTPKG_CONFIG=pkg-config --static')

# kernel_install FOLDER ORIGIN SHA256 FALLBACK: puts the built kernel in its place, with a manifest.
kernel_install() {
    local work=$1 release
    release=$(<"$work/source/include/config/kernel.release")
    mkdir -- "$work/done"
    cp -- "$work/source/vmlinux" "$work/source/.config" "$work/done/"
    kernel_build_tree "$work/source" "$work/done/build"
    kernel_modules "$work/source" "$work/done/modules"
    sync -- "$work/done/vmlinux"
    jq -n --arg release "$release" --arg source "$2" --arg sha256 "$3" --argjson fallback "$4" --arg config "$KERNEL_CONFIG" \
        '{release: $release, source: $source, sha256: $sha256, fallback: $fallback, config: $config}' >"$work/done/manifest.json"
    if [[ $KERNEL_KEEP_SOURCE == yes ]]; then
        mv -- "$work/source" "$work/done/source"
    fi
    chmod -R u+rwX,go+rX "$work/done"
    lab_remove "$VM_DIR/modules" # it belongs to the old kernel; start.sh waits until step modules has made it again
    result_replace "$work/done" "$VM_DIR/kernel"
}

# kernel_build_tree SOURCE TREE: copies what `make -C TREE M=FOLDER modules` reads: headers, configuration, symbols, makefiles
# and tools. (linux: scripts/package/install-extmod-build does this for packages, but not in 6.1.)
kernel_build_tree() {
    local source=$1 tree=$2
    mkdir -- "$tree"
    (
        cd -- "$source" || exit
        printf '%s\0' Makefile .config Module.symvers arch/x86/Makefile*
        [[ ! -x tools/objtool/objtool ]] || printf 'tools/objtool/objtool\0'
        find include arch/x86/include \( -type f -o -type l \) -print0
        find scripts \( -name kconfig -o -name dtc -o -name gdb -o -name coccinelle -o -name package \) -prune \
            -o ! -name '*.o' \( -type f -o -type l \) -print0
    ) | LC_ALL=C sort -zu | tar --create --directory "$source" --null --no-recursion --exclude='.*.cmd' --files-from=- |
        tar --extract --directory "$tree"
}

# kernel_modules SOURCE FOLDER: installs the modules that KERNEL_CONFIG may have asked for.
kernel_modules() {
    kernel_make "$1" INSTALL_MOD_PATH="$2.partial" modules_install
    mv -- "$2.partial"/lib/modules/* "$2"
    rm -f -- "$2"/{build,source}
    lab_remove "$2.partial"
}
