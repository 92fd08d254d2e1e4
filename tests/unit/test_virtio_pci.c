/* SPDX-License-Identifier: Apache-2.0 */
/* virtio_pci: the transport as drivers, good and bad, use it. */
#include "tests/unit/loop_turn.h"
#include "tests/unit/test.h"

#include "base/cleanup.h"
#include "base/endian.h"
#include "base/err.h"
#include "base/loop.h"
#include "tests/unit/pci_driver.h"
#include "tests/unit/ring_driver.h"
#include "vmm/pci/virtio_pci.h"

#include <linux/pci_regs.h>
#include <linux/virtio_config.h>
#include <linux/virtio_pci.h>
#include <pthread.h>
#include <stdatomic.h>

#define ECAM 0xe8000000ULL
#define VERSION_1 (1ULL << VIRTIO_F_VERSION_1)
#define OFFERED (VDEV_RING_FEATURES | 1 << 3)
#define MESSAGE(vector) (0xfee00000ULL | (vector) << 12), (0x4000U | (vector))

enum {
	ACKED = VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER,
	AGREED = ACKED | VIRTIO_CONFIG_S_FEATURES_OK,
	LIVE = AGREED | VIRTIO_CONFIG_S_DRIVER_OK,
	NEEDS_RESET = VIRTIO_CONFIG_S_NEEDS_RESET,
	NO_VECTOR = 0xffff,
	N_QUEUES = 2,
	CONFIG_LEN = 10,
	CONFIG_VECTOR = 2, /* what these tests give the configuration change */
};

static struct {
	struct vdev vdev;
	unsigned starts, stops, kicks[N_QUEUES], written;
	int start_result;
	bool fail_in_start, fail_in_kick, write_in_stop;
	size_t written_offset, written_len;
} dev;

static struct fake_host host;
static struct loop *loop;
static struct pci_root *root;
static struct ring_mem mem;
static struct virtio_pci *vp;
static struct pci_driver drv;

/* --- The device behind it --- */

static int dev_start(struct vdev *v)
{
	dev.starts++;
	if (dev.fail_in_start)
		vdev_fail(v, "in start");
	return dev.start_result;
}

static void dev_stop(struct vdev *v)
{
	(void)v;
	dev.stops++;
	/* A vCPU that goes on writing while the loop is at work on its reset. */
	if (dev.write_in_stop) {
		pci_driver_set_status(&drv, VIRTIO_CONFIG_S_FAILED);
		assert_int_equal(pci_driver_status(&drv), LIVE);
	}
}

static void dev_kick(struct vdev *v, unsigned q)
{
	dev.kicks[q]++;
	if (dev.fail_in_kick)
		vdev_fail(v, "in kick");
}

static void dev_written(struct vdev *v, size_t offset, size_t len)
{
	(void)v;
	dev.written++;
	dev.written_offset = offset;
	dev.written_len = len;
}

static void dev_free(struct vdev *v)
{
	vdev_done(v);
}

static const struct vdev_ops ops = {
	.name = "test",
	.type = 26,
	.pci_class = 0x018000,
	.start = dev_start,
	.stop = dev_stop,
	.kick = dev_kick,
	.config_written = dev_written,
	.free = dev_free,
};

/* --- Fixtures --- */

/* Most drivers find pages mapped, as KVM has it. */
static int set_up_with(const struct vdev_ops *dev_ops, int map_result)
{
	const struct pci_root_config config = { .host_ops = &fake_host_ops,
						.host = &host,
						.mmio32 = 0xc0000000,
						.mmio32_size = 1 << 20,
						.ecam = ECAM };
	/* NOTIFICATION_DATA and RING_RESET are the transport's to offer, and it doesn't. */
	const uint64_t features = OFFERED | 1ULL << 38 | 1ULL << 40;

	memset(&dev, 0, sizeof(dev));
	memset(&host, 0, sizeof(host));
	host.map_result = map_result;
	assert_int_equal(loop_new(&loop), 0);
	assert_int_equal(vdev_init(&dev.vdev, dev_ops, loop, "test0", features, N_QUEUES, 64, CONFIG_LEN), 0);
	for (int i = 0; i < CONFIG_LEN; i++)
		dev.vdev.config[i] = (uint8_t)(0xa0 + i);
	ring_mem_init(&mem);
	ring_mem_add(&mem, 1 << 20, 1 << 20);
	assert_int_equal(pci_root_new(&config, &root, NULL), 0);
	assert_int_equal(virtio_pci_new(loop, root, &mem.mem, &dev.vdev, &vp, NULL), 0);
	pci_driver_probe(&drv, &host, root, ECAM, 1);
	return 0;
}

static int set_up(void **state)
{
	(void)state;
	return set_up_with(&ops, 0);
}

static int set_up_unmapped(void **state)
{
	(void)state;
	return set_up_with(&ops, -ENOMEM);
}

static int set_up_shared_call(void **state)
{
	static struct vdev_ops shared;

	(void)state;
	shared = ops;
	shared.shared_call = true;
	return set_up_with(&shared, 0);
}

static int tear_down(void **state)
{
	(void)state;
	virtio_pci_free(vp);
	assert_int_equal(fake_host_ioeventfds(&host), 0);
	assert_int_equal(fake_host_connected(&host), 0);
	assert_false(dev.vdev.started);
	pci_root_free(root);
	vdev_free(&dev.vdev);
	ring_mem_done(&mem);
	loop_free(loop);
	return 0;
}

static void put(unsigned field, uint64_t value, unsigned len)
{
	pci_driver_write(&drv, drv.common + field, value, len);
}

static uint64_t get(unsigned field, unsigned len)
{
	return pci_driver_read(&drv, drv.common + field, len);
}

static void agree(void)
{
	pci_driver_set_status(&drv, VIRTIO_CONFIG_S_ACKNOWLEDGE);
	pci_driver_set_status(&drv, VIRTIO_CONFIG_S_DRIVER);
	pci_driver_set_features(&drv, OFFERED);
	pci_driver_set_status(&drv, VIRTIO_CONFIG_S_FEATURES_OK);
	assert_int_equal(pci_driver_status(&drv), AGREED);
}

static void put64(unsigned low, uint64_t value)
{
	put(low, (uint32_t)value, 4);
	put(low + 4, value >> 32, 4);
}

static void set_queue(unsigned q, uint16_t size, uint64_t desc)
{
	put(VIRTIO_PCI_COMMON_Q_SELECT, q, 2);
	put(VIRTIO_PCI_COMMON_Q_SIZE, size, 2);
	put64(VIRTIO_PCI_COMMON_Q_DESCLO, desc);
	put64(VIRTIO_PCI_COMMON_Q_AVAILLO, desc + 0x1000);
	put64(VIRTIO_PCI_COMMON_Q_USEDLO, desc + 0x2000);
	put(VIRTIO_PCI_COMMON_Q_ENABLE, 1, 2);
}

/* Vectors 0 and 1 for the queues, 2 for changes of configuration; all can be sent. */
static void set_vectors(void)
{
	pci_driver_msix(&drv, true, false);
	for (unsigned i = 0; i < 3; i++) {
		pci_driver_set_entry(&drv, i, MESSAGE(i));
		pci_driver_mask(&drv, i, false);
	}
	put(VIRTIO_PCI_COMMON_MSIX, CONFIG_VECTOR, 2);
	for (unsigned q = 0; q < N_QUEUES; q++) {
		put(VIRTIO_PCI_COMMON_Q_SELECT, q, 2);
		put(VIRTIO_PCI_COMMON_Q_MSIX, q, 2);
	}
}

static void go_live(void)
{
	set_vectors();
	agree();
	set_queue(0, 64, 0x100000);
	set_queue(1, 16, 0x110000);
	pci_driver_set_status(&drv, VIRTIO_CONFIG_S_DRIVER_OK);
	loop_turn(loop);
	assert_int_equal(pci_driver_status(&drv), LIVE);
	assert_true(dev.vdev.started);
}

static void signal_call(unsigned q)
{
	uint64_t one = 1;

	assert_int_equal(write(dev.vdev.vqs[q].call_fd, &one, sizeof(one)), sizeof(one));
}

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

static void addresses_written_after_enabling_change_nothing(void **state)
{
	(void)state;
	set_vectors();
	agree();
	set_queue(0, 64, 0x100000);
	put64(VIRTIO_PCI_COMMON_Q_DESCLO, 0x666000);
	set_queue(1, 16, 0x110000);
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

static void kick(unsigned q)
{
	pci_driver_write(&drv, drv.notify + q * drv.multiplier, q, 2);
}

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
	put(VIRTIO_PCI_COMMON_Q_MSIX, 0, 2);
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
	put(VIRTIO_PCI_COMMON_Q_SELECT, 1, 2);
	put(VIRTIO_PCI_COMMON_Q_MSIX, 0xfffe, 2);
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
	put(VIRTIO_PCI_COMMON_Q_SELECT, 1, 2);
	put(VIRTIO_PCI_COMMON_Q_MSIX, 0, 2);
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
		put(VIRTIO_PCI_COMMON_Q_SELECT, q, 2);
		put(VIRTIO_PCI_COMMON_Q_MSIX, 1, 2);
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
	put(VIRTIO_PCI_COMMON_Q_SELECT, 0, 2);
	put(VIRTIO_PCI_COMMON_Q_MSIX, NO_VECTOR, 2);
	assert_int_equal(fake_host_connected(&host), 2);
	signal_call(0);
	assert_int_equal(pci_driver_read(&drv, drv.pba, 4), 0);
	/* What it missed is not sent later. */
	put(VIRTIO_PCI_COMMON_Q_MSIX, 0, 2);
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

#define TEST_WITH(name, with) cmocka_unit_test_setup_teardown(name, with, tear_down)
#define TEST(name) TEST_WITH(name, set_up)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(it_is_a_modern_virtio_function),
		TEST(each_queue_has_a_notify_address_of_its_own),
		TEST(the_reset_state_is_clean),
		TEST(a_queue_that_is_not_there_reads_as_nothing),
		TEST(features_come_in_halves),
		TEST(features_that_are_not_offered_are_refused),
		TEST(features_are_fixed_once_agreed),
		TEST(only_a_reset_clears_status_bits),
		TEST(queues_are_handed_to_the_device),
		TEST(queues_left_out_stay_disabled),
		TEST(enabled_queues_are_fixed),
		TEST(bad_queues_need_a_reset),
		TEST_WITH(addresses_take_whole_and_half_writes_only, set_up_unmapped),
		TEST(registers_are_read_without_exits_and_addresses_written),
		TEST_WITH(without_mappings_everything_exits_and_works, set_up_unmapped),
		TEST(addresses_written_after_enabling_change_nothing),
		TEST(mappings_follow_the_bar),
		TEST(kicks_arrive_by_ioeventfd),
		TEST(kicks_arrive_without_ioeventfds),
		TEST(ioeventfds_follow_the_bar),
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
		TEST(a_reset_is_complete_only_when_the_loop_says_so),
		TEST(a_reset_overtakes_a_start),
		TEST(a_reset_forgets_signals),
		TEST(a_failing_device_needs_a_reset),
		TEST(a_device_that_can_not_start_needs_a_reset),
		TEST(device_configuration_is_readable_at_any_width),
		TEST(a_change_is_told_and_counted),
		TEST(a_change_before_driver_ok_interrupts_nobody),
		TEST(written_configuration_reaches_the_device_in_the_loop),
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

	virtio_pci_free(NULL);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
