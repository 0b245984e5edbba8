# shellcheck shell=bash
# Why a step failed, in one line, whatever program it was: from its log, its status, and what the host has left.

# step_reason STEP STATUS: prints the reason of a step that ended with that status.
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
    ((free >= DISK_FULL_MB)) || reason+=" ($free MB are free under $VM_DIR: make room there)"
    (($(oom_kills) == OOM_KILLS)) ||
        reason+=' (memory ran out, and Linux ended a process for that: lower BUILD_JOBS, or stop what else runs)'
    printf '%s' "$reason"
}

# With less than this a disk counts as full: who could not write on has often removed what was written.
DISK_FULL_MB=64

# How many processes Linux has ended for lack of memory since it booted (/proc/vmstat).
oom_kills() {
    awk '$1 == "oom_kill" { kills = $2 } END { print kills + 0 }' /proc/vmstat
}

# What log $1 says of the cause, as setup/reason.awk finds it. Of a line that was written over itself, what was seen last.
log_cause() {
    [[ -r $1 ]] || return 0
    # Bytes that are no characters go: bash's read takes a line end after one for a part of it.
    tail -n 500 -- "$1" | { iconv -c -f UTF-8 -t UTF-8 || true; } 2>/dev/null | tr -d '\000' | sed 's/\r*$//; s/.*\r//' |
        awk -v program="$PROGRAM" -f "$LAB_HOME/setup/reason.awk"
}
