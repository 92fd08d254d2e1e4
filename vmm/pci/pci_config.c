/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pci_config: the header of a PCI function (PCI Local Bus 3.0 §6.1), type 0.
 *
 * Everything that a guest can see is in dev->config; what it may change is in
 * dev->writable. Sizing a BAR needs no code: the bits below its size are not
 * writable, so all ones read back as the size's mask (§6.2.5.1).
 */
#include "vmm/pci/pci_config.h"

#include "base/endian.h"
#include "vmm/pci/pci.h"

#include <assert.h>
#include <linux/pci_regs.h>

enum {
	/* Capabilities live between the header and the end of what mechanism #1 reaches. */
	CAPS_END = 256,
	/* Any timer of at least 16: Linux writes its own otherwise. No bus is there to hog. */
	LATENCY = 64,
};

static unsigned bar_reg(unsigned bar)
{
	return PCI_BASE_ADDRESS_0 + 4 * bar;
}

static void init_bar(struct pci_device *dev, unsigned i)
{
	const struct pci_bar *bar = &dev->bars[i];
	uint64_t mask = ~(bar->size - 1);
	uint32_t flags = PCI_BASE_ADDRESS_SPACE_MEMORY;

	if (bar->is_64bit)
		flags |= PCI_BASE_ADDRESS_MEM_TYPE_64;
	if (bar->prefetchable)
		flags |= PCI_BASE_ADDRESS_MEM_PREFETCH;
	put_le32(dev->config + bar_reg(i), (uint32_t)bar->gpa | flags);
	put_le32(dev->writable + bar_reg(i), (uint32_t)mask);
	if (bar->is_64bit) {
		put_le32(dev->config + bar_reg(i + 1), (uint32_t)(bar->gpa >> 32));
		put_le32(dev->writable + bar_reg(i + 1), (uint32_t)(mask >> 32));
	}
}

void pci_config_init(struct pci_device *dev)
{
	memset(dev->config, 0, PCI_CONFIG_SIZE);
	memset(dev->writable, 0, PCI_CONFIG_SIZE);
	dev->cap_next = PCI_STD_HEADER_SIZEOF;
	dev->cap_last = 0;

	/*
	 * As firmware would leave it. There is no INTx to enable and nothing that bus
	 * mastering gates, so both bits are where a driver wants them: it need not write.
	 */
	put_le16(dev->config + PCI_COMMAND, PCI_COMMAND_MASTER | PCI_COMMAND_INTX_DISABLE);
	put_le16(dev->writable + PCI_COMMAND,
		 PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER | PCI_COMMAND_INTX_DISABLE);
	dev->config[PCI_LATENCY_TIMER] = LATENCY;
	dev->writable[PCI_LATENCY_TIMER] = 0xff;
	dev->writable[PCI_CACHE_LINE_SIZE] = 0xff;
	dev->writable[PCI_INTERRUPT_LINE] = 0xff;

	for (unsigned i = 0; i < PCI_BARS_MAX; i++) {
		if (dev->bars[i].size)
			init_bar(dev, i);
	}
}

bool pci_config_decodes(const struct pci_device *dev)
{
	return get_le16(dev->config + PCI_COMMAND) & PCI_COMMAND_MEMORY;
}

static uint64_t bar_address(const struct pci_device *dev, unsigned i)
{
	uint64_t gpa = get_le32(dev->config + bar_reg(i)) & PCI_BASE_ADDRESS_MEM_MASK & 0xffffffffU;

	if (dev->bars[i].is_64bit)
		gpa |= (uint64_t)get_le32(dev->config + bar_reg(i + 1)) << 32;
	return gpa;
}

/* The header changed: tell the device what became of its BARs. */
static void update_bars(struct pci_device *dev, bool was_on)
{
	bool on = pci_config_decodes(dev);

	for (unsigned i = 0; i < PCI_BARS_MAX; i++) {
		struct pci_bar *bar = &dev->bars[i];
		uint64_t old = bar->gpa;

		if (!bar->size)
			continue;
		bar->gpa = bar_address(dev, i);
		/* While decoding is off an address is just a number. */
		if ((on != was_on || (on && bar->gpa != old)) && dev->ops->bar_moved)
			dev->ops->bar_moved(dev->dev, i, old, bar->gpa, on);
	}
}

void pci_config_write(struct pci_device *dev, unsigned offset, const void *data, unsigned len)
{
	const uint8_t *bytes = data;
	bool was_on = pci_config_decodes(dev);

	assert(offset < PCI_CONFIG_SIZE && len <= PCI_CONFIG_SIZE - offset);
	for (unsigned i = 0; i < len; i++) {
		uint8_t mask = dev->writable[offset + i];

		dev->config[offset + i] = (uint8_t)((dev->config[offset + i] & ~mask) | (bytes[i] & mask));
	}
	if (offset < PCI_STD_HEADER_SIZEOF)
		update_bars(dev, was_on);
	if (offset + len > PCI_STD_HEADER_SIZEOF && dev->ops->config_written)
		dev->ops->config_written(dev->dev, offset, len);
}

void pci_device_set_ids(struct pci_device *dev, uint16_t vendor, uint16_t device, uint16_t subsystem_vendor,
			uint16_t subsystem, uint32_t class_code, uint8_t revision)
{
	put_le16(dev->config + PCI_VENDOR_ID, vendor);
	put_le16(dev->config + PCI_DEVICE_ID, device);
	put_le32(dev->config + PCI_CLASS_REVISION, class_code << 8 | revision);
	put_le16(dev->config + PCI_SUBSYSTEM_VENDOR_ID, subsystem_vendor);
	put_le16(dev->config + PCI_SUBSYSTEM_ID, subsystem);
}

void pci_device_hide(struct pci_device *dev)
{
	dev->hidden = true;
	memcpy(dev->hidden_ids, dev->config + PCI_VENDOR_ID, sizeof(dev->hidden_ids));
	put_le32(dev->config + PCI_VENDOR_ID, 0xffffffff);
}

void pci_device_show(struct pci_device *dev)
{
	if (!dev->hidden)
		return;
	dev->hidden = false;
	memcpy(dev->config + PCI_VENDOR_ID, dev->hidden_ids, sizeof(dev->hidden_ids));
}

unsigned pci_device_add_capability(struct pci_device *dev, uint8_t id, const void *body, size_t len)
{
	unsigned offset = dev->cap_next;

	assert(len <= CAPS_END - 2 && offset + 2 + len <= CAPS_END);
	dev->config[offset + PCI_CAP_LIST_ID] = id;
	memcpy(dev->config + offset + 2, body, len);
	if (dev->cap_last)
		dev->config[dev->cap_last + PCI_CAP_LIST_NEXT] = (uint8_t)offset;
	else
		dev->config[PCI_CAPABILITY_LIST] = (uint8_t)offset;
	put_le16(dev->config + PCI_STATUS, get_le16(dev->config + PCI_STATUS) | PCI_STATUS_CAP_LIST);
	dev->cap_last = offset;
	/* Each starts at a multiple of four (§6.7). */
	dev->cap_next = (offset + 2 + (unsigned)len + 3) & ~3U;
	return offset;
}
