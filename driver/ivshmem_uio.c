// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * ivshmem_uio - QEMU's ivshmem device for programs in user space
 *
 * ivshmem-plain shares memory between virtual machines.  ivshmem-doorbell also
 * lets them interrupt each other (QEMU: docs/specs/ivshmem-spec).  Both appear
 * as UIO devices here: one for ivshmem-plain, and one for each interrupt vector
 * of ivshmem-doorbell.  All UIO devices of a PCI device have the same maps, so
 * that a program needs only the one whose vector it waits for:
 *
 *   map 0  the registers (BAR 0): the whole pages that they are in, and the
 *          offset within the first one
 *   map 1  the shared memory (BAR 2), write-back
 *
 * A UIO device has no ioctl, and counts one kind of event.  Hence one device
 * for each vector: read() and poll() then wait for exactly that vector.
 */
#include <linux/interrupt.h>
#include <linux/module.h>
#include <linux/overflow.h>
#include <linux/pci.h>
#include <linux/uio_driver.h>

#define DRIVER_NAME	"ivshmem_uio"
#define DRIVER_VERSION	"1"

#define IVSHMEM_VENDOR_ID	0x1af4
#define IVSHMEM_DEVICE_ID	0x1110

/* BAR 1 is the MSI-X table. It is the kernel's alone. */
#define IVSHMEM_REGISTERS_BAR	0
#define IVSHMEM_MEMORY_BAR	2

/**
 * struct ivshmem_uio - an ivshmem device
 * @vectors:	number of interrupt vectors, 0 for ivshmem-plain
 * @count:	number of elements of @info
 * @info:	the UIO devices; vector n belongs to element n
 */
struct ivshmem_uio {
	int vectors;
	int count;
	struct uio_info info[];
};

/* A message-signalled interrupt is never shared, and nothing has to be acknowledged. */
static irqreturn_t ivshmem_uio_interrupt(int irq, void *info)
{
	uio_event_notify(info);
	return IRQ_HANDLED;
}

/*
 * The UIO core compares the length of every mapping with @size, and a mapping
 * always begins at the start of a map. So no program gets beyond the end.
 */
static void ivshmem_uio_set_maps(struct uio_info *info, struct pci_dev *pdev)
{
	resource_size_t start = pci_resource_start(pdev, IVSHMEM_REGISTERS_BAR);
	struct uio_mem *registers = &info->mem[0];
	struct uio_mem *memory = &info->mem[1];

	/* 256 bytes that may begin anywhere in a page. */
	registers->name = "registers";
	registers->addr = start & PAGE_MASK;
	registers->offs = offset_in_page(start);
	registers->size = PAGE_ALIGN(registers->offs +
				     pci_resource_len(pdev, IVSHMEM_REGISTERS_BAR));
	registers->memtype = UIO_MEM_PHYS;

	/*
	 * UIO_MEM_PHYS would be uncached. UIO_MEM_IOVA maps the same way, but
	 * leaves the page protection at its default, which is write-back. On x86
	 * the MTRRs have the last word: they make it write-back where the BAR is
	 * above 4 GiB, and UC- in the hole below (arch/x86/mm/pat/memtype.c,
	 * pat_x_mtrr_type()).
	 */
	memory->name = "memory";
	memory->addr = pci_resource_start(pdev, IVSHMEM_MEMORY_BAR);
	memory->size = pci_resource_len(pdev, IVSHMEM_MEMORY_BAR);
	memory->memtype = UIO_MEM_IOVA;
}

/*
 * UIO_IRQ_CUSTOM: the UIO core of newer kernels (6.12 does) would do its work in
 * an interrupt thread, and a waiting program would need two wake-ups.
 */
static int ivshmem_uio_add(struct ivshmem_uio *ivshmem, struct pci_dev *pdev, int n)
{
	struct uio_info *info = &ivshmem->info[n];
	int err;

	info->name = devm_kasprintf(&pdev->dev, GFP_KERNEL, DRIVER_NAME ".%d", n);
	if (!info->name)
		return -ENOMEM;
	info->version = DRIVER_VERSION;
	info->irq = n < ivshmem->vectors ? UIO_IRQ_CUSTOM : UIO_IRQ_NONE;
	ivshmem_uio_set_maps(info, pdev);

	err = uio_register_device(&pdev->dev, info);
	if (err || info->irq == UIO_IRQ_NONE)
		return err;

	err = pci_request_irq(pdev, n, ivshmem_uio_interrupt, NULL, info,
			      DRIVER_NAME ".%d:%s", n, pci_name(pdev));
	if (err)
		uio_unregister_device(info);
	return err;
}

/* Programs that wait for the vector get EIO. What they have mapped stays mapped. */
static void ivshmem_uio_del(struct ivshmem_uio *ivshmem, struct pci_dev *pdev, int n)
{
	struct uio_info *info = &ivshmem->info[n];

	if (info->irq != UIO_IRQ_NONE)
		pci_free_irq(pdev, n, info);
	uio_unregister_device(info);
}

/* Returns the number of vectors, 0 for ivshmem-plain, or a negative error code. */
static int ivshmem_uio_alloc_vectors(struct pci_dev *pdev)
{
	int wanted = pci_msix_vec_count(pdev);
	int got;

	if (wanted <= 0)
		return 0;
	got = pci_alloc_irq_vectors(pdev, 1, wanted, PCI_IRQ_MSIX);
	if (got >= 0 && got < wanted)
		pci_warn(pdev, "only %d of %d vectors\n", got, wanted);
	return got;
}

static int ivshmem_uio_probe(struct pci_dev *pdev, const struct pci_device_id *id)
{
	struct ivshmem_uio *ivshmem;
	int vectors, count, err, n;

	if (!pci_resource_len(pdev, IVSHMEM_REGISTERS_BAR) ||
	    !pci_resource_len(pdev, IVSHMEM_MEMORY_BAR)) {
		pci_err(pdev, "no registers or no memory\n");
		return -ENODEV;
	}

	err = pci_enable_device(pdev);
	if (err)
		return err;
	err = pci_request_regions(pdev, DRIVER_NAME);
	if (err)
		goto err_disable;

	/* An MSI is a write by the device, and only a bus master may write. */
	pci_set_master(pdev);

	vectors = ivshmem_uio_alloc_vectors(pdev);
	if (vectors < 0) {
		err = vectors;
		goto err_release;
	}

	count = max(vectors, 1);
	ivshmem = devm_kzalloc(&pdev->dev, struct_size(ivshmem, info, count), GFP_KERNEL);
	if (!ivshmem) {
		err = -ENOMEM;
		goto err_vectors;
	}
	ivshmem->vectors = vectors;
	ivshmem->count = count;

	for (n = 0; n < count; n++) {
		err = ivshmem_uio_add(ivshmem, pdev, n);
		if (err)
			goto err_del;
	}
	pci_set_drvdata(pdev, ivshmem);
	pci_info(pdev, "%llu KiB, %d vectors\n",
		 (u64)pci_resource_len(pdev, IVSHMEM_MEMORY_BAR) >> 10, vectors);
	return 0;

err_del:
	while (n--)
		ivshmem_uio_del(ivshmem, pdev, n);
err_vectors:
	pci_free_irq_vectors(pdev);
err_release:
	pci_release_regions(pdev);
err_disable:
	pci_disable_device(pdev);
	return err;
}

static void ivshmem_uio_remove(struct pci_dev *pdev)
{
	struct ivshmem_uio *ivshmem = pci_get_drvdata(pdev);
	int n;

	for (n = ivshmem->count; n--;)
		ivshmem_uio_del(ivshmem, pdev, n);
	pci_free_irq_vectors(pdev);
	pci_release_regions(pdev);
	pci_disable_device(pdev);
}

static const struct pci_device_id ivshmem_uio_ids[] = {
	{ PCI_DEVICE(IVSHMEM_VENDOR_ID, IVSHMEM_DEVICE_ID) },
	{ }
};
MODULE_DEVICE_TABLE(pci, ivshmem_uio_ids);

static struct pci_driver ivshmem_uio_driver = {
	.name = DRIVER_NAME,
	.id_table = ivshmem_uio_ids,
	.probe = ivshmem_uio_probe,
	.remove = ivshmem_uio_remove,
};
module_pci_driver(ivshmem_uio_driver);

MODULE_AUTHOR("The authors of the ivshmem lab kit");
MODULE_DESCRIPTION("QEMU's ivshmem device for programs in user space");
MODULE_VERSION(DRIVER_VERSION);
MODULE_LICENSE("Dual MIT/GPL");
