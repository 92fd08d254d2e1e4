/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pci_config: one function's configuration space; the part of the root that knows
 * the header's layout. Private to vmm/pci/. The root's lock is held.
 */
#ifndef VRUN_VMM_PCI_PCI_CONFIG_H
#define VRUN_VMM_PCI_PCI_CONFIG_H

#include <stdbool.h>

struct pci_device;

enum { PCI_CONFIG_SIZE = 4096 };

/* Lay out the header of a fresh, writable config page from dev->bars, whose addresses are assigned. */
void pci_config_init(struct pci_device *dev);

/* Memory decoding is on (PCI Local Bus 3.0 §6.2.2). */
bool pci_config_decodes(const struct pci_device *dev);

/* A write of `len` bytes by the guest, offset + len ≤ PCI_CONFIG_SIZE: masked, then acted upon. */
void pci_config_write(struct pci_device *dev, unsigned offset, const void *data, unsigned len);

#endif
