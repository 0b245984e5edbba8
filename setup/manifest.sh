# shellcheck shell=bash
# VM_DIR/manifest.json: what the lab was built from.

manifest_write() {
    local base
    [[ -s $VM_DIR/kernel/manifest.json && -s $VM_DIR/bootstrap.json ]] || return 0
    base=$(base_image)
    jq -n \
        --arg written "$(date -u +%Y-%m-%dT%H:%M:%SZ)" \
        --arg kit "$(git -C "$LAB_HOME" describe --always --dirty 2>/dev/null || echo unknown)" \
        --arg host "$(. /etc/os-release && echo "${PRETTY_NAME:-unknown}")" \
        --arg linux "$(uname -r)" \
        --arg qemu "$(dpkg-query --show --showformat='${Version}' qemu-system-x86 2>/dev/null ||
            qemu-system-x86_64 --version | sed -n '1s/^QEMU emulator version //p')" \
        --arg gcc "$(gcc -dumpfullversion)" \
        --arg prog "$(sed -n 's/^prog=//p' "$VM_DIR/steps/programs" 2>/dev/null)" \
        --arg base "${base##*/}" \
        --slurpfile kernel "$VM_DIR/kernel/manifest.json" \
        --slurpfile debian "$VM_DIR/bootstrap.json" \
        '{written: $written, kit: $kit, fallback: ($kernel[0].fallback or $debian[0].fallback),
          kernel: $kernel[0], debian: $debian[0], programs: {sources: $prog, gcc: $gcc}, base_image: $base,
          host: {system: $host, kernel: $linux, qemu: $qemu}}' | write_file "$VM_DIR/manifest.json"
}
