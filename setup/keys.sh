# shellcheck shell=bash
# Step keys: the key pair to log in with, and the guests' host key.

inputs_keys() {
    printf 'type=ed25519\n'
}

present_keys() {
    local file
    for file in id_ed25519 id_ed25519.pub host_ed25519 host_ed25519.pub known_hosts; do
        [[ -s $VM_DIR/ssh/$file ]] || return 1
    done
}

# Makes the pairs that are missing. The public key is placed last, so a pair with a public key is complete.
step_keys() {
    local folder=$VM_DIR/ssh partial=$VM_DIR/ssh.partial key
    install -d -m 700 -- "$folder"
    for key in id_ed25519 host_ed25519; do
        if [[ -s $folder/$key && -s $folder/$key.pub ]]; then
            continue
        fi
        lab_remove "$partial"
        mkdir -m 700 -- "$partial"
        ssh-keygen -q -t ed25519 -N '' -C 'ivshmem lab' -f "$partial/$key"
        mv -f -- "$partial/$key" "$folder/$key"
        mv -f -- "$partial/$key.pub" "$folder/$key.pub"
    done
    lab_remove "$partial"
    printf 'ivshmem-lab %s\n' "$(<"$folder/host_ed25519.pub")" | write_file "$folder/known_hosts"
}
