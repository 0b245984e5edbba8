# shellcheck shell=bash
# Debian, as this host knows it: its mirror, the keyrings of its releases, and the proxies by which it is reached.

DEBIAN_KEYRINGS=(
    /usr/share/keyrings/debian-archive-keyring.gpg
    /usr/share/keyrings/debian-archive-removed-keys.gpg
)

# The mirror that the host itself takes its Debian from, and the suite: prints "URL SUITE". Fails if there is none.
# Debian's cloud images name it in a file of its own (apt-transport-mirror(1)): its first line serves.
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
        # Not what others cannot read: a disc, tor, a list of mirrors somewhere.
        if [[ $uri =~ ^https?:// ]]; then
            printf '%s %s' "${uri%/}" "$suite"
            return
        fi
    done < <(apt-get indextargets --format '$(ORIGIN)|$(CODENAME)|$(COMPONENT)|$(REPO_URI)' 'Identifier: Packages' |
        awk -F'|' -v suite="$suite" 'suite != "" && $1 == "Debian" && $2 == suite && $3 == "main" { print $4 }')
    return 1
}

# The keyring whose keys signed suite $2 of the Debian repository $1: prints its path. Fails as fetch does if the suite
# cannot be fetched, or no keyring knows its keys. Those of old suites are in Debian's removed keys.
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
            printf '%s' "$keyring"
            return
        fi
        # Signed, it seems, in a time to come?
        ! release_signed "$folder/InRelease" --keyring "$keyring" --ignore-time-conflict || early=yes
    done
    rm -r -- "$folder"
    if [[ $early == yes ]]; then
        error "$url/dists/$suite is signed by a time that has not come: $(clock_behind)"
    else
        error "$url/dists/$suite is signed by no key of ${DEBIAN_KEYRINGS[*]}"
    fi
    return "$FETCH_WRONG"
}

# release_signed FILE --keyring KEYRING [OPTION]: has the release a valid signature, and no bad one? It has several, of keys
# that may be in different keyrings: one will do, as for debootstrap. gpgv itself fails if it misses the key of any.
release_signed() {
    local verdict
    [[ -r $3 ]] || return 1
    verdict=$(gpgv --quiet --status-fd 1 "${@:2}" "$1" 2>/dev/null) || true
    [[ $verdict == *'[GNUPG:] VALIDSIG '* && $verdict != *'[GNUPG:] BADSIG '* ]]
}

# One set of proxies for curl, wget and apt, which differ in the names that they look at: the small ones, from the capital
# ones where only those are set, and from what apt is configured to use. (curl's all_proxy may be of a kind that wget does
# not know: it is left to curl then.)
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

# The proxy that apt uses for scheme $1 (apt.conf(5), apt-transport-http(1)): what its program for it finds, or the set one.
# Nothing for DIRECT. Without a setting of its own, apt takes that of http for https; but a cache of Debian packages is
# what that often is, and such a one leads nowhere else.
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

# The hosts that apt reaches without a proxy: Acquire::http::Proxy::HOST "DIRECT".
proxies_except() {
    local host
    have apt-config || return 0
    while read -r host; do
        [[ ",${no_proxy:-}," == *",$host,"* ]] || export no_proxy=${no_proxy:+$no_proxy,}$host
    done < <(apt-config dump Acquire::http::Proxy Acquire::https::Proxy |
        sed -nE 's/^Acquire::https?::Proxy::([^ :]+) "DIRECT";$/\1/p')
}
