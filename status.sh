#!/usr/bin/env bash
# Shows what the lab was built from, which VMs run, and how to reach them.
[ "${BASH_VERSION:-}" ] || exec bash "$0" "$@" # `sh status.sh`
set -euo pipefail
shopt -s inherit_errexit
# shellcheck source=lib/load.sh
source "$(dirname -- "$(readlink -f -- "${BASH_SOURCE[0]}")")/lib/load.sh"

usage() {
    cat <<EOF
Usage: ./status.sh [OPTION...]

Shows what the lab was built from, whether each VM runs, and how to reach it. Changes nothing.

Options:
  --json             print all of it as one JSON object
  --set NAME=VALUE   set a knob of config.sh for this call
  -h, --help         print this text

Example:
  ./status.sh
  ./status.sh --json | jq -r '.vms[] | select(.running) | .name'

Now: VM_DIR=$VM_DIR VM_COUNT=$VM_COUNT
EOF
}

# Prints the state of VM $1 as a JSON object.
vm_status() {
    local name=$1 pid='' uptime='' accel='' port='' session='' state advice='' affinity=''
    state=$(vm_state "$name")
    [[ $state == @(absent|stopped|starting|ready) ]] || advice=$(vm_advice "$name" "$state")
    if pid=$(vm_pid "$name"); then
        uptime=$(ps -o etimes= -p "$pid" | tr -d ' ') || uptime=
        accel=$(process_option "$pid" -accel)
        [[ $state == hung ]] || port=$(vm_ssh_port "$name") || port=''
        [[ $state == hung ]] || affinity=$(vm_cpus "$name") || affinity=''
        session=$(vm_session "$name") || session=''
    fi
    jq -n --arg name "$name" --arg state "$state" --arg pid "$pid" --arg uptime "$uptime" --arg accel "$accel" \
        --arg port "$port" --arg session "$session" --arg disk "$VM_DIR/$name/disk.qcow2" \
        --arg affinity "$affinity" --arg advice "$advice" --arg console "$VM_DIR/$name/console.log" \
        'def number: if . == "" then null else tonumber end;
         def word: if . == "" then null else . end;
         {name: $name, set_up: ($state != "absent"), running: ($pid != ""), state: $state, advice: ($advice | word), pid: ($pid | number),
          uptime_s: ($uptime | number), accel: ($accel | word), cpus: ($affinity | split("\n")), ssh_port: ($port | number), session: ($session | word),
          attach: (if $session == "" then null else "screen -r " + $session end), disk: $disk, console_log: $console}'
}

# Prints the state of the lab as a JSON object.
lab_status() {
    local name regions mode='' server=null manifest=$VM_DIR/manifest.json
    local -a running
    mapfile -t running < <(vms_running)
    regions=$(shmem_status "${running[0]:-}")
    ((${#running[@]} == 0)) || mode=$(vm_mode "${running[0]}")
    [[ $mode != doorbell ]] || server=$(server_status)
    [[ -s $manifest ]] || manifest=/dev/null
    { vms_wanted && vms_made; } | sort -Vu | while read -r name; do
        vm_status "$name"
    done | jq -s --arg dir "$VM_DIR" --arg owner "$(stat -c %U -- "$VM_DIR" 2>/dev/null || true)" \
        --arg mode "$mode" --argjson regions "$regions" --argjson server "$server" --slurpfile manifest "$manifest" \
        '{vm_dir: $dir, owner: $owner, set_up: ($manifest != []),
          region: ($regions | map(select(.number == 1) | {path, bytes, removed: (.state == "removed")}) | first),
          regions: $regions,
          mode: (if $mode == "" then null else $mode end), server: $server,
          manifest: ($manifest[0] // null), vms: .}'
}

# show JSON: prints the state of the lab for people.
show() {
    jq -r '
        def fallback: if .fallback then " (fallback)" else "" end;
        def fragments: if (.config // "") == "" then "" else ", with \(.config)" end;
        "Lab      \(.vm_dir)" + (if .owner == "" then ", not there yet" else ", of \(.owner)" end),
        if .manifest == null then "Setup    not finished: run ./setup.sh" else
        "Kernel   \(.manifest.kernel.release), \(.manifest.kernel.source)\(.manifest.kernel | fallback)\(.manifest.kernel | fragments)",
        "Debian   \(.manifest.debian.suite) \(.manifest.debian.version)\(.manifest.debian | fallback)" end,
        if .regions == [] then "Region   none: no VM runs" else
        (.regions[] | "Region \(if .number == 1 then " " else .number end) "
            + (.advice // "\(.path), \(.bytes / 1048576) MiB" + (if .number == 1 then "" else ", device \(.address)" end))) end,
        (.vms | map(select(.cpus != []) | "\(.name) on \(.cpus | join(" "))") | select(. != []) | "vCPUs    \(join("; "))"),
        if .server == null then empty
        elif .server.pid == null then "Server   dead: doorbells are down (VMs that it had connected may still ring each other); the memory is"
            + " still shared. To get them back: ./stop.sh, then ./start.sh"
        else "Server   process \(.server.pid), \(.server.vectors) vectors a peer; peers: "
            + (.server.peers | map("\(.id) \(.vm // "process \(.pid) of the host")") | join(", ")) end' <<<"$1"
    echo
    jq -r '
        ["VM", "STATE", "PID", "UPTIME", "ACCEL", "SSH PORT", "ATTACH"],
        (.vms[] | [.name, .state, .pid, (.uptime_s | if . == null then null else "\(.) s" end), .accel, .ssh_port, .attach]
            | map(. // "-")) | @tsv' <<<"$1" |
        while IFS=$'\t' read -r -a row; do
            printf '%-6s%-10s%-9s%-11s%-7s%-10s%s\n' "${row[@]}"
        done
    jq -r '.vms[] | select(.advice) | "\(.name) \(.advice)"' <<<"$1"
}

main() {
    local status
    script_begin json "$@"
    ((${#WORDS[@]} == 0)) || usage_error "it takes no argument, not $(quoted "${WORDS[0]}")"
    status=$(lab_status)
    if given json; then
        printf '%s\n' "$status"
    else
        show "$status"
    fi
}

main "$@"
