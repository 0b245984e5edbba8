# shellcheck shell=bash
# QMP, QEMU's control protocol (QEMU: docs/interop/qmp-spec): JSON lines over the socket of a running VM.

# qmp SOCKET COMMAND [ARGUMENTS]: runs one command, given its name and its arguments as JSON, and prints what it
# returned as JSON. Fails when QEMU reports an error, or nobody answers within 5 s.
qmp() (
    local pid
    set +m
    coproc QMP { exec socat - "UNIX-CONNECT:$1" 2>/dev/null; }
    pid=$!
    # The descriptors stay ours when socat dies; bash unsets QMP and QMP_PID at that moment.
    exec {from}<&"${QMP[0]}" {to}>&"${QMP[1]}" 2>/dev/null
    trap 'kill "$pid" 2>/dev/null || true' EXIT
    printf '{"execute": "qmp_capabilities"}\n{"execute": "%s", "arguments": %s, "id": "lab"}\n' \
        "$2" "${3:-"{}"}" >&"$to"
    qmp_reply <&"$from"
)

# Passes over the greeting and the events to the reply that bears our id.
qmp_reply() {
    local line
    while read -r -t 5 line; do
        jq -e 'select(.id == "lab")' <<<"$line" >/dev/null || continue
        jq -ce 'if has("error") then error(.error.desc) else .return end' <<<"$line"
        return
    done
    return 1
}
