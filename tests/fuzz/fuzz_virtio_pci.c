/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_virtio_pci: configuration space, ports, BARs, MSI-X tables and mapped registers, read
 * and written at any place and length, with a device behind them that serves its queues.
 */
#include "tests/fuzz/fuzz.h"

#include "base/loop.h"
#include "tests/unit/pci_driver.h"
#include "vmm/pci/virtio_pci.h"

#include <errno.h>
#include <linux/virtio_pci.h>
#include <string.h>

#define ECAM 0xe8000000ULL
#define MMIO32 0xc0000000ULL

enum { N_QUEUES = 2, CONFIG_LEN = 10, RAM = 64 << 10 };

static void dev_kick(struct vdev *v, unsigned q)
{
	static struct vq_chain chain;
	int r;

	FUZZ_REQUIRE(v->started && q < N_QUEUES && v->vqs[q].enabled);
	while ((r = virtqueue_pop(&v->vqs[q], &chain)) > 0) {
		for (unsigned i = 0; i < chain.n_writable; i++)
			memset(chain.writable[i].iov_base, 0x5a, chain.writable[i].iov_len);
		virtqueue_push(&v->vqs[q], chain.head, (uint32_t)chain.writable_len);
		virtqueue_call(&v->vqs[q]);
	}
	if (r < 0)
		vdev_fail(v, v->vqs[q].broken_why);
}

static void dev_written(struct vdev *v, size_t offset, size_t len)
{
	FUZZ_REQUIRE(len > 0 && offset + len <= v->config_len);
}

static void dev_free(struct vdev *v)
{
	vdev_done(v);
}

static const struct vdev_ops ops = {
	.name = "test",
	.type = 26,
	.pci_class = 0x018000,
	.kick = dev_kick,
	.config_written = dev_written,
	.free = dev_free,
};

/* Where the function's structures are: any of them, and what lies about. */
static uint64_t place(const struct pci_driver *drv, struct fuzz_in *in)
{
	uint8_t what = fuzz_u8(in);

	switch (what % 8) {
	case 0:
		return drv->config + fuzz_u8(in);
	case 1:
		return drv->config + fuzz_u16(in);
	case 2:
	case 3:
		return drv->common + fuzz_u8(in) % 0x48;
	case 4:
		return (what & 0x80 ? drv->device : drv->notify) + fuzz_u8(in);
	case 5:
		return drv->table + fuzz_u8(in) % 80;
	case 6:
		return (what & 0x80 ? drv->isr : drv->pba) + fuzz_u8(in) % 16;
	default:
		return MMIO32 + fuzz_u32(in) % (1 << 20);
	}
}

/* The rings, where set_up() has put them, or anything else. */
static void write_ram(struct ring_mem *mem, struct fuzz_in *in)
{
	size_t at = fuzz_u16(in) % 0x4000, len;
	const uint8_t *bytes = fuzz_bytes(in, 32, &len);

	memcpy(ring_mem_at(mem, (1 << 20) + at, len + 1), bytes, len);
}

/* virtio 1.2 §3.1.1, so that the input can begin behind it. */
static void bring_up(struct pci_driver *drv)
{
	pci_driver_set_status(drv, 3);
	pci_driver_set_features(drv, pci_driver_features(drv));
	pci_driver_set_status(drv, 8);
	for (unsigned q = 0; q < N_QUEUES; q++) {
		uint64_t at = (1 << 20) + q * 0x2000;

		pci_driver_write(drv, drv->common + VIRTIO_PCI_COMMON_Q_SELECT, q, 2);
		pci_driver_write(drv, drv->common + VIRTIO_PCI_COMMON_Q_SIZE, 16, 2);
		pci_driver_write(drv, drv->common + VIRTIO_PCI_COMMON_Q_MSIX, q, 2);
		pci_driver_write(drv, drv->common + VIRTIO_PCI_COMMON_Q_DESCLO, at, 4);
		pci_driver_write(drv, drv->common + VIRTIO_PCI_COMMON_Q_AVAILLO, at + 0x100, 4);
		pci_driver_write(drv, drv->common + VIRTIO_PCI_COMMON_Q_USEDLO, at + 0x200, 4);
		pci_driver_write(drv, drv->common + VIRTIO_PCI_COMMON_Q_ENABLE, 1, 2);
	}
	pci_driver_msix(drv, true, false);
	for (unsigned v = 0; v < drv->n_vectors; v++)
		pci_driver_set_entry(drv, v, 0xfee00000, 0x4000 + v);
	pci_driver_set_status(drv, 4);
}

static void step(struct pci_driver *drv, struct ring_mem *mem, struct fuzz_in *in)
{
	static const unsigned lens[] = { 1, 2, 4, 8, 3, 4, 4, 2 };
	uint8_t op = fuzz_u8(in);
	unsigned len = lens[op >> 4 & 7];
	uint64_t value;

	switch (op % 8) {
	case 0:
		write_ram(mem, in);
		break;
	case 1: /* configuration mechanism #1: of any port nearby */
		value = fuzz_u64(in);
		pci_root_pio(drv->root, (uint16_t)(0xcf6 + fuzz_u8(in) % 12), &value, len > 4 ? 4 : len,
			     op & 0x80);
		break;
	case 2:
		/* Without regard to what is mapped: as after a race of the engine's with a move. */
		value = fuzz_number(in);
		pci_root_mmio(drv->root, place(drv, in), &value, len, op & 0x80);
		break;
	case 3:
		(void)pci_driver_read(drv, place(drv, in), len);
		break;
	case 4:
		pci_root_mmio(drv->root, fuzz_u64(in), &value, len, false);
		break;
	default: {
		uint64_t at = place(drv, in);

		pci_driver_write(drv, at, fuzz_number(in), len);
		break;
	}
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct fake_host host;
	const struct pci_root_config config = { .host_ops = &fake_host_ops,
						.host = &host,
						.mmio32 = MMIO32,
						.mmio32_size = 1 << 20,
						.ecam = ECAM };
	struct fuzz_in in = { data, size };
	uint8_t how = fuzz_u8(&in);
	struct pci_driver drv;
	struct virtio_pci *vp;
	struct pci_root *root;
	struct ring_mem mem;
	struct loop *loop;
	struct vdev dev;

	memset(&host, 0, sizeof(host));
	memset(&dev, 0, sizeof(dev));
	host.map_result = how & 1 ? -ENOMEM : 0;
	FUZZ_REQUIRE(loop_new(&loop) == 0);
	FUZZ_REQUIRE(vdev_init(&dev, &ops, loop, "test0", VDEV_RING_FEATURES | 0xff, N_QUEUES, 64,
			       CONFIG_LEN) == 0);
	ring_mem_init(&mem);
	ring_mem_add(&mem, 1 << 20, RAM);
	FUZZ_REQUIRE(pci_root_new(&config, &root, NULL) == 0);
	FUZZ_REQUIRE(virtio_pci_new(loop, root, &mem.mem, &dev, &vp, NULL) == 0);
	pci_driver_probe(&drv, &host, root, ECAM, 1);
	if (how & 2)
		bring_up(&drv);
	if (how & 4) { /* what it takes to live when the engine has no more to give */
		host.ioeventfd_result = -ENOSPC;
		host.connect_result = -ENOSPC;
	}
	fuzz_turn(loop, 3);
	while (in.left > 0) {
		step(&drv, &mem, &in);
		if (fuzz_u8(&in) & 1)
			fuzz_turn(loop, 3);
	}
	fuzz_turn(loop, 3);
	host.ioeventfd_result = host.connect_result = 0;
	virtio_pci_free(vp);
	FUZZ_REQUIRE(fake_host_ioeventfds(&host) == 0 && fake_host_connected(&host) == 0 && !dev.started);
	pci_root_free(root);
	vdev_free(&dev);
	ring_mem_done(&mem);
	loop_free(loop);
	return 0;
}
