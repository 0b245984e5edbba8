# shellcheck shell=bash
# Every knob of the lab, with its default. Sourcing this file only sets the knobs that are unset or empty.
#
# Ways to change a knob; one that is higher in this list wins:
#   ./start.sh --set SHMEM_SIZE=256M      for one command
#   SHMEM_SIZE=256M ./start.sh            from the environment
#   config.local.sh                       for this checkout: lines such as SHMEM_SIZE=256M (git ignores it)
#   config.sh                             this file: the defaults
#
# Sizes take K, M, G or T (powers of 1024). The scripts check every value before they change anything.

# --- The lab ---

# The folder of the lab: kernel, images, keys, logs. Labs in different folders can run at the same time.
: "${VM_DIR:=/home/vms-x86_64}"
# The number of VMs: vm1, vm2, … Another VM costs a few hundred kilobytes and no setup time.
: "${VM_COUNT:=2}"
# The user who owns VM_DIR and starts the VMs. Empty: the user who called setup.sh, also through sudo.
: "${VM_OWNER:=}"

# --- The shared region ---

# Its size: a power of two, as for every PCI BAR, and at least 1M. __bandwidth needs 128M.
: "${SHMEM_SIZE:=128M}"
# plain: only memory. doorbell: the VMs can also interrupt each other (ivshmem-doorbell; start.sh starts the server for it).
: "${SHMEM_MODE:=plain}"
# Who gets the device in the guests, with SHMEM_MODE=doorbell. vfio: vfio-pci. uio: ivshmem_uio (driver/). none: nobody, so that
# your own driver can take it. In a running guest, lab-driver changes it.
: "${GUEST_DRIVER:=vfio}"
# The number of interrupt vectors of each VM, 1 to 64, with SHMEM_MODE=doorbell.
: "${SERVER_VECTORS:=8}"
# Further regions, such as '64M 1G': at most 8 sizes, each a power of two from 1M. Every VM has an ivshmem-plain device for each,
# at PCI addresses 00:08.0, 00:09.0, … They are yours alone: the kit makes them, zeroed, and never writes to them.
: "${SHMEM_MORE:=}"
# yes: back all regions with huge pages of the host (2M each; reserve them first: sysctl vm.nr_hugepages=N). Or: no.
: "${SHMEM_HUGEPAGES:=no}"
# no: the regions are sparse: they take memory only where somebody has written, so they may be larger than the host's memory.
# When a write then finds no memory, the VM that wrote is killed (SIGBUS, or the kernel's OOM killer). yes: all memory is taken
# at the start.
: "${SHMEM_PREALLOC:=yes}"

# --- Each VM ---

# Its memory, and its number of CPUs.
: "${VM_MEMORY:=512M}"
: "${VM_CPUS:=1}"
# QEMU's maxcpus, at most 18. Empty: the larger of 2 and VM_CPUS. With 1, QEMU drops LOCK prefixes under TCG, and atomic
# operations on the shared region are no longer atomic between VMs.
: "${VM_MAXCPUS:=}"
# The size of its disk as the guest sees it. The file on the host grows as the guest writes. At most 8T, because larger files
# do not work on every host.
: "${VM_DISK_SIZE:=4G}"
# The CPUs of the host on which their vCPUs run. auto: a core for each, preferring cores that share their last-level cache. Or a
# list such as 2,3 or 2-5: the first VM_CPUS of it are vm1's. QEMU's other threads keep off these CPUs. no: the kernel decides.
: "${VM_PIN:=no}"

# --- QEMU ---

# auto: KVM if the lab's kernel boots under it, else TCG (emulation). Or: kvm, tcg.
: "${ACCEL:=auto}"
# Place the region's BAR above 4 GiB, where /dev/mem maps it write-back (-m wb of the programs).
# auto: yes, if QEMU has the device that it takes (pci-testdev with membar). Or: yes, no.
: "${BAR_ABOVE_4G:=auto}"
# More arguments for QEMU, for every VM. They are split into words as by a shell; quotes work, nothing is expanded.
: "${QEMU_ARGS:=}"
# Seconds that start.sh waits until a VM is ready, and stop.sh until a VM is powered down.
: "${START_TIMEOUT:=180}"
: "${STOP_TIMEOUT:=60}"

# --- The guest's kernel ---

# Its version.
: "${KERNEL_VERSION:=6.10.11}"
# Where its tarballs and their sha256sums.asc are.
: "${KERNEL_HOME:=https://cdn.kernel.org/pub/linux/kernel}"
# Your own kernel tarball instead: a path or a URL.
: "${KERNEL_SOURCE:=}"
# Files with more options for it, over kernel/lab.config: absolute paths, or paths in this checkout such as
# 'kernel/debug.config kernel/memory.config'. A later one wins.
: "${KERNEL_CONFIG:=}"
# yes: keep the source tree (1.7 GB) in VM_DIR/kernel/source after the build. Or: no.
: "${KERNEL_KEEP_SOURCE:=no}"
# Parallel jobs of make. Empty: one more than there are processors.
: "${BUILD_JOBS:=}"

# --- The guest's root file system ---

# The Debian suite.
: "${DEBIAN_SUITE:=buster}"
# The mirror for its packages. Empty: the mirror in the host's apt sources if it has the suite, else DEBIAN_ARCHIVE.
: "${DEBIAN_MIRROR:=}"
# Debian's archive of old releases, such as Buster.
: "${DEBIAN_ARCHIVE:=http://archive.debian.org/debian}"
# More Debian packages for the guests, such as 'cmake pkg-config g++ libssl-dev python3'. Names that are added later are installed
# in seconds; after a name is taken out, setup installs the others again without it.
: "${GUEST_PACKAGES:=}"
# root's password on the console. Empty: no password. '!': root cannot log in there; run.sh still works.
: "${ROOT_PASSWORD:=}"

# --- Without internet ---

# yes: if the kernel's or the suite's server cannot be reached, warn, and take the host's mirror's kernel source package that is
# nearest to KERNEL_VERSION, or the host's own suite instead. no: fail.
: "${ALLOW_FALLBACK:=yes}"
