# shellcheck shell=bash
# Processes that we started, known by their command line: finding one, whoever its user is, and ending it.

# process_confirm PID OPTION VALUE: prints PID if it is the number of a process that was started with this option and
# value, and fails if not: what a crash or a reboot left in a file is recognised by that.
process_confirm() {
    [[ $1 =~ ^[1-9][0-9]{0,9}$ && $(process_option "$1" "$2") == "$3" ]] || return 1
    printf '%d' "$1"
}

# process_find OPTION VALUE: prints the number of a process that was started with this option and value; fails if there
# is none. Command lines can be read by everybody, which the files of another user cannot.
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

# The argument that follows option $2 in the command line of process $1, the first that begins with $3 (default: the
# first); nothing if there is none.
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

# A process for people: its number, name and user.
process_name() {
    ps -o pid=,comm=,user= -p "$1" | awk '{ print $1 " (" $2 " of " $3 ")" }'
}

# Does process $1 belong to another user, so that it does not listen to us?
process_foreign() {
    ((EUID != 0)) && [[ $(stat -c %u -- "/proc/$1" 2>/dev/null || echo "$EUID") != "$EUID" ]]
}

# Does a signal, or a debugger, keep process $1 from running (proc(5), State)?
process_stopped() {
    grep -qs '^State:[[:space:]]*[Tt]' "/proc/$1/status"
}

# process_end COMMAND [ARGUMENT...]: ends the process whose number this command prints, and fails to when it is gone;
# that one, and no other. Asked to by SIGTERM, by SIGKILL if it does not listen. Whether it is gone then, COMMAND says.
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
