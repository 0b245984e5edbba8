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
