# shellcheck shell=bash
# Messages, signals and waiting: what every script of the lab needs.
#
# Results go to stdout. Everything else goes to stderr through the functions here.

PROGRAM=${0##*/}

# After `su` without a dash root has the user's PATH, which lacks mke2fs, debootstrap, chroot and chpasswd.
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin

if [[ -t 2 && -z ${NO_COLOR:-} && ${TERM:-dumb} != dumb ]]; then
    BOLD=$'\e[1m' RED=$'\e[31m' YELLOW=$'\e[33m' GREEN=$'\e[32m' PLAIN=$'\e[0m'
else
    BOLD='' RED='' YELLOW='' GREEN='' PLAIN=''
fi

# Writing to a terminal that was closed fails. `|| true`: that must not end the program while it cleans up.

# Reports progress.
say() {
    printf '%s\n' "$*" >&2 || true
}

warn() {
    printf '%s: %swarning:%s %s\n' "$PROGRAM" "$YELLOW" "$PLAIN" "$*" >&2 || true
}

error() {
    printf '%s: %serror:%s %s\n' "$PROGRAM" "$RED" "$PLAIN" "$*" >&2 || true
}

# Ends the program after a failure. The message says in one line what failed, why, and what to do.
die() {
    error "$@"
    exit 1
}

# Ends the program after a wrong command line. The message names the wrong word and what is accepted.
usage_error() {
    error "$* (see ./$PROGRAM --help)"
    exit 2
}

# Prints a value so that it fits in one line and can be recognised, whatever characters it has.
quoted() {
    printf '%q' "$1"
}

# listed WORD...: a list for people: "vm1, vm2 and vm3"; "none" without words.
listed() {
    local others
    if (($# < 2)); then
        printf '%s' "${1:-none}"
    else
        others=$(printf '%s, ' "${@:1:$#-1}")
        printf '%s and %s' "${others%, }" "${!#}"
    fi
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

# Makes numbers, order and messages independent of the user's locale. In many locales awk and printf write 0,5, which jq and
# gnuplot cannot read, and sort orders differently. C would not do: in it screen and bash take a UTF-8 character for
# several. LANGUAGE is unset because gettext prefers it to LC_ALL, unless LC_ALL is C.
locale_neutral() {
    export LC_ALL=C.UTF-8
    unset LANGUAGE
}

# --- Signals and waiting

# From here on Ctrl-C, SIGTERM and SIGHUP end the program through its EXIT trap, with status 128 + the signal's number
# (signal(7)). The EXIT trap runs to its end, because the program and its children then ignore further signals.
signals_catch() {
    trap 'signal_arrived 129' HUP
    trap 'signal_arrived 130' INT
    trap 'signal_arrived 143' TERM
}

# bash 5.2 crashes ("stack smashing detected") when a trap calls exit inside `read -t` and the EXIT trap reads again. So a
# signal that arrives inside pause() is noted, and pause() ends the program.
signal_arrived() {
    trap '' HUP INT TERM
    SIGNAL_STATUS=$1
    [[ $PAUSING == yes ]] || exit "$1"
}
SIGNAL_STATUS='' # 128 + the signal that ends the program, for the EXIT trap; empty if there was none
PAUSING=no

# Waits $1 seconds without starting a process. For loops that poll.
pause() {
    local before=$SIGNAL_STATUS
    [[ ${PAUSE_FD:-} ]] || exec {PAUSE_FD}<> <(:)
    PAUSING=yes
    read -r -t "$1" -u "$PAUSE_FD" || true
    PAUSING=no
    [[ $SIGNAL_STATUS == "$before" ]] || exit "$SIGNAL_STATUS"
}

# lines_of ARRAY COMMAND...: ARRAY gets the lines that COMMAND prints. Fails as COMMAND does.
lines_of() {
    local -n lines_there=$1
    local lines_text
    lines_text=$("${@:2}")
    lines_there=()
    [[ -z $lines_text ]] || mapfile -t lines_there <<<"$lines_text"
}

# items_from ARRAY STATUS COMMAND...: ARRAY gets what COMMAND prints, items that each end with a zero byte, and STATUS its status.
# COMMAND runs in a subshell with errexit on, unlike in `x=$(COMMAND) || status=$?`. Its status comes as the last item: `wait "$!"`
# after a process substitution says 255 once in some thousand times, although it succeeded (seen with bash 5.2).
items_from() {
    local -n items_there=$1 items_status=$2
    mapfile -d '' -t items_there < <(
        trap 'printf "%d\0" "$?"' EXIT
        "${@:3}"
    )
    items_status=1 # a command that was killed prints none
    if ((${#items_there[@]} > 0)) && [[ ${items_there[-1]} =~ ^[0-9]+$ ]]; then
        items_status=${items_there[-1]}
        unset 'items_there[-1]'
    fi
}

# items_of ARRAY COMMAND...: the same. Fails as COMMAND does.
items_of() {
    local status
    items_from "$1" status "${@:2}"
    return "$status"
}

have() {
    command -v "$1" >/dev/null 2>&1
}

# write_file FILE [MODE]: writes stdin to FILE, with mode MODE (default: 644). Writes to a temporary file beside it, then
# renames, so FILE is never incomplete.
write_file() {
    local file=$1 mode=${2:-644} temp
    temp=$(mktemp "$file.XXXXXX")
    if ! cat >"$temp" || ! chmod "$mode" "$temp" || ! mv -fT "$temp" "$file"; then
        rm -f "$temp"
        return 1
    fi
}
