# shellcheck shell=bash
# Starting a VM: its files, its screen session, and QEMU in it.

# Starts VM $1 in a screen session of its name, with accelerator $2 and the BAR above 4 GiB or not ($3, yes or no).
# Does not wait. When QEMU ends, its exit status is in the file exit.
vm_launch() {
    local name=$1 dir=$VM_DIR/$1
    disk_create "$name"
    vm_disk_free "$name"
    rm -f -- "$dir"/{pid,qmp.sock,link.sock,ready,exit,command,qemu.log}
    [[ ! -f $dir/console.log ]] || mv -f -- "$dir/console.log" "$dir/console.log.old"
    : >"$dir/console.log"
    chmod 600 "$dir/console.log"
    qemu_command "$name" "$2" "$3" >"$dir/command"
    lab_own "$dir"
    vm_session_create "$name"
}

# A lab that was moved while its VMs ran has a disk that is in use, and files by which that VM can still be reached.
# QEMU holds locks on a disk that it writes to, and qemu-img looks for them.
vm_disk_free() {
    local disk=$VM_DIR/$1/disk.qcow2 answer user
    answer=$(qemu-img info "$disk" 2>&1 >/dev/null) || true
    if [[ $answer == *'" lock'* ]]; then
        user=$(find /proc/[0-9]*/fd -lname "$disk" -print -quit 2>/dev/null | cut -d / -f 3) || true
        die "its disk $disk is in use by ${user:+process }$(if [[ $user ]]; then process_name "$user"; else echo 'another process'; fi):" \
            "if the lab was moved while its VMs ran, move it back, ./stop.sh, and then move it"
    fi
    [[ -z $answer ]] || die "$answer"
}

# The session in which QEMU runs: with none of the user's own settings (~/.screenrc), and a TERM that every host knows,
# for who attaches brings a terminal of another kind anyway.
vm_session_create() {
    local name=$1 dir=$VM_DIR/$1 answer
    # shellcheck disable=SC2016 # expanded by the shell in the session
    answer=$(TERM=vt100 screen -c /dev/null -dmS "$name" \
        bash -c 'eval "$(<"$2/command") 2>\"\$2/qemu.log\""; echo "$?" >"$2/exit"' "$name" --session "$dir" \
        2>&1 {LAB_LOCK}>&-) || die "cannot make a screen session (${answer:-screen says nothing}): see that screen -ls works;" \
        "where /run/screen is missing, sudo systemd-tmpfiles --create, or export SCREENDIR=~/.screen"
}
