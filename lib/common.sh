# shellcheck shell=bash
# What every script of the lab says and how it ends.
#
# Results go to stdout. Everything else goes to stderr through these functions.

PROGRAM=${0##*/}

# `su` without a dash leaves the user's PATH to root: mke2fs, debootstrap, chroot and chpasswd are not in it.
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin

if [[ -t 2 && -z ${NO_COLOR:-} && ${TERM:-dumb} != dumb ]]; then
    BOLD=$'\e[1m' RED=$'\e[31m' YELLOW=$'\e[33m' GREEN=$'\e[32m' PLAIN=$'\e[0m'
else
    BOLD='' RED='' YELLOW='' GREEN='' PLAIN=''
fi

# A terminal that was closed takes no more words, and that must not end the program in the middle of its cleaning up.

# A notice of progress.
say() {
    printf '%s\n' "$*" >&2 || true
}

warn() {
    printf '%s: %swarning:%s %s\n' "$PROGRAM" "$YELLOW" "$PLAIN" "$*" >&2 || true
}

error() {
    printf '%s: %serror:%s %s\n' "$PROGRAM" "$RED" "$PLAIN" "$*" >&2 || true
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

# Numbers, order and messages in one form, whatever the user's locale is: in many, awk and printf write 0,5, which jq and
# gnuplot do not read, and sort has an order of its own. Not C, in which screen and bash take a UTF-8 character for
# several. LANGUAGE would bring translations back (gettext: it comes before LC_ALL, unless that is C).
locale_neutral() {
    export LC_ALL=C.UTF-8
    unset LANGUAGE
}

# --- Signals and waiting

# From here on Ctrl-C, SIGTERM and SIGHUP end the program through its EXIT trap, with status 128 + the signal's number
# (signal(7)). The EXIT trap runs to its end: further signals are ignored by then, here and in what it starts.
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
SIGNAL_STATUS='' # of the signal that ends the program; the EXIT trap may want to know
PAUSING=no

# Waits $1 seconds without starting a process. For a state that must be looked at again and again.
pause() {
    local before=$SIGNAL_STATUS
    [[ ${PAUSE_FD:-} ]] || exec {PAUSE_FD}<> <(:)
    PAUSING=yes
    read -r -t "$1" -u "$PAUSE_FD" || true
    PAUSING=no
    [[ $SIGNAL_STATUS == "$before" ]] || exit "$SIGNAL_STATUS"
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
