# shellcheck shell=bash
# Starts a VM: its files, its screen session, and QEMU in that session.

# vm_launch NAME ACCEL CPU ABOVE_4G: starts VM NAME in a screen session of that name. ACCEL is kvm or tcg, CPU is QEMU's model,
# ABOVE_4G is yes or no.
# Does not wait. When QEMU ends, the file exit has its exit status.
vm_launch() {
    local name=$1 dir=$VM_DIR/$1
    disk_create "$name"
    vm_disk_free "$name"
    rm -f -- "$dir"/{pid,qmp.sock,link.sock,ready,exit,command,qemu.log}
    [[ ! -f $dir/console.log ]] || mv -f -- "$dir/console.log" "$dir/console.log.old"
    : >"$dir/console.log"
    chmod 600 "$dir/console.log"
    qemu_command "$name" "$2" "$3" "$4" >"$dir/command"
    lab_own "$dir"
    vm_session_create "$name"
}

# Ends the program if the disk of VM $1 is in use, as it is when the lab was moved while its VMs ran. Replacing the files of
# such a VM would make it unreachable. QEMU locks a disk that it writes to, and qemu-img checks for that lock.
vm_disk_free() {
    local disk=$VM_DIR/$1/disk.qcow2 answer user
    answer=$(qemu-img info "$disk" 2>&1 >/dev/null) || true
    if [[ $answer == *'" lock'* ]]; then
        user=$(find /proc/[0-9]*/fd -lname "$disk" -print -quit 2>/dev/null | cut -d / -f 3) || true
        die "its disk $disk is in use by ${user:+process }$(if [[ $user ]]; then process_name "$user"; else echo 'another process'; fi):" \
            "if the lab was moved while its VMs ran, move it back, run ./stop.sh, then move it again"
    fi
    [[ -z $answer ]] || die "$answer"
}

# Makes the screen session of VM $1 and starts QEMU in it. The session ignores ~/.screenrc. Its TERM is one that every host
# knows: when a user attaches, screen takes the TERM of that user's terminal.
vm_session_create() {
    local name=$1 dir=$VM_DIR/$1 answer
    # shellcheck disable=SC2016 # expanded by the shell in the session
    answer=$(TERM=vt100 screen -c /dev/null -dmS "$name" \
        bash -c 'eval "$(<"$2/command") 2>\"\$2/qemu.log\""; echo "$?" >"$2/exit"' "$name" --session "$dir" \
        2>&1 {LAB_LOCK}>&-) || die "cannot make a screen session (${answer:-screen prints no reason}): check that screen -ls works;" \
        "if /run/screen is missing: sudo systemd-tmpfiles --create, or export SCREENDIR=~/.screen"
}
