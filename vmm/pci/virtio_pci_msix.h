/* SPDX-License-Identifier: Apache-2.0 */
/*
 * virtio_pci_msix: a function's MSI-X table and the interrupt lines behind it
 * (PCI Local Bus 3.0 §6.8.2; virtio 1.2 §4.1.5.1.2).
 *
 * A line is one source of interrupts: a queue or the configuration change. It is an
 * eventfd that the device signals, and a vector that the driver gave it; several
 * lines may share a vector. While its vector can be sent, a line is connected and
 * its signals become messages without us. While it can't, the eventfd's own counter
 * is the pending state: read for the pending bits, and sent when the mask goes.
 *
 * Private to vmm/pci/. The root's lock is held, except for msix_signal().
 */
#ifndef VRUN_VMM_PCI_VIRTIO_PCI_MSIX_H
#define VRUN_VMM_PCI_VIRTIO_PCI_MSIX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct msix_line;
struct pci_host_ops;

enum {
	MSIX_NO_VECTOR = 0xffff, /* VIRTIO_MSI_NO_VECTOR */
	MSIX_VECTORS_MAX = 2048,
	MSIX_ENTRY_SIZE = 16,
	MSIX_PBA_WORD = 8,
};

struct msix {
	const struct pci_host_ops *host_ops;
	void *host;
	bool enabled, masked; /* message control */
	unsigned n, n_vectors; /* lines, and vectors that they share */
	struct msix_line *lines;
	uint8_t *table; /* n_vectors entries as the guest sees them, in whole pages of their own */
};

/* Zeroed memory in pages of its own, so that the guest may see it; `size` is rounded up. For free(). */
void *msix_pages(size_t size);

/* `n` lines without a vector, all vectors masked. -errno leaves nothing behind. */
int msix_init(struct msix *msix, const struct pci_host_ops *host_ops, void *host, unsigned n,
	      unsigned n_vectors);
/* Disconnects all. */
void msix_done(struct msix *msix);

/* The line's eventfd, for its whole life; non-blocking. */
int msix_fd(const struct msix *msix, unsigned line);
void msix_signal(const struct msix *msix, unsigned line);
/* Take what was signalled while not connected; true when there was something. */
bool msix_take_pending(struct msix *msix, unsigned line);

uint16_t msix_vector(const struct msix *msix, unsigned line);
/* One that isn't there becomes MSIX_NO_VECTOR, which the driver reads back as the refusal. */
void msix_set_vector(struct msix *msix, unsigned line, uint16_t vector);
/* A virtio reset: no vectors, nothing pending. The table is PCI's and stays. */
void msix_reset_lines(struct msix *msix);

/* The guest wrote message control. */
void msix_set_control(struct msix *msix, uint16_t control);
void msix_write_table(struct msix *msix, uint64_t offset, const void *data, unsigned len);
void msix_read_table(const struct msix *msix, uint64_t offset, void *data, unsigned len);
void msix_read_pba(const struct msix *msix, uint64_t offset, void *data, unsigned len);

#endif
