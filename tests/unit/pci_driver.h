/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pci_driver: a fake of what an engine does for PCI, and a driver's accesses to a
 * virtio-pci function, for unit tests and fuzzers.
 *
 * The fake host keeps KVM's promises: a write that an ioeventfd matches signals it
 * and does not reach the device; accesses to mapped pages reach the memory behind them; signals on a connected line become messages, those
 * on an unconnected one stay where they are.
 */
#ifndef VRUN_TESTS_UNIT_PCI_DRIVER_H
#define VRUN_TESTS_UNIT_PCI_DRIVER_H

#include "vmm/pci/pci.h"

#include <stdbool.h>
#include <stdint.h>

enum { FAKE_IOEVENTFDS = 64, FAKE_GSIS = 128, FAKE_SLOTS = 16 };

struct fake_host {
	struct {
		uint64_t gpa;
		unsigned len;
		int fd;
		bool used;
	} ioeventfds[FAKE_IOEVENTFDS];
	struct {
		uint64_t address;
		uint32_t data;
		int fd; /* -1: not connected */
	} gsis[FAKE_GSIS];
	unsigned n_gsis;
	struct {
		uint64_t gpa, size; /* 0: not there */
		uint8_t *hva;
		bool writable;
	} slots[FAKE_SLOTS];
	unsigned n_slots;
	unsigned connects, disconnects;
	unsigned exits; /* accesses that no slot and no ioeventfd took */
	int ioeventfd_result, connect_result, map_result; /* what to fail with */
};

extern const struct pci_host_ops fake_host_ops;

unsigned fake_host_ioeventfds(const struct fake_host *host);
unsigned fake_host_connected(const struct fake_host *host);
/* Messages sent to (address, data) since the last look; signals that came together count once. */
unsigned fake_host_messages(struct fake_host *host, uint64_t address, uint32_t data);

/* Where a function's structures are, as its capabilities say. */
struct pci_driver {
	struct fake_host *host;
	struct pci_root *root;
	uint64_t config; /* gpa of its configuration space */
	uint64_t common, notify, isr, device, table, pba; /* gpas, 0: none */
	uint32_t multiplier, device_len, notify_len;
	unsigned msix_cap, window_cap;
	unsigned n_vectors;
};

/* Read the capabilities, and switch memory decoding on. Aborts on what no driver could use. */
void pci_driver_probe(struct pci_driver *drv, struct fake_host *host, struct pci_root *root, uint64_t ecam,
		      unsigned slot);
uint64_t pci_driver_read(struct pci_driver *drv, uint64_t gpa, unsigned len);
void pci_driver_write(struct pci_driver *drv, uint64_t gpa, uint64_t value, unsigned len);

uint8_t pci_driver_status(struct pci_driver *drv);
void pci_driver_set_status(struct pci_driver *drv, uint8_t bits); /* adds them to what is there */
uint64_t pci_driver_features(struct pci_driver *drv);
void pci_driver_set_features(struct pci_driver *drv, uint64_t features);

/* MSI-X: the function's switches, and a vector's entry. */
void pci_driver_msix(struct pci_driver *drv, bool enabled, bool masked);
void pci_driver_set_entry(struct pci_driver *drv, unsigned vector, uint64_t address, uint32_t data);
void pci_driver_mask(struct pci_driver *drv, unsigned vector, bool masked);
bool pci_driver_pending(struct pci_driver *drv, unsigned vector);

#endif
