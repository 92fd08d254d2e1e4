/* SPDX-License-Identifier: Apache-2.0 */
/* virtio_pci: the transport as drivers, good and bad, use it; interrupts and hostile accesses have files of their own. */
#include "tests/unit/loop_turn.h"
#include "tests/unit/test.h"
#include "tests/unit/virtio_pci_fixture.h"

#include "base/cleanup.h"

#include <errno.h>
#include <linux/pci_regs.h>

/* --- Being found --- */

static void it_is_a_modern_virtio_function(void **state)
{
	(void)state;
	assert_int_equal(pci_driver_read(&drv, drv.config + PCI_VENDOR_ID, 4), 0x105a1af4);
	assert_int_equal(pci_driver_read(&drv, drv.config + PCI_CLASS_REVISION, 4), 0x01800001);
	assert_true(pci_driver_read(&drv, drv.config + PCI_SUBSYSTEM_ID, 2) >= 0x40);
	assert_int_equal(pci_driver_read(&drv, drv.config + PCI_INTERRUPT_PIN, 1), 0);
	assert_int_not_equal(drv.window_cap, 0);
	assert_int_equal(drv.device_len, CONFIG_LEN);
	assert_int_equal(drv.n_vectors, N_QUEUES + 1);
	assert_int_equal(get(VIRTIO_PCI_COMMON_NUMQ, 2), N_QUEUES);
}

static void each_queue_has_a_notify_address_of_its_own(void **state)
{
	(void)state;
	assert_true(drv.multiplier >= 2);
	for (unsigned q = 0; q < N_QUEUES; q++) {
		put(VIRTIO_PCI_COMMON_Q_SELECT, q, 2);
		assert_int_equal(get(VIRTIO_PCI_COMMON_Q_NOFF, 2), q);
		assert_true(drv.multiplier * q + 2 <= drv.notify_len);
	}
}

static void the_reset_state_is_clean(void **state)
{
	(void)state;
	assert_int_equal(pci_driver_status(&drv), 0);
	assert_int_equal(get(VIRTIO_PCI_COMMON_MSIX, 2), NO_VECTOR);
	for (unsigned q = 0; q < N_QUEUES; q++) {
		put(VIRTIO_PCI_COMMON_Q_SELECT, q, 2);
		assert_int_equal(get(VIRTIO_PCI_COMMON_Q_SIZE, 2), 64);
		assert_int_equal(get(VIRTIO_PCI_COMMON_Q_MSIX, 2), NO_VECTOR);
		assert_int_equal(get(VIRTIO_PCI_COMMON_Q_ENABLE, 2), 0);
		assert_int_equal(get(VIRTIO_PCI_COMMON_Q_DESCLO, 4), 0);
	}
	/* Writing 0 to a device at rest is a reset that is over at once. */
	put(VIRTIO_PCI_COMMON_STATUS, 0, 1);
	assert_int_equal(pci_driver_status(&drv), 0);
}

static void a_queue_that_is_not_there_reads_as_nothing(void **state)
{
	(void)state;
	put(VIRTIO_PCI_COMMON_Q_SELECT, N_QUEUES, 2);
	assert_int_equal(get(VIRTIO_PCI_COMMON_Q_SIZE, 2), 0);
	put(VIRTIO_PCI_COMMON_Q_SELECT, 0xffff, 2);
	assert_int_equal(get(VIRTIO_PCI_COMMON_Q_SIZE, 2), 0);
	/* Nor does what is written there get anywhere. */
	put64(VIRTIO_PCI_COMMON_Q_DESCLO, 0x100000);
	put(VIRTIO_PCI_COMMON_Q_ENABLE, 1, 2);
	put(VIRTIO_PCI_COMMON_Q_SELECT, N_QUEUES, 2);
	assert_int_equal(get(VIRTIO_PCI_COMMON_Q_ENABLE, 2), 0);
}

static void a_queue_that_is_not_there_takes_nothing(void **state)
{
	(void)state;
	put(VIRTIO_PCI_COMMON_Q_SELECT, 0xffff, 2);
	put(VIRTIO_PCI_COMMON_Q_SIZE, 8, 2);
	put(VIRTIO_PCI_COMMON_Q_MSIX, 1, 2);
	put(VIRTIO_PCI_COMMON_Q_ENABLE, 1, 2);
	put64(VIRTIO_PCI_COMMON_Q_DESCLO, 0x100000);
	assert_int_equal(get(VIRTIO_PCI_COMMON_Q_SIZE, 2), 0);
	assert_int_equal(get(VIRTIO_PCI_COMMON_Q_MSIX, 2), NO_VECTOR);
	assert_int_equal(get(VIRTIO_PCI_COMMON_Q_ENABLE, 2), 0);
}

/* --- Negotiation --- */

static void features_come_in_halves(void **state)
{
	(void)state;
	assert_true(pci_driver_features(&drv) == OFFERED);
	put(VIRTIO_PCI_COMMON_DFSELECT, 2, 4);
	assert_int_equal(get(VIRTIO_PCI_COMMON_DF, 4), 0);
	put(VIRTIO_PCI_COMMON_DFSELECT, 0xffffffff, 4);
	assert_int_equal(get(VIRTIO_PCI_COMMON_DF, 4), 0);
	put(VIRTIO_PCI_COMMON_GFSELECT, 2, 4);
	put(VIRTIO_PCI_COMMON_GF, 0xffffffff, 4);
	assert_int_equal(get(VIRTIO_PCI_COMMON_GF, 4), 0);
	pci_driver_set_features(&drv, VERSION_1 | 8);
	assert_int_equal(get(VIRTIO_PCI_COMMON_GF, 4), 1);
	put(VIRTIO_PCI_COMMON_GFSELECT, 0, 4);
	assert_int_equal(get(VIRTIO_PCI_COMMON_GF, 4), 8);
}

static void features_that_are_not_offered_are_refused(void **state)
{
	static const uint64_t bad[] = { OFFERED | 1, OFFERED | 1ULL << 38, OFFERED | 1ULL << 40, ~0ULL,
					0,	     OFFERED & ~VERSION_1 };

	(void)state;
	pci_driver_set_status(&drv, ACKED);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		pci_driver_set_features(&drv, bad[i]);
		pci_driver_set_status(&drv, VIRTIO_CONFIG_S_FEATURES_OK);
		assert_int_equal(pci_driver_status(&drv), ACKED);
		/* Nor does going on regardless work. */
		pci_driver_set_status(&drv, VIRTIO_CONFIG_S_DRIVER_OK);
		assert_int_equal(pci_driver_status(&drv), ACKED);
		put(VIRTIO_PCI_COMMON_STATUS, LIVE, 1);
		assert_int_equal(pci_driver_status(&drv), ACKED);
	}
	loop_turn(loop);
	assert_int_equal(dev.starts, 0);
	pci_driver_set_features(&drv, VERSION_1);
	pci_driver_set_status(&drv, VIRTIO_CONFIG_S_FEATURES_OK);
	assert_int_equal(pci_driver_status(&drv), AGREED);
}

static void features_are_fixed_once_agreed(void **state)
{
	(void)state;
	agree();
	pci_driver_set_features(&drv, ~0ULL);
	pci_driver_set_status(&drv, VIRTIO_CONFIG_S_DRIVER_OK);
	loop_turn(loop);
	assert_int_equal(dev.starts, 1);
	assert_true(dev.vdev.acked == OFFERED);
}

static void only_a_reset_clears_status_bits(void **state)
{
	(void)state;
	agree();
	put(VIRTIO_PCI_COMMON_STATUS, VIRTIO_CONFIG_S_ACKNOWLEDGE, 1);
	assert_int_equal(pci_driver_status(&drv), AGREED);
	put(VIRTIO_PCI_COMMON_STATUS, AGREED | NEEDS_RESET | 0x30, 1);
	assert_int_equal(pci_driver_status(&drv), AGREED);
	put(VIRTIO_PCI_COMMON_STATUS, VIRTIO_CONFIG_S_FAILED, 1);
	assert_int_equal(pci_driver_status(&drv), AGREED | VIRTIO_CONFIG_S_FAILED);
}

/* --- Queues --- */

static void queues_are_handed_to_the_device(void **state)
{
	(void)state;
	go_live();
	assert_int_equal(dev.starts, 1);
	assert_true(dev.vdev.vqs[0].enabled && dev.vdev.vqs[1].enabled);
	assert_int_equal(dev.vdev.vqs[1].size, 16);
	assert_int_equal(dev.vdev.vqs[1].desc_gpa, 0x110000);
	assert_int_equal(dev.vdev.vqs[1].avail_gpa, 0x111000);
	assert_int_equal(dev.vdev.vqs[1].used_gpa, 0x112000);
	assert_true(dev.vdev.vqs[0].event_idx && dev.vdev.vqs[0].indirect);
	put(VIRTIO_PCI_COMMON_Q_SELECT, 1, 2);
	assert_int_equal(get(VIRTIO_PCI_COMMON_Q_ENABLE, 2), 1);
	assert_int_equal(get(VIRTIO_PCI_COMMON_Q_DESCLO, 4), 0x110000);
}

static void queues_left_out_stay_disabled(void **state)
{
	(void)state;
	agree();
	set_queue(1, 16, 0x110000);
	pci_driver_set_status(&drv, VIRTIO_CONFIG_S_DRIVER_OK);
	loop_turn(loop);
	assert_true(dev.vdev.started);
	assert_false(dev.vdev.vqs[0].enabled);
	assert_int_equal(fake_host_ioeventfds(&host), 1);
}

static void enabled_queues_are_fixed(void **state)
{
	(void)state;
	agree();
	set_queue(0, 64, 0x100000);
	put(VIRTIO_PCI_COMMON_Q_SIZE, 8, 2);
	put64(VIRTIO_PCI_COMMON_Q_DESCLO, 0x150000);
	put(VIRTIO_PCI_COMMON_Q_ENABLE, 0, 2);
	assert_int_equal(get(VIRTIO_PCI_COMMON_Q_SIZE, 2), 64);
	assert_int_equal(get(VIRTIO_PCI_COMMON_Q_DESCLO, 4), 0x100000);
	assert_int_equal(get(VIRTIO_PCI_COMMON_Q_ENABLE, 2), 1);
	put(VIRTIO_PCI_COMMON_Q_SELECT, 1, 2);
	put(VIRTIO_PCI_COMMON_Q_ENABLE, 2, 2);
	assert_int_equal(get(VIRTIO_PCI_COMMON_Q_ENABLE, 2), 0);
	pci_driver_set_status(&drv, VIRTIO_CONFIG_S_DRIVER_OK);
	loop_turn(loop);
	/* Too late. */
	set_queue(1, 8, 0x110000);
	assert_int_equal(get(VIRTIO_PCI_COMMON_Q_ENABLE, 2), 0);
	assert_false(dev.vdev.vqs[1].enabled);
}

static void expect_refused_queue(uint16_t size, uint64_t desc)
{
	set_vectors();
	agree();
	set_queue(0, size, desc);
	pci_driver_set_status(&drv, VIRTIO_CONFIG_S_DRIVER_OK);
	loop_turn(loop);
	assert_int_equal(pci_driver_status(&drv), LIVE | NEEDS_RESET);
	assert_false(dev.vdev.started);
	assert_int_equal(dev.starts, 0);
	assert_int_equal(fake_host_messages(&host, MESSAGE(CONFIG_VECTOR)), 1);
	assert_int_equal(fake_host_ioeventfds(&host), 0);
	put(VIRTIO_PCI_COMMON_STATUS, 0, 1);
	loop_turn(loop);
	assert_int_equal(pci_driver_status(&drv), 0);
}

static void bad_queues_need_a_reset(void **state)
{
	(void)state;
	expect_refused_queue(0, 0x100000);
	expect_refused_queue(3, 0x100000);
	expect_refused_queue(128, 0x100000);
	expect_refused_queue(0xffff, 0x100000);
	expect_refused_queue(64, 0x100008);
	expect_refused_queue(64, 0);
	expect_refused_queue(64, 0x1ffff0);
	expect_refused_queue(64, 0x200000);
	expect_refused_queue(64, 0xfffffffffffff000);
	go_live();
}

static void addresses_take_whole_and_half_writes_only(void **state)
{
	(void)state;
	put(VIRTIO_PCI_COMMON_Q_DESCLO, 0x1122334455667788, 8);
	assert_true(get(VIRTIO_PCI_COMMON_Q_DESCLO, 8) == 0x1122334455667788);
	put(VIRTIO_PCI_COMMON_Q_DESCLO, 0, 2);
	put(VIRTIO_PCI_COMMON_Q_DESCLO + 2, 0, 4);
	put(VIRTIO_PCI_COMMON_Q_DESCHI, 0, 8);
	put(VIRTIO_PCI_COMMON_Q_DESCLO + 1, 0, 1);
	assert_true(get(VIRTIO_PCI_COMMON_Q_DESCLO, 8) == 0x1122334455667788);
	put(VIRTIO_PCI_COMMON_Q_DESCHI, 9, 4);
	assert_true(get(VIRTIO_PCI_COMMON_Q_DESCLO, 8) == 0x955667788);
}

/* --- Pages that the guest reaches without exits --- */

static void registers_are_read_without_exits_and_addresses_written(void **state)
{
	uint64_t exits;

	(void)state;
	go_live();
	exits = host.exits;
	assert_int_equal(pci_driver_status(&drv), LIVE);
	assert_int_equal(get(VIRTIO_PCI_COMMON_NUMQ, 2), N_QUEUES);
	assert_int_equal(pci_driver_read(&drv, drv.device, 1), 0xa0);
	assert_int_equal(pci_driver_read(&drv, drv.table + PCI_MSIX_ENTRY_DATA, 4), 0x4000);
	put64(VIRTIO_PCI_COMMON_Q_DESCLO, 0x123000);
	assert_int_equal(host.exits, exits);
	put(VIRTIO_PCI_COMMON_Q_SELECT, 0, 2);
	assert_int_equal(host.exits, exits + 1);
}

static void without_mappings_everything_exits_and_works(void **state)
{
	uint64_t exits;

	(void)state;
	go_live();
	exits = host.exits;
	assert_int_equal(get(VIRTIO_PCI_COMMON_NUMQ, 2), N_QUEUES);
	put64(VIRTIO_PCI_COMMON_Q_DESCLO, 0x123000);
	assert_int_equal(host.exits, exits + 3);
	assert_true(dev.vdev.vqs[0].desc_gpa == 0x100000);
	assert_true(dev.vdev.vqs[1].used_gpa == 0x112000);
}

static void what_is_written_to_a_queue_costs_no_exit(void **state)
{
	uint64_t exits;

	(void)state;
	agree();
	put(VIRTIO_PCI_COMMON_Q_SELECT, 0, 2);
	exits = host.exits;
	put(VIRTIO_PCI_COMMON_Q_SIZE, 8, 2);
	put(VIRTIO_PCI_COMMON_Q_MSIX, 1, 2);
	put64(VIRTIO_PCI_COMMON_Q_DESCLO, 0x100000);
	put(VIRTIO_PCI_COMMON_Q_ENABLE, 1, 2);
	assert_int_equal(get(VIRTIO_PCI_COMMON_Q_MSIX, 2), 1);
	assert_int_equal(host.exits, exits);
	/* It is there when another queue was looked at, and holds. */
	put(VIRTIO_PCI_COMMON_Q_SELECT, 1, 2);
	assert_int_equal(get(VIRTIO_PCI_COMMON_Q_ENABLE, 2), 0);
	assert_int_equal(get(VIRTIO_PCI_COMMON_Q_MSIX, 2), NO_VECTOR);
	put(VIRTIO_PCI_COMMON_Q_SELECT, 0, 2);
	put(VIRTIO_PCI_COMMON_Q_SIZE, 64, 2);
	put(VIRTIO_PCI_COMMON_Q_ENABLE, 0, 2);
	put(VIRTIO_PCI_COMMON_Q_MSIX, 0x7777, 2);
	put(VIRTIO_PCI_COMMON_Q_SELECT, 0, 2);
	assert_int_equal(get(VIRTIO_PCI_COMMON_Q_SIZE, 2), 8);
	assert_int_equal(get(VIRTIO_PCI_COMMON_Q_ENABLE, 2), 1);
	assert_int_equal(get(VIRTIO_PCI_COMMON_Q_MSIX, 2), NO_VECTOR);
	assert_int_equal(get(VIRTIO_PCI_COMMON_Q_DESCLO, 4), 0x100000);
}

static void addresses_written_after_enabling_change_nothing(void **state)
{
	(void)state;
	set_vectors();
	agree();
	set_queue(0, 64, 0x100000);
	put(VIRTIO_PCI_COMMON_Q_SELECT, 0, 2);
	put64(VIRTIO_PCI_COMMON_Q_DESCLO, 0x666000);
	set_queue(1, 16, 0x110000);
	put(VIRTIO_PCI_COMMON_Q_SELECT, 1, 2);
	put64(VIRTIO_PCI_COMMON_Q_USEDLO, 0x666000);
	pci_driver_set_status(&drv, VIRTIO_CONFIG_S_DRIVER_OK);
	loop_turn(loop);
	assert_true(dev.vdev.vqs[0].desc_gpa == 0x100000);
	assert_true(dev.vdev.vqs[1].used_gpa == 0x112000);
	/* And is not what is read once a register was written. */
	assert_true(get(VIRTIO_PCI_COMMON_Q_USEDLO, 8) == 0x112000);
	put(VIRTIO_PCI_COMMON_Q_SELECT, 0, 2);
	assert_true(get(VIRTIO_PCI_COMMON_Q_DESCLO, 8) == 0x100000);
}

static void mappings_follow_the_bar(void **state)
{
	uint64_t old = drv.common, moved = 0xd0000000 - 0xc0000000;
	unsigned exits;

	(void)state;
	go_live();
	pci_driver_write(&drv, drv.config + PCI_BASE_ADDRESS_0, 0xd0000000, 4);
	exits = host.exits;
	assert_int_equal(pci_driver_read(&drv, old + moved + VIRTIO_PCI_COMMON_NUMQ, 2), N_QUEUES);
	assert_int_equal(host.exits, exits);
	assert_int_equal(pci_driver_read(&drv, old + VIRTIO_PCI_COMMON_NUMQ, 2), 0xffff);
	assert_int_equal(host.exits, exits + 1);
	/* Where the host has no room for them they are reached by exits. */
	host.map_result = -EEXIST;
	pci_driver_write(&drv, drv.config + PCI_BASE_ADDRESS_0, 0xe0000000, 4);
	exits = host.exits;
	moved = 0xe0000000 - 0xc0000000;
	assert_int_equal(pci_driver_read(&drv, old + moved + VIRTIO_PCI_COMMON_NUMQ, 2), N_QUEUES);
	assert_int_equal(host.exits, exits + 1);
	loop_turn(loop);
}

/* --- Kicks --- */

static void kicks_arrive_by_ioeventfd(void **state)
{
	(void)state;
	go_live();
	assert_int_equal(fake_host_ioeventfds(&host), N_QUEUES);
	dev.kicks[0] = dev.kicks[1] = 0;
	kick(1);
	loop_turn(loop);
	assert_int_equal(dev.kicks[0], 0);
	assert_int_equal(dev.kicks[1], 1);
}

static void kicks_arrive_without_ioeventfds(void **state)
{
	(void)state;
	host.ioeventfd_result = -ENOSPC;
	go_live();
	assert_int_equal(fake_host_ioeventfds(&host), 0);
	dev.kicks[0] = dev.kicks[1] = 0;
	kick(0);
	loop_turn(loop);
	assert_int_equal(dev.kicks[0], 1);
	/* Wrong width or place */
	pci_driver_write(&drv, drv.notify, 0, 1);
	pci_driver_write(&drv, drv.notify, 0, 4);
	pci_driver_write(&drv, drv.notify + 2, 0, 2);
	pci_driver_write(&drv, drv.notify + N_QUEUES * drv.multiplier, 2, 2);
	pci_driver_write(&drv, drv.notify + 0xffe, 0, 2);
	loop_turn(loop);
	assert_int_equal(dev.kicks[0], 1);
	assert_int_equal(dev.kicks[1], 0);
}

static void ioeventfds_follow_the_bar(void **state)
{
	uint64_t old = drv.notify, base = 0xc0000000, moved = 0xd0000000;

	(void)state;
	go_live();
	pci_driver_write(&drv, drv.config + PCI_BASE_ADDRESS_0, moved, 4);
	loop_turn(loop);
	assert_int_equal(fake_host_ioeventfds(&host), N_QUEUES);
	drv.notify += moved - base;
	drv.common += moved - base;
	dev.kicks[0] = 0;
	kick(0);
	loop_turn(loop);
	assert_int_equal(dev.kicks[0], 1);
	pci_driver_write(&drv, old, 0, 2);
	loop_turn(loop);
	assert_int_equal(dev.kicks[0], 1);
	/* Decoding off and on again */
	pci_driver_write(&drv, drv.config + PCI_COMMAND, 0, 2);
	loop_turn(loop);
	assert_int_equal(fake_host_ioeventfds(&host), 0);
	pci_driver_write(&drv, drv.config + PCI_COMMAND, PCI_COMMAND_MEMORY, 2);
	loop_turn(loop);
	assert_int_equal(fake_host_ioeventfds(&host), N_QUEUES);
	assert_int_equal(pci_driver_status(&drv), LIVE);
}

/* --- Reset and failure --- */

static void a_reset_is_complete_only_when_the_loop_says_so(void **state)
{
	(void)state;
	go_live();
	put(VIRTIO_PCI_COMMON_STATUS, 0, 1);
	assert_int_equal(pci_driver_status(&drv), LIVE);
	/* Meanwhile nothing is taken. */
	put(VIRTIO_PCI_COMMON_STATUS, VIRTIO_CONFIG_S_FAILED, 1);
	put(VIRTIO_PCI_COMMON_MSIX, 0, 2);
	put(VIRTIO_PCI_COMMON_STATUS, 0, 1);
	assert_int_equal(pci_driver_status(&drv), LIVE);
	assert_int_equal(get(VIRTIO_PCI_COMMON_MSIX, 2), CONFIG_VECTOR);
	assert_int_equal(dev.stops, 0);
	dev.write_in_stop = true;
	loop_turn(loop);
	dev.write_in_stop = false;
	assert_int_equal(pci_driver_status(&drv), 0);
	assert_int_equal(dev.stops, 1);
	assert_int_equal(fake_host_ioeventfds(&host), 0);
	assert_int_equal(fake_host_connected(&host), 0);
	the_reset_state_is_clean(NULL);
	go_live();
	assert_int_equal(dev.starts, 2);
}

static void a_reset_overtakes_a_start(void **state)
{
	(void)state;
	agree();
	set_queue(0, 64, 0x100000);
	pci_driver_set_status(&drv, VIRTIO_CONFIG_S_DRIVER_OK);
	put(VIRTIO_PCI_COMMON_STATUS, 0, 1);
	assert_int_equal(pci_driver_status(&drv), LIVE);
	loop_turn(loop);
	assert_int_equal(pci_driver_status(&drv), 0);
	assert_int_equal(dev.starts, 0);
	go_live();
}

static void a_reset_forgets_signals(void **state)
{
	(void)state;
	go_live();
	pci_driver_mask(&drv, 0, true);
	signal_call(0);
	kick(0);
	put(VIRTIO_PCI_COMMON_STATUS, 0, 1);
	loop_turn(loop);
	pci_driver_mask(&drv, 0, false);
	put(VIRTIO_PCI_COMMON_Q_SELECT, 0, 2);
	put(VIRTIO_PCI_COMMON_Q_MSIX, 0, 2);
	assert_int_equal(fake_host_messages(&host, MESSAGE(0)), 0);
}

static void a_failing_device_needs_a_reset(void **state)
{
	(void)state;
	go_live();
	dev.fail_in_kick = true;
	kick(0);
	loop_turn(loop);
	assert_int_equal(pci_driver_status(&drv), LIVE | NEEDS_RESET);
	assert_int_equal(fake_host_messages(&host, MESSAGE(CONFIG_VECTOR)), 1);
	assert_int_equal(pci_driver_read(&drv, drv.isr, 1), 2);
	assert_int_equal(pci_driver_read(&drv, drv.isr, 1), 0);
	/* Others' status bits don't take it away. */
	pci_driver_set_status(&drv, VIRTIO_CONFIG_S_FAILED);
	assert_int_equal(pci_driver_status(&drv), LIVE | NEEDS_RESET | VIRTIO_CONFIG_S_FAILED);
	dev.fail_in_kick = false;
	put(VIRTIO_PCI_COMMON_STATUS, 0, 1);
	loop_turn(loop);
	assert_int_equal(pci_driver_status(&drv), 0);
	go_live();
}

static void a_device_that_can_not_start_needs_a_reset(void **state)
{
	(void)state;
	dev.start_result = -ENOMEM;
	set_vectors();
	agree();
	pci_driver_set_status(&drv, VIRTIO_CONFIG_S_DRIVER_OK);
	loop_turn(loop);
	assert_int_equal(pci_driver_status(&drv), LIVE | NEEDS_RESET);
	assert_int_equal(fake_host_messages(&host, MESSAGE(CONFIG_VECTOR)), 1);
	put(VIRTIO_PCI_COMMON_STATUS, 0, 1);
	loop_turn(loop);
	dev.start_result = 0;
	dev.fail_in_start = true;
	agree();
	pci_driver_set_status(&drv, VIRTIO_CONFIG_S_DRIVER_OK);
	loop_turn(loop);
	assert_int_equal(pci_driver_status(&drv), LIVE | NEEDS_RESET);
}

/* --- Device configuration --- */

static void device_configuration_is_readable_at_any_width(void **state)
{
	(void)state;
	assert_int_equal(pci_driver_read(&drv, drv.device, 1), 0xa0);
	assert_int_equal(pci_driver_read(&drv, drv.device + 2, 2), 0xa3a2);
	assert_int_equal(pci_driver_read(&drv, drv.device + 4, 4), 0xa7a6a5a4);
	assert_int_equal(pci_driver_read(&drv, drv.device + 8, 4), 0xa9a8);
	assert_int_equal(pci_driver_read(&drv, drv.device + 64, 8), 0);
}

static void a_change_is_told_and_counted(void **state)
{
	uint64_t generation = get(VIRTIO_PCI_COMMON_CFGGENERATION, 1);

	(void)state;
	go_live();
	dev.vdev.config[0] = 0x11;
	dev.vdev.host_ops->config_changed(dev.vdev.host, &dev.vdev);
	assert_int_equal(pci_driver_read(&drv, drv.device, 1), 0x11);
	assert_int_not_equal(get(VIRTIO_PCI_COMMON_CFGGENERATION, 1), generation);
	assert_int_equal(fake_host_messages(&host, MESSAGE(CONFIG_VECTOR)), 1);
	assert_int_equal(pci_driver_read(&drv, drv.isr, 1), 2);
}

static void a_change_before_driver_ok_interrupts_nobody(void **state)
{
	(void)state;
	set_vectors();
	dev.vdev.host_ops->config_changed(dev.vdev.host, &dev.vdev);
	assert_int_equal(fake_host_messages(&host, MESSAGE(CONFIG_VECTOR)), 0);
	assert_int_equal(get(VIRTIO_PCI_COMMON_CFGGENERATION, 1), 1);
}

static void written_configuration_reaches_the_device_in_the_loop(void **state)
{
	(void)state;
	go_live();
	pci_driver_write(&drv, drv.device + 4, 0x1234, 2);
	pci_driver_write(&drv, drv.device + 1, 0x99, 1);
	assert_int_equal(pci_driver_read(&drv, drv.device + 4, 2), 0x1234);
	assert_int_equal(dev.vdev.config[4], 0xa4);
	/* Outside */
	pci_driver_write(&drv, drv.device + CONFIG_LEN, 0, 1);
	pci_driver_write(&drv, drv.device + CONFIG_LEN - 2, 0, 4);
	loop_turn(loop);
	assert_int_equal(dev.written, 1);
	assert_int_equal(dev.written_offset, 1);
	assert_int_equal(dev.written_len, 5);
	assert_int_equal(dev.vdev.config[4], 0x34);
	assert_int_equal(dev.vdev.config[1], 0x99);
	assert_int_equal(dev.vdev.config[2], 0xa2);
	assert_int_equal(dev.vdev.config[CONFIG_LEN - 1], 0xa9);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(it_is_a_modern_virtio_function),
		TEST(each_queue_has_a_notify_address_of_its_own),
		TEST(the_reset_state_is_clean),
		TEST(a_queue_that_is_not_there_reads_as_nothing),
		TEST_WITH(a_queue_that_is_not_there_takes_nothing, set_up_unmapped),
		TEST(features_come_in_halves),
		TEST(features_that_are_not_offered_are_refused),
		TEST(features_are_fixed_once_agreed),
		TEST(only_a_reset_clears_status_bits),
		TEST(queues_are_handed_to_the_device),
		TEST(queues_left_out_stay_disabled),
		TEST_WITH(enabled_queues_are_fixed, set_up_unmapped),
		TEST(what_is_written_to_a_queue_costs_no_exit),
		TEST(bad_queues_need_a_reset),
		TEST_WITH(addresses_take_whole_and_half_writes_only, set_up_unmapped),
		TEST(registers_are_read_without_exits_and_addresses_written),
		TEST_WITH(without_mappings_everything_exits_and_works, set_up_unmapped),
		TEST(addresses_written_after_enabling_change_nothing),
		TEST(mappings_follow_the_bar),
		TEST(kicks_arrive_by_ioeventfd),
		TEST(kicks_arrive_without_ioeventfds),
		TEST(ioeventfds_follow_the_bar),
		TEST(a_reset_is_complete_only_when_the_loop_says_so),
		TEST(a_reset_overtakes_a_start),
		TEST(a_reset_forgets_signals),
		TEST(a_failing_device_needs_a_reset),
		TEST(a_device_that_can_not_start_needs_a_reset),
		TEST(device_configuration_is_readable_at_any_width),
		TEST(a_change_is_told_and_counted),
		TEST(a_change_before_driver_ok_interrupts_nobody),
		TEST(written_configuration_reaches_the_device_in_the_loop),
	};

	virtio_pci_free(NULL);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
