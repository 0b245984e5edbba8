# shellcheck shell=bash
# Downloads. A file bears its final name only when it is whole and its checksum is right.

# What fetch returns when the server answered, so that it is no matter of reaching it.
FETCH_NOT_THERE=4 FETCH_WRONG=5 FETCH_NO_ROOM=6

# fetch URL FILE [SHA256]: fails, with a line on stderr that says why, when it cannot be had or is not what it should be:
# with one of the above, or with 1 when the server cannot be reached. What a cut connection left is kept as FILE.part and
# continued the next time, if a checksum can tell that the pieces belong together.
fetch() {
    local url=$1 file=$2 sha256=${3:-} continued=no
    # There already, from a build that failed.
    if [[ -n $sha256 && -f $file ]] && sha256sum --check --status <<<"$sha256  $file"; then
        return
    fi
    if [[ -z $sha256 ]]; then
        rm -f -- "$file.part"
    elif [[ -s $file.part ]]; then
        continued=yes
    fi
    fetch_part "$url" "$file.part" || return
    if [[ -n $sha256 ]] && ! sha256sum --check --status <<<"$sha256  $file.part"; then
        rm -f -- "$file.part"
        if [[ $continued == yes ]]; then
            fetch "$@"
            return
        fi
        error "$url does not have the checksum it should have: it was thrown away"
        return "$FETCH_WRONG"
    fi
    mv -f -- "$file.part" "$file"
}

# Fetches into file $2, going on from what is in it, also after a cut, as long as that brings something.
fetch_part() {
    local url=$1 part=$2 status code size=-1
    local -a curl=(curl --fail --location --silent --show-error --connect-timeout 10 --speed-limit 1 --speed-time 60
        --write-out '%{http_code}' --output "$part")
    while true; do
        status=0
        code=$("${curl[@]}" --retry 2 --continue-at - -- "$url") || status=$?
        # EXIT CODES of curl(1): 18 and 56, cut; 33 and 36, and the answer 416, cannot be continued: then from the start.
        if ((status == 18 || status == 56)) && (($(size_of "$part") > size)); then
            size=$(size_of "$part")
        elif ((status == 33 || status == 36)) || [[ $code == 416 ]]; then
            rm -f -- "$part"
            code=$("${curl[@]}" --retry 2 -- "$url") || status=$?
            break
        else
            break
        fi
    done
    case $status:$code in
    0:*) ;;
    23:*) return "$FETCH_NO_ROOM" ;;
    22:404) return "$FETCH_NOT_THERE" ;;
    *) return 1 ;;
    esac
}

size_of() {
    stat -c %s -- "$1" 2>/dev/null || echo 0
}

# The mirror that the host itself takes its Debian from, and the suite: prints "URL SUITE". Fails if there is none.
# Debian's cloud images name it in a file of its own (apt-transport-mirror(1)): its first line serves.
host_mirror() {
    local suite uri
    suite=$(. /etc/os-release && printf '%s' "${VERSION_CODENAME:-}")
    # shellcheck disable=SC2016 # apt expands it
    uri=$(apt-get indextargets --format '$(ORIGIN)|$(CODENAME)|$(COMPONENT)|$(REPO_URI)' 'Identifier: Packages' |
        awk -F'|' -v suite="$suite" '$1 == "Debian" && $2 == suite && $3 == "main" { print $4; exit }')
    if [[ $uri == mirror+file:* ]]; then
        uri=${uri#mirror+file:} uri=${uri#//}
        uri=$(awk '$1 ~ "^https?://" { print $1; exit }' "${uri%/}")
    fi
    [[ -n $suite && $uri =~ ^https?:// ]] || return 1
    printf '%s %s' "${uri%/}" "$suite"
}

# The keyring whose keys signed suite $2 of the Debian repository $1: prints its path. Fails as fetch does if the suite
# cannot be fetched, or no keyring knows its keys. Those of old suites are in Debian's removed keys.
suite_keyring() {
    local url=$1 suite=$2 folder keyring verdict status=0
    folder=$(mktemp -d)
    fetch "$url/dists/$suite/InRelease" "$folder/InRelease" || status=$?
    if ((status != 0)); then
        rm -r -- "$folder"
        return "$status"
    fi
    for keyring in "${DEBIAN_KEYRINGS[@]}"; do
        # A release has several signatures, of keys that may be in different keyrings: one that is valid will do, as
        # for debootstrap. gpgv itself fails if it misses the key of any.
        verdict=$(gpgv --quiet --status-fd 1 --keyring "$keyring" "$folder/InRelease" 2>/dev/null) || true
        if [[ -r $keyring && $verdict == *'[GNUPG:] VALIDSIG '* && $verdict != *'[GNUPG:] BADSIG '* ]]; then
            rm -r -- "$folder"
            printf '%s' "$keyring"
            return
        fi
    done
    rm -r -- "$folder"
    error "$url/dists/$suite is signed by no key of ${DEBIAN_KEYRINGS[*]}"
    return "$FETCH_WRONG"
}

DEBIAN_KEYRINGS=(
    /usr/share/keyrings/debian-archive-keyring.gpg
    /usr/share/keyrings/debian-archive-removed-keys.gpg
)

# apt may know a proxy that curl and debootstrap do not.
proxy_of_apt() {
    local http_proxy_of_apt=''
    [[ -z ${http_proxy:-} ]] && have apt-config || return 0
    eval "$(apt-config shell http_proxy_of_apt Acquire::http::Proxy)"
    if [[ $http_proxy_of_apt == http* ]]; then
        export http_proxy=$http_proxy_of_apt
    fi
}
