/* SPDX-License-Identifier: Apache-2.0 */
/*
 * acpi: the ACPI tables of the virtual machine (ACPI 6.4).
 *
 * The machine is "hardware-reduced" (§4.1): no SCI, no PM timer, no fixed
 * registers, no legacy PIC or PIT for Linux to probe. RSDP, XSDT, FADT, MADT,
 * MCFG and a DSDT with the PCI root, one table behind the other.
 */
#ifndef VRUN_VMM_ARCH_X86_ACPI_H
#define VRUN_VMM_ARCH_X86_ACPI_H

#include <stddef.h>
#include <stdint.h>

enum {
	ACPI_TABLES_MAX = 4096, /* what acpi_build() needs at most */
	/* The sleep control and status registers (§4.8.3.7) and the reset register (§4.8.3.6), I/O ports. */
	ACPI_PORT_SLEEP_CONTROL = 0x600,
	ACPI_PORT_SLEEP_STATUS = 0x601,
	ACPI_PORT_RESET = 0x602,
	ACPI_SLEEP_ENABLE = 0x20, /* SLP_EN of the sleep control register */
	ACPI_RESET_VALUE = 1,
};

/*
 * All tables for `cpus` CPUs with APIC ids 0 to cpus - 1, to be put at `gpa`, the RSDP first.
 * -ENOSPC when `size` is too small.
 */
int acpi_build(unsigned cpus, uint64_t gpa, uint8_t *buf, size_t size, size_t *ret_len);

#endif
