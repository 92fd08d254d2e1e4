/* SPDX-License-Identifier: Apache-2.0 */
/*
 * layout: the x86 guest's physical address space.
 *
 *   0x0000_0000  page 0 unused; zero page, command line, page tables, GDT
 *   0x0009_fc00  MP floating pointer and table (the EBDA's place)
 *   0x000e_0000  RSDP and ACPI tables
 *   0x0010_0000  RAM … up to LAYOUT_HOLE_START
 *   0xc000_0000  the 32-bit hole: PCI BARs, then ECAM, then IO-APIC and local APIC
 *   0x1_0000_0000 RAM that did not fit below, then 64-bit BARs
 */
#ifndef VRUN_VMM_ARCH_X86_LAYOUT_H
#define VRUN_VMM_ARCH_X86_LAYOUT_H

#define LAYOUT_ZERO_PAGE 0x7000ULL
#define LAYOUT_GDT 0x8000ULL
#define LAYOUT_PAGE_TABLES 0x9000ULL /* PML4, PDPT, four page directories: 4 GiB identity */
#define LAYOUT_SETUP_DATA 0x10000ULL /* struct setup_data chain */
#define LAYOUT_CMDLINE 0x20000ULL
#define LAYOUT_EBDA 0x9fc00ULL /* MP table; e820 reserved from here to 1 MiB */
#define LAYOUT_ACPI 0xe0000ULL
#define LAYOUT_ACPI_SIZE 0x20000ULL
#define LAYOUT_HIGH_RAM 0x100000ULL

#define LAYOUT_HOLE_START 0xc0000000ULL
#define LAYOUT_PCI_MMIO 0xc0000000ULL /* 32-bit BARs */
#define LAYOUT_PCI_MMIO_SIZE 0x20000000ULL
#define LAYOUT_ECAM 0xe8000000ULL /* bus 0 only: 1 MiB */
#define LAYOUT_ECAM_SIZE 0x100000ULL
#define LAYOUT_IOAPIC 0xfec00000ULL
#define LAYOUT_LAPIC 0xfee00000ULL
#define LAYOUT_TSS 0xfffbd000ULL /* KVM_SET_TSS_ADDR, three pages */
#define LAYOUT_IDENTITY_MAP 0xfffbc000ULL
#define LAYOUT_4G 0x100000000ULL

#define LAYOUT_COM1 0x3f8 /* IRQ 4 */
#define LAYOUT_PCI_CONFIG_ADDRESS 0xcf8
#define LAYOUT_PCI_CONFIG_DATA 0xcfc
#define LAYOUT_I8042 0x60 /* 0x64: reset */

#endif
