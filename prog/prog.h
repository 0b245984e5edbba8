/*
 * prog.h - definitions that you may want to amend, for all programs at once. Only the library
 * is compiled with them.
 *
 * By default the programs find the VM's ivshmem device by its PCI identity (vendor 1af4,
 * device 1110) and map all of its memory. In a VM with several such devices (SHMEM_MORE)
 * they take the lab's own, which the kernel's command line names (lab.region). To set a
 * definition to a fixed value, look the device up in the guest:
 *
 *	root@vm1:~# lspci -D -d 1af4:1110
 *	0000:00:04.0 RAM memory: Red Hat, Inc. Inter-VM shared memory (rev 01)
 *	^^^^^^^^^^^^ the address
 *
 *	root@vm1:~# lspci -vs 0000:00:04.0
 *	0000:00:04.0 RAM memory: Red Hat, Inc. Inter-VM shared memory (rev 01)
 *		Memory at febf1000 (32-bit, non-prefetchable) [size=256]
 *		Memory at 200000000 (64-bit, prefetchable) [size=128M]
 *
 * The second region, the prefetchable one, is BAR 2: the shared memory. The
 * first, BAR 0, holds the device's registers.
 *
 * Amend, then rebuild and install, in every VM:
 *
 *	root@vm1:~/prog# make && make install
 */
#ifndef PROG_H
#define PROG_H

/*
 * PCI address of the device whose BAR is mapped, e.g. "0000:00:04.0".
 * "": find the device. The option -d of each program overrides it.
 */
#define SHMEM_BAR_ADDRESS ""

/*
 * Size of the region in bytes, e.g. (128UL << 20) for 128 MiB, the lab's default. 0: all
 * of the device's memory. It must be the same in all VMs, since the size decides where the
 * areas lie (see layout.h).
 */
#define SHMEM_SIZE 0

#endif
