# shellcheck shell=bash
# Downloads. A file bears its final name only when it is whole and its checksum is right.

# fetch URL FILE [SHA256]: fails, with a line on stderr that says why, when it cannot be had or is not what it should be.
# What a cut connection left is kept as FILE.part and continued the next time, if a checksum can tell that the pieces
# belong together.
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
    fetch_part "$url" "$file.part" || return 1
    if [[ -n $sha256 ]] && ! sha256sum --check --status <<<"$sha256  $file.part"; then
        rm -f -- "$file.part"
        if [[ $continued == yes ]]; then
            fetch "$@"
            return
        fi
        error "$url does not have the checksum it should have: it was thrown away"
        return 1
    fi
    mv -f -- "$file.part" "$file"
}

fetch_part() {
    local url=$1 part=$2 status=0
    local -a curl=(curl --fail --location --silent --show-error --connect-timeout 10 --speed-limit 1 --speed-time 60)
    "${curl[@]}" --retry 2 --continue-at - --output "$part" -- "$url" || status=$?
    # 33, 36 and an answer of 416 (22): what is there cannot be continued. Then from the start.
    if ((status == 33 || status == 36 || status == 22)) && [[ -s $part ]]; then
        rm -f -- "$part"
        status=0
        "${curl[@]}" --retry 2 --output "$part" -- "$url" || status=$?
    fi
    return "$status"
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

# The keyring whose keys signed suite $2 of the Debian repository $1: prints its path. Fails, with a line on stderr,
# if the suite cannot be fetched or no keyring knows its keys. Those of old suites are in Debian's removed keys.
suite_keyring() {
    local url=$1 suite=$2 folder keyring
    folder=$(mktemp -d)
    if ! fetch "$url/dists/$suite/InRelease" "$folder/InRelease"; then
        rm -r -- "$folder"
        return 1
    fi
    for keyring in "${DEBIAN_KEYRINGS[@]}"; do
        if [[ -r $keyring ]] && gpgv --quiet --keyring "$keyring" "$folder/InRelease" >/dev/null 2>&1; then
            rm -r -- "$folder"
            printf '%s' "$keyring"
            return
        fi
    done
    rm -r -- "$folder"
    error "$url/dists/$suite is signed by no key of ${DEBIAN_KEYRINGS[*]}"
    return 1
}

DEBIAN_KEYRINGS=(
    /usr/share/keyrings/debian-archive-keyring.gpg
    /usr/share/keyrings/debian-archive-removed-keys.gpg
)
