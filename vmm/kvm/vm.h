/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vm: a KVM virtual machine without its vCPUs: memory slots, the in-kernel
 * local APICs, and interrupts from eventfds.
 */
#ifndef VRUN_VMM_KVM_VM_H
#define VRUN_VMM_KVM_VM_H

#include "vmm/guest_mem.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

struct err;
struct pci_host_ops;

enum {
	KVM_MSI_VECTORS_MAX = 1024, /* all devices' MSI-X vectors together */
	KVM_GSI_MSI_FIRST = 24, /* GSIs below are the IO-APIC's pins */
};

/* One MSI-X vector: a GSI that is routed to a message. */
struct kvm_msi_route {
	uint64_t address;
	uint32_t data;
	int fd; /* the irqfd that is connected, -1: none */
};

struct kvm_vm {
	int kvm_fd, fd;
	size_t run_size; /* of each vCPU's shared page */
	struct guest_mem mem;
	uint32_t n_slots;

	pthread_mutex_t irq_lock; /* the two below; vCPU threads and the loop connect vectors */
	struct kvm_msi_route routes[KVM_MSI_VECTORS_MAX];
	unsigned n_routes;
};

/* Make the machine with `memory` bytes of RAM, none of it touched. `vm` is filled in place. */
int kvm_vm_init(struct kvm_vm *vm, uint64_t memory, struct err *err);
/* All vCPUs are closed. A zeroed or half-built one is fine when kvm_vm_init() was called on it. */
void kvm_vm_done(struct kvm_vm *vm);

/* Map `size` bytes at `hva` for the guest to read without exits; writes exit as MMIO. */
int kvm_vm_map_readonly(struct kvm_vm *vm, uint64_t gpa, uint64_t size, void *hva, struct err *err);

/* See struct pci_host_ops. */
int kvm_vm_map(void *host, int *slot, uint64_t gpa, uint64_t size, void *hva, bool writable);

/* ioeventfd, irqfd and MSI routes; `host` is the struct kvm_vm. */
extern const struct pci_host_ops kvm_pci_host_ops;

#endif
