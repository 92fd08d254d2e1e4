/* SPDX-License-Identifier: Apache-2.0 */
/*
 * boot: fill in the low megabyte; see layout.h for the places.
 */
#include "vmm/arch/x86/boot.h"

#include "base/endian.h"
#include "base/err.h"
#include "vmm/arch/x86/acpi.h"
#include "vmm/arch/x86/kernel_image.h"
#include "vmm/arch/x86/layout.h"
#include "vmm/arch/x86/mptable.h"
#include "vmm/guest_mem.h"

#include <asm/bootparam.h>
#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <sys/random.h>

enum {
	E820_RAM = 1,
	E820_RESERVED = 2,
	LOADER_UNDEFINED = 0xff, /* type_of_loader without a number of its own */
	RNG_SEED_SIZE = 32,
};

#define PAGE 4096ULL
#define PTE_PRESENT_WRITE 3ULL
#define PTE_LARGE (1ULL << 7)

uint64_t boot_ram_below(uint64_t memory)
{
	return memory < LAYOUT_HOLE_START ? memory : LAYOUT_HOLE_START;
}

static int e820_add(struct boot_params *params, uint64_t start, uint64_t end, uint32_t type, struct err *err)
{
	if (start >= end)
		return 0;
	if (params->e820_entries >= E820_MAX_ENTRIES_ZEROPAGE)
		return err_set(err, -ENOSPC, "memory map: more than %d entries", E820_MAX_ENTRIES_ZEROPAGE);
	params->e820_table[params->e820_entries++] = (struct boot_e820_entry){
		.addr = htole64(start),
		.size = htole64(end - start),
		.type = htole32(type),
	};
	return 0;
}

int boot_e820(struct boot_params *params, uint64_t memory, struct err *err)
{
	uint64_t below = boot_ram_below(memory);
	const struct {
		uint64_t start, end;
		uint32_t type;
	} map[] = {
		{ 0, LAYOUT_EBDA, E820_RAM },
		/* The MP table, and the ACPI tables. */
		{ LAYOUT_EBDA, LAYOUT_HIGH_RAM, E820_RESERVED },
		{ LAYOUT_HIGH_RAM, below, E820_RAM },
		{ LAYOUT_ECAM, LAYOUT_ECAM + LAYOUT_ECAM_SIZE, E820_RESERVED },
		{ LAYOUT_4G, LAYOUT_4G + (memory - below), E820_RAM },
	};
	int r;

	for (size_t i = 0; i < sizeof(map) / sizeof(map[0]); i++) {
		r = e820_add(params, map[i].start, map[i].end, map[i].type, err);
		if (r < 0)
			return r;
	}
	return 0;
}

/* A seed of the host's own randomness: the guest's generator is ready at its first line of code. */
static int write_seed(const struct guest_mem *mem, struct err *err)
{
	struct {
		struct setup_data head;
		uint8_t seed[RNG_SEED_SIZE];
	} node = { .head = { .next = 0, .type = htole32(SETUP_RNG_SEED), .len = htole32(RNG_SEED_SIZE) } };
	int r;

	if (getrandom(node.seed, sizeof(node.seed), 0) != sizeof(node.seed))
		return err_set_errno(err, -errno, "random seed for the guest");
	r = guest_mem_write(mem, LAYOUT_SETUP_DATA, &node, sizeof(node));
	explicit_bzero(&node, sizeof(node));
	return r < 0 ? err_set(err, r, "boot data does not fit into the VM's memory") : 0;
}

static int write_zero_page(const struct guest_mem *mem, const struct boot_config *config, struct err *err)
{
	struct boot_params params = { 0 };
	const struct kernel_image *kernel = config->kernel;
	struct setup_header *hdr = &params.hdr;
	int r;

	memcpy(hdr, kernel->header, kernel->header_len);
	if (kernel->header_len == 0) {
		hdr->boot_flag = htole16(0xaa55);
		memcpy(&hdr->header, "HdrS", 4);
		hdr->version = htole16(0x20f);
		hdr->kernel_alignment = htole32(0x200000);
	}
	hdr->type_of_loader = LOADER_UNDEFINED;
	hdr->loadflags |= LOADED_HIGH;
	hdr->cmd_line_ptr = htole32(LAYOUT_CMDLINE);
	/* initrd_load() keeps it below 4 GiB: the ext_ fields stay zero. */
	hdr->ramdisk_image = htole32((uint32_t)config->initrd);
	hdr->ramdisk_size = htole32((uint32_t)config->initrd_size);
	hdr->setup_data = htole64(LAYOUT_SETUP_DATA);
	params.acpi_rsdp_addr = htole64(LAYOUT_ACPI);
	r = boot_e820(&params, config->memory, err);
	if (r < 0)
		return r;
	r = guest_mem_write(mem, LAYOUT_ZERO_PAGE, &params, sizeof(params));
	return r < 0 ? err_set(err, r, "boot data does not fit into the VM's memory") : 0;
}

/* PML4, PDPT and four page directories of 2 MiB pages: 4 GiB, each address to itself. */
static int write_page_tables(const struct guest_mem *mem)
{
	uint64_t table[512] = { 0 };
	uint64_t gpa = LAYOUT_PAGE_TABLES;
	int r;

	table[0] = htole64((gpa + PAGE) | PTE_PRESENT_WRITE);
	r = guest_mem_write(mem, gpa, table, sizeof(table));
	if (r < 0)
		return r;
	for (unsigned i = 0; i < 4; i++)
		table[i] = htole64((gpa + (2 + i) * PAGE) | PTE_PRESENT_WRITE);
	r = guest_mem_write(mem, gpa + PAGE, table, sizeof(table));
	for (uint64_t i = 0; i < 4 && r == 0; i++) {
		for (uint64_t j = 0; j < 512; j++)
			table[j] = htole64((i << 30) | (j << 21) | PTE_PRESENT_WRITE | PTE_LARGE);
		r = guest_mem_write(mem, gpa + (2 + i) * PAGE, table, sizeof(table));
	}
	return r;
}

static int write_gdt(const struct guest_mem *mem)
{
	static const uint64_t gdt[BOOT_GDT_ENTRIES] = {
		[BOOT_CS / 8] = 0x00af9b000000ffffULL, /* 64-bit code */
		[BOOT_DS / 8] = 0x00cf93000000ffffULL, /* flat data */
	};
	uint64_t entries[BOOT_GDT_ENTRIES];

	for (unsigned i = 0; i < BOOT_GDT_ENTRIES; i++)
		entries[i] = htole64(gdt[i]);
	return guest_mem_write(mem, LAYOUT_GDT, entries, sizeof(entries));
}

static int write_cmdline(const struct guest_mem *mem, const struct boot_config *config, struct err *err)
{
	size_t len = strlen(config->cmdline);
	int r;

	if (len > config->kernel->cmdline_max)
		return err_set(err, -E2BIG, "kernel command line: %zu bytes, this kernel takes %llu", len,
			       (unsigned long long)config->kernel->cmdline_max);
	r = guest_mem_write(mem, LAYOUT_CMDLINE, config->cmdline, len + 1);
	return r < 0 ? err_set(err, r, "boot data does not fit into the VM's memory") : 0;
}

static int write_tables(const struct guest_mem *mem, unsigned cpus)
{
	uint8_t acpi[ACPI_TABLES_MAX], mp[MPTABLE_MAX];
	size_t len;
	int r;

	r = acpi_build(cpus, LAYOUT_ACPI, acpi, sizeof(acpi), &len);
	if (r == 0)
		r = guest_mem_write(mem, LAYOUT_ACPI, acpi, len);
	if (r == 0)
		r = mptable_build(cpus, LAYOUT_EBDA, mp, sizeof(mp), &len);
	if (r == 0)
		r = guest_mem_write(mem, LAYOUT_EBDA, mp, len);
	return r;
}

int boot_setup(const struct guest_mem *mem, const struct boot_config *config, struct err *err)
{
	int r;

	r = write_cmdline(mem, config, err);
	if (r == 0)
		r = write_zero_page(mem, config, err);
	if (r == 0)
		r = write_seed(mem, err);
	if (r < 0)
		return r;
	r = write_page_tables(mem);
	if (r == 0)
		r = write_gdt(mem);
	if (r == 0)
		r = write_tables(mem, config->cpus);
	return r < 0 ? err_set(err, r, "boot data does not fit into the VM's memory") : 0;
}
