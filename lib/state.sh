# shellcheck shell=bash
# The state of a VM. Each call asks the process, QEMU and the guest; nothing is remembered.
#
#   absent     it has no folder yet
#   stopped    it has no process
#   starting   the guest is not ready yet
#   ready      the guest has reported that it is ready
#   degraded   the guest has reported that a unit of the lab failed
#   halted     the guest has ended, but QEMU has not
#   crashed    the guest or its virtual machine cannot go on
#   paused     somebody has stopped its CPUs
#   io-error   QEMU has stopped its CPUs because the host's disk is full
#   hung       QEMU does not answer

# Prints the state of VM $1, a word.
vm_state() {
    if [[ ! -d $VM_DIR/$1 ]]; then
        echo absent
    elif ! vm_running "$1"; then
        echo stopped
    else
        vm_state_running "$1"
    fi
}

# The same for a VM that has a process.
vm_state_running() {
    local run
    run=$(vm_run_state "$1")
    case $run in
    running)
        if vm_ready "$1" && vm_halted "$1"; then
            echo halted
        else
            vm_guest_state "$1"
        fi
        ;;
    foreign) vm_guest_state "$1" ;;
    silent)
        # Before QEMU listens, it allocates and fills memory.
        if [[ -n $(vm_word "$1") ]] || process_stopped "$(vm_pid "$1")"; then
            echo hung
        else
            echo starting
        fi
        ;;
    io-error) echo io-error ;;
    shutdown) echo halted ;;
    guest-panicked | internal-error) echo crashed ;;
    *) echo paused ;;
    esac
}

# Prints QEMU's state of VM $1 (QEMU: qapi/run-state.json, RunState); silent if QEMU does not answer, foreign if QEMU belongs
# to another user and we cannot ask it.
vm_run_state() {
    local pid answer socket=$VM_DIR/$1/qmp.sock
    pid=$(vm_pid "$1") || return 0
    if process_foreign "$pid"; then
        echo foreign
    elif ! process_stopped "$pid" && answer=$(qmp "$socket" query-status); then
        jq -r .status <<<"$answer"
    else
        echo silent
    fi
}

# Prints the state that the guest of VM $1 has reported (guest/etc/systemd/system/lab-ready.service).
vm_guest_state() {
    if vm_ready "$1"; then
        echo ready
    elif [[ -n $(vm_failed_unit "$1") ]]; then
        echo degraded
    else
        echo starting
    fi
}

# Has the guest of VM $1 reported that it is ready?
vm_ready() {
    [[ $(vm_word "$1") == ready* ]]
}

# Prints the unit of the lab that failed in the guest of VM $1; nothing if none did.
vm_failed_unit() {
    local word
    word=$(vm_word "$1")
    [[ ! $word =~ ^failed\ ([A-Za-z0-9@._-]+)$ ]] || printf '%s' "${BASH_REMATCH[1]}"
}

# Prints the line that the guest of VM $1 wrote to its second serial port, once it is complete.
vm_word() {
    local line
    if read -r line 2>/dev/null <"$VM_DIR/$1/ready"; then
        printf '%s' "${line%$'\r'}"
    fi
}

# Has every CPU of VM $1 halted with interrupts off (bit 9 of RFLAGS)? Linux does that when it cannot power down.
vm_halted() {
    local answer
    answer=$(qmp "$VM_DIR/$1/qmp.sock" human-monitor-command '{"command-line": "info registers -a"}') || return 1
    jq -r . <<<"$answer" | awk '/RFL=/ {
            match($0, /RFL=[0-9a-f]+/)
            third = substr($0, RSTART + RLENGTH - 3, 1)
            if (third ~ /[2367abef]/ || !/HLT=1/) runs = 1
            cpus++
        }
        END { exit !(cpus && !runs) }'
}

# vm_advice NAME STATE: prints what this state of the VM means, and what to do about it.
vm_advice() {
    local name=$1 pid='' unit
    pid=$(vm_pid "$name") || true
    case $2 in
    starting) printf 'is still starting: ./start.sh waits until it is ready' ;;
    paused) printf 'is paused (%s): ./start.sh resumes it' "$(vm_run_state "$name")" ;;
    io-error)
        printf 'is paused because its disk could not grow (%s free in %s): make room there, then ./start.sh resumes it' \
            "$(df -h --output=avail -- "$VM_DIR/$name" | tail -n 1 | tr -d ' ')" "$VM_DIR/$name"
        ;;
    halted) printf 'has halted: ./stop.sh %s ends it, ./start.sh %s starts it again' "$name" "$name" ;;
    crashed) printf 'has crashed (%s): ./stop.sh %s ends it, ./start.sh %s starts it again' "$(vm_run_state "$name")" "$name" "$name" ;;
    degraded)
        unit=$(vm_failed_unit "$name")
        printf 'is up, but %s failed in it: ./run.sh %s systemctl status %s says why' "$unit" "$name" "$unit"
        ;;
    hung)
        if process_stopped "$pid"; then
            printf 'hangs: its process %d was stopped; kill -CONT %d resumes it' "$pid" "$pid"
        else
            printf 'hangs: its process %d does not answer on %s (is another program connected there?); ./stop.sh %s ends it' \
                "$pid" "$VM_DIR/$name/qmp.sock" "$name"
        fi
        ;;
    stopped | absent) printf 'is not running%s: ./start.sh starts it' "$(vm_end_reason "$name")" ;;
    esac
}

# Prints in parentheses why VM $1 ended; nothing if it ended well, or the reason is not known.
vm_end_reason() {
    local status=''
    read -r status 2>/dev/null <"$VM_DIR/$1/exit" || return 0
    case $status in
    0) ;;
    137) printf ' (it was killed, perhaps because the host ran out of memory: see dmesg; lower VM_MEMORY or VM_COUNT)' ;;
    *) printf " (QEMU's exit status %s)" "$status" ;;
    esac
}

# --- Waiting, and changing the state

# vm_wait NAME DEADLINE: waits until the VM is no longer starting, or SECONDS reaches DEADLINE.
vm_wait() {
    local asked=$SECONDS
    until [[ -n $(vm_word "$1") ]] || vm_ended "$1" || ((SECONDS >= $2)); do
        if ((SECONDS >= asked + 5)); then
            asked=$SECONDS
            [[ $(vm_state "$1") == starting ]] || return 0
        fi
        pause 0.1
    done
}

# vm_resume NAME STATE: resumes a VM in this state if it is paused or its process is stopped. If the disk is still full, QEMU
# pauses it again at once.
vm_resume() {
    local name=$1 deadline pid
    case $2 in
    paused | io-error)
        qmp "$VM_DIR/$name/qmp.sock" cont >/dev/null || true
        deadline=$((SECONDS + 2))
        while [[ $2 == io-error && $(vm_run_state "$name") != io-error ]] && ((SECONDS < deadline)); do
            pause 0.2
        done
        ;;
    hung)
        pid=$(vm_pid "$name") || return 0
        ! process_stopped "$pid" || kill -CONT "$pid"
        ;;
    esac
}

# Shows the last lines that QEMU and the guest of VM $1 printed.
vm_account() {
    local log
    for log in qemu.log console.log; do
        if [[ -s $VM_DIR/$1/$log ]]; then
            say "--- the end of $VM_DIR/$1/$log:"
            tail -n 15 -- "$VM_DIR/$1/$log" | tr -d '\r' | sed 's/^/    /' >&2
        fi
    done
}
