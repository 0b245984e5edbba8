// SPDX-License-Identifier: GPL-2.0
/*
 * pages.c - gives the region struct pages, as drivers do that hand it to the kernel's I/O
 * paths, and writes a text into one of them. For 9_modules.bats.
 */
#include <linux/memremap.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/pci.h>

#define MEMORY_BAR 2

static char *text = "written through a struct page";
module_param(text, charp, 0444);
MODULE_PARM_DESC(text, "what to write");

static unsigned long offset = 0x3000;
module_param(offset, ulong, 0444);
MODULE_PARM_DESC(offset, "where to write it, in bytes from the start of the region");

static int pages_probe(struct pci_dev *pdev, const struct pci_device_id *id)
{
	struct dev_pagemap *map;
	struct page *page;
	void *base;
	int ret;

	ret = pcim_enable_device(pdev);
	if (ret)
		return ret;
	if (!devm_request_mem_region(&pdev->dev, pci_resource_start(pdev, MEMORY_BAR),
				     pci_resource_len(pdev, MEMORY_BAR), "pages"))
		return -EBUSY;

	map = devm_kzalloc(&pdev->dev, sizeof(*map), GFP_KERNEL);
	if (!map)
		return -ENOMEM;
	map->type = MEMORY_DEVICE_GENERIC;
	map->range.start = pci_resource_start(pdev, MEMORY_BAR);
	map->range.end = pci_resource_end(pdev, MEMORY_BAR);
	map->nr_range = 1;
	base = devm_memremap_pages(&pdev->dev, map);
	if (IS_ERR(base))
		return dev_err_probe(&pdev->dev, PTR_ERR(base), "no struct pages\n");

	if (offset_in_page(offset) + strlen(text) >= PAGE_SIZE ||
	    offset >= pci_resource_len(pdev, MEMORY_BAR))
		return -EINVAL;
	page = virt_to_page(base + offset);
	strcpy(page_address(page) + offset_in_page(offset), text);
	dev_info(&pdev->dev, "page %#lx of a device: %d\n", page_to_pfn(page),
		 is_zone_device_page(page));
	return 0;
}

static const struct pci_device_id pages_ids[] = {
	{ PCI_DEVICE(PCI_VENDOR_ID_REDHAT_QUMRANET, 0x1110) },
	{ }
};
MODULE_DEVICE_TABLE(pci, pages_ids);

static struct pci_driver pages_driver = {
	.name = "pages",
	.id_table = pages_ids,
	.probe = pages_probe,
};
module_pci_driver(pages_driver);

MODULE_DESCRIPTION("struct pages for the memory of an ivshmem device");
MODULE_LICENSE("GPL");
