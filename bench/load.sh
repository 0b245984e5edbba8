# shellcheck shell=bash
# shellcheck source-path=SCRIPTDIR
# Sources all shell files of bench/, for bench.sh. Sourcing runs nothing.

source "$LAB_HOME/bench/run.sh"
source "$LAB_HOME/bench/process.sh"
source "$LAB_HOME/bench/results.sh"
source "$LAB_HOME/bench/plan.sh"
source "$LAB_HOME/bench/guest.sh"
source "$LAB_HOME/bench/machine.sh"
source "$LAB_HOME/bench/page.sh"
source "$LAB_HOME/bench/report.sh"
