/* SPDX-License-Identifier: Apache-2.0 */
/*
 * machine: the KVM engine's parts put together: VM, image, PCI, ports, vCPUs.
 * engine.c drives it from the loop's thread; its handlers run in vCPU threads.
 */
#ifndef VRUN_VMM_KVM_MACHINE_H
#define VRUN_VMM_KVM_MACHINE_H

#include "base/err.h"
#include "vmm/arch/x86/ioapic.h"
#include "vmm/arch/x86/legacy_io.h"
#include "vmm/engine.h"
#include "vmm/kvm/vcpu.h"
#include "vmm/kvm/vm.h"
#include "vmm/vmm.h"

#include <pthread.h>
#include <stdbool.h>

struct pci_root;
struct virtio_pci;

enum { KVM_MACHINE_DEVICES_MAX = 31 };

struct kvm_machine {
	struct engine_args args;
	struct kvm_vm vm;
	struct kvm_vcpus vcpus;
	bool vm_made, vcpus_made;
	struct legacy_io io;
	struct ioapic ioapic;
	struct pci_root *pci;
	struct virtio_pci *transports[KVM_MACHINE_DEVICES_MAX];
	size_t n_transports;
	struct loop_source *wake; /* the end is to be reported */
	bool stopped; /* loop's thread */

	pthread_mutex_t lock; /* the three below: first end wins, in any vCPU's thread */
	bool ended;
	enum vmm_end end;
	struct err why;
};

/* The handlers for vCPU threads; their ctx is the machine. */
extern const struct kvm_vcpu_handlers kvm_machine_handlers;
void kvm_machine_off(void *ctx, bool reset, const char *how);

#endif
