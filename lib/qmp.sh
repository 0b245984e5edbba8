# shellcheck shell=bash
# QMP, QEMU's control protocol (QEMU: docs/interop/qmp-spec): JSON lines over the socket of a running VM.

# qmp SOCKET COMMAND [ARGUMENTS]: runs one command, given its name and its arguments as JSON, and prints what it
# returned as JSON. Fails when QEMU reports an error, or has not answered within 5 s.
qmp() (
    local pid
    set +m
    trap '' PIPE # a QEMU that goes away is an answer that does not come
    coproc QMP { exec timeout 5 socat - "UNIX-CONNECT:$1"; }
    pid=$!
    # The descriptors stay ours when socat dies; bash unsets QMP and QMP_PID at that moment.
    exec {from}<&"${QMP[0]}" {to}>&"${QMP[1]}"
    trap 'kill "$pid" || true' EXIT
    printf '{"execute": "qmp_capabilities"}\n{"execute": "%s", "arguments": %s, "id": "lab"}\n' "$2" "${3:-"{}"}" >&"$to"
    qmp_reply <&"$from"
) 2>/dev/null

# Passes over the greeting and the events to the reply that bears our id.
qmp_reply() {
    jq -cn 'first(inputs | select(.id == "lab")) | if has("error") then error(.error.desc) else .return end' | grep .
}
