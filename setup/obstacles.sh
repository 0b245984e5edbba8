# shellcheck shell=bash
# How a check reports, and how it tries something as another user.

OBSTACLES=0     # how many were found
CHECK_LISTED=no # yes: list everything, also what is fine (--check)

# Each check_ function reports with one of these three: check_ok and check_notice SUBJECT WHAT, check_obstacle.

check_ok() {
    [[ $CHECK_LISTED == no ]] || printf '%sok%s        %-9s %s\n' "$GREEN" "$PLAIN" "$1" "$2"
}

check_notice() {
    [[ $CHECK_LISTED == no ]] || printf '%snotice%s    %-9s %s\n' "$YELLOW" "$PLAIN" "$1" "$2"
}

# check_obstacle SUBJECT WHAT REMEDY
check_obstacle() {
    OBSTACLES=$((OBSTACLES + 1))
    if [[ $CHECK_LISTED == yes ]]; then
        printf '%sobstacle%s  %-9s %s\n%21s%s\n' "$RED" "$PLAIN" "$1" "$2" 'remedy: ' "$3"
    else
        error "$2: $3"
    fi
}

# as_user NAME COMMAND...: runs a command as that user. Only root can name another user.
as_user() {
    if [[ $1 == "$(id -un)" ]]; then
        "${@:2}"
    else
        setpriv --reuid "$(id -u -- "$1")" --regid "$(id -g -- "$1")" --init-groups -- "${@:2}" 2>/dev/null
    fi
}
