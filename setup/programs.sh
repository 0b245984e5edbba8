# shellcheck shell=bash
# Step programs: from prog/ and server/ to VM_DIR/bin. The guests get the very same binaries (setup/rootfs.sh).

inputs_programs() {
    printf 'prog=%s\nserver=%s\n' "$(content_sum prog)" "$(content_sum server)"
}

present_programs() {
    [[ -x $VM_DIR/bin/ivshmem-server && -x $VM_DIR/bin/__read_write ]]
}

step_programs() {
    local partial=$VM_DIR/bin.partial
    lab_remove "$partial"
    mkdir -- "$partial"
    make -C "$LAB_HOME/prog" O="$partial/prog"
    make -C "$LAB_HOME/server" O="$partial/server"
    mkdir -- "$partial/bin"
    install -m 755 -- "$partial"/prog/__* "$partial/server/ivshmem-server" "$partial/bin/"
    lab_remove "$VM_DIR/bin"
    mv -T -- "$partial/bin" "$VM_DIR/bin"
    lab_remove "$partial"
}
