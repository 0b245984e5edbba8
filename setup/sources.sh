# shellcheck shell=bash
# The files of the checkout that go into a lab, and a checksum that shows whether they have changed.

# sources_tar PATH [OPTION...]: writes a tar archive of the files and links under PATH of the checkout. It is the same for
# every clone: owners, umask and hard links do not show in it. The options are tar's.
sources_tar() {
    local path=$1
    local -a files=()
    items_of files sources_list "$path"
    ((${#files[@]})) || die "there is no file in $LAB_HOME/$path: the checkout is incomplete, get it again"
    tar --create --directory "$LAB_HOME" --format=gnu --no-recursion --hard-dereference \
        --owner=0 --group=0 --numeric-owner --mode=u=rwX,go=rX "${@:2}" -- "${files[@]}"
}

# sources_list PATH: prints the files, each ended by a NUL, in the same order in every locale, without those that make and
# editors leave in a checkout.
sources_list() {
    (
        cd -- "$LAB_HOME" || exit
        find "$1" \( -path prog/build -o -path server/build -o -name '*~' -o -name '#*#' -o -name '.#*' -o -name '.*.sw?' \
            -o -name '*.orig' -o -name '*.rej' \
            -o -path 'driver/*' \( -name '*.o' -o -name '*.ko' -o -name '*.mod' -o -name '*.mod.c' -o -name '.*.cmd' -o -name '.*.d' \
            -o -name '.tmp_*' -o -name Module.symvers -o -name modules.order -o -path driver/uio_example \) \) -prune -o \( -type f -o -type l \) -print0 | LC_ALL=C sort -z
    )
}

# content_sum PATH: prints a checksum of PATH in the checkout: of contents, names, links and execute permissions.
content_sum() {
    sources_tar "$1" --mtime=@0 | sha256sum | cut -c 1-16
}
