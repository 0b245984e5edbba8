# shellcheck shell=bash
# Step keys: one pair for who may log in to the guests, one for what the guests say that they are.

inputs_keys() {
    printf 'type=ed25519\n'
}

present_keys() {
    [[ -s $VM_DIR/ssh/id_ed25519.pub && -s $VM_DIR/ssh/host_ed25519.pub && -s $VM_DIR/ssh/known_hosts ]]
}

# Makes those that are not there.
step_keys() {
    local folder=$VM_DIR/ssh key
    install -d -m 700 -- "$folder"
    for key in id_ed25519 host_ed25519; do
        if [[ ! -s $folder/$key.pub ]]; then
            rm -f -- "$folder/$key"
            ssh-keygen -q -t ed25519 -N '' -C 'ivshmem lab' -f "$folder/$key"
        fi
    done
    printf 'ivshmem-lab %s\n' "$(<"$folder/host_ed25519.pub")" | write_file "$folder/known_hosts"
}
