/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pci_root: the root complex with bus 0: slots, the ECAM buffer, BAR windows, and
 * the dispatch of accesses that did exit.
 *
 * Theory of operation
 *
 * The ECAM buffer is what the guest reads without exits, so every byte of it is
 * right at all times. Most of its 256 functions are absent and read as all ones:
 * those pages are one and the same run of pages of a memfd, mapped many times and
 * never writable by us, so that the buffer takes memory for present functions only.
 *
 * The host bridge in slot 0 is seen through the ports alone: whoever has ECAM needs none, and
 * its sizing of six BARs that aren't there would cost 17 exits.
 */
#include "vmm/pci/pci.h"

#include "base/cleanup.h"
#include "base/endian.h"
#include "base/err.h"
#include "vmm/pci/pci_config.h"

#include <assert.h>
#include <linux/pci_regs.h>
#include <pthread.h>
#include <sys/mman.h>

enum {
	SLOTS = 32,
	FUNCTIONS = 8, /* per slot */
	SLOT_SIZE = FUNCTIONS * PCI_CONFIG_SIZE,
	ECAM_SIZE = SLOTS * SLOT_SIZE, /* bus 0 */

	/* Configuration mechanism #1 (PCI Local Bus 3.0 §3.2.2.3.2) */
	CONFIG_ADDRESS = 0xcf8,
	CONFIG_DATA = 0xcfc,

	/* "QEMU PCIe host bridge": the generic identity that no guest has a quirk for. */
	BRIDGE_VENDOR = 0x1b36,
	BRIDGE_DEVICE = 0x0008,
	BRIDGE_CLASS = 0x060000,
};

#define CONFIG_ADDRESS_ENABLE 0x80000000U

struct pci_root {
	struct pci_root_config config;
	pthread_mutex_t lock; /* all below, and each device's config and registers */
	int memfd; /* slot-sized block of ones, then a page for each slot's function 0 */
	uint8_t *ecam;
	uint32_t config_address;
	uint64_t mmio32_next;
	struct pci_device *slots[SLOTS]; /* function 0 of each; NULL: none */
	unsigned n_slots;
	struct pci_device bridge;
	uint8_t bridge_config[PCI_CONFIG_SIZE];
};

static const struct pci_device_ops bridge_ops = { .bar_read = NULL };

/* --- Building --- */

static int map_slots(struct pci_root *root)
{
	_cleanup_free_ uint8_t *ones = NULL;

	ones = malloc(SLOT_SIZE);
	if (!ones)
		return -ENOMEM;
	memset(ones, 0xff, SLOT_SIZE);
	root->memfd = memfd_create("vrun-pci-config", MFD_CLOEXEC);
	if (root->memfd < 0)
		return -errno;
	if (ftruncate(root->memfd, SLOT_SIZE + SLOTS * PCI_CONFIG_SIZE) < 0)
		return -errno;
	if (pwrite(root->memfd, ones, SLOT_SIZE, 0) != SLOT_SIZE)
		return -EIO;

	root->ecam = mmap(NULL, ECAM_SIZE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (root->ecam == MAP_FAILED) {
		root->ecam = NULL;
		return -errno;
	}
	for (unsigned slot = 0; slot < SLOTS; slot++) {
		if (mmap(root->ecam + (size_t)slot * SLOT_SIZE, SLOT_SIZE, PROT_READ, MAP_SHARED | MAP_FIXED,
			 root->memfd, 0) == MAP_FAILED)
			return -errno;
	}
	return 0;
}

static int map_function(struct pci_root *root, unsigned slot, uint8_t **ret)
{
	void *page;

	page = mmap(root->ecam + (size_t)slot * SLOT_SIZE, PCI_CONFIG_SIZE, PROT_READ | PROT_WRITE,
		    MAP_SHARED | MAP_FIXED, root->memfd, SLOT_SIZE + (off_t)slot * PCI_CONFIG_SIZE);
	if (page == MAP_FAILED)
		return -errno;
	*ret = page;
	return 0;
}

/* Every BAR lies in the 32-bit window, where any guest can use it. */
static int assign_bars(struct pci_root *root, struct pci_device *dev, struct err *err)
{
	uint64_t end = root->config.mmio32 + root->config.mmio32_size;
	uint64_t next = root->mmio32_next;

	for (unsigned i = 0; i < PCI_BARS_MAX; i++) {
		struct pci_bar *bar = &dev->bars[i];
		uint64_t gpa;

		if (!bar->size)
			continue;
		assert((bar->size & (bar->size - 1)) == 0 && bar->size >= 16);
		assert(!bar->is_64bit || (i + 1 < PCI_BARS_MAX && !dev->bars[i + 1].size));
		if (__builtin_add_overflow(next, bar->size - 1, &gpa))
			gpa = end;
		gpa &= ~(bar->size - 1);
		if (gpa > end || bar->size > end - gpa)
			return err_set(err, -ENOSPC, "no room for a PCI BAR of %llu bytes",
				       (unsigned long long)bar->size);
		bar->gpa = gpa;
		next = gpa + bar->size;
	}
	root->mmio32_next = next;
	return 0;
}

int pci_root_add(struct pci_root *root, struct pci_device *dev, struct err *err)
{
	int r;

	if (root->n_slots == SLOTS)
		return err_set(err, -ENOSPC, "more than %d PCI devices", PCI_DEVICES_MAX);
	r = assign_bars(root, dev, err);
	if (r < 0)
		return r;
	r = map_function(root, root->n_slots, &dev->config);
	if (r < 0)
		return err_set_errno(err, r, "can't map PCI configuration space");
	dev->root = root;
	dev->slot = root->n_slots;
	pci_config_init(dev);
	root->slots[root->n_slots++] = dev;
	return 0;
}

static void cleanup_root(struct pci_root **root)
{
	pci_root_free(*root);
}

int pci_root_new(const struct pci_root_config *config, struct pci_root **ret, struct err *err)
{
	_cleanup_(cleanup_root) struct pci_root *root = NULL;
	int r;

	root = calloc(1, sizeof(*root));
	if (!root)
		return err_set(err, -ENOMEM, "out of memory");
	pthread_mutex_init(&root->lock, NULL);
	root->memfd = -EBADF;
	root->config = *config;
	root->mmio32_next = config->mmio32;
	r = map_slots(root);
	if (r < 0)
		return err_set_errno(err, r, "can't make PCI configuration space");

	/* Without ACPI, Linux believes in mechanism #1 only when it sees a host bridge. */
	root->bridge.ops = &bridge_ops;
	root->bridge.config = root->bridge_config;
	root->slots[root->n_slots++] = &root->bridge;
	pci_config_init(&root->bridge);
	pci_device_set_ids(&root->bridge, BRIDGE_VENDOR, BRIDGE_DEVICE, 0, 0, BRIDGE_CLASS, 0);
	*ret = TAKE_PTR(root);
	return 0;
}

void pci_root_free(struct pci_root *root)
{
	if (!root)
		return;
	if (root->ecam)
		munmap(root->ecam, ECAM_SIZE);
	close_fd(root->memfd);
	pthread_mutex_destroy(&root->lock);
	free(root);
}

const struct pci_host_ops *pci_root_host(const struct pci_root *root, void **ret_host)
{
	*ret_host = root->config.host;
	return root->config.host_ops;
}

void pci_root_lock(struct pci_root *root)
{
	pthread_mutex_lock(&root->lock);
}

void pci_root_unlock(struct pci_root *root)
{
	pthread_mutex_unlock(&root->lock);
}

void *pci_root_ecam(struct pci_root *root)
{
	return root->ecam;
}

/* --- The guest's accesses --- */

/*
 * `offset` into bus 0's configuration space, reached through the ports or as memory. An access that leaves its
 * function reaches nothing.
 */
static void access_config(struct pci_root *root, uint64_t offset, void *data, unsigned len, bool is_write,
			  bool by_ports)
{
	unsigned reg = offset % PCI_CONFIG_SIZE;
	struct pci_device *dev;

	if (!is_write)
		memset(data, 0xff, len);
	if (offset >= ECAM_SIZE || len > PCI_CONFIG_SIZE - reg)
		return;
	dev = offset % SLOT_SIZE < PCI_CONFIG_SIZE ? root->slots[offset / SLOT_SIZE] : NULL;
	if (!dev || dev->hidden || (dev == &root->bridge && !by_ports))
		return;
	if (is_write)
		pci_config_write(dev, reg, data, len);
	else
		memcpy(data, dev->config + reg, len);
}

static bool access_bar(struct pci_root *root, uint64_t gpa, void *data, unsigned len, bool is_write)
{
	for (unsigned slot = 0; slot < root->n_slots; slot++) {
		struct pci_device *dev = root->slots[slot];

		if (!pci_config_decodes(dev))
			continue;
		for (unsigned i = 0; i < PCI_BARS_MAX; i++) {
			const struct pci_bar *bar = &dev->bars[i];
			uint64_t offset = gpa - bar->gpa;

			if (!bar->size || gpa < bar->gpa || offset >= bar->size || len > bar->size - offset)
				continue;
			if (is_write)
				dev->ops->bar_write(dev->dev, i, offset, data, len);
			else
				dev->ops->bar_read(dev->dev, i, offset, data, len);
			return true;
		}
	}
	return false;
}

bool pci_root_mmio(struct pci_root *root, uint64_t gpa, void *data, unsigned len, bool is_write)
{
	uint64_t offset = gpa - root->config.ecam;
	bool ours;

	if (!is_write)
		memset(data, 0xff, len);
	/* What an instruction can do in one access; devices count on it. */
	if (len != 1 && len != 2 && len != 4 && len != 8)
		return false;
	pthread_mutex_lock(&root->lock);
	if (gpa >= root->config.ecam && offset < ECAM_SIZE) {
		access_config(root, offset, data, len, is_write, false);
		ours = true;
	} else {
		ours = access_bar(root, gpa, data, len, is_write);
	}
	pthread_mutex_unlock(&root->lock);
	return ours;
}

static bool access_config_address(struct pci_root *root, uint16_t port, void *data, unsigned len,
				  bool is_write)
{
	/* Anything but a double word goes to whatever else lives at these ports (0xcf9: reset). */
	if (port != CONFIG_ADDRESS || len != 4)
		return false;
	if (is_write)
		root->config_address = get_le32(data) & (CONFIG_ADDRESS_ENABLE | 0x00fffffc);
	else
		put_le32(data, root->config_address);
	return true;
}

static bool access_config_data(struct pci_root *root, uint16_t port, void *data, unsigned len, bool is_write)
{
	uint32_t address = root->config_address;
	unsigned byte = port - CONFIG_DATA;
	uint64_t offset;

	if (!(address & CONFIG_ADDRESS_ENABLE) || len > 4 || byte + len > 4)
		return false;
	if ((address >> 16 & 0xff) != 0)
		return true; /* another bus: nobody answers */
	/* Eight bits of slot and function, eight of register. */
	offset = (uint64_t)(address >> 8 & 0xff) * PCI_CONFIG_SIZE + (address & 0xfc) + byte;
	access_config(root, offset, data, len, is_write, true);
	return true;
}

bool pci_root_pio(struct pci_root *root, uint16_t port, void *data, unsigned len, bool is_write)
{
	bool ours = false;

	if (!is_write)
		memset(data, 0xff, len);
	if (port < CONFIG_ADDRESS || port >= CONFIG_DATA + 4)
		return false;
	pthread_mutex_lock(&root->lock);
	if (port < CONFIG_DATA)
		ours = access_config_address(root, port, data, len, is_write);
	else
		ours = access_config_data(root, port, data, len, is_write);
	pthread_mutex_unlock(&root->lock);
	return ours;
}
