#!/usr/bin/env bash
# Measures and writes a report with plots, or compares two results.
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

Measures everything that the programs can measure, in the running VMs and on the host. Starts vm1 and vm2 if they do not
run, and leaves all VMs running. Writes to FOLDER (default: results/TIME) report.html, one file to look at and to send;
report.md with plots as SVG and PNG; summary.csv; and the raw data: results.jsonl and host.json. After Ctrl-C the report
has what was measured until then, and is marked incomplete.

  --quick       take a minute instead of fifteen: all figures but the matrices, each measured for a shorter time, and as
                many rounds as there is time for, often one
  --report      make the report in FOLDER again from its results.jsonl and host.json
  --compare     compare two results, as a table and in B/compare.html; refuse results of different machines, versions,
                sizes or modes
  --threshold PERCENT  call a figure worse or better if it changed by more than PERCENT (default: $DEFAULT_THRESHOLD) and the
                repeats of A and B do not overlap
  --anyway      compare even different machines, versions, sizes or modes, and mark the differences

Options:
  --set NAME=VALUE   set a knob of config.sh for this call
  -h, --help         print this text

Exit status: 0 done; 1 something failed or is doubted, or B is worse than A; 2 wrong command line; 130 Ctrl-C.

Example:
  ./bench.sh results/before
  ./bench.sh results/after
  ./bench.sh --compare results/before results/after

Now: VM_DIR=$VM_DIR
EOF
}

DEFAULT_THRESHOLD=10

# What the functions here and in bench/ share, and what bench_end needs.
STATUS=0            # the exit status
BENCH_TEMP=''       # a temporary folder
BENCH_FOLDER=''     # the results folder
BENCH_STAGE=nothing # then measuring, then reporting

# require_tools TOOL...: ends the program unless the tools for a report or a page are there.
require_tools() {
    local tool
    local -a missing=()
    for tool; do
        have "$tool" || missing+=("$tool")
    done
    ((${#missing[@]} == 0)) || die "cannot make a report without $(listed "${missing[@]}"):" \
        "sudo apt-get install ${missing[*]/%gnuplot/gnuplot-nox} (or ./setup.sh host)"
}

# measure FOLDER MODE: measures, and writes results and report to FOLDER. MODE is quick or full.
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
    bench_say_plan "$mode"
    bench_link_up
    bench_run "$mode"
    results_host true
    BENCH_STAGE=reporting
    bench_child made report_make "$folder"
    failed=$(results_failed)
    ((made == 0 && failed == 0)) || STATUS=1
}

# The EXIT trap: ends everything that this script started, and makes a report of what was measured.
bench_end() {
    trap '' HUP INT TERM # a second Ctrl-C must not interrupt the handling of the first
    bench_stop
    bench_progress_end
    bench_disconnect
    case $BENCH_STAGE in
    measuring) bench_salvage ;;
    reporting)
        [[ -z $SIGNAL_STATUS ]] || say "Interrupted after everything was measured: ./bench.sh --report $BENCH_FOLDER makes the report"
        ;;
    esac
    [[ -z $BENCH_FOLDER ]] || results_own "$BENCH_FOLDER"
    [[ -z $BENCH_TEMP ]] || rm -rf -- "$BENCH_TEMP" || true
}

# Makes a report although not everything was measured, or removes the folder if nothing was.
bench_salvage() {
    local made
    if [[ ! -s $BENCH_FOLDER/results.jsonl ]]; then
        rm -rf -- "$BENCH_FOLDER" || true
        BENCH_FOLDER=''
        [[ -z $SIGNAL_STATUS ]] || say 'Interrupted before anything was measured'
    else
        say 'Making a report of what was measured, which is marked incomplete'
        bench_child made report_make "$BENCH_FOLDER"
    fi
}

compare() {
    local compared
    ((${#WORDS[@]} == 2)) || usage_error '--compare needs two results folders'
    [[ ${GIVEN[threshold]:=$DEFAULT_THRESHOLD} =~ ^[0-9]{1,4}(\.[0-9]{1,3})?$ ]] ||
        usage_error "--threshold $(quoted "${GIVEN[threshold]}"): not a percentage such as 10"
    require_tools cmark-gfm xsltproc
    bench_child compared report_compare "${WORDS[@]}" "${GIVEN[threshold]}" "${GIVEN[anyway]:-no}"
    ((compared == 0)) || STATUS=1
}

remake() {
    local made
    ((${#WORDS[@]} == 1)) || usage_error '--report needs one results folder'
    require_tools gnuplot cmark-gfm xsltproc
    BENCH_FOLDER=$(realpath -m -- "${WORDS[0]}")
    bench_child made report_make "$BENCH_FOLDER"
    ((made == 0)) || STATUS=1
}

main() {
    local mode=full
    script_begin quick,report,compare,anyway,threshold: "$@"
    trap bench_end EXIT
    BENCH_TEMP=$(mktemp -d 2>/dev/null) ||
        die "cannot make a temporary folder in ${TMPDIR:-/tmp}: set TMPDIR to a writable folder with free space"
    if given compare; then
        compare
    elif [[ -v GIVEN[threshold] ]] || given anyway; then
        usage_error '--threshold and --anyway need --compare'
    elif given report; then
        remake
    else
        ((${#WORDS[@]} <= 1)) || usage_error "it takes one folder, so $(quoted "${WORDS[1]}") is too many"
        require_tools gnuplot cmark-gfm xsltproc
        ! given quick || mode=quick
        lab_require
        measure "$(realpath -m -- "${WORDS[0]:-$LAB_HOME/results/$(date -u +%Y-%m-%dT%H-%M-%SZ)}")" "$mode"
    fi
    return "$STATUS"
}

main "$@"
