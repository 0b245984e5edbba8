# shellcheck shell=bash
# shellcheck source-path=SCRIPTDIR
# Sources all shell files of run/, for run.sh. Sourcing runs nothing.

source "$LAB_HOME/run/guests.sh"
source "$LAB_HOME/run/host.sh"
source "$LAB_HOME/run/push.sh"
source "$LAB_HOME/run/module.sh"
