#!/usr/bin/env bats
# shellcheck disable=SC2016,SC2154 # code in quotes; what bats sets
# Step bootstrap: the arguments of debootstrap, recorded by a fake debootstrap.

load helpers

setup() {
    begin
    make_lab
    script bootstrap <<'END'
config_load
bootstrap_run "$VM_DIR/bootstrap.partial" http://localhost bookworm none "${BOOTSTRAP_PACKAGES[@]}" "${BOOTSTRAP_PACKAGES_IF_THERE[@]}"
END
    stub unshare <<<'while [[ $1 != debootstrap ]]; do shift; done; exec "$@"'
    # Its suite lacks the packages that the file lacking names.
    stub debootstrap <<'END'
echo "$@" >>"$VM_DIR/calls"
for package in $(cat "$VM_DIR/lacking" 2>/dev/null); do
    [[ ,${*#*--include=}, != *[,=]"$package"[,\ ]* ]] || missing="${missing:-}$package "
done
[[ -z ${missing:-} ]] || { echo "E: Couldn't find these debs: ${missing% }" >&2; exit 1; }
END
}

@test "debootstrap runs once, with all packages" {
    succeeds ./bootstrap
    same 1 "$(wc -l <"$VM_DIR/calls")"
    grep -q 'make.*iperf3,sockperf ' "$VM_DIR/calls"
}

@test "if the suite lacks the optional packages for bench.sh, debootstrap runs again without them" {
    echo sockperf >"$VM_DIR/lacking"
    succeeds ./bootstrap
    same 2 "$(wc -l <"$VM_DIR/calls")"
    tail -n 1 "$VM_DIR/calls" | grep -q ',iperf3 '
    says 'Without sockperf, which bookworm does not have'
    echo 'iperf3 sockperf' >"$VM_DIR/lacking"
    succeeds ./bootstrap
    refuted grep -q iperf3 <(tail -n 1 "$VM_DIR/calls")
}

@test "if the suite lacks a package that the guest needs, the step fails" {
    echo 'make sockperf' >"$VM_DIR/lacking"
    fails 1 ./bootstrap
    same 1 "$(wc -l <"$VM_DIR/calls")"
}
