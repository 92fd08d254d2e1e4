/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/test.h"

#include "base/err.h"
#include "vmm/arch/x86/boot.h"
#include "vmm/arch/x86/kernel_image.h"
#include "vmm/arch/x86/layout.h"
#include "vmm/guest_mem.h"

#include <asm/bootparam.h>
#include <errno.h>

#define RAM (2ULL << 20)
#define GIB (1ULL << 30)

struct fixture {
	struct guest_mem mem;
	uint8_t *ram;
	struct kernel_image kernel;
	struct boot_config config;
	struct boot_params params;
	struct err err;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct guest_mem_region region = { .gpa = 0, .size = RAM };

	assert_non_null(f);
	f->ram = calloc(1, RAM);
	region.hva = f->ram;
	assert_int_equal(guest_mem_add(&f->mem, &region), 0);
	f->kernel.cmdline_max = 2047;
	f->config = (struct boot_config){
		.kernel = &f->kernel,
		.cmdline = "console=hvc0",
		.initrd = 0x3000000,
		.initrd_size = 0x1234,
		.memory = 128ULL << 20,
		.cpus = 4,
	};
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	guest_mem_done(&f->mem);
	free(f->ram);
	free(f);
	return 0;
}

static void boot(struct fixture *f)
{
	assert_int_equal(boot_setup(&f->mem, &f->config, &f->err), 0);
	memcpy(&f->params, f->ram + LAYOUT_ZERO_PAGE, sizeof(f->params));
}

static void test_zero_page_names_all_parts(void **state)
{
	struct fixture *f = *state;

	boot(f);
	assert_int_equal(f->params.hdr.type_of_loader, 0xff);
	assert_int_equal(f->params.hdr.boot_flag, 0xaa55);
	assert_memory_equal(&f->params.hdr.header, "HdrS", 4);
	assert_int_equal(f->params.hdr.cmd_line_ptr, LAYOUT_CMDLINE);
	assert_string_equal((char *)f->ram + LAYOUT_CMDLINE, "console=hvc0");
	assert_int_equal(f->params.hdr.ramdisk_image, 0x3000000);
	assert_int_equal(f->params.hdr.ramdisk_size, 0x1234);
	assert_int_equal(f->params.acpi_rsdp_addr, LAYOUT_ACPI);
	assert_memory_equal(f->ram + LAYOUT_ACPI, "RSD PTR ", 8);
	assert_memory_equal(f->ram + LAYOUT_EBDA, "_MP_", 4);
	/* Anything else makes the kernel distrust the page. */
	assert_int_equal(f->params.sentinel, 0);
}

static void test_bzimages_header_is_kept_but_for_the_loaders_fields(void **state)
{
	struct fixture *f = *state;
	struct setup_header hdr = {
		.version = 0x20d, .init_size = 77, .setup_data = 0x666, .ramdisk_size = 5, .loadflags = 0x20
	};

	memcpy(f->kernel.header, &hdr, sizeof(hdr));
	f->kernel.header_len = sizeof(hdr);
	f->config.initrd = f->config.initrd_size = 0;
	boot(f);
	assert_int_equal(f->params.hdr.version, 0x20d);
	assert_int_equal(f->params.hdr.init_size, 77);
	assert_int_equal(f->params.hdr.setup_data, LAYOUT_SETUP_DATA);
	assert_int_equal(f->params.hdr.ramdisk_size, 0);
	assert_int_equal(f->params.hdr.loadflags, 0x20 | LOADED_HIGH);
}

static void test_each_boot_has_a_seed_of_its_own(void **state)
{
	struct fixture *f = *state;
	const struct setup_data *data = (const struct setup_data *)(f->ram + LAYOUT_SETUP_DATA);
	uint8_t first[32], zero[32] = { 0 };

	boot(f);
	assert_int_equal(f->params.hdr.setup_data, LAYOUT_SETUP_DATA);
	assert_int_equal(data->next, 0);
	assert_int_equal(data->type, SETUP_RNG_SEED);
	assert_int_equal(data->len, sizeof(first));
	memcpy(first, data->data, sizeof(first));
	assert_memory_not_equal(first, zero, sizeof(first));
	boot(f);
	assert_memory_not_equal(first, data->data, sizeof(first));
}

/* Walk the tables as the CPU does. */
static uint64_t translate(const struct fixture *f, uint64_t va)
{
	const uint64_t *pml4 = (const uint64_t *)(f->ram + LAYOUT_PAGE_TABLES);
	const uint64_t *pdpt, *pd;

	assert_int_equal(pml4[va >> 39] & 3, 3);
	pdpt = (const uint64_t *)(f->ram + (pml4[va >> 39] & ~0xfffULL));
	assert_int_equal(pdpt[va >> 30 & 511] & 3, 3);
	pd = (const uint64_t *)(f->ram + (pdpt[va >> 30 & 511] & ~0xfffULL));
	assert_int_equal(pd[va >> 21 & 511] & 0x83, 0x83);
	return (pd[va >> 21 & 511] & ~0x1fffffULL) | (va & 0x1fffff);
}

static void test_page_tables_map_four_gib_to_themselves(void **state)
{
	struct fixture *f = *state;
	const uint64_t *pml4 = (const uint64_t *)(f->ram + LAYOUT_PAGE_TABLES);

	boot(f);
	for (uint64_t va = 0; va < LAYOUT_4G; va += 0x10000123)
		assert_int_equal(translate(f, va), va);
	assert_int_equal(translate(f, LAYOUT_4G - 1), LAYOUT_4G - 1);
	assert_int_equal(pml4[1], 0);
	assert_int_equal(pml4[511], 0);
	/* Six pages, and no more: what follows is the setup data. */
	assert_true(LAYOUT_PAGE_TABLES + 6 * 4096 <= LAYOUT_SETUP_DATA);
}

static void test_gdt_has_the_boot_protocols_selectors(void **state)
{
	struct fixture *f = *state;
	const uint64_t *gdt = (const uint64_t *)(f->ram + LAYOUT_GDT);

	boot(f);
	assert_int_equal(gdt[0], 0);
	/* Present, code, long mode; present, data, writable. */
	assert_int_equal(gdt[BOOT_CS / 8] >> 40 & 0x9f, 0x9b);
	assert_int_equal(gdt[BOOT_CS / 8] >> 53 & 1, 1);
	assert_int_equal(gdt[BOOT_DS / 8] >> 40 & 0x9f, 0x93);
}

static void test_command_line_above_the_kernels_limit_is_refused(void **state)
{
	struct fixture *f = *state;

	f->kernel.cmdline_max = strlen(f->config.cmdline);
	boot(f);
	f->kernel.cmdline_max--;
	assert_int_equal(boot_setup(&f->mem, &f->config, &f->err), -E2BIG);
}

static void test_memory_too_small_for_the_tables_is_an_error(void **state)
{
	struct fixture *f = *state;
	struct guest_mem small = GUEST_MEM_INIT;
	struct guest_mem_region region = { .gpa = 0, .size = 0x9000, .hva = f->ram };

	assert_int_equal(guest_mem_add(&small, &region), 0);
	assert_int_equal(boot_setup(&small, &f->config, &f->err), -EFAULT);
	guest_mem_done(&small);
}

static void assert_map(uint64_t memory, unsigned n, uint64_t ram_below_end, uint64_t ram_above)
{
	struct boot_params params = { 0 };
	uint64_t end = 0;

	assert_int_equal(boot_e820(&params, memory, NULL), 0);
	assert_int_equal(params.e820_entries, n);
	for (unsigned i = 0; i < n; i++) {
		struct boot_e820_entry e = params.e820_table[i];

		assert_true(e.size > 0);
		assert_true(e.addr >= end);
		end = e.addr + e.size;
		if (e.type == 1)
			assert_true(end <= LAYOUT_HOLE_START || e.addr >= LAYOUT_4G);
		if (e.addr == LAYOUT_HIGH_RAM)
			assert_int_equal(end, ram_below_end);
		if (e.addr == LAYOUT_4G)
			assert_int_equal(e.size, ram_above);
	}
}

static void test_memory_map_leaves_the_hole_out(void **state)
{
	(void)state;
	assert_map(64ULL << 20, 4, 64ULL << 20, 0);
	assert_map(3 * GIB, 4, 3 * GIB, 0);
	assert_map(3 * GIB + (2 << 20), 5, 3 * GIB, 2 << 20);
	assert_map(1024 * GIB, 5, 3 * GIB, 1021 * GIB);
	assert_int_equal(boot_ram_below(GIB), GIB);
	assert_int_equal(boot_ram_below(LAYOUT_HOLE_START + 1), LAYOUT_HOLE_START);
}

static void test_memory_map_reserves_the_firmwares_tables(void **state)
{
	struct boot_params params = { 0 };
	struct boot_e820_entry e;

	(void)state;
	assert_int_equal(boot_e820(&params, 64ULL << 20, NULL), 0);
	e = params.e820_table[1];
	assert_int_equal(e.addr, LAYOUT_EBDA);
	assert_int_equal(e.addr + e.size, LAYOUT_HIGH_RAM);
	assert_int_equal(e.type, 2);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_zero_page_names_all_parts),
		TEST(test_bzimages_header_is_kept_but_for_the_loaders_fields),
		TEST(test_each_boot_has_a_seed_of_its_own),
		TEST(test_page_tables_map_four_gib_to_themselves),
		TEST(test_gdt_has_the_boot_protocols_selectors),
		TEST(test_command_line_above_the_kernels_limit_is_refused),
		TEST(test_memory_too_small_for_the_tables_is_an_error),
		cmocka_unit_test(test_memory_map_leaves_the_hole_out),
		cmocka_unit_test(test_memory_map_reserves_the_firmwares_tables),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
