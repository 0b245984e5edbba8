#!/usr/bin/env bash
# Measures, and leaves a report with plots; or compares two such results.
[ "${BASH_VERSION:-}" ] || exec bash "$0" "$@" # `sh bench.sh`
set -euo pipefail
shopt -s inherit_errexit
# shellcheck source=lib/load.sh
source "$(dirname -- "$(readlink -f -- "${BASH_SOURCE[0]}")")/lib/load.sh"

usage() {
    cat <<EOF
Usage: ./bench.sh [OPTION...] [FOLDER]
       ./bench.sh --report FOLDER
       ./bench.sh [--threshold PERCENT] [--anyway] --compare A B

Measures all that the programs can, in the running VMs (vm1 and vm2 are started if they are not) and on the host, and
leaves in FOLDER (default: results/ and the time): report.md, plots as SVG and PNG, summary.csv, and what they
are made of, results.jsonl and host.json. The VMs are left running. Ctrl-C leaves what was measured, marked incomplete.

  --quick       two minutes at most instead of a quarter of an hour: smaller blocks, fewer repeats, only memcpy
  --report      make the report in FOLDER anew from its results.jsonl and host.json
  --compare     two results side by side; those of other machines, versions, sizes or modes are refused
  --threshold PERCENT  what counts as worse or better (default: $DEFAULT_THRESHOLD); the repeats must not overlap, besides
  --anyway      compare what differs all the same, and mark it

Options:
  --set NAME=VALUE   set a knob of config.sh, for this call
  -h, --help         this text

Exit status: 0 done; 1 something failed or was refused, or B is worse than A; 2 a wrong command line; 130 Ctrl-C.

Now: VM_DIR=$VM_DIR
EOF
}

DEFAULT_THRESHOLD=10

# What measuring needs, before anything is started.
require_tools() {
    have gnuplot || die 'gnuplot draws the plots, and is not here: sudo apt-get install gnuplot-nox (or ./setup.sh host)'
}

# Starts vm1 and vm2 unless they run.
start_vms() {
    local name
    for name in vm1 vm2; do
        vm_require_configured "$name"
        if ! vm_running "$name" || ! vm_ready "$name"; then
            bash "$LAB_HOME/start.sh" vm1 vm2 {LAB_LOCK}>&- >/dev/null || die "the VMs could not be started (see above)"
            return
        fi
    done
}

# Measures into FOLDER, in MODE.
measure() {
    local folder=$1 mode=$2 status=0
    local -a vms
    # One at a time: two would measure each other.
    lab_lock 1 bench.lock
    start_vms
    mapfile -t vms < <(vm_all_running)
    mkdir -p -- "${folder%/*}"
    mkdir -- "$folder" || die "cannot make $folder (see above)"
    BENCH_FOLDER=$folder BENCH_STARTED=$(date -u +%Y-%m-%dT%H:%M:%SZ)
    BENCH_MACHINE=$(bench_machine_id)
    trap bench_clean EXIT
    trap 'interrupted 130' INT
    trap 'interrupted 143' TERM
    bench_connect "${vms[@]}"
    bench_look "${vms[@]}"
    bench_plan "$mode" >"$folder/plan"
    : >"$folder/results.jsonl"
    BENCH_PLANNED=$(($(wc -l <"$folder/plan") * BENCH_ROUNDS[$mode]))
    bench_host_json "$mode" "$BENCH_STARTED" false | write_file "$folder/host.json"
    say "Measuring into $folder"
    bench_link_up
    bench_run "$folder" "$mode"
    bench_host_json "$mode" "$BENCH_STARTED" true | write_file "$folder/host.json"
    report_make "$folder" || status=1
    say "$folder/report.md"
    ((BENCH_FAILED == 0)) || status=1
    return "$status"
}

# Ctrl-C: a report of what there is.
interrupted() {
    trap '' INT TERM
    bench_stop
    bench_progress_end
    if [[ -s $BENCH_FOLDER/results.jsonl ]]; then
        report_make "$BENCH_FOLDER" || true
        say "Interrupted: what was measured is in $BENCH_FOLDER/report.md, marked incomplete"
    else
        say "Interrupted before anything was measured"
    fi
    exit "$1"
}

bench_clean() {
    bench_stop
    bench_link_down
    bench_disconnect
    rm -rf -- "$BENCH_FOLDER/running" "$BENCH_FOLDER/plan"
    [[ -s $BENCH_FOLDER/results.jsonl ]] || rm -rf -- "$BENCH_FOLDER"
}

main() {
    local mode=full
    script_begin quick,report,compare,anyway,threshold: "$@"
    if given compare; then
        ((${#WORDS[@]} == 2)) || usage_error '--compare needs two results folders'
        [[ ${GIVEN[threshold]:=$DEFAULT_THRESHOLD} =~ ^[0-9]{1,4}(\.[0-9]{1,3})?$ ]] ||
            usage_error "--threshold $(quoted "${GIVEN[threshold]}"): not a number of percent such as 10"
        report_compare "${WORDS[@]}" "${GIVEN[threshold]}" "${GIVEN[anyway]:-no}"
        return
    fi
    if [[ -v GIVEN[threshold] ]] || given anyway; then
        usage_error '--threshold and --anyway go with --compare'
    fi
    require_tools
    if given report; then
        ((${#WORDS[@]} == 1)) || usage_error '--report needs one results folder'
        report_make "${WORDS[0]}"
        return
    fi
    ((${#WORDS[@]} <= 1)) || usage_error "one folder at most: $(quoted "${WORDS[1]}") is too many"
    ! given quick || mode=quick
    lab_require
    measure "$(realpath -m -- "${WORDS[0]:-$LAB_HOME/results/$(date -u +%Y-%m-%dT%H-%M-%SZ)}")" "$mode"
}

main "$@"
