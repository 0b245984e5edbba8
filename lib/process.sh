# shellcheck shell=bash
# Processes that we started and know by a file: that one is still ours, and ending it.

# process_confirm PID OPTION VALUE: prints PID if it is the number of a process that was started with this option and
# value, and fails if not: what a crash or a reboot left in a file is recognised by that.
process_confirm() {
    [[ $1 =~ ^[1-9][0-9]{0,9}$ && $(process_option "$1" "$2") == "$3" ]] || return 1
    printf '%d' "$1"
}

# The argument that follows option $2 in the command line of process $1; nothing if there is none.
process_option() {
    local -a words=()
    local i
    mapfile -d '' -t words 2>/dev/null <"/proc/$1/cmdline" || return 0
    for ((i = 0; i + 1 < ${#words[@]}; i++)); do
        if [[ ${words[i]} == "$2" ]]; then
            printf '%s' "${words[i + 1]}"
            return
        fi
    done
}

# process_end COMMAND [ARGUMENT...]: ends the process whose number this command prints, and fails to when it is gone;
# that one, and no other. Asked to by SIGTERM, by SIGKILL if it does not listen.
process_end() {
    local pid signal
    for signal in TERM KILL; do
        pid=$("$@") || return 0
        kill "-$signal" "$pid" 2>/dev/null || true
        if process_wait_gone 5 "$@"; then
            return
        fi
    done
    return 1
}

# process_wait_gone SECONDS COMMAND...: waits at most so long until the command fails.
process_wait_gone() {
    local deadline=$((SECONDS + $1))
    while "${@:2}" >/dev/null; do
        ((SECONDS < deadline)) || return 1
        pause 0.05
    done
}
