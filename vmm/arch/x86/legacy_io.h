/* SPDX-License-Identifier: Apache-2.0 */
/*
 * legacy_io: the machine's few I/O ports: COM1, the 8042's reset line, the
 * CMOS clock's index and data, and the ACPI sleep and reset registers.
 *
 * Threads: any vCPU.
 */
#ifndef VRUN_VMM_ARCH_X86_LEGACY_IO_H
#define VRUN_VMM_ARCH_X86_LEGACY_IO_H

#include "vmm/arch/x86/serial8250.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct console_log;

struct legacy_io {
	struct serial8250 com1;
	_Atomic uint8_t cmos_index;
	atomic_bool saw_pic;
	/* The guest asked to be powered off, or reset; `how` is static text. */
	void (*off)(void *ctx, bool reset, const char *how);
	void *ctx;
};

void legacy_io_init(struct legacy_io *io, struct console_log *log,
		    void (*off)(void *ctx, bool reset, const char *how), void *ctx);
void legacy_io_done(struct legacy_io *io);

/*
 * One access of `len` bytes (1, 2 or 4). A wider access is one per byte, as on the ISA bus.
 * A port that nobody has reads as ones and ignores writes.
 */
void legacy_io_access(struct legacy_io *io, uint16_t port, uint8_t *data, unsigned len, bool is_write);

/* True once the guest has written to where an 8259 would be: it does not go by our ACPI tables. */
bool legacy_io_saw_pic(struct legacy_io *io);

#endif
