/* SPDX-License-Identifier: Apache-2.0 */
/*
 * engine: what an engine gives vmm.c. One table per engine, kvm/engine.c and
 * qemu/engine.c. Loop thread only.
 */
#ifndef VRUN_VMM_ENGINE_H
#define VRUN_VMM_ENGINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct console_log;
struct err;
struct loop;
struct vdev;
struct vm_spec;
enum vmm_end;

/* What vmm.c hands an engine; all borrowed for the engine's life. */
struct engine_args {
	struct loop *loop;
	const struct vm_spec *spec;
	struct console_log *console;
	struct vdev **devices; /* in PCI slot order; the engine hosts, vmm.c owns them */
	size_t n_devices;
	size_t n_late; /* the last so many may be hidden from the guest until show_late() */
	/* Report the machine's end from the loop's thread, once. */
	void (*ended)(void *ctx, enum vmm_end end, const struct err *err);
	void *ctx;
};

struct engine_ops {
	const char *name;
	int (*create)(const struct engine_args *args, void **ret_engine, struct err *err);
	int (*run)(void *engine, struct err *err);
	int (*pause)(void *engine, struct err *err);
	int (*resume)(void *engine, struct err *err);
	/* Stops the vCPUs and all devices for good. Idempotent; no `ended` follows. */
	void (*stop)(void *engine);
	void (*free)(void *engine);
	/* Show the late devices. False: none was hidden. NULL: the engine hides none. */
	bool (*show_late)(void *engine);
	size_t (*exits)(const void *engine, char *buf, size_t size); /* may be NULL */
	/* Bytes for the guest's console; returns how many were taken. NULL: our own console device takes them. */
	size_t (*console_input)(void *engine, const void *buf, size_t len);
};

extern const struct engine_ops kvm_engine;
extern const struct engine_ops qemu_engine;

#endif
