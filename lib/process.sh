# shellcheck shell=bash
# Finds a process that the lab started, by its command line, and ends it. Works for processes of any user.

# process_confirm PID OPTION VALUE: prints PID if that process was started with this option and value; else fails. So a PID
# that a crash or a reboot left in a file is not taken for ours.
process_confirm() {
    [[ $1 =~ ^[1-9][0-9]{0,9}$ && $(process_option "$1" "$2") == "$3" ]] || return 1
    printf '%d' "$1"
}

# process_find OPTION VALUE: prints the PID of a process that was started with this option and value; fails if there is none.
# Everybody can read command lines, but not another user's files.
process_find() {
    local file
    while read -r file; do
        file=${file#/proc/}
        if process_confirm "${file%/cmdline}" "$1" "$2"; then
            return
        fi
    done < <(grep -lszxF -e "$2" -- /proc/[0-9]*/cmdline)
    return 1
}

# process_option PID OPTION [PREFIX]: prints the argument that follows OPTION in the process's command line; the first one
# that begins with PREFIX. Prints nothing if there is none.
process_option() {
    local -a words=()
    local i
    mapfile -d '' -t words 2>/dev/null <"/proc/$1/cmdline" || return 0
    for ((i = 0; i + 1 < ${#words[@]}; i++)); do
        if [[ ${words[i]} == "$2" && ${words[i + 1]} == "${3:-}"* ]]; then
            printf '%s' "${words[i + 1]}"
            return
        fi
    done
}

# Prints PID, name and user of process $1, for people.
process_name() {
    ps -o pid=,comm=,user= -p "$1" | awk '{ print $1 " (" $2 " of " $3 ")" }'
}

# Does process $1 belong to another user, so that we cannot signal it?
process_foreign() {
    ((EUID != 0)) && [[ $(stat -c %u -- "/proc/$1" 2>/dev/null || echo "$EUID") != "$EUID" ]]
}

# Is process $1 stopped, by a signal or a debugger (proc(5), State)?
process_stopped() {
    grep -qs '^State:[[:space:]]*[Tt]' "/proc/$1/status"
}

# process_end COMMAND [ARGUMENT...]: ends the process whose PID COMMAND prints. COMMAND must fail when that process is gone.
# Sends SIGTERM, then SIGKILL. Afterwards COMMAND tells whether it has ended.
process_end() {
    local pid signal deadline
    for signal in TERM KILL; do
        pid=$("$@") || return 0
        kill "-$signal" "$pid" 2>/dev/null || true
        deadline=$((SECONDS + 5))
        while "$@" >/dev/null && ((SECONDS < deadline)); do
            pause 0.05
        done
    done
}
