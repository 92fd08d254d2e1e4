/* SPDX-License-Identifier: Apache-2.0 */
/* virtio_pci: the window in configuration space, and accesses that no driver would make. */
#include "tests/unit/loop_turn.h"
#include "tests/unit/test.h"
#include "tests/unit/virtio_pci_fixture.h"

#include "base/cleanup.h"
#include "base/endian.h"

#include <linux/pci_regs.h>
#include <pthread.h>
#include <stdatomic.h>

/* --- The window in configuration space (§4.1.4.9) --- */

static void aim(uint32_t offset, uint32_t len, uint8_t bar)
{
	uint64_t cap = drv.config + drv.window_cap;

	pci_driver_write(&drv, cap + VIRTIO_PCI_CAP_BAR, bar, 1);
	pci_driver_write(&drv, cap + VIRTIO_PCI_CAP_OFFSET, offset, 4);
	pci_driver_write(&drv, cap + VIRTIO_PCI_CAP_LENGTH, len, 4);
}

static uint32_t look(void)
{
	const uint8_t *ecam = pci_root_ecam(root);

	/* As the guest's mapping shows it, without an access that we see. */
	return get_le32(ecam + 0x8000 + drv.window_cap + 16);
}

static void the_window_reads_and_writes_registers(void **state)
{
	uint64_t data = drv.config + drv.window_cap + 16;
	uint32_t common = (uint32_t)(drv.common - 0xc0000000);

	(void)state;
	pci_driver_write(&drv, drv.config + PCI_COMMAND, 0, 2); /* works without decoding */
	aim(common + VIRTIO_PCI_COMMON_NUMQ, 2, 0);
	assert_int_equal(look() & 0xffff, N_QUEUES);
	aim(common + VIRTIO_PCI_COMMON_STATUS, 1, 0);
	pci_driver_write(&drv, data, VIRTIO_CONFIG_S_ACKNOWLEDGE, 4);
	assert_int_equal(look() & 0xff, VIRTIO_CONFIG_S_ACKNOWLEDGE);
	pci_driver_write(&drv, drv.config + PCI_COMMAND, PCI_COMMAND_MEMORY, 2);
	assert_int_equal(pci_driver_status(&drv), VIRTIO_CONFIG_S_ACKNOWLEDGE);
}

static void the_window_stays_current(void **state)
{
	uint32_t common = (uint32_t)(drv.common - 0xc0000000);

	(void)state;
	aim(common + VIRTIO_PCI_COMMON_STATUS, 1, 0);
	go_live();
	assert_int_equal(look() & 0xff, LIVE);
	put(VIRTIO_PCI_COMMON_STATUS, 0, 1);
	assert_int_equal(look() & 0xff, LIVE);
	loop_turn(loop);
	assert_int_equal(look() & 0xff, 0);
}

static void the_window_kicks(void **state)
{
	(void)state;
	go_live();
	dev.kicks[1] = 0;
	aim((uint32_t)(drv.notify + drv.multiplier - 0xc0000000), 2, 0);
	pci_driver_write(&drv, drv.config + drv.window_cap + 16, 1, 4);
	loop_turn(loop);
	assert_int_equal(dev.kicks[1], 1);
}

static void a_window_elsewhere_reaches_nothing(void **state)
{
	static const struct {
		uint32_t offset, len;
		uint8_t bar;
	} bad[] = {
		{ 20, 1, 1 },	      { 20, 1, 0xff },	     { 20, 0, 0 },     { 20, 3, 0 },
		{ 20, 8, 0 },	      { 18, 4, 0 },	     { 0x8000, 1, 0 }, { 0xffffffff, 1, 0 },
		{ 0xfffffffc, 4, 0 }, { 20, 0xffffffff, 0 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		aim(bad[i].offset, bad[i].len, bad[i].bar);
		pci_driver_write(&drv, drv.config + drv.window_cap + 16, 0x01010101, 4);
		assert_int_equal(pci_driver_status(&drv), 0);
	}
}

/* --- Hostile accesses --- */

static void writes_of_the_wrong_width_change_nothing(void **state)
{
	(void)state;
	put(VIRTIO_PCI_COMMON_STATUS, 0x0101, 2);
	put(VIRTIO_PCI_COMMON_STATUS, 0x01010101, 4);
	put(VIRTIO_PCI_COMMON_STATUS - 2, 0x01010101, 4);
	assert_int_equal(pci_driver_status(&drv), 0);
	put(VIRTIO_PCI_COMMON_Q_SELECT, 1, 1);
	put(VIRTIO_PCI_COMMON_Q_SELECT, 1, 4);
	assert_int_equal(get(VIRTIO_PCI_COMMON_Q_SELECT, 2), 0);
	put(VIRTIO_PCI_COMMON_NUMQ, 9, 2);
	assert_int_equal(get(VIRTIO_PCI_COMMON_NUMQ, 2), N_QUEUES);
	put(VIRTIO_PCI_COMMON_GF, 8, 2);
	put(VIRTIO_PCI_COMMON_GFSELECT, 1, 8);
	assert_int_equal(get(VIRTIO_PCI_COMMON_GF, 4), 0);
}

/* Every width at every offset of the BAR and of the configuration page, both ways, started and not. */
static void no_access_crashes(void **state)
{
	(void)state;
	for (int live = 0; live < 2; live++) {
		if (live)
			go_live();
		for (uint64_t at = 0xc0000000; at < 0xc0000000 + 0x8000; at++) {
			for (unsigned len = 1; len <= 8; len *= 2)
				pci_driver_read(&drv, at, len);
		}
		for (uint64_t at = 0xc0000000; at < 0xc0000000 + 0x8000; at++) {
			for (unsigned len = 1; len <= 8; len *= 2)
				pci_root_mmio(root, at, &(uint64_t){ 0xfffffffffffffff3 }, len, true);
		}
		loop_turn(loop);
		put(VIRTIO_PCI_COMMON_STATUS, 0, 1);
		loop_turn(loop);
	}
	for (uint64_t at = 0; at < 4096; at++) {
		for (unsigned len = 1; len <= 8; len *= 2) {
			pci_root_mmio(root, drv.config + at, &(uint64_t){ ~0ULL }, len, true);
			pci_root_mmio(root, drv.config + at, &(uint64_t){ 0x0004000200010003 }, len, true);
		}
	}
	loop_turn(loop);
}

static void random_accesses_do_not_crash(void **state)
{
	uint64_t x = 88172645463325252;

	(void)state;
	for (int i = 0; i < 200000; i++) {
		uint64_t at, value;

		x ^= x << 13, x ^= x >> 7, x ^= x << 17;
		value = x >> 40;
		at = x & 1 ? 0xc0000000 + (x >> 8 & 0xff) : 0xc0000000 + (x >> 8 & 0x7fff);
		if ((x & 0x1e) == 0)
			at = drv.config + 0x40 + (x >> 8 & 0x7f);
		pci_root_mmio(root, at, &value, 1U << (x >> 5 & 3), true);
		if (i % 1000 == 0) {
			pci_driver_write(&drv, drv.config + PCI_BASE_ADDRESS_0, 0xc0000000, 4);
			pci_driver_write(&drv, drv.config + PCI_COMMAND, PCI_COMMAND_MEMORY, 2);
			loop_turn(loop);
		}
		if (i % 3000 == 0) {
			put(VIRTIO_PCI_COMMON_STATUS, 0, 1);
			loop_turn(loop);
			go_live();
		}
	}
}

static atomic_bool hammering;

/* A vCPU thread that writes anything anywhere, resets among it. */
static void *hammer(void *ctx)
{
	uint64_t x = (uintptr_t)ctx * 0x9e3779b97f4a7c15;

	while (hammering) {
		uint64_t at, value;

		x ^= x << 13, x ^= x >> 7, x ^= x << 17;
		at = x & 7 ? 0xc0000000 + (x >> 8 & 0x3f) : 0xc0000000 + (x >> 8 & 0x7fff);
		if ((x & 0x70) == 0)
			at = drv.config + 0x40 + (x >> 8 & 0x7f);
		if ((x & 0xf80) == 0)
			at = 0xc0000000 + VIRTIO_PCI_COMMON_STATUS;
		value = x >> 40 & (x >> 4 & 1 ? 0xf : 0xffffff);
		pci_root_mmio(root, at, &value, 1U << (x >> 5 & 3), x >> 61 & 1);
	}
	return NULL;
}

static void vcpus_and_the_loop_share_the_registers(void **state)
{
	pthread_t threads[2];

	(void)state;
	go_live();
	hammering = true;
	for (uintptr_t i = 0; i < 2; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, hammer, (void *)(i + 1)), 0);
	for (int i = 0; i < 300; i++) {
		put(VIRTIO_PCI_COMMON_STATUS, 0, 1);
		loop_turn(loop);
		/* As far as the others let it come. */
		pci_driver_set_features(&drv, VERSION_1);
		put(VIRTIO_PCI_COMMON_STATUS, AGREED, 1);
		set_queue(0, 64, 0x100000);
		put(VIRTIO_PCI_COMMON_STATUS, LIVE, 1);
		loop_turn(loop);
		dev.vdev.host_ops->config_changed(dev.vdev.host, &dev.vdev);
	}
	hammering = false;
	assert_true(dev.starts > 10 && dev.stops > 10);
	for (int i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
	/* And all is well again after a reset. */
	put(VIRTIO_PCI_COMMON_STATUS, 0, 1);
	loop_turn(loop);
	go_live();
}

static void it_may_be_freed_after_the_root(void **state)
{
	(void)state;
	go_live();
	pci_root_free(root);
	virtio_pci_free(vp);
	assert_int_equal(dev.stops, 1);
	root = NULL;
	vp = NULL;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(the_window_reads_and_writes_registers),
		TEST(the_window_stays_current),
		TEST(the_window_kicks),
		TEST(a_window_elsewhere_reaches_nothing),
		TEST(writes_of_the_wrong_width_change_nothing),
		TEST(no_access_crashes),
		TEST(random_accesses_do_not_crash),
		TEST(vcpus_and_the_loop_share_the_registers),
		TEST(it_may_be_freed_after_the_root),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
