# shellcheck shell=bash
# Every knob of the lab, with its default. Sourcing this file has no effect but to set what is unset.
#
# To change one, in the order of who wins:
#   ./start.sh --set SHMEM_SIZE=256M      for one command
#   SHMEM_SIZE=256M ./start.sh            from the environment
#   config.local.sh                       for this checkout: lines such as SHMEM_SIZE=256M (git ignores it)
#   config.sh                             this file
#
# Sizes take K, M, G or T (powers of 1024). Each value is checked before anything is touched.

# --- The lab ---

# Where everything that setup makes lives: kernel, images, keys, logs. One lab a folder; two labs
# with different folders can run at once.
: "${VM_DIR:=/home/vms-x86_64}"
# How many VMs: vm1, vm2, … A further one costs a few hundred kilobytes and no setup time.
: "${VM_COUNT:=2}"
# The user who will start the VMs, and who then owns VM_DIR. Empty: who called setup.sh (through sudo or not).
: "${VM_OWNER:=}"

# --- The shared region ---

# Its size: a power of two (a PCI BAR's size is one), at least 1M. __bandwidth needs 128M.
: "${SHMEM_SIZE:=128M}"
# plain: memory and nothing else. doorbell: the VMs can interrupt each other besides (ivshmem-doorbell, with a server
# that start.sh starts); everything that works in plain works there too.
: "${SHMEM_MODE:=plain}"
# yes: back it with the host's huge pages of 2M (reserve them first: sysctl vm.nr_hugepages=N).
: "${SHMEM_HUGEPAGES:=no}"

# --- Each VM ---

# Its memory, and how many CPUs it has.
: "${VM_MEMORY:=512M}"
: "${VM_CPUS:=1}"
# The most CPUs a VM could have, 18 at most. Empty: the larger of 2 and VM_CPUS. Under TCG with 1, QEMU drops the LOCK
# prefix, and atomic operations on the shared region are no longer atomic between VMs.
: "${VM_MAXCPUS:=}"
# What the guest sees; the file on the host grows as it is filled. At most 8T: larger files do not fit on every host.
: "${VM_DISK_SIZE:=4G}"

# --- QEMU ---

# auto: KVM if the lab's kernel really boots under it, else TCG (emulation). Or: kvm, tcg.
: "${ACCEL:=auto}"
# Place the region's BAR above 4 GiB, where /dev/mem maps it write-back (-m wb of the programs).
# auto: where this QEMU has the device that does it. Or: yes, no.
: "${BAR_ABOVE_4G:=auto}"
# More arguments for every qemu-system-x86_64, split as a shell splits words; quotes work, nothing is expanded.
: "${QEMU_ARGS:=}"
# How many seconds start.sh waits for a VM to be ready, and stop.sh for one to power down.
: "${START_TIMEOUT:=180}"
: "${STOP_TIMEOUT:=60}"

# --- The guest's kernel ---

# Its version.
: "${KERNEL_VERSION:=6.10.11}"
# The home of its tarballs and of their sha256sums.asc.
: "${KERNEL_HOME:=https://cdn.kernel.org/pub/linux/kernel}"
# A kernel tarball of your own instead: a path, or a URL.
: "${KERNEL_SOURCE:=}"
# yes: keep the source tree (1.7 GB) in VM_DIR/kernel/source after the build.
: "${KERNEL_KEEP_SOURCE:=no}"
# Parallel jobs of make. Empty: one more than there are processors.
: "${BUILD_JOBS:=}"

# --- The guest's root file system ---

# The Debian suite.
: "${DEBIAN_SUITE:=buster}"
# Where its packages come from. Empty: the mirror in the host's own apt sources if it has the suite, else DEBIAN_ARCHIVE.
: "${DEBIAN_MIRROR:=}"
# Debian's archive of old releases; Buster moved there.
: "${DEBIAN_ARCHIVE:=http://archive.debian.org/debian}"
# root's password on the console. Empty: none is asked. '!': root cannot log in there (run.sh still can).
: "${ROOT_PASSWORD:=}"

# --- Without internet ---

# yes: when a home above cannot be reached, take the kernel source package of the host's mirror whose version is nearest to
# KERNEL_VERSION, and the host's own Debian suite, and say so. no: fail instead.
: "${ALLOW_FALLBACK:=yes}"
