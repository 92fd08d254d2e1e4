/* SPDX-License-Identifier: Apache-2.0 */
/* pci_root: configuration space by ECAM and mechanism #1, and BARs. */
#include "tests/unit/test.h"

#include "base/cleanup.h"
#include "base/endian.h"
#include "base/err.h"
#include "vmm/pci/pci.h"

#include <linux/pci_regs.h>

#define ECAM 0xe8000000ULL
#define MMIO32 0xc0000000ULL
#define MMIO32_SIZE 0x100000ULL

/* A device that records what it is told. */
struct recorder {
	struct pci_device pci;
	unsigned reads, writes, moves, config_writes;
	unsigned bar, len;
	uint64_t offset, value, old_gpa, new_gpa;
	bool on;
};

static struct pci_root *root;
static struct recorder a, b;

static void on_read(void *dev, unsigned bar, uint64_t offset, void *data, unsigned len)
{
	struct recorder *r = dev;

	r->reads++;
	r->bar = bar;
	r->offset = offset;
	memset(data, 0x5a, len);
}

static void on_write(void *dev, unsigned bar, uint64_t offset, const void *data, unsigned len)
{
	struct recorder *r = dev;

	r->writes++;
	r->bar = bar;
	r->offset = offset;
	r->len = len;
	r->value = 0;
	memcpy(&r->value, data, len);
}

static void on_config(void *dev, unsigned offset, unsigned len)
{
	struct recorder *r = dev;

	r->config_writes++;
	r->offset = offset;
	r->len = len;
}

static void on_move(void *dev, unsigned bar, uint64_t old_gpa, uint64_t new_gpa, bool on)
{
	struct recorder *r = dev;

	r->moves++;
	r->bar = bar;
	r->old_gpa = old_gpa;
	r->new_gpa = new_gpa;
	r->on = on;
}

static const struct pci_device_ops ops = {
	.bar_read = on_read, .bar_write = on_write, .config_written = on_config, .bar_moved = on_move
};

static const struct pci_host_ops host_ops;

static int set_up(void **state)
{
	const struct pci_root_config config = {
		.host_ops = &host_ops, .host = &a, .mmio32 = MMIO32, .mmio32_size = MMIO32_SIZE, .ecam = ECAM
	};

	(void)state;
	a = (struct recorder){ .pci = { .ops = &ops, .dev = &a } };
	b = (struct recorder){ .pci = { .ops = &ops, .dev = &b } };
	a.pci.bars[0].size = 0x1000;
	a.pci.bars[2] = (struct pci_bar){ .size = 0x8000, .is_64bit = true, .prefetchable = true };
	b.pci.bars[5].size = 16;
	assert_int_equal(pci_root_new(&config, &root, NULL), 0);
	assert_int_equal(pci_root_add(root, &a.pci, NULL), 0);
	assert_int_equal(pci_root_add(root, &b.pci, NULL), 0);
	pci_device_set_ids(&a.pci, 0x1234, 0x5678, 0x9abc, 0xdef0, 0x018000, 7);
	pci_device_set_ids(&b.pci, 0x1111, 0x2222, 0, 0, 0x020000, 0);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	pci_root_free(root);
	return 0;
}

/* Values that the callee must replace. */
static uint64_t mmio_read(uint64_t gpa, unsigned len)
{
	uint64_t value = 0x1122334455667788;

	pci_root_mmio(root, gpa, &value, len, false);
	return len == 8 ? value : value & ((1ULL << len * 8) - 1);
}

static bool mmio_write(uint64_t gpa, uint64_t value, unsigned len)
{
	return pci_root_mmio(root, gpa, &value, len, true);
}

static uint64_t reg(unsigned slot, unsigned offset)
{
	return ECAM + slot * 0x8000 + offset;
}

static uint32_t pio_read(uint16_t port, unsigned len)
{
	uint32_t value = 0x11223344;

	pci_root_pio(root, port, &value, len, false);
	return len == 4 ? value : value & ((1U << len * 8) - 1);
}

static bool pio_write(uint16_t port, uint32_t value, unsigned len)
{
	return pci_root_pio(root, port, &value, len, true);
}

static void decode(unsigned slot, bool on)
{
	mmio_write(reg(slot, PCI_COMMAND), on ? PCI_COMMAND_MEMORY : 0, 2);
}

/* --- Identity --- */

static void memory_has_no_host_bridge(void **state)
{
	const uint8_t *ecam = pci_root_ecam(root);

	(void)state;
	assert_int_equal(mmio_read(reg(0, PCI_VENDOR_ID), 4), 0xffffffff);
	assert_int_equal(ecam[0], 0xff);
	mmio_write(reg(0, PCI_COMMAND), PCI_COMMAND_MEMORY, 2);
	assert_int_equal(mmio_read(reg(0, PCI_COMMAND), 2), 0xffff);
}

static void hidden_device_is_absent_until_shown(void **state)
{
	const uint8_t *ecam = pci_root_ecam(root);

	(void)state;
	pci_device_hide(&b.pci);
	assert_int_equal(mmio_read(reg(2, PCI_VENDOR_ID), 4), 0xffffffff);
	assert_memory_equal(ecam + 2 * 0x8000, "\xff\xff\xff\xff", 4);
	assert_int_equal(mmio_read(reg(2, PCI_CLASS_REVISION), 4), 0xffffffff);
	/* Whoever writes to what isn't there has written nothing. */
	decode(2, true);
	pci_device_show(&b.pci);
	assert_int_equal(mmio_read(reg(2, PCI_DEVICE_ID), 2), 0x2222);
	assert_int_equal(ecam[2 * 0x8000 + PCI_DEVICE_ID], 0x22);
	assert_int_equal(mmio_read(reg(2, PCI_COMMAND), 2) & PCI_COMMAND_MEMORY, 0);
	pci_device_show(&b.pci);
	assert_int_equal(mmio_read(reg(2, PCI_DEVICE_ID), 2), 0x2222);
	decode(2, true);
	assert_int_equal(mmio_read(reg(2, PCI_COMMAND), 2) & PCI_COMMAND_MEMORY, PCI_COMMAND_MEMORY);
}

static void devices_follow_in_order(void **state)
{
	(void)state;
	assert_int_equal(a.pci.slot, 1);
	assert_int_equal(b.pci.slot, 2);
	assert_int_equal(mmio_read(reg(1, PCI_VENDOR_ID), 4), 0x56781234);
	assert_int_equal(mmio_read(reg(1, PCI_CLASS_REVISION), 4), 0x01800007);
	assert_int_equal(mmio_read(reg(1, PCI_SUBSYSTEM_VENDOR_ID), 4), 0xdef09abc);
	assert_int_equal(mmio_read(reg(2, PCI_DEVICE_ID), 2), 0x2222);
}

static void absent_functions_read_as_ones(void **state)
{
	const uint8_t *ecam = pci_root_ecam(root);

	(void)state;
	assert_int_equal(mmio_read(reg(3, 0), 4), 0xffffffff);
	assert_int_equal(mmio_read(reg(31, 0xff8), 8), UINT64_MAX);
	assert_int_equal(mmio_read(reg(1, 0x1000), 2), 0xffff); /* function 1 */
	/* The buffer that the guest maps says the same. */
	assert_int_equal((uintptr_t)ecam % 4096, 0);
	for (size_t i = 0; i < 1 << 20; i++) {
		bool there = i % 0x8000 < 0x1000 && i / 0x8000 < 3;

		if (!there && ecam[i] != 0xff)
			fail_msg("byte %zx is %02x", i, ecam[i]);
	}
	assert_int_equal(ecam[0x8000], 0x34);
	/* Writes there change nothing. */
	assert_true(mmio_write(reg(3, 0), 0, 4));
	assert_true(mmio_write(reg(1, 0x1004), 0, 4));
	assert_int_equal(ecam[0x18000], 0xff);
}

static void the_last_slot_is_31(void **state)
{
	static struct recorder more[30];
	struct err err = ERR_INIT;

	(void)state;
	for (int i = 0; i < 30; i++) {
		more[i] = (struct recorder){ .pci = { .ops = &ops, .dev = &more[i] } };
		assert_int_equal(pci_root_add(root, &more[i].pci, &err), i < 29 ? 0 : -ENOSPC);
	}
	assert_int_equal(more[28].pci.slot, 31);
	assert_string_equal(err.text, "more than 31 PCI devices");
}

/* --- Write masks --- */

static void identity_is_read_only(void **state)
{
	(void)state;
	for (unsigned offset = 0; offset < 0x40; offset += 4) {
		if (offset != PCI_COMMAND)
			mmio_write(reg(2, offset), 0xffffffff, 4);
	}
	assert_int_equal(mmio_read(reg(2, PCI_VENDOR_ID), 4), 0x22221111);
	assert_int_equal(mmio_read(reg(2, PCI_CLASS_REVISION), 4), 0x02000000);
	assert_int_equal(mmio_read(reg(2, PCI_HEADER_TYPE), 1), 0);
	assert_int_equal(mmio_read(reg(2, PCI_CAPABILITY_LIST), 1), 0);
	assert_int_equal(mmio_read(reg(2, PCI_ROM_ADDRESS), 4), 0);
	assert_int_equal(mmio_read(reg(2, PCI_INTERRUPT_PIN), 1), 0);
	assert_int_equal(mmio_read(reg(2, PCI_INTERRUPT_LINE), 1), 0xff);
}

static void command_takes_only_its_bits(void **state)
{
	(void)state;
	mmio_write(reg(1, PCI_COMMAND), 0xffffffff, 4);
	assert_int_equal(mmio_read(reg(1, PCI_COMMAND), 4),
			 PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER | PCI_COMMAND_INTX_DISABLE);
	mmio_write(reg(1, PCI_COMMAND + 1), 0, 1);
	assert_int_equal(mmio_read(reg(1, PCI_COMMAND), 2), PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
}

static void the_reset_state_spares_a_driver_writes(void **state)
{
	(void)state;
	assert_int_equal(mmio_read(reg(1, PCI_COMMAND), 2), PCI_COMMAND_MASTER | PCI_COMMAND_INTX_DISABLE);
	assert_true(mmio_read(reg(1, PCI_LATENCY_TIMER), 1) >= 16);
}

static void writes_follow_the_device_mask_and_are_told(void **state)
{
	(void)state;
	a.pci.writable[0x51] = 0x0f;
	mmio_write(reg(1, 0x50), 0xffffffff, 4);
	assert_int_equal(mmio_read(reg(1, 0x50), 4), 0x00000f00);
	assert_int_equal(a.config_writes, 1);
	assert_int_equal(a.offset, 0x50);
	assert_int_equal(a.len, 4);
	mmio_write(reg(1, PCI_COMMAND), 0, 2);
	assert_int_equal(a.config_writes, 1);
	/* Across the header's end. */
	mmio_write(reg(1, 0x3e), 0, 4);
	assert_int_equal(a.config_writes, 2);
}

static void accesses_that_leave_a_function_reach_nothing(void **state)
{
	(void)state;
	b.pci.writable[0] = 0xff;
	assert_int_equal(mmio_read(reg(1, 0xffe), 4), 0xffffffff);
	mmio_write(reg(1, 0xffe), 0, 4);
	mmio_write(ECAM + 0xffffc, 0, 8);
	assert_int_equal(a.config_writes, 0);
	assert_int_equal(mmio_read(ECAM + (1 << 20) - 4, 8), UINT64_MAX);
	assert_false(mmio_write(ECAM + (1 << 20), 0, 4));
	assert_false(mmio_write(ECAM - 4, 0, 4));
}

static void odd_lengths_reach_nothing(void **state)
{
	uint8_t data[16];

	(void)state;
	a.pci.writable[0x50] = 0xff;
	memset(data, 0, sizeof(data));
	assert_false(pci_root_mmio(root, reg(1, 0x50), data, 3, true));
	assert_false(pci_root_mmio(root, reg(1, 0x50), data, 0, true));
	assert_false(pci_root_mmio(root, reg(1, 0x50), data, 16, true));
	assert_false(pci_root_mmio(root, reg(1, 0x50), data, 3, false));
	assert_int_equal(data[0], 0xff);
	assert_int_equal(data[2], 0xff);
	assert_int_equal(data[3], 0);
	assert_int_equal(a.config_writes, 0);
}

/* --- Capabilities --- */

static void capabilities_form_a_list(void **state)
{
	static const uint8_t body[] = { 1, 2, 3 };
	unsigned first, second;

	(void)state;
	assert_int_equal(mmio_read(reg(1, PCI_STATUS), 2) & PCI_STATUS_CAP_LIST, 0);
	first = pci_device_add_capability(&a.pci, PCI_CAP_ID_VNDR, body, 3);
	second = pci_device_add_capability(&a.pci, PCI_CAP_ID_MSIX, body, 2);
	assert_int_equal(mmio_read(reg(1, PCI_STATUS), 2) & PCI_STATUS_CAP_LIST, PCI_STATUS_CAP_LIST);
	assert_int_equal(mmio_read(reg(1, PCI_CAPABILITY_LIST), 1), first);
	assert_int_equal(first, 0x40);
	assert_int_equal(second, 0x48);
	assert_int_equal(mmio_read(reg(1, first), 4), 0x02010000 | second << 8 | PCI_CAP_ID_VNDR);
	assert_int_equal(mmio_read(reg(1, first + 4), 1), 3);
	assert_int_equal(mmio_read(reg(1, second), 4), 0x02010000 | PCI_CAP_ID_MSIX);
}

/* --- BARs --- */

static void bars_are_assigned_inside_the_window(void **state)
{
	(void)state;
	assert_int_equal(a.pci.bars[0].gpa, MMIO32);
	assert_int_equal(a.pci.bars[2].gpa, MMIO32 + 0x8000); /* aligned to its size */
	assert_int_equal(b.pci.bars[5].gpa, MMIO32 + 0x10000);
	assert_int_equal(mmio_read(reg(1, PCI_BASE_ADDRESS_0), 4), MMIO32);
	assert_int_equal(mmio_read(reg(1, PCI_BASE_ADDRESS_2), 4), (MMIO32 + 0x8000) | 0xc);
	assert_int_equal(mmio_read(reg(1, PCI_BASE_ADDRESS_3), 4), 0);
	assert_int_equal(mmio_read(reg(1, PCI_BASE_ADDRESS_1), 4), 0);
}

static void a_bar_that_does_not_fit_is_refused(void **state)
{
	static struct recorder big;
	struct err err = ERR_INIT;

	(void)state;
	big = (struct recorder){ .pci = { .ops = &ops, .dev = &big } };
	big.pci.bars[0].size = MMIO32_SIZE;
	assert_int_equal(pci_root_add(root, &big.pci, &err), -ENOSPC);
	assert_string_equal(err.text, "no room for a PCI BAR of 1048576 bytes");
	big.pci.bars[0].size = 1ULL << 63;
	assert_int_equal(pci_root_add(root, &big.pci, &err), -ENOSPC);
	big.pci.bars[0].size = MMIO32_SIZE / 2;
	assert_int_equal(pci_root_add(root, &big.pci, &err), 0);
	assert_int_equal(big.pci.bars[0].gpa, MMIO32 + MMIO32_SIZE / 2);
}

static void sizing_reads_back_the_mask(void **state)
{
	(void)state;
	mmio_write(reg(1, PCI_BASE_ADDRESS_0), 0xffffffff, 4);
	mmio_write(reg(1, PCI_BASE_ADDRESS_1), 0xffffffff, 4);
	mmio_write(reg(1, PCI_BASE_ADDRESS_2), 0xffffffff, 4);
	mmio_write(reg(1, PCI_BASE_ADDRESS_3), 0xffffffff, 4);
	mmio_write(reg(2, PCI_BASE_ADDRESS_5), 0xffffffff, 4);
	assert_int_equal(mmio_read(reg(1, PCI_BASE_ADDRESS_0), 4), 0xfffff000);
	assert_int_equal(mmio_read(reg(1, PCI_BASE_ADDRESS_1), 4), 0);
	assert_int_equal(mmio_read(reg(1, PCI_BASE_ADDRESS_2), 4), 0xffff800c);
	assert_int_equal(mmio_read(reg(1, PCI_BASE_ADDRESS_3), 4), 0xffffffff);
	assert_int_equal(mmio_read(reg(2, PCI_BASE_ADDRESS_5), 4), 0xfffffff0);
	/* Decoding was off all the time: nothing moved for the device. */
	assert_int_equal(a.moves, 0);
}

static void bars_answer_only_while_decoding_is_on(void **state)
{
	(void)state;
	assert_int_equal(mmio_read(MMIO32, 4), 0xffffffff);
	assert_int_equal(a.reads, 0);
	decode(1, true);
	assert_int_equal(a.moves, 2);
	assert_true(a.on);
	assert_int_equal(mmio_read(MMIO32 + 0xffc, 4), 0x5a5a5a5a);
	assert_int_equal(a.offset, 0xffc);
	assert_true(mmio_write(MMIO32 + 0x8010, 0x1234, 2));
	assert_int_equal(a.bar, 2);
	assert_int_equal(a.offset, 0x10);
	assert_int_equal(a.len, 2);
	assert_int_equal(a.value, 0x1234);
	decode(1, true);
	assert_int_equal(a.moves, 2);
	decode(1, false);
	assert_int_equal(a.moves, 4);
	assert_false(a.on);
	assert_false(mmio_write(MMIO32, 0, 4));
	assert_int_equal(a.writes, 1);
}

static void accesses_across_a_bar_end_reach_nothing(void **state)
{
	(void)state;
	decode(1, true);
	assert_int_equal(mmio_read(MMIO32 + 0xffe, 4), 0xffffffff);
	assert_false(mmio_write(MMIO32 + 0xffc, 0, 8));
	assert_false(mmio_write(MMIO32 - 2, 0, 4));
	assert_false(mmio_write(MMIO32 + 0x1000, 0, 4));
	assert_int_equal(a.reads + a.writes, 0);
}

static void a_bar_moves(void **state)
{
	(void)state;
	decode(1, true);
	a.moves = 0;
	mmio_write(reg(1, PCI_BASE_ADDRESS_0), 0xd0000000, 4);
	assert_int_equal(a.moves, 1);
	assert_int_equal(a.bar, 0);
	assert_int_equal(a.old_gpa, MMIO32);
	assert_int_equal(a.new_gpa, 0xd0000000);
	assert_true(a.on);
	assert_false(mmio_write(MMIO32, 0, 4));
	assert_true(mmio_write(0xd0000000, 0, 4));
	/* A byte of it, and the same value once more. */
	mmio_write(reg(1, PCI_BASE_ADDRESS_0 + 3), 0xd1, 1);
	assert_int_equal(a.new_gpa, 0xd1000000);
	mmio_write(reg(1, PCI_BASE_ADDRESS_0), 0xd1000fff, 4);
	assert_int_equal(a.moves, 2);
	/* Above 4 GiB: half way it is somewhere else. */
	mmio_write(reg(1, PCI_BASE_ADDRESS_3), 0x12, 4);
	assert_int_equal(a.bar, 2);
	assert_int_equal(a.new_gpa, 0x12c0008000);
	assert_true(mmio_write(0x12c000fff8, 0, 8));
	assert_int_equal(a.offset, 0x7ff8);
}

static void a_bar_at_the_end_of_addresses_is_harmless(void **state)
{
	(void)state;
	mmio_write(reg(1, PCI_BASE_ADDRESS_2), 0xffffffff, 4);
	mmio_write(reg(1, PCI_BASE_ADDRESS_3), 0xffffffff, 4);
	decode(1, true);
	assert_int_equal(a.new_gpa, 0xffffffffffff8000);
	assert_true(mmio_write(0xfffffffffffffff8, 0, 8));
	assert_false(mmio_write(0xfffffffffffffffc, 0, 8));
	assert_false(mmio_write(0, 0, 8));
}

/* --- Configuration mechanism #1 --- */

static uint32_t address(unsigned bus, unsigned slot, unsigned function, unsigned offset)
{
	return 0x80000000 | bus << 16 | slot << 11 | function << 8 | offset;
}

static void mechanism_1_is_found(void **state)
{
	(void)state;
	assert_int_equal(pio_read(0xcf8, 4), 0);
	assert_true(pio_write(0xcf8, 0x80000000, 4));
	assert_int_equal(pio_read(0xcf8, 4), 0x80000000);
	pio_write(0xcf8, 0xffffffff, 4);
	assert_int_equal(pio_read(0xcf8, 4), 0x80fffffc);
}

static void mechanism_1_reads_any_part(void **state)
{
	(void)state;
	pio_write(0xcf8, address(0, 1, 0, PCI_VENDOR_ID), 4);
	assert_int_equal(pio_read(0xcfc, 4), 0x56781234);
	assert_int_equal(pio_read(0xcfc, 2), 0x1234);
	assert_int_equal(pio_read(0xcfe, 2), 0x5678);
	assert_int_equal(pio_read(0xcfd, 2), 0x7812);
	assert_int_equal(pio_read(0xcfc, 1), 0x34);
	assert_int_equal(pio_read(0xcff, 1), 0x56);
	/* The lowest address bits are not there. */
	pio_write(0xcf8, address(0, 1, 0, PCI_VENDOR_ID + 3), 4);
	assert_int_equal(pio_read(0xcfc, 2), 0x1234);
}

static void mechanism_1_finds_a_host_bridge(void **state)
{
	(void)state;
	pio_write(0xcf8, address(0, 0, 0, PCI_CLASS_DEVICE), 4);
	assert_int_equal(pio_read(0xcfe, 2), 0x0600);
	pio_write(0xcf8, address(0, 0, 0, PCI_VENDOR_ID), 4);
	assert_int_not_equal(pio_read(0xcfc, 2), 0xffff);
	pio_write(0xcf8, address(0, 0, 0, PCI_COMMAND), 4);
	assert_true(pio_write(0xcfc, PCI_COMMAND_MEMORY, 2));
	assert_int_equal(pio_read(0xcfc, 2) & PCI_COMMAND_MEMORY, PCI_COMMAND_MEMORY);
	pio_write(0xcf8, address(0, 0, 1, 0), 4);
	assert_int_equal(pio_read(0xcfc, 4), 0xffffffff);
}

static void mechanism_1_writes_any_part(void **state)
{
	(void)state;
	memset(a.pci.writable + 0x60, 0xff, 4);
	pio_write(0xcf8, address(0, 1, 0, 0x60), 4);
	assert_true(pio_write(0xcfc, 0x44332211, 4));
	assert_true(pio_write(0xcfd, 0x55, 1));
	assert_true(pio_write(0xcfe, 0x7766, 2));
	assert_int_equal(pio_read(0xcfc, 4), 0x77665511);
	assert_int_equal(mmio_read(reg(1, 0x60), 4), 0x77665511);
	assert_int_equal(a.config_writes, 3);
	assert_int_equal(a.offset, 0x62);
}

static void mechanism_1_accesses_across_the_register_reach_nothing(void **state)
{
	(void)state;
	memset(a.pci.writable + 0x60, 0xff, 8);
	pio_write(0xcf8, address(0, 1, 0, 0x60), 4);
	assert_false(pio_write(0xcfe, 0, 4));
	assert_false(pio_write(0xcff, 0, 2));
	assert_false(pio_write(0xd00, 0, 1));
	assert_int_equal(pio_read(0xcff, 2), 0xffff);
	assert_int_equal(a.config_writes, 0);
}

static void mechanism_1_finds_nobody_elsewhere(void **state)
{
	(void)state;
	pio_write(0xcf8, address(1, 1, 0, 0), 4);
	assert_int_equal(pio_read(0xcfc, 4), 0xffffffff);
	assert_true(pio_write(0xcfc, 0, 4));
	pio_write(0xcf8, address(0, 1, 1, 0), 4);
	assert_int_equal(pio_read(0xcfc, 4), 0xffffffff);
	pio_write(0xcf8, address(0, 31, 0, 0), 4);
	assert_int_equal(pio_read(0xcfc, 2), 0xffff);
	assert_int_equal(pio_read(0xcfd, 1), 0xff);
}

static void mechanism_1_needs_its_enable_bit(void **state)
{
	(void)state;
	pio_write(0xcf8, address(0, 1, 0, 0) & 0x7fffffff, 4);
	assert_int_equal(pio_read(0xcfc, 4), 0xffffffff);
	assert_false(pio_write(0xcfc, 0, 4));
}

static void narrow_writes_to_the_address_port_are_not_ours(void **state)
{
	(void)state;
	pio_write(0xcf8, 0x80000000, 4);
	assert_false(pio_write(0xcf9, 0x06, 1));
	assert_false(pio_write(0xcf8, 0, 2));
	assert_int_equal(pio_read(0xcf8, 2), 0xffff);
	assert_int_equal(pio_read(0xcf8, 4), 0x80000000);
	assert_false(pio_write(0xcf7, 0, 1));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(memory_has_no_host_bridge),
		TEST(hidden_device_is_absent_until_shown),
		TEST(devices_follow_in_order),
		TEST(absent_functions_read_as_ones),
		TEST(the_last_slot_is_31),
		TEST(identity_is_read_only),
		TEST(command_takes_only_its_bits),
		TEST(the_reset_state_spares_a_driver_writes),
		TEST(writes_follow_the_device_mask_and_are_told),
		TEST(accesses_that_leave_a_function_reach_nothing),
		TEST(odd_lengths_reach_nothing),
		TEST(capabilities_form_a_list),
		TEST(bars_are_assigned_inside_the_window),
		TEST(a_bar_that_does_not_fit_is_refused),
		TEST(sizing_reads_back_the_mask),
		TEST(bars_answer_only_while_decoding_is_on),
		TEST(accesses_across_a_bar_end_reach_nothing),
		TEST(a_bar_moves),
		TEST(a_bar_at_the_end_of_addresses_is_harmless),
		TEST(mechanism_1_is_found),
		TEST(mechanism_1_reads_any_part),
		TEST(mechanism_1_finds_a_host_bridge),
		TEST(mechanism_1_writes_any_part),
		TEST(mechanism_1_accesses_across_the_register_reach_nothing),
		TEST(mechanism_1_finds_nobody_elsewhere),
		TEST(mechanism_1_needs_its_enable_bit),
		TEST(narrow_writes_to_the_address_port_are_not_ours),
	};

	pci_root_free(NULL);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
