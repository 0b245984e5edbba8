#!/usr/bin/env bash
# Measures, and leaves a report with plots; or compares two such results.
[ "${BASH_VERSION:-}" ] || exec bash "$0" "$@" # `sh bench.sh`
set -euo pipefail
shopt -s inherit_errexit
# shellcheck source=lib/load.sh
source "$(dirname -- "$(readlink -f -- "${BASH_SOURCE[0]}")")/lib/load.sh"
# shellcheck source=bench/load.sh
source "$LAB_HOME/bench/load.sh"

usage() {
    cat <<EOF
Usage: ./bench.sh [OPTION...] [FOLDER]
       ./bench.sh --report FOLDER
       ./bench.sh [--threshold PERCENT] [--anyway] --compare A B

Measures all that the programs can, in the running VMs (vm1 and vm2 are started if they are not) and on the host, and
leaves in FOLDER (default: results/ and the time): report.md, plots as SVG and PNG, summary.csv, and what they
are made of, results.jsonl and host.json. The VMs are left running. Ctrl-C leaves what was measured, marked incomplete.

  --quick       two minutes at most instead of a quarter of an hour: smaller blocks, fewer repeats, only memcpy
  --report      make the report in FOLDER again from its results.jsonl and host.json
  --compare     two results side by side; those of other machines, versions, sizes or modes are refused
  --threshold PERCENT  what counts as worse or better (default: $DEFAULT_THRESHOLD), if the repeats do not overlap
  --anyway      compare what differs all the same, and mark it

Options:
  --set NAME=VALUE   set a knob of config.sh, for this call
  -h, --help         this text

Exit status: 0 done; 1 something failed or was refused, or B is worse than A; 2 a wrong command line; 130 Ctrl-C.

Now: VM_DIR=$VM_DIR
EOF
}

DEFAULT_THRESHOLD=10

STATUS=0
BENCH_TEMP=''       # a folder for the time that this script runs
BENCH_FOLDER=''     # the results folder that is written to
BENCH_STAGE=nothing # then measuring, reporting

# What measuring needs, before anything is started.
require_tools() {
    have gnuplot || die 'gnuplot draws the plots, and is not here: sudo apt-get install gnuplot-nox (or ./setup.sh host)'
}

# Measures into FOLDER, in MODE.
measure() {
    local folder=$1 mode=$2 made failed
    # One at a time: two would measure each other.
    lab_lock 1 bench.lock
    results_create "$folder"
    BENCH_FOLDER=$folder BENCH_STAGE=measuring BENCH_RUN=$(bench_run_id)
    bench_start
    bench_connect
    bench_look
    bench_plan "$mode" >"$BENCH_TEMP/plan"
    bench_host_json "$mode" >"$BENCH_TEMP/host.json"
    results_host false
    say "Measuring into $folder"
    bench_link_up
    bench_run "$mode"
    results_host true
    BENCH_STAGE=reporting
    bench_child made report_make "$folder"
    failed=$(results_failed)
    ((made == 0 && failed == 0)) || STATUS=1
    [[ ! -s $folder/report.md ]] || say "$folder/report.md"
}

# However this script ends: nothing that it started goes on, and what was measured stays, with a report of it.
bench_end() {
    trap '' HUP INT TERM # a second Ctrl-C does not keep the first from its end
    bench_stop
    bench_progress_end
    bench_disconnect
    case $BENCH_STAGE in
    measuring) bench_salvage ;;
    reporting)
        [[ -z $SIGNAL_STATUS ]] || say "Interrupted when all was measured: ./bench.sh --report $BENCH_FOLDER makes the report"
        ;;
    esac
    [[ -z $BENCH_FOLDER ]] || results_own "$BENCH_FOLDER"
    [[ -z $BENCH_TEMP ]] || rm -rf -- "$BENCH_TEMP" || true
}

# The end came before everything was measured.
bench_salvage() {
    local made
    if [[ ! -s $BENCH_FOLDER/results.jsonl ]]; then
        rm -rf -- "$BENCH_FOLDER" || true
        BENCH_FOLDER=''
        [[ -z $SIGNAL_STATUS ]] || say 'Interrupted before anything was measured'
    else
        say 'Making a report of what was measured'
        bench_child made report_make "$BENCH_FOLDER"
        [[ ! -s $BENCH_FOLDER/report.md ]] || say "What was measured is in $BENCH_FOLDER/report.md, marked incomplete"
    fi
}

compare() {
    local compared
    ((${#WORDS[@]} == 2)) || usage_error '--compare needs two results folders'
    [[ ${GIVEN[threshold]:=$DEFAULT_THRESHOLD} =~ ^[0-9]{1,4}(\.[0-9]{1,3})?$ ]] ||
        usage_error "--threshold $(quoted "${GIVEN[threshold]}"): not a number of percent such as 10"
    bench_child compared report_compare "${WORDS[@]}" "${GIVEN[threshold]}" "${GIVEN[anyway]:-no}"
    ((compared == 0)) || STATUS=1
}

remake() {
    local made
    ((${#WORDS[@]} == 1)) || usage_error '--report needs one results folder'
    require_tools
    BENCH_FOLDER=$(realpath -m -- "${WORDS[0]}")
    bench_child made report_make "$BENCH_FOLDER"
    ((made == 0)) || STATUS=1
}

main() {
    local mode=full
    script_begin quick,report,compare,anyway,threshold: "$@"
    trap bench_end EXIT
    BENCH_TEMP=$(mktemp -d 2>/dev/null) ||
        die "cannot make a temporary folder in ${TMPDIR:-/tmp}: set TMPDIR to a folder that is there, has room, and lets you write"
    if given compare; then
        compare
    elif [[ -v GIVEN[threshold] ]] || given anyway; then
        usage_error '--threshold and --anyway go with --compare'
    elif given report; then
        remake
    else
        ((${#WORDS[@]} <= 1)) || usage_error "one folder at most: $(quoted "${WORDS[1]}") is too many"
        require_tools
        ! given quick || mode=quick
        lab_require
        measure "$(realpath -m -- "${WORDS[0]:-$LAB_HOME/results/$(date -u +%Y-%m-%dT%H-%M-%SZ)}")" "$mode"
    fi
    return "$STATUS"
}

main "$@"
