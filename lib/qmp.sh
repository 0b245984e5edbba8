# shellcheck shell=bash
# QMP, QEMU's control protocol (QEMU: docs/interop/qmp-spec): lines of JSON over the socket of a running VM.

# qmp SOCKET COMMAND [ARGUMENTS]: runs one command and prints the JSON that it returns. ARGUMENTS are JSON. Fails if QEMU
# reports an error or does not answer within 5 s.
qmp() (
    local pid
    set +m
    trap '' PIPE # if QEMU ends meanwhile, there is no answer, and qmp fails
    coproc QMP { exec timeout 5 socat - "UNIX-CONNECT:$1"; }
    pid=$!
    # Copies of the descriptors: bash unsets QMP and QMP_PID when socat ends.
    exec {from}<&"${QMP[0]}" {to}>&"${QMP[1]}"
    trap 'kill "$pid" || true' EXIT
    printf '{"execute": "qmp_capabilities"}\n{"execute": "%s", "arguments": %s, "id": "lab"}\n' "$2" "${3:-"{}"}" >&"$to"
    qmp_reply <&"$from"
) 2>/dev/null

# Prints the reply with our id. Skips the greeting and the events.
qmp_reply() {
    jq -cn 'first(inputs | select(.id == "lab")) | if has("error") then error(.error.desc) else .return end' | grep .
}
