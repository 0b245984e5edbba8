# shellcheck shell=bash
# Step programs: builds prog/ and server/ into VM_DIR/bin. The guests get the same binaries (setup/rootfs.sh).

inputs_programs() {
    local prog server
    prog=$(content_sum prog)
    server=$(content_sum server)
    printf 'prog=%s\nserver=%s\n' "$prog" "$server"
}

present_programs() {
    [[ -x $VM_DIR/bin/ivshmem-server && -x $VM_DIR/bin/__read_write ]]
}

step_programs() {
    local partial=$VM_DIR/bin.partial
    lab_remove "$partial"
    mkdir -- "$partial"
    step_says 'Compiling prog/ and server/'
    make -C "$LAB_HOME/prog" O="$partial/prog"
    make -C "$LAB_HOME/server" O="$partial/server"
    mkdir -- "$partial/bin"
    install -m 755 -- "$partial"/prog/__* "$partial/server/ivshmem-server" "$partial/bin/"
    result_replace "$partial/bin" "$VM_DIR/bin"
    lab_remove "$partial"
}
