/* SPDX-License-Identifier: Apache-2.0 */
/* pci: virtio devices' registers through sysfs, and memory by its physical address. */
#ifndef VRUN_TESTS_HOSTILE_PCI_H
#define VRUN_TESTS_HOSTILE_PCI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* virtio 1.2 §4.1.4.3, offsets in struct virtio_pci_common_cfg */
enum {
	COMMON_DEVICE_SELECT = 0,
	COMMON_DEVICE_FEATURES = 4,
	COMMON_DRIVER_SELECT = 8,
	COMMON_DRIVER_FEATURES = 12,
	COMMON_QUEUES = 18,
	COMMON_STATUS = 20,
	COMMON_QUEUE_SELECT = 22,
	COMMON_QUEUE_SIZE = 24,
	COMMON_QUEUE_MSIX = 26,
	COMMON_QUEUE_ENABLE = 28,
	COMMON_QUEUE_NOTIFY = 30,
	COMMON_QUEUE_DESC = 32,
	COMMON_QUEUE_DRIVER = 40,
	COMMON_QUEUE_DEVICE = 48,
};

/* virtio 1.2 §5 */
enum { TYPE_NET = 1, TYPE_CONSOLE = 3, TYPE_BALLOON = 5, TYPE_VSOCK = 19, TYPE_FS = 26 };

struct pci_device {
	char name[32]; /* in /sys/bus/pci/devices */
	unsigned type; /* of virtio */
	uint8_t config[256]; /* as it was found */
	volatile uint8_t *bar;
	unsigned bar_size, common, notify, notify_multiplier, msix_table; /* offsets in the BAR */
};

/* Directories to mount on. */
void mkdir_all(void);
/* Memory that the kernel does not use, at a physical address. */
int memory_get(uint64_t phys, size_t len, uint8_t **ret);

unsigned pci_find(struct pci_device *devices, unsigned max);
/* Configuration space as it was found: BARs where they are mapped, bus mastering on. */
int pci_refresh(struct pci_device *dev);

uint64_t common_read(struct pci_device *dev, unsigned offset, unsigned size);
void common_write(struct pci_device *dev, unsigned offset, unsigned size, uint64_t value);
void common_write64(struct pci_device *dev, unsigned offset, uint64_t value);
/* Anywhere in the BAR; aligned down to the size of the access. */
void device_poke(struct pci_device *dev, unsigned offset, unsigned size, uint64_t value);
uint64_t device_peek(struct pci_device *dev, unsigned offset, unsigned size);
/* A random write to configuration space; `header`: also where the BARs are. */
void config_poke(struct pci_device *dev, bool header);

#endif
