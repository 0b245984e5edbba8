# shellcheck shell=bash
# Why a step failed, in one line: from its log, its status, and the disk space and memory that are left.

# step_reason STEP STATUS: prints why the step ended with that status.
step_reason() {
    local status=$2 reason number='' command='' last='' free
    reason=$(log_cause "$VM_DIR/log/$1.log")
    if [[ $reason == status$'\t'* ]]; then
        IFS=$'\t' read -r _ number command last <<<"$reason"
        reason=''
    fi
    status=${number:-$status}
    if ((status > 128 && status < 193)); then
        reason="${command:-its shell} was ended by SIG$(kill -l "$status")"
    elif [[ ! -e $VM_DIR/log/$1.log ]]; then
        reason='its log could not be made'
    elif [[ -z $reason ]]; then
        reason="${command:-it} ended with status $status${last:+; its log ends with: $last}"
    fi
    free=$(df --output=avail -BM -- "$VM_DIR" | tail -n 1 | tr -dc 0-9)
    ((free >= DISK_FULL_MB)) || reason+=" ($free MB are free in $VM_DIR: free some space there)"
    (($(oom_kills) == OOM_KILLS)) ||
        reason+=' (memory ran out, and Linux killed a process: lower BUILD_JOBS, or stop other programs)'
    printf '%s' "$reason"
}

# A disk counts as full with less than this: a program that runs out of space has often removed its file.
DISK_FULL_MB=64

# Prints how many processes Linux has killed for lack of memory since it booted (/proc/vmstat).
oom_kills() {
    awk '$1 == "oom_kill" { kills = $2 } END { print kills + 0 }' /proc/vmstat
}

# log_cause LOG: prints the cause that setup/reason.awk finds in a log. Of a line that was overwritten (CR) only the last text counts.
log_cause() {
    [[ -r $1 ]] || return 0
    # Invalid UTF-8 is removed: bash's read takes a line end after it for a part of the character.
    tail -n 500 -- "$1" | { iconv -c -f UTF-8 -t UTF-8 || true; } 2>/dev/null | tr -d '\000' | sed 's/\r*$//; s/.*\r//' |
        awk -v program="$PROGRAM" -f "$LAB_HOME/setup/reason.awk"
}
