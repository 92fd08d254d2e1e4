/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ioapic: an IO-APIC (Intel 82093AA data sheet) with one pin that nothing is
 * connected to.
 *
 * All interrupts of the machine are messages. But Linux turns x2APIC mode on only
 * where the tables name an IO-APIC, and it programs every pin that there is: KVM's own has
 * 24 and costs some 490 exits a boot, this one a dozen.
 *
 * Threads: any vCPU; it has its own lock.
 */
#ifndef VRUN_VMM_ARCH_X86_IOAPIC_H
#define VRUN_VMM_ARCH_X86_IOAPIC_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

enum { IOAPIC_PINS = 1, IOAPIC_VERSION = 0x11, IOAPIC_SIZE = 0x20 };

struct ioapic {
	pthread_mutex_t lock;
	uint8_t index; /* the register that the window shows */
	uint32_t id;
	uint32_t redirection[2 * IOAPIC_PINS];
};

void ioapic_init(struct ioapic *io);
void ioapic_done(struct ioapic *io);

/* One access at `offset` from LAYOUT_IOAPIC, below IOAPIC_SIZE. Registers are 32 bits wide; a shorter
 * access sees the low bytes. */
void ioapic_access(struct ioapic *io, unsigned offset, void *data, unsigned len, bool is_write);

#endif
