# shellcheck shell=bash
# The part of --check for the sources of the kernel and of Debian.

check_sources() {
    local temp=${TMPDIR:-/tmp}
    # Steps keep temporary files in VM_DIR. --check must not write there, and the other scripts use TMPDIR too.
    if [[ ! -d $temp || ! -w $temp ]]; then
        check_obstacle temporary "$temp is not a writable folder" 'set TMPDIR to one'
    elif have curl && have gpgv; then
        check_kernel_source
        check_suite
    else
        check_homes
    fi
}

# Before the host's packages are installed there is no curl: check only whether the servers answer.
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
            check_obstacle source "$host cannot be reached" 'set ALLOW_FALLBACK=yes, or name other sources with KERNEL_SOURCE and DEBIAN_MIRROR'
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
        check_notice kernel "$url cannot be reached: setup takes the nearest linux-source package of the host's mirror"
    else
        check_obstacle kernel "$url cannot be reached" 'set KERNEL_SOURCE to a tarball, or ALLOW_FALLBACK=yes'
    fi
}

# Looks for the Debian suite as step bootstrap does.
check_suite() {
    local log reason status
    local -a found
    log=$(mktemp)
    items_from found status bootstrap_source 2>"$log"
    reason=$(log_cause "$log")
    rm -f -- "$log"
    if ((status == BOOTSTRAP_NO_MIRROR)) && ! apt_has_lists; then
        check_notice suite "cannot get Debian $DEBIAN_SUITE, and apt's lists are empty: setup fetches them, then looks again"
    elif ((status != 0)); then
        check_obstacle suite "${reason:-cannot get Debian $DEBIAN_SUITE}" \
            'set DEBIAN_MIRROR to a mirror that has it, or ALLOW_FALLBACK=yes'
    elif [[ ${found[3]} == true ]]; then
        check_notice suite "cannot get Debian $DEBIAN_SUITE: setup takes the host's own suite, ${found[1]}, from ${found[0]}"
    else
        check_ok suite "${found[1]} at ${found[0]}"
    fi
}
