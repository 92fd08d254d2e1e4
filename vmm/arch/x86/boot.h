/* SPDX-License-Identifier: Apache-2.0 */
/*
 * boot: what a 64-bit Linux kernel finds in memory when it is entered (Linux,
 * Documentation/arch/x86/boot.rst): zero page, command line, memory map, RNG
 * seed, page tables, GDT, and the firmware's tables.
 */
#ifndef VRUN_VMM_ARCH_X86_BOOT_H
#define VRUN_VMM_ARCH_X86_BOOT_H

#include <stdint.h>

struct err;
struct guest_mem;
struct kernel_image;

struct boot_config {
	const struct kernel_image *kernel;
	const char *cmdline;
	uint64_t initrd, initrd_size; /* 0: none */
	uint64_t memory; /* bytes of guest RAM, see boot_ram_below() */
	unsigned cpus;
};

/* How much of `memory` bytes of RAM lies below the 32-bit hole; the rest starts at 4 GiB. */
uint64_t boot_ram_below(uint64_t memory);

/* Write all of it. The kernel wipes the seed when it has taken it. */
int boot_setup(const struct guest_mem *mem, const struct boot_config *config, struct err *err);

/* The state at the entry point (boot.rst, "64-bit BOOT PROTOCOL"); the selectors are __BOOT_CS and __BOOT_DS. */
enum { BOOT_CS = 0x10, BOOT_DS = 0x18, BOOT_GDT_ENTRIES = 4 };

/* Parts of boot_setup(), for tests. */
struct boot_params;
int boot_e820(struct boot_params *params, uint64_t memory, struct err *err);

#endif
