/* SPDX-License-Identifier: Apache-2.0 */
/* virtio_pci_fixture: a device of two queues behind virtio-pci, and the driver that brings it up. */
#ifndef VRUN_TESTS_UNIT_VIRTIO_PCI_FIXTURE_H
#define VRUN_TESTS_UNIT_VIRTIO_PCI_FIXTURE_H

#include "tests/unit/pci_driver.h"
#include "tests/unit/ring_driver.h"
#include "vmm/pci/virtio_pci.h"

#include <linux/virtio_config.h>
#include <linux/virtio_pci.h>

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

/* What the device was asked to do, and how it is to do it. */
struct test_dev {
	struct vdev vdev;
	unsigned starts, stops, kicks[N_QUEUES], written;
	int start_result;
	bool fail_in_start, fail_in_kick, write_in_stop;
	size_t written_offset, written_len;
};
extern struct test_dev dev;

extern struct fake_host host;
extern struct loop *loop;
extern struct pci_root *root;
extern struct ring_mem mem;
extern struct virtio_pci *vp;
extern struct pci_driver drv;

/* cmocka set-up and tear-down; most drivers find pages mapped, as KVM has it. */
int set_up(void **state);
int set_up_unmapped(void **state);
int set_up_shared_call(void **state);
int tear_down(void **state);

/* Of the common configuration. */
void put(unsigned field, uint64_t value, unsigned len);
void put64(unsigned low, uint64_t value);
uint64_t get(unsigned field, unsigned len);

/* The steps of virtio 1.2 §3.1.1: up to FEATURES_OK; a queue; the vectors; and all of them. */
void agree(void);
void set_queue(unsigned q, uint16_t size, uint64_t desc);
void set_queue_vector(unsigned q, uint16_t vector);
void set_vectors(void);
void go_live(void);

void kick(unsigned q);
/* The device signals the queue's call. */
void signal_call(unsigned q);

#define TEST_WITH(name, with) cmocka_unit_test_setup_teardown(name, with, tear_down)
#define TEST(name) TEST_WITH(name, set_up)

#endif
