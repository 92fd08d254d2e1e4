/* SPDX-License-Identifier: Apache-2.0 */
/* virtio_pci: MSI-X vectors, masks and the ISR. */
#include "tests/unit/loop_turn.h"
#include "tests/unit/test.h"
#include "tests/unit/virtio_pci_fixture.h"

#include <errno.h>
#include <linux/pci_regs.h>

/* --- Interrupts --- */

static void calls_become_messages(void **state)
{
	(void)state;
	go_live();
	assert_int_equal(fake_host_connected(&host), 3);
	signal_call(1);
	assert_int_equal(fake_host_messages(&host, MESSAGE(0)), 0);
	assert_int_equal(fake_host_messages(&host, MESSAGE(1)), 1);
}

static void vectors_start_masked_and_without_queues(void **state)
{
	(void)state;
	for (unsigned i = 0; i < drv.n_vectors; i++)
		assert_int_equal(pci_driver_read(&drv, drv.table + i * 16 + 12, 4), 1);
	pci_driver_msix(&drv, true, false);
	set_queue_vector(0, 0);
	assert_int_equal(host.connects, 0);
	pci_driver_mask(&drv, 0, false);
	assert_int_equal(host.connects, 1);
}

static void a_vector_that_is_not_there_is_refused(void **state)
{
	(void)state;
	set_vectors();
	put(VIRTIO_PCI_COMMON_MSIX, 3, 2);
	assert_int_equal(get(VIRTIO_PCI_COMMON_MSIX, 2), NO_VECTOR);
	set_queue_vector(1, 0xfffe);
	assert_int_equal(get(VIRTIO_PCI_COMMON_Q_MSIX, 2), NO_VECTOR);
	assert_int_equal(fake_host_connected(&host), 1);
}

static void a_masked_vector_is_pending_and_sent_at_unmask(void **state)
{
	(void)state;
	go_live();
	pci_driver_mask(&drv, 0, true);
	assert_int_equal(fake_host_connected(&host), 2);
	assert_false(pci_driver_pending(&drv, 0));
	signal_call(0);
	signal_call(0);
	assert_true(pci_driver_pending(&drv, 0));
	assert_false(pci_driver_pending(&drv, 1));
	assert_int_equal(fake_host_messages(&host, MESSAGE(0)), 0);
	pci_driver_mask(&drv, 0, false);
	assert_int_equal(fake_host_messages(&host, MESSAGE(0)), 1);
	assert_false(pci_driver_pending(&drv, 0));
	/* Nothing was pending the next time. */
	pci_driver_mask(&drv, 0, true);
	pci_driver_mask(&drv, 0, false);
	assert_int_equal(fake_host_messages(&host, MESSAGE(0)), 0);
}

static void the_function_mask_holds_all_vectors(void **state)
{
	(void)state;
	go_live();
	pci_driver_msix(&drv, true, true);
	assert_int_equal(fake_host_connected(&host), 0);
	signal_call(0);
	signal_call(1);
	assert_true(pci_driver_pending(&drv, 0) && pci_driver_pending(&drv, 1));
	pci_driver_mask(&drv, 1, true);
	pci_driver_msix(&drv, true, false);
	assert_int_equal(fake_host_messages(&host, MESSAGE(0)), 1);
	assert_int_equal(fake_host_messages(&host, MESSAGE(1)), 0);
	pci_driver_mask(&drv, 1, false);
	assert_int_equal(fake_host_messages(&host, MESSAGE(1)), 1);
}

static void a_message_changed_while_masked_is_the_one_sent(void **state)
{
	(void)state;
	go_live();
	pci_driver_mask(&drv, 0, true);
	signal_call(0);
	pci_driver_set_entry(&drv, 0, 0xfee01003, 0x99);
	pci_driver_mask(&drv, 0, false);
	/* Address bits 0 and 1 are not there. */
	assert_int_equal(fake_host_messages(&host, 0xfee01000, 0x99), 1);
	assert_int_equal(host.n_gsis, 3);
}

static void a_message_changed_while_live_is_followed(void **state)
{
	(void)state;
	go_live();
	pci_driver_write(&drv, drv.table + PCI_MSIX_ENTRY_DATA, 0x77, 4);
	signal_call(0);
	assert_int_equal(fake_host_messages(&host, 0xfee00000, 0x77), 1);
	assert_int_equal(host.n_gsis, 3);
	assert_int_equal(host.disconnects, 0);
}

static void a_live_message_that_can_not_be_routed_is_not_sent(void **state)
{
	(void)state;
	go_live();
	host.connect_result = -EINVAL;
	pci_driver_write(&drv, drv.table + PCI_MSIX_ENTRY_DATA, 0x77, 4);
	assert_int_equal(fake_host_connected(&host), 2);
	signal_call(0);
	assert_int_equal(fake_host_messages(&host, MESSAGE(0)), 0);
	assert_true(pci_driver_pending(&drv, 0));
	host.connect_result = 0;
	pci_driver_write(&drv, drv.table + PCI_MSIX_ENTRY_DATA, 0x78, 4);
	assert_int_equal(fake_host_messages(&host, 0xfee00000, 0x78), 1);
}

static void lines_may_share_a_vector(void **state)
{
	(void)state;
	go_live();
	set_queue_vector(1, 0);
	signal_call(1);
	assert_int_equal(fake_host_messages(&host, MESSAGE(0)), 1);
	pci_driver_mask(&drv, 0, true);
	signal_call(1);
	assert_true(pci_driver_pending(&drv, 0));
	pci_driver_mask(&drv, 0, false);
	assert_int_equal(fake_host_messages(&host, MESSAGE(0)), 1);
}

static void queues_of_a_device_that_says_so_share_a_vector(void **state)
{
	(void)state;
	assert_int_equal(drv.n_vectors, 2);
	pci_driver_msix(&drv, true, false);
	pci_driver_set_entry(&drv, 1, MESSAGE(1));
	pci_driver_mask(&drv, 1, false);
	for (unsigned q = 0; q < N_QUEUES; q++) {
		set_queue_vector(q, 1);
		assert_int_equal(get(VIRTIO_PCI_COMMON_Q_MSIX, 2), 1);
		signal_call(q);
		assert_int_equal(fake_host_messages(&host, MESSAGE(1)), 1);
	}
	put(VIRTIO_PCI_COMMON_MSIX, 2, 2);
	assert_int_equal(get(VIRTIO_PCI_COMMON_MSIX, 2), NO_VECTOR);
	pci_driver_set_entry(&drv, 2, MESSAGE(2));
	assert_int_equal(pci_driver_read(&drv, drv.table + 2 * 16, 4), 0);
}

static void a_line_without_vector_is_silent(void **state)
{
	(void)state;
	go_live();
	set_queue_vector(0, NO_VECTOR);
	assert_int_equal(fake_host_connected(&host), 2);
	signal_call(0);
	assert_int_equal(pci_driver_read(&drv, drv.pba, 4), 0);
	/* What it missed is not sent later. */
	set_queue_vector(0, 0);
	assert_int_equal(fake_host_messages(&host, MESSAGE(0)), 0);
	signal_call(0);
	assert_int_equal(fake_host_messages(&host, MESSAGE(0)), 1);
}

static void a_host_that_can_not_route_keeps_the_signal(void **state)
{
	(void)state;
	go_live();
	pci_driver_mask(&drv, 0, true);
	signal_call(0);
	host.connect_result = -EINVAL;
	pci_driver_mask(&drv, 0, false);
	assert_int_equal(fake_host_connected(&host), 2);
	host.connect_result = 0;
	pci_driver_set_entry(&drv, 0, MESSAGE(0));
	assert_int_equal(fake_host_messages(&host, MESSAGE(0)), 1);
}

static void without_msix_calls_show_in_isr(void **state)
{
	(void)state;
	go_live();
	pci_driver_msix(&drv, false, false);
	assert_int_equal(fake_host_connected(&host), 0);
	assert_int_equal(pci_driver_read(&drv, drv.isr, 1), 0);
	signal_call(1);
	assert_int_equal(pci_driver_read(&drv, drv.isr, 1), 1);
	assert_int_equal(pci_driver_read(&drv, drv.isr, 1), 0);
}

static void hostile_table_writes_change_nothing(void **state)
{
	(void)state;
	set_vectors();
	pci_driver_write(&drv, drv.table, 0xff, 1);
	pci_driver_write(&drv, drv.table, 0xffff, 2);
	pci_driver_write(&drv, drv.table + 2, 0xffffffff, 4);
	pci_driver_write(&drv, drv.table + 4, ~0ULL, 8);
	pci_driver_write(&drv, drv.table + 16 * drv.n_vectors, ~0ULL, 4);
	pci_driver_write(&drv, drv.table + 0xffc, ~0ULL, 8);
	pci_driver_write(&drv, drv.pba, ~0ULL, 8);
	assert_int_equal(pci_driver_read(&drv, drv.table, 4), 0xfee00000);
	assert_int_equal(pci_driver_read(&drv, drv.table + 4, 4), 0);
	assert_int_equal(pci_driver_read(&drv, drv.table + 16 * drv.n_vectors, 8), 0);
	assert_int_equal(pci_driver_read(&drv, drv.pba, 8), 0);
	assert_int_equal(pci_driver_read(&drv, drv.pba + 8, 8), 0);
	pci_driver_write(&drv, drv.table + 12, 0xffffffff, 4);
	assert_int_equal(pci_driver_read(&drv, drv.table + 12, 4), 1);
	pci_driver_write(&drv, drv.table + 8, 0x55, 8);
	assert_int_equal(pci_driver_read(&drv, drv.table + 8, 8), 0x55);
	assert_int_equal(fake_host_connected(&host), 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(calls_become_messages),
		TEST(vectors_start_masked_and_without_queues),
		TEST(a_vector_that_is_not_there_is_refused),
		TEST(a_masked_vector_is_pending_and_sent_at_unmask),
		TEST(the_function_mask_holds_all_vectors),
		TEST(a_message_changed_while_masked_is_the_one_sent),
		TEST(a_message_changed_while_live_is_followed),
		TEST(a_live_message_that_can_not_be_routed_is_not_sent),
		TEST(lines_may_share_a_vector),
		TEST_WITH(queues_of_a_device_that_says_so_share_a_vector, set_up_shared_call),
		TEST(a_line_without_vector_is_silent),
		TEST(a_host_that_can_not_route_keeps_the_signal),
		TEST(without_msix_calls_show_in_isr),
		TEST(hostile_table_writes_change_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
