/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pci: a PCI Express root with one bus, and what a device on it provides.
 *
 * Configuration space is 4 KiB per function, laid out as ECAM, in one shared
 * buffer that the engine maps into the guest read-only: reads cost no exit, writes come
 * here. Ports 0xcf8/0xcfc (configuration mechanism #1) reach the same bytes, for
 * guests without ACPI. Slot 0 is the host bridge, for the latter only; devices follow from slot 1.
 *
 * BARs are assigned by us before the guest boots, so that it has nothing to
 * allocate; it may still move them (PCI Local Bus 3.0 §6.2.5), and size them.
 *
 * Threads: vCPU threads call the read and write functions; one lock in
 * the root serialises them. The device's functions run under it, and hand what
 * belongs to the loop over to the loop; the loop's side takes the same lock to
 * touch what both use.
 */
#ifndef VRUN_VMM_PCI_PCI_H
#define VRUN_VMM_PCI_PCI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct err;
struct pci_root;

/* What the engine does for the root and its devices. Any thread. 0 or -errno. */
struct pci_host_ops {
	/* A 16-bit guest write to `gpa` signals `fd` instead of exiting (KVM_IOEVENTFD). */
	int (*ioeventfd)(void *host, uint64_t gpa, unsigned len, int fd, bool add);
	/*
	 * Signalling `fd` sends the MSI message (address, data): KVM_IRQFD on a GSI routed to
	 * it. `*gsi` is -1 at the first call for a vector, then kept by the caller. Changing the
	 * message of a connected vector is a new call with the same `*gsi`.
	 */
	int (*msi_connect)(void *host, int *gsi, uint64_t address, uint32_t data, int fd);
	/* Signalling `fd` goes nowhere (masked); the GSI stays reserved. */
	int (*msi_disconnect)(void *host, int gsi, int fd);
	/*
	 * Optional. Have the guest find our `hva` at `gpa` (whole pages), so that reads don't exit, nor writes when
	 * `writable`. `*slot` is -1 at first, then kept by the caller; another `gpa` moves it, 0 takes it away.
	 */
	int (*map)(void *host, int *slot, uint64_t gpa, uint64_t size, void *hva, bool writable);
};

struct pci_bar {
	uint64_t size; /* power of two, 0: unused; 64-bit memory BARs take two slots */
	uint64_t gpa; /* assigned address; moves with the guest's writes */
	bool prefetchable, is_64bit;
};

enum { PCI_BARS_MAX = 6, PCI_DEVICES_MAX = 31 };

struct pci_device_ops {
	/* An access of 1, 2, 4 or 8 bytes inside a BAR, offset + len ≤ its size. Any vCPU thread, root's lock held. */
	void (*bar_read)(void *dev, unsigned bar, uint64_t offset, void *data, unsigned len);
	void (*bar_write)(void *dev, unsigned bar, uint64_t offset, const void *data, unsigned len);
	/*
	 * The guest wrote config bytes that the root does not handle itself (capabilities beyond
	 * the header); `config` holds the new bytes after the write mask was applied.
	 */
	void (*config_written)(void *dev, unsigned offset, unsigned len);
	/* A BAR moved or memory decoding was switched (`on`): re-register what depends on its address. */
	void (*bar_moved)(void *dev, unsigned bar, uint64_t old_gpa, uint64_t new_gpa, bool on);
};

struct pci_device {
	const struct pci_device_ops *ops;
	void *dev;
	uint8_t *config; /* its 4 KiB in the ECAM buffer; set by pci_root_add() */
	uint8_t writable[4096]; /* write mask: 1 bits take the guest's value */
	struct pci_bar bars[PCI_BARS_MAX];
	unsigned cap_next, cap_last; /* offsets: where the next capability goes, the last one (0: none) */
	unsigned slot; /* set by pci_root_add() */
	bool hidden; /* pci_device_hide() */
	uint8_t hidden_ids[4];
	struct pci_root *root;
};

struct pci_root_config {
	const struct pci_host_ops *host_ops;
	void *host;
	uint64_t mmio32, mmio32_size; /* window for 32-bit BARs */
	uint64_t ecam; /* gpa of ECAM */
};

int pci_root_new(const struct pci_root_config *config, struct pci_root **ret, struct err *err);
void pci_root_free(struct pci_root *root);

/*
 * Put a device in the next slot. `dev->ops`, `dev->dev`, `dev->bars[].size` and flags are set
 * by the caller; identity and capabilities are written through dev->config after this returns
 * and before the guest runs. The device is borrowed until the guest's last access;
 * pci_root_free() doesn't touch it. -ENOSPC: no slot or no room in the window.
 *
 * BARs have addresses, but memory decoding starts off: a guest that sizes BARs switches it
 * off around each one, which costs two more exits per BAR than switching it on once does.
 */
int pci_root_add(struct pci_root *root, struct pci_device *dev, struct err *err);

/*
 * A hidden device is absent to a guest that looks for devices: its vendor reads as ones (PCI Local Bus 3.0 §6.1).
 * Hide before the guest runs, once it has its ids; show with the root's lock held. The guest has to look again.
 */
void pci_device_hide(struct pci_device *dev);
void pci_device_show(struct pci_device *dev);

/* For devices. The lock is for the loop's side only: their functions are called with it held. */
const struct pci_host_ops *pci_root_host(const struct pci_root *root, void **ret_host);
void pci_root_lock(struct pci_root *root);
void pci_root_unlock(struct pci_root *root);

/* The ECAM buffer for bus 0 (1 MiB, page-aligned), to be mapped read-only into the guest. */
void *pci_root_ecam(struct pci_root *root);

/* For the engine's exit dispatch. False: nothing of ours there (reads give all ones). Any length 1 to 8. */
bool pci_root_mmio(struct pci_root *root, uint64_t gpa, void *data, unsigned len, bool is_write);
bool pci_root_pio(struct pci_root *root, uint16_t port, void *data, unsigned len, bool is_write);

/*
 * A standard configuration header: ids, class; and append a capability (PCI_CAP_ID_*) whose `body`
 * follows its id and next pointer, returning its offset. Capabilities must fit below 256.
 */
void pci_device_set_ids(struct pci_device *dev, uint16_t vendor, uint16_t device, uint16_t subsystem_vendor,
			uint16_t subsystem, uint32_t class_code, uint8_t revision);
unsigned pci_device_add_capability(struct pci_device *dev, uint8_t id, const void *body, size_t len);

#endif
