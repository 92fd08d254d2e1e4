/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vmm: one virtual machine in this process, whatever engine runs it.
 *
 * The engines (kvm/, qemu/) fill in `struct vmm_engine`; the devices are built
 * here, once, and handed to the engine to host. Everything is called from the
 * loop's thread.
 */
#ifndef VRUN_VMM_VMM_H
#define VRUN_VMM_VMM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct console_log;
struct err;
struct loop;
struct vdev;
struct vm_spec;
struct vmm;

/* How the machine ended, for vmm_callbacks.ended. */
enum vmm_end {
	VMM_END_OFF, /* powered off by the guest */
	VMM_END_RESET, /* the guest restarted, by reboot(2) or as the last act of a panic: its console tells */
	VMM_END_CRASHED, /* triple fault, KVM internal error, QEMU died: err says what */
};

struct vmm_callbacks {
	/*
	 * The machine has stopped by itself; called once, in the loop's thread. `err`
	 * has the cause with the registers when it crashed; the console's last lines
	 * are the caller's to add (vmm_console()).
	 */
	void (*ended)(void *ctx, enum vmm_end end, const struct err *err);
	/* With spec->jail: this process is about to be killed for a system call. From a signal handler. */
	void (*violation)(void *ctx, const char *text);
};

/* Milestones for the phase timeline, CLOCK_MONOTONIC ns; 0: not reached or not known to the engine. */
struct vmm_timeline {
	uint64_t created; /* devices and memory there */
	uint64_t first_run; /* first KVM_RUN, or QEMU told to go */
};

/* A network interface's traffic since the start; received is what the guest received. */
struct vmm_net_stats {
	const char *name; /* the spec's */
	uint64_t rx_packets, rx_bytes, rx_dropped;
	uint64_t tx_packets, tx_bytes, tx_dropped;
};

/* The least memory in which the spec's kernel comes up, a multiple of 2 MiB, by its files' headers alone. */
int vmm_least_memory(const struct vm_spec *spec, uint64_t *ret, struct err *err);
/* Refuse a VM with less: "memory: …". */
int vmm_check(const struct vm_spec *spec, struct err *err);
/*
 * Build the machine: guest memory, image loaded, devices made; nothing runs yet.
 * `spec` is borrowed and outlives the vmm. The taps' descriptors that it names are
 * consumed, even on failure.
 */
int vmm_new(struct loop *loop, const struct vm_spec *spec, const struct vmm_callbacks *callbacks, void *ctx,
	    struct vmm **ret, struct err *err);
/*
 * Let the vCPUs run. With spec->jail this process is confined from here on, and its first thread
 * has to be the only one until then: files of the host can't be opened any more.
 */
int vmm_run(struct vmm *vmm, struct err *err);
/* Stop all vCPUs for good; no `ended` call follows. Idempotent. */
void vmm_stop(struct vmm *vmm);
/* Stops first. NULL is fine. */
void vmm_free(struct vmm *vmm);

/* Freeze and thaw the vCPUs; returns when all have stopped. */
int vmm_pause(struct vmm *vmm, struct err *err);
int vmm_resume(struct vmm *vmm, struct err *err);

/*
 * A container starts without the devices that it can do without at first: the console's (until then the kernel
 * has a serial port for what it has to say) and the balloon. Show them; true: the guest's agent
 * is to have its kernel look for new devices.
 */
bool vmm_show_late_devices(struct vmm *vmm);

/* After vmm_run(): jail_enter()'s *ret_proc, the caller's. */
int vmm_take_proc(struct vmm *vmm);

struct vdev *vmm_vsock(struct vmm *vmm);
struct console_log *vmm_console(struct vmm *vmm);
/* Bytes for the guest's console. */
size_t vmm_console_input(struct vmm *vmm, const void *buf, size_t len);
const struct vmm_timeline *vmm_timeline(const struct vmm *vmm);

/* Of the spec's net `i`; -ENOENT when there are no more. */
int vmm_net_stats(const struct vmm *vmm, size_t i, struct vmm_net_stats *ret);

/* VM exits by reason since the start, as text lines "reason count", at most `size` bytes. 0 when not known. */
size_t vmm_exits(const struct vmm *vmm, char *buf, size_t size);

#endif
