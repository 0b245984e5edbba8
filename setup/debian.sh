# shellcheck shell=bash
# The host's own settings for Debian: the mirror, the keyrings, and the proxies.

DEBIAN_KEYRINGS=(
    /usr/share/keyrings/debian-archive-keyring.gpg
    /usr/share/keyrings/debian-archive-removed-keys.gpg
)

# Prints the mirror and the suite of the host itself, as "URL SUITE". Fails if there is none. Debian's cloud images list
# mirrors in a file (apt-transport-mirror(1)): the first one is taken.
host_mirror() {
    local suite uri
    suite=$(. /etc/os-release && printf '%s' "${VERSION_CODENAME:-}")
    # shellcheck disable=SC2016 # apt expands it
    while IFS= read -r uri; do
        case $uri in
        mirror+file:*)
            uri=${uri#mirror+file:} uri=${uri#//}
            uri=$(awk '$1 ~ "^https?://" { print $1; exit }' "${uri%/}")
            ;;
        esac
        # debootstrap cannot read a disc, tor, or a remote list of mirrors.
        if [[ $uri =~ ^https?:// ]]; then
            printf '%s %s' "${uri%/}" "$suite"
            return
        fi
    done < <(apt-get indextargets --format '$(ORIGIN)|$(CODENAME)|$(COMPONENT)|$(REPO_URI)' 'Identifier: Packages' |
        awk -F'|' -v suite="$suite" 'suite != "" && $1 == "Debian" && $2 == suite && $3 == "main" { print $4 }')
    return 1
}

# suite_keyring MIRROR SUITE: prints the path of the keyring with a key that signed this suite, and a NUL. Fails like fetch if
# the suite cannot be fetched, and with FETCH_WRONG if no keyring has such a key. The keys of old suites are among the removed
# ones.
suite_keyring() {
    local url=$1 suite=$2 folder keyring early=no status=0
    folder=$(mktemp -d)
    fetch "$url/dists/$suite/InRelease" "$folder/InRelease" || status=$?
    if ((status != 0)); then
        rm -r -- "$folder"
        return "$status"
    fi
    for keyring in "${DEBIAN_KEYRINGS[@]}"; do
        if release_signed "$folder/InRelease" --keyring "$keyring"; then
            rm -r -- "$folder"
            printf '%s\0' "$keyring"
            return
        fi
        # Is the signature from the future?
        ! release_signed "$folder/InRelease" --keyring "$keyring" --ignore-time-conflict || early=yes
    done
    rm -r -- "$folder"
    if [[ $early == yes ]]; then
        error "the signature of $url/dists/$suite is from the future: $(clock_behind)"
    else
        error "$url/dists/$suite is not signed by any key in ${DEBIAN_KEYRINGS[*]}"
    fi
    return "$FETCH_WRONG"
}

# release_signed FILE --keyring KEYRING [OPTION]: has the release a valid signature, and no bad one? A release has several
# signatures, whose keys may be in different keyrings. One is enough, as for debootstrap; gpgv itself fails if any key is missing.
release_signed() {
    local verdict
    [[ -r $3 ]] || return 1
    verdict=$(gpgv --quiet --status-fd 1 "${@:2}" "$1" 2>/dev/null) || true
    [[ $verdict == *'[GNUPG:] VALIDSIG '* && $verdict != *'[GNUPG:] BADSIG '* ]]
}

# release_expired FILE: is this release past its Valid-Until? Those of old suites are, and those of a mirror that nobody updates.
release_expired() {
    local until
    until=$(sed -n 's/^Valid-Until: *//p' "$1")
    [[ -n $until ]] && (($(date -d "$until" +%s) < $(date +%s)))
}

# debian_source MIRROR KEYRING: prints the line of apt's sources for the bootstrapped suite. debootstrap does not look at
# Valid-Until, and apt must not either if the release had expired by then.
debian_source() {
    jq -r --arg mirror "$1" --arg keyring "$2" \
        '"deb [signed-by=\($keyring)\(if .expired then " check-valid-until=no" else "" end)] \($mirror) \(.suite) main"' \
        "$VM_DIR/bootstrap.json"
}

# Gives curl, wget and apt the same proxies, since they read different variables. Sets the lower-case variables: from the
# upper-case ones if only those are set, else from apt's configuration. If all_proxy is not of HTTP, wget cannot use it: it
# is left to curl.
proxies_settle() {
    local scheme small capital proxy
    if [[ -z ${no_proxy:-} && -n ${NO_PROXY:-} ]]; then
        export no_proxy=$NO_PROXY
    fi
    for scheme in http https; do
        small=${scheme}_proxy capital=${scheme^^}_PROXY
        proxy=${!small:-${!capital:-${all_proxy:-${ALL_PROXY:-}}}}
        [[ -n $proxy ]] || proxy=$(proxy_of_apt "$scheme")
        [[ $proxy != http* ]] || export "$small=$proxy"
    done
    proxies_except
}

# Prints the proxy that apt uses for scheme $1 (apt.conf(5), apt-transport-http(1)): what its detection program prints, or the
# configured one; nothing for DIRECT. For https, apt falls back to the proxy for http. We do not, because that proxy is often
# a cache of Debian packages, and reaches nothing else.
proxy_of_apt() {
    local scheme=$1 url=$KERNEL_HOME proxy='' APT_PROXY=''
    have apt-config || return 0
    [[ $scheme == https ]] || url=${DEBIAN_MIRROR:-$DEBIAN_ARCHIVE}
    if [[ -n $(apt-config dump "Acquire::$scheme::Proxy-Auto-Detect" "Acquire::$scheme::ProxyAutoDetect") ]]; then
        proxy=$(timeout 20 "$APT_HELPER" auto-detect-proxy "$scheme://${url#*://}" 2>/dev/null |
            sed -n "s/^Using proxy '\([^']*\)'.*/\1/p") || true
    fi
    if [[ -z $proxy ]]; then
        eval "$(apt-config shell APT_PROXY "Acquire::$scheme::Proxy")"
        proxy=$APT_PROXY
    fi
    [[ $proxy == DIRECT ]] || printf '%s' "$proxy"
}
APT_HELPER=/usr/lib/apt/apt-helper

# proxy_excepts HOST: is this host reached without a proxy? An entry of no_proxy is a host, a domain with all its hosts, or * for
# every host.
proxy_excepts() {
    local entry
    local -a entries
    IFS=', ' read -r -a entries <<<"${no_proxy:-}"
    for entry in "${entries[@]}"; do
        [[ $entry != '*' ]] || return 0
        entry=${entry#'*'} entry=${entry#.}
        [[ .$1 != *".$entry" ]] || return 0
    done
    return 1
}

# Adds the hosts that apt reaches without a proxy to no_proxy: Acquire::http::Proxy::HOST "DIRECT".
proxies_except() {
    local host
    have apt-config || return 0
    while read -r host; do
        [[ ",${no_proxy:-}," == *",$host,"* ]] || export no_proxy=${no_proxy:+$no_proxy,}$host
    done < <(apt-config dump Acquire::http::Proxy Acquire::https::Proxy |
        sed -nE 's/^Acquire::https?::Proxy::([^ :]+) "DIRECT";$/\1/p')
}
