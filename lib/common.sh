# shellcheck shell=bash
# What every script of the lab says and how it ends.
#
# Results go to stdout. Everything else goes to stderr through these functions.

PROGRAM=${0##*/}

if [[ -t 2 && -z ${NO_COLOR:-} && ${TERM:-dumb} != dumb ]]; then
    BOLD=$'\e[1m' RED=$'\e[31m' YELLOW=$'\e[33m' GREEN=$'\e[32m' PLAIN=$'\e[0m'
else
    BOLD='' RED='' YELLOW='' GREEN='' PLAIN=''
fi

# A notice of progress.
say() {
    printf '%s\n' "$*" >&2
}

warn() {
    printf '%s: %swarning:%s %s\n' "$PROGRAM" "$YELLOW" "$PLAIN" "$*" >&2
}

error() {
    printf '%s: %serror:%s %s\n' "$PROGRAM" "$RED" "$PLAIN" "$*" >&2
}

# Something failed: say what, why and what to do, in one line.
die() {
    error "$@"
    exit 1
}

# The user asked for something that there is not: name it and what is accepted.
usage_error() {
    error "$* (see ./$PROGRAM --help)"
    exit 2
}

# A value as the user can recognise it in one line, however odd it is.
quoted() {
    printf '%q' "$1"
}

# Seconds as 0:07 or 1:02:03.
clock() {
    local s=$1
    if ((s >= 3600)); then
        printf '%d:%02d:%02d' $((s / 3600)) $((s % 3600 / 60)) $((s % 60))
    else
        printf '%d:%02d' $((s / 60)) $((s % 60))
    fi
}

# Waits $1 seconds without starting a process. Used where nothing can be waited on but a state to look at again.
pause() {
    [[ ${PAUSE_FD:-} ]] || exec {PAUSE_FD}<> <(:)
    read -r -t "$1" -u "$PAUSE_FD" || true
}

have() {
    command -v "$1" >/dev/null 2>&1
}

# Writes stdin to file $1: under a temporary name beside it until it is whole. Mode $2 (default 644).
write_file() {
    local file=$1 mode=${2:-644} temp
    temp=$(mktemp "$file.XXXXXX")
    if ! cat >"$temp" || ! chmod "$mode" "$temp" || ! mv -fT "$temp" "$file"; then
        rm -f "$temp"
        return 1
    fi
}
