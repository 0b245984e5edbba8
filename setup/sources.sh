# shellcheck shell=bash
# What of the checkout goes into a lab: which files these are, and a checksum by which a change is noticed.

# sources_tar PATH [OPTION...]: writes a tar archive of the files and links under PATH of the checkout. It is the same for
# every clone: owners, umask and links among files leave no trace in it. OPTIONs are tar's.
sources_tar() {
    local path=$1
    local -a files=()
    mapfile -d '' -t files < <(sources_list "$path")
    wait "$!"
    ((${#files[@]})) || die "there is no file in $LAB_HOME/$path: the checkout is not whole"
    tar --create --directory "$LAB_HOME" --format=gnu --no-recursion --hard-dereference \
        --owner=0 --group=0 --numeric-owner --mode=u=rwX,go=rX "${@:2}" -- "${files[@]}"
}

# The paths, each ended by a NUL, in an order that no locale changes; without what make and editors leave in a checkout.
sources_list() {
    (
        cd -- "$LAB_HOME" || exit
        find "$1" \( -path prog/build -o -path server/build -o -name '*~' -o -name '#*#' -o -name '.#*' -o -name '.*.sw?' \
            -o -name '*.orig' -o -name '*.rej' \) -prune -o \( -type f -o -type l \) -print0 | LC_ALL=C sort -z
    )
}

# A checksum of what is under PATH $1 of the checkout: contents, names, links, and what is executable.
content_sum() {
    sources_tar "$1" --mtime=@0 | sha256sum | cut -c 1-16
}
