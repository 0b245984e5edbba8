# shellcheck shell=bash
# shellcheck source-path=SCRIPTDIR
# What setup.sh has beyond lib/load.sh. Sourcing runs nothing.

source "$LAB_HOME/setup/steps.sh"
source "$LAB_HOME/setup/reason.sh"
source "$LAB_HOME/setup/sources.sh"
source "$LAB_HOME/setup/resources.sh"
source "$LAB_HOME/setup/fetch.sh"
source "$LAB_HOME/setup/apt.sh"
source "$LAB_HOME/setup/debian.sh"
source "$LAB_HOME/setup/packages.sh"
source "$LAB_HOME/setup/obstacles.sh"
source "$LAB_HOME/setup/check.sh"
source "$LAB_HOME/setup/check_start.sh"
source "$LAB_HOME/setup/check_sources.sh"
source "$LAB_HOME/setup/host.sh"
source "$LAB_HOME/setup/kernel.sh"
source "$LAB_HOME/setup/programs.sh"
source "$LAB_HOME/setup/keys.sh"
source "$LAB_HOME/setup/rootfs.sh"
source "$LAB_HOME/setup/images.sh"
source "$LAB_HOME/setup/manifest.sh"
