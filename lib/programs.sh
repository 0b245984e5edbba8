# shellcheck shell=bash
# Step programs: from prog/ and host/ to VM_DIR/bin. The guests get the very same binaries (lib/rootfs.sh).

inputs_programs() {
    local prog host
    prog=$(content_sum prog)
    host=$(content_sum host)
    printf 'prog=%s\nhost=%s\n' "$prog" "$host"
}

present_programs() {
    [[ -x $VM_DIR/bin/ivshmem-server && -x $VM_DIR/bin/__read_write ]]
}

step_programs() {
    local partial=$VM_DIR/bin.partial
    lab_remove "$partial"
    mkdir -- "$partial"
    step_says 'Compiling prog/ and host/'
    make -C "$LAB_HOME/prog" O="$partial/prog"
    make -C "$LAB_HOME/host" O="$partial/host"
    mkdir -- "$partial/bin"
    install -m 755 -- "$partial"/prog/__* "$partial/host/ivshmem-server" "$partial/bin/"
    result_replace "$partial/bin" "$VM_DIR/bin"
    lab_remove "$partial"
}
