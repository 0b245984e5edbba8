# shellcheck shell=bash
# Step host: the packages that the host needs.

inputs_host() {
    printf 'packages=%s\n' "${HOST_PACKAGES[*]}"
}

present_host() {
    [[ -z $(host_missing) ]] && apt_has_lists
}

step_host() {
    local -a missing
    mapfile -t missing < <(host_missing)
    if ((${#missing[@]})) || ! apt_has_lists; then
        apt_update
    fi
    ((${#missing[@]} == 0)) || host_install "${missing[@]}"
    host_ready
}
