# shellcheck shell=bash
# Downloads. A file gets its final name only when it is complete and its checksum is right.

# The statuses of fetch when the server could be reached: no such file, wrong checksum or signature, no room on our disk.
FETCH_NOT_THERE=4 FETCH_WRONG=5 FETCH_NO_ROOM=6

# fetch URL FILE [SHA256]: fails with one of these, or with 1 if the server cannot be reached, and says why on stderr. A
# connection that is cut leaves FILE.part. The next call continues it if there is a checksum, which shows whether the pieces
# belong together.
fetch() {
    local url=$1 file=$2 sha256=${3:-} continued=no
    # It is here already, from a build that failed.
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
        error "$url has the wrong checksum: the download was removed"
        return "$FETCH_WRONG"
    fi
    mv -f -- "$file.part" "$file"
}

# fetch_part URL FILE: continues what is in FILE. After a cut it tries again, as long as each attempt brings more bytes.
fetch_part() {
    local url=$1 part=$2 status code size=-1
    local -a curl=(curl --fail --location --silent --show-error --connect-timeout 10 --speed-limit 1 --speed-time 60
        --write-out '%{http_code}' --output "$part")
    while true; do
        status=0
        code=$("${curl[@]}" --retry 2 --continue-at - -- "$url") || status=$?
        # EXIT CODES of curl(1): 18 and 56 are a cut. With 33, 36 or the answer 416 it cannot continue: start again.
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
