/* SPDX-License-Identifier: Apache-2.0 */
/* pci_driver: see the header. */
#include "tests/unit/pci_driver.h"

#include <errno.h>
#include <linux/pci_regs.h>
#include <linux/virtio_pci.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void require(bool ok, const char *what)
{
	if (!ok) {
		fprintf(stderr, "pci_driver: %s\n", what);
		abort();
	}
}

/* --- The fake host --- */

static int fake_ioeventfd(void *ctx, uint64_t gpa, unsigned len, int fd, bool add)
{
	struct fake_host *host = ctx;
	unsigned free_slot = FAKE_IOEVENTFDS;

	if (add && host->ioeventfd_result < 0)
		return host->ioeventfd_result;
	for (unsigned i = 0; i < FAKE_IOEVENTFDS; i++) {
		bool match = host->ioeventfds[i].used && host->ioeventfds[i].gpa == gpa &&
			     host->ioeventfds[i].len == len;

		if (match && add)
			return -EEXIST;
		if (match && host->ioeventfds[i].fd == fd) {
			host->ioeventfds[i].used = false;
			return 0;
		}
		if (!host->ioeventfds[i].used)
			free_slot = i;
	}
	require(add, "an ioeventfd removed that was not there");
	require(free_slot < FAKE_IOEVENTFDS, "too many ioeventfds");
	host->ioeventfds[free_slot].gpa = gpa;
	host->ioeventfds[free_slot].len = len;
	host->ioeventfds[free_slot].fd = fd;
	host->ioeventfds[free_slot].used = true;
	return 0;
}

static int fake_connect(void *ctx, int *gsi, uint64_t address, uint32_t data, int fd)
{
	struct fake_host *host = ctx;

	host->connects++;
	if (host->connect_result < 0)
		return host->connect_result;
	if (*gsi < 0) {
		require(host->n_gsis < FAKE_GSIS, "too many GSIs");
		*gsi = (int)host->n_gsis++;
	}
	host->gsis[*gsi].address = address;
	host->gsis[*gsi].data = data;
	host->gsis[*gsi].fd = fd;
	return 0;
}

static int fake_disconnect(void *ctx, int gsi, int fd)
{
	struct fake_host *host = ctx;

	require(gsi >= 0 && (unsigned)gsi < host->n_gsis && host->gsis[gsi].fd == fd, "a wrong disconnect");
	host->disconnects++;
	host->gsis[gsi].fd = -1;
	return 0;
}

static int fake_map(void *ctx, int *slot, uint64_t gpa, uint64_t size, void *hva, bool writable)
{
	struct fake_host *host = ctx;

	require(size % 4096 == 0 && gpa % 4096 == 0 && (uintptr_t)hva % 4096 == 0, "a wrong mapping");
	if (*slot >= 0)
		host->slots[*slot].size = 0;
	if (gpa == 0)
		return 0;
	if (host->map_result < 0)
		return host->map_result;
	if (*slot < 0) {
		require(host->n_slots < FAKE_SLOTS, "too many mappings");
		*slot = (int)host->n_slots++;
	}
	host->slots[*slot].gpa = gpa;
	host->slots[*slot].size = size;
	host->slots[*slot].hva = hva;
	host->slots[*slot].writable = writable;
	return 0;
}

/* The memory that an access reaches without an exit, or NULL. */
static uint8_t *mapped(const struct fake_host *host, uint64_t gpa, unsigned len, bool is_write)
{
	for (unsigned i = 0; i < host->n_slots; i++) {
		uint64_t offset = gpa - host->slots[i].gpa;

		if (offset < host->slots[i].size && len <= host->slots[i].size - offset &&
		    (!is_write || host->slots[i].writable))
			return host->slots[i].hva + offset;
	}
	return NULL;
}

const struct pci_host_ops fake_host_ops = {
	.ioeventfd = fake_ioeventfd,
	.msi_connect = fake_connect,
	.msi_disconnect = fake_disconnect,
	.map = fake_map,
};

unsigned fake_host_ioeventfds(const struct fake_host *host)
{
	unsigned n = 0;

	for (unsigned i = 0; i < FAKE_IOEVENTFDS; i++)
		n += host->ioeventfds[i].used;
	return n;
}

unsigned fake_host_connected(const struct fake_host *host)
{
	unsigned n = 0;

	for (unsigned i = 0; i < host->n_gsis; i++)
		n += host->gsis[i].fd >= 0;
	return n;
}

unsigned fake_host_messages(struct fake_host *host, uint64_t address, uint32_t data)
{
	unsigned n = 0;

	for (unsigned i = 0; i < host->n_gsis; i++) {
		uint64_t count;

		if (host->gsis[i].fd >= 0 && host->gsis[i].address == address && host->gsis[i].data == data)
			n += read(host->gsis[i].fd, &count, sizeof(count)) == sizeof(count);
	}
	return n;
}

/* --- Accesses --- */

uint64_t pci_driver_read(struct pci_driver *drv, uint64_t gpa, unsigned len)
{
	const uint8_t *memory = mapped(drv->host, gpa, len, false);
	uint64_t value = 0;

	if (memory) {
		memcpy(&value, memory, len);
		return value;
	}
	drv->host->exits++;
	pci_root_mmio(drv->root, gpa, &value, len, false);
	return value;
}

void pci_driver_write(struct pci_driver *drv, uint64_t gpa, uint64_t value, unsigned len)
{
	uint8_t *memory = mapped(drv->host, gpa, len, true);
	uint64_t one = 1;

	if (memory) {
		memcpy(memory, &value, len);
		return;
	}
	for (unsigned i = 0; i < FAKE_IOEVENTFDS; i++) {
		if (drv->host->ioeventfds[i].used && drv->host->ioeventfds[i].gpa == gpa &&
		    drv->host->ioeventfds[i].len == len) {
			require(write(drv->host->ioeventfds[i].fd, &one, sizeof(one)) == sizeof(one),
				"eventfd");
			return;
		}
	}
	drv->host->exits++;
	pci_root_mmio(drv->root, gpa, &value, len, true);
}

static uint64_t bar(struct pci_driver *drv, unsigned i)
{
	uint32_t low = (uint32_t)pci_driver_read(drv, drv->config + PCI_BASE_ADDRESS_0 + 4 * i, 4);

	require(low & ~0xfU, "a structure in a BAR without address");
	return low & ~0xfU;
}

static void take_capability(struct pci_driver *drv, unsigned cap)
{
	uint64_t at = drv->config + cap;
	uint8_t type = (uint8_t)pci_driver_read(drv, at + VIRTIO_PCI_CAP_CFG_TYPE, 1);
	uint8_t which = (uint8_t)pci_driver_read(drv, at + VIRTIO_PCI_CAP_BAR, 1);
	uint32_t offset = (uint32_t)pci_driver_read(drv, at + VIRTIO_PCI_CAP_OFFSET, 4);
	uint32_t length = (uint32_t)pci_driver_read(drv, at + VIRTIO_PCI_CAP_LENGTH, 4);

	switch (type) {
	case VIRTIO_PCI_CAP_COMMON_CFG:
		require(length >= sizeof(struct virtio_pci_common_cfg) && offset % 4 == 0,
			"common structure");
		drv->common = bar(drv, which) + offset;
		break;
	case VIRTIO_PCI_CAP_NOTIFY_CFG:
		drv->notify = bar(drv, which) + offset;
		drv->notify_len = length;
		drv->multiplier = (uint32_t)pci_driver_read(drv, at + VIRTIO_PCI_NOTIFY_CAP_MULT, 4);
		break;
	case VIRTIO_PCI_CAP_ISR_CFG:
		drv->isr = bar(drv, which) + offset;
		break;
	case VIRTIO_PCI_CAP_DEVICE_CFG:
		require(offset % 4 == 0, "device structure");
		drv->device = bar(drv, which) + offset;
		drv->device_len = length;
		break;
	case VIRTIO_PCI_CAP_PCI_CFG:
		drv->window_cap = cap;
		break;
	}
}

static void take_msix(struct pci_driver *drv, unsigned cap)
{
	uint32_t table = (uint32_t)pci_driver_read(drv, drv->config + cap + PCI_MSIX_TABLE, 4);
	uint32_t pba = (uint32_t)pci_driver_read(drv, drv->config + cap + PCI_MSIX_PBA, 4);

	drv->msix_cap = cap;
	drv->n_vectors = (unsigned)(pci_driver_read(drv, drv->config + cap + PCI_MSIX_FLAGS, 2) & 0x7ff) + 1;
	drv->table = bar(drv, table & 7) + (table & ~7U);
	drv->pba = bar(drv, pba & 7) + (pba & ~7U);
}

void pci_driver_probe(struct pci_driver *drv, struct fake_host *host, struct pci_root *root, uint64_t ecam,
		      unsigned slot)
{
	unsigned cap, left = 48;

	*drv = (struct pci_driver){ .host = host, .root = root, .config = ecam + slot * 0x8000 };
	cap = (unsigned)pci_driver_read(drv, drv->config + PCI_CAPABILITY_LIST, 1);
	while (cap && left--) {
		uint8_t id = (uint8_t)pci_driver_read(drv, drv->config + cap, 1);

		require(cap >= 0x40 && cap % 4 == 0, "capability offset");
		if (id == PCI_CAP_ID_VNDR)
			take_capability(drv, cap);
		else if (id == PCI_CAP_ID_MSIX)
			take_msix(drv, cap);
		cap = (unsigned)pci_driver_read(drv, drv->config + cap + PCI_CAP_LIST_NEXT, 1);
	}
	require(drv->common && drv->notify && drv->isr && drv->table, "a structure is missing");
	pci_driver_write(drv, drv->config + PCI_COMMAND, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER, 2);
}

uint8_t pci_driver_status(struct pci_driver *drv)
{
	return (uint8_t)pci_driver_read(drv, drv->common + VIRTIO_PCI_COMMON_STATUS, 1);
}

void pci_driver_set_status(struct pci_driver *drv, uint8_t bits)
{
	pci_driver_write(drv, drv->common + VIRTIO_PCI_COMMON_STATUS, pci_driver_status(drv) | bits, 1);
}

uint64_t pci_driver_features(struct pci_driver *drv)
{
	uint64_t features;

	pci_driver_write(drv, drv->common + VIRTIO_PCI_COMMON_DFSELECT, 0, 4);
	features = pci_driver_read(drv, drv->common + VIRTIO_PCI_COMMON_DF, 4);
	pci_driver_write(drv, drv->common + VIRTIO_PCI_COMMON_DFSELECT, 1, 4);
	return features | pci_driver_read(drv, drv->common + VIRTIO_PCI_COMMON_DF, 4) << 32;
}

void pci_driver_set_features(struct pci_driver *drv, uint64_t features)
{
	for (unsigned i = 0; i < 2; i++) {
		pci_driver_write(drv, drv->common + VIRTIO_PCI_COMMON_GFSELECT, i, 4);
		pci_driver_write(drv, drv->common + VIRTIO_PCI_COMMON_GF, (uint32_t)(features >> 32 * i), 4);
	}
}

void pci_driver_msix(struct pci_driver *drv, bool enabled, bool masked)
{
	uint16_t flags =
		(uint16_t)((enabled ? PCI_MSIX_FLAGS_ENABLE : 0) | (masked ? PCI_MSIX_FLAGS_MASKALL : 0));

	pci_driver_write(drv, drv->config + drv->msix_cap + PCI_MSIX_FLAGS, flags, 2);
}

void pci_driver_set_entry(struct pci_driver *drv, unsigned vector, uint64_t address, uint32_t data)
{
	uint64_t at = drv->table + vector * PCI_MSIX_ENTRY_SIZE;

	pci_driver_write(drv, at + PCI_MSIX_ENTRY_LOWER_ADDR, (uint32_t)address, 4);
	pci_driver_write(drv, at + PCI_MSIX_ENTRY_UPPER_ADDR, address >> 32, 4);
	pci_driver_write(drv, at + PCI_MSIX_ENTRY_DATA, data, 4);
}

void pci_driver_mask(struct pci_driver *drv, unsigned vector, bool masked)
{
	pci_driver_write(drv, drv->table + vector * PCI_MSIX_ENTRY_SIZE + PCI_MSIX_ENTRY_VECTOR_CTRL, masked,
			 4);
}

bool pci_driver_pending(struct pci_driver *drv, unsigned vector)
{
	return pci_driver_read(drv, drv->pba + vector / 32 * 4, 4) >> vector % 32 & 1;
}
