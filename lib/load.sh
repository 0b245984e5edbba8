# shellcheck shell=bash
# shellcheck source-path=SCRIPTDIR
# What every script of the lab begins with: the folder of the checkout, and all functions. Sourcing runs nothing else.

LAB_HOME=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd -P)

source "$LAB_HOME/lib/common.sh"
source "$LAB_HOME/lib/config.sh"
source "$LAB_HOME/lib/options.sh"
source "$LAB_HOME/lib/lab.sh"
source "$LAB_HOME/lib/process.sh"
source "$LAB_HOME/lib/vm.sh"
source "$LAB_HOME/lib/shmem.sh"
source "$LAB_HOME/lib/server.sh"
source "$LAB_HOME/lib/qmp.sh"
source "$LAB_HOME/lib/qemu.sh"
source "$LAB_HOME/lib/accel.sh"
source "$LAB_HOME/lib/guest.sh"
source "$LAB_HOME/lib/fetch.sh"
source "$LAB_HOME/lib/sources.sh"
source "$LAB_HOME/lib/steps.sh"
source "$LAB_HOME/lib/reason.sh"
source "$LAB_HOME/lib/host.sh"
source "$LAB_HOME/lib/kernel.sh"
source "$LAB_HOME/lib/programs.sh"
source "$LAB_HOME/lib/keys.sh"
source "$LAB_HOME/lib/rootfs.sh"
source "$LAB_HOME/lib/images.sh"
source "$LAB_HOME/lib/manifest.sh"
source "$LAB_HOME/lib/bench.sh"
source "$LAB_HOME/lib/bench_plan.sh"
source "$LAB_HOME/lib/bench_guest.sh"
source "$LAB_HOME/lib/bench_machine.sh"
source "$LAB_HOME/lib/bench_report.sh"
