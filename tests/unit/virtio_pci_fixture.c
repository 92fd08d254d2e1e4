/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/virtio_pci_fixture.h"
#include "tests/unit/loop_turn.h"
#include "tests/unit/test.h"

#include "base/loop.h"

#include <errno.h>

struct test_dev dev;
struct fake_host host;
struct loop *loop;
struct pci_root *root;
struct ring_mem mem;
struct virtio_pci *vp;
struct pci_driver drv;

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

int set_up(void **state)
{
	(void)state;
	return set_up_with(&ops, 0);
}

int set_up_unmapped(void **state)
{
	(void)state;
	return set_up_with(&ops, -ENOMEM);
}

int set_up_shared_call(void **state)
{
	static struct vdev_ops shared;

	(void)state;
	shared = ops;
	shared.shared_call = true;
	return set_up_with(&shared, 0);
}

int tear_down(void **state)
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

void put(unsigned field, uint64_t value, unsigned len)
{
	pci_driver_write(&drv, drv.common + field, value, len);
}

uint64_t get(unsigned field, unsigned len)
{
	return pci_driver_read(&drv, drv.common + field, len);
}

void agree(void)
{
	pci_driver_set_status(&drv, VIRTIO_CONFIG_S_ACKNOWLEDGE);
	pci_driver_set_status(&drv, VIRTIO_CONFIG_S_DRIVER);
	pci_driver_set_features(&drv, OFFERED);
	pci_driver_set_status(&drv, VIRTIO_CONFIG_S_FEATURES_OK);
	assert_int_equal(pci_driver_status(&drv), AGREED);
}

void put64(unsigned low, uint64_t value)
{
	put(low, (uint32_t)value, 4);
	put(low + 4, value >> 32, 4);
}

void set_queue(unsigned q, uint16_t size, uint64_t desc)
{
	put(VIRTIO_PCI_COMMON_Q_SELECT, q, 2);
	put(VIRTIO_PCI_COMMON_Q_SIZE, size, 2);
	put64(VIRTIO_PCI_COMMON_Q_DESCLO, desc);
	put64(VIRTIO_PCI_COMMON_Q_AVAILLO, desc + 0x1000);
	put64(VIRTIO_PCI_COMMON_Q_USEDLO, desc + 0x2000);
	put(VIRTIO_PCI_COMMON_Q_ENABLE, 1, 2);
}

void set_queue_vector(unsigned q, uint16_t vector)
{
	put(VIRTIO_PCI_COMMON_Q_SELECT, q, 2);
	put(VIRTIO_PCI_COMMON_Q_MSIX, vector, 2);
	/* The next selection makes it so. */
	put(VIRTIO_PCI_COMMON_Q_SELECT, q, 2);
}

/* Vectors 0 and 1 for the queues, 2 for changes of configuration; all can be sent. */
void set_vectors(void)
{
	pci_driver_msix(&drv, true, false);
	for (unsigned i = 0; i < 3; i++) {
		pci_driver_set_entry(&drv, i, MESSAGE(i));
		pci_driver_mask(&drv, i, false);
	}
	put(VIRTIO_PCI_COMMON_MSIX, CONFIG_VECTOR, 2);
	for (unsigned q = 0; q < N_QUEUES; q++)
		set_queue_vector(q, (uint16_t)q);
}

void go_live(void)
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

void signal_call(unsigned q)
{
	uint64_t one = 1;

	assert_int_equal(write(dev.vdev.vqs[q].call_fd, &one, sizeof(one)), sizeof(one));
}

void kick(unsigned q)
{
	pci_driver_write(&drv, drv.notify + q * drv.multiplier, q, 2);
}
