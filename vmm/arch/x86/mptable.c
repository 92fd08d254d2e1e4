/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mptable: see mptable.h. Numbers in comments are sections of the MultiProcessor
 * Specification 1.4. PCI interrupts are MSIs and need no entry.
 */
#include "vmm/arch/x86/mptable.h"

#include "vmm/arch/x86/aml.h"
#include "vmm/arch/x86/ioapic.h"
#include "vmm/arch/x86/layout.h"

#include <errno.h>
#include <string.h>

enum {
	FLOATING_LEN = 16,
	HEADER_LEN = 44,
	BUS_ISA = 0,
	APIC_VERSION = 0x14,
	COM1_IRQ = 4,
	ALL_LOCAL_APICS = 0xff,
};

enum { ENTRY_PROCESSOR, ENTRY_BUS, ENTRY_IO_APIC, ENTRY_IO_INTERRUPT, ENTRY_LOCAL_INTERRUPT };
enum { INT_VECTORED = 0, INT_NMI = 1, INT_EXTINT = 3 };

/* §4.3.1 */
static void write_processor(struct aml *t, unsigned id)
{
	enum { ENABLED = 1, BOOT = 2, FAMILY_6 = 0x600, FPU_AND_APIC = 0x201 };

	aml_u8(t, ENTRY_PROCESSOR);
	aml_u8(t, (uint8_t)id);
	aml_u8(t, APIC_VERSION);
	aml_u8(t, ENABLED | (id == 0 ? BOOT : 0));
	aml_u32(t, FAMILY_6);
	aml_u32(t, FPU_AND_APIC);
	aml_u64(t, 0);
}

/* §4.3.4 and §4.3.5: conforming polarity and trigger mode. */
static void write_interrupt(struct aml *t, uint8_t entry, uint8_t type, uint8_t irq, uint8_t apic,
			    uint8_t pin)
{
	aml_u8(t, entry);
	aml_u8(t, type);
	aml_u16(t, 0);
	aml_u8(t, BUS_ISA);
	aml_u8(t, irq);
	aml_u8(t, apic);
	aml_u8(t, pin);
}

int mptable_build(unsigned cpus, uint64_t gpa, uint8_t *buf, size_t size, size_t *ret_len)
{
	struct aml t = { .buf = buf, .size = size };
	uint8_t ioapic = (uint8_t)cpus;
	unsigned entries = cpus + 5;
	size_t len;

	/* §4.1, MP floating pointer structure */
	aml_bytes(&t, "_MP_", 4);
	aml_u32(&t, (uint32_t)(gpa + FLOATING_LEN));
	aml_u8(&t, FLOATING_LEN / 16);
	aml_u8(&t, 4); /* 1.4 */
	aml_u8(&t, 0); /* checksum */
	aml_zero(&t, 5);

	/* §4.2, configuration table header */
	aml_bytes(&t, "PCMP", 4);
	aml_u16(&t, 0); /* length */
	aml_u8(&t, 4);
	aml_u8(&t, 0); /* checksum */
	aml_bytes(&t, "VRUN    ", 8);
	aml_bytes(&t, "VM          ", 12);
	aml_u32(&t, 0);
	aml_u16(&t, 0);
	aml_u16(&t, (uint16_t)entries);
	aml_u32(&t, LAYOUT_LAPIC);
	aml_u32(&t, 0);

	for (unsigned i = 0; i < cpus; i++)
		write_processor(&t, i);
	aml_u8(&t, ENTRY_BUS);
	aml_u8(&t, BUS_ISA);
	aml_bytes(&t, "ISA   ", 6);
	aml_u8(&t, ENTRY_IO_APIC);
	aml_u8(&t, ioapic);
	aml_u8(&t, IOAPIC_VERSION);
	aml_u8(&t, 1); /* enabled */
	aml_u32(&t, LAYOUT_IOAPIC);
	/* Linux makes up the PC's usual ones where there are none. */
	write_interrupt(&t, ENTRY_IO_INTERRUPT, INT_VECTORED, COM1_IRQ, ioapic, 0);
	write_interrupt(&t, ENTRY_LOCAL_INTERRUPT, INT_EXTINT, 0, ALL_LOCAL_APICS, 0);
	write_interrupt(&t, ENTRY_LOCAL_INTERRUPT, INT_NMI, 0, ALL_LOCAL_APICS, 1);
	if (t.overflow)
		return -ENOSPC;

	len = t.len - FLOATING_LEN;
	buf[FLOATING_LEN + 4] = (uint8_t)len;
	buf[FLOATING_LEN + 5] = (uint8_t)(len >> 8);
	buf[FLOATING_LEN + 7] = aml_checksum(buf + FLOATING_LEN, len);
	buf[10] = aml_checksum(buf, FLOATING_LEN);
	*ret_len = t.len;
	return 0;
}
