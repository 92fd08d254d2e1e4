/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vcpu: virtual CPUs and their threads. A thread does KVM_RUN and hands exits
 * to the machine's handler, nothing else.
 *
 * Theory of operation
 *
 * A set has one mode: paused (as it is made), running or stopped. The loop's
 * thread changes it, sets immediate_exit in each vCPU's shared page, and signals
 * the threads with KVM_KICK_SIGNAL. KVM_RUN then first completes the I/O of the
 * last exit and returns EINTR; that is the only place where a thread looks at the
 * mode, so a paused vCPU has no access half done. A signal that comes between two
 * KVM_RUNs is not lost: immediate_exit is still set.
 */
#ifndef VRUN_VMM_KVM_VCPU_H
#define VRUN_VMM_KVM_VCPU_H

#include "vmm/vm_spec.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct err;
struct kvm_run;
struct kvm_vm;
struct kvm_vcpus;

enum { KVM_EXITS_MAX = 48 }; /* exit reasons are small numbers */

/* The machine's side of an exit; called in the vCPU's thread. */
struct kvm_vcpu_handlers {
	/* One access of 1, 2, 4 or 8 bytes; a read must fill in `data`. */
	void (*pio)(void *ctx, uint16_t port, void *data, unsigned len, bool is_write);
	void (*mmio)(void *ctx, uint64_t gpa, void *data, unsigned len, bool is_write);
	/* The machine can't go on (VMM_END_CRASHED): `why` has the registers. Expected to call kvm_vcpus_end(). */
	void (*crashed)(void *ctx, const struct err *why);
};

enum kvm_vcpu_mode { KVM_VCPU_PAUSED, KVM_VCPU_RUNNING, KVM_VCPU_STOPPED };

struct kvm_vcpu {
	struct kvm_vcpus *set;
	unsigned id;
	int fd;
	/*
	 * KVM's counters, or negative where this host has none. Made early: an ioctl on a vCPU waits while it
	 * runs, and so does the guest's halt; reading this does not.
	 */
	int stats_fd;
	struct kvm_run *run;
	size_t run_size;
	pthread_t thread;
	bool has_thread, parked; /* set->lock */
	_Atomic uint64_t exits[KVM_EXITS_MAX]; /* by kvm_run.exit_reason; written by its thread */
	_Atomic uint64_t interrupted; /* KVM_RUN returned EINTR */
};

struct kvm_vcpus {
	const struct kvm_vcpu_handlers *handlers;
	void *ctx;
	unsigned n;
	struct kvm_vcpu vcpu[VM_CPUS_MAX];

	pthread_mutex_t lock; /* mode, parked */
	pthread_cond_t changed;
	enum kvm_vcpu_mode mode;
};

/* Make `n` vCPUs with CPUID and reset state; vCPU 0 will enter at `entry` in 64-bit mode. No threads yet. */
int kvm_vcpus_init(struct kvm_vcpus *set, const struct kvm_vm *vm, unsigned n, uint64_t entry,
		   const struct kvm_vcpu_handlers *handlers, void *ctx, struct err *err);
/* Stops first. For one that kvm_vcpus_init() was called on. */
void kvm_vcpus_done(struct kvm_vcpus *set);

/* Start the threads (the first time), or let them go on. */
int kvm_vcpus_run(struct kvm_vcpus *set, struct err *err);
/* Returns when all threads have left the guest. */
void kvm_vcpus_pause(struct kvm_vcpus *set);
/* No vCPU goes on in the guest after its present exit. Any thread, handlers included; does not wait. */
void kvm_vcpus_end(struct kvm_vcpus *set);
/* The same, and waits for the threads' end. Idempotent; not from a handler. */
void kvm_vcpus_stop(struct kvm_vcpus *set);

/* VM exits by reason since the start, and KVM's own counters, as text lines "name count". */
size_t kvm_vcpus_exits(const struct kvm_vcpus *set, char *buf, size_t size);

/* The handler of KVM_KICK_SIGNAL, which calls a vCPU's thread out of the guest. For the process. */
int kvm_vcpu_install_kick(struct err *err);

/* Text for an exit that ends the machine, with the vCPU's registers. `vcpu`'s own thread. */
void kvm_vcpu_describe_crash(struct kvm_vcpu *vcpu, struct err *ret);

#endif
