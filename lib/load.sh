# shellcheck shell=bash
# shellcheck source-path=SCRIPTDIR
# Every script of the lab begins with this: it sets LAB_HOME, the folder of the checkout, and sources the functions that the
# scripts share. It runs nothing. The load.sh of setup/, run/ or bench/ adds the functions of one script.

LAB_HOME=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd -P)

source "$LAB_HOME/lib/common.sh"
source "$LAB_HOME/lib/config.sh"
source "$LAB_HOME/lib/options.sh"
source "$LAB_HOME/lib/lab.sh"
source "$LAB_HOME/lib/process.sh"
source "$LAB_HOME/lib/vm.sh"
source "$LAB_HOME/lib/disk.sh"
source "$LAB_HOME/lib/state.sh"
source "$LAB_HOME/lib/power.sh"
source "$LAB_HOME/lib/hugepages.sh"
source "$LAB_HOME/lib/shmem.sh"
source "$LAB_HOME/lib/server.sh"
source "$LAB_HOME/lib/shmem_state.sh"
source "$LAB_HOME/lib/shmem_create.sh"
source "$LAB_HOME/lib/qmp.sh"
source "$LAB_HOME/lib/qemu.sh"
source "$LAB_HOME/lib/launch.sh"
source "$LAB_HOME/lib/accel.sh"
source "$LAB_HOME/lib/pin.sh"
source "$LAB_HOME/lib/guest.sh"
