/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/ring_driver.h"

#include "base/endian.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define F_INDIRECT_DESC (1ULL << 28)
#define F_EVENT_IDX (1ULL << 29)

#define REQUIRE(cond)                                                                                        \
	do {                                                                                                 \
		if (!(cond)) {                                                                               \
			fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #cond);                           \
			abort();                                                                             \
		}                                                                                            \
	} while (0)

/* --- Guest RAM --- */

void ring_mem_init(struct ring_mem *rm)
{
	*rm = (struct ring_mem){ .n = 0 };
}

unsigned ring_mem_add(struct ring_mem *rm, uint64_t gpa, uint64_t size)
{
	unsigned i = rm->n++;
	/* Page-aligned, as mappings are: rings need 16. */
	size_t rounded = (size + 4095) & ~4095ULL;

	REQUIRE(i < GUEST_MEM_REGIONS_MAX);
	rm->hva[i] = aligned_alloc(4096, rounded);
	REQUIRE(rm->hva[i]);
	memset(rm->hva[i], 0, rounded);
	rm->base[i] = rm->next[i] = gpa;
	rm->size[i] = size;
	REQUIRE(guest_mem_add(&rm->mem, &(struct guest_mem_region){
						.gpa = gpa, .size = size, .hva = rm->hva[i] }) == 0);
	return i;
}

void ring_mem_done(struct ring_mem *rm)
{
	guest_mem_done(&rm->mem);
	for (unsigned i = 0; i < rm->n; i++)
		free(rm->hva[i]);
	rm->n = 0;
}

uint64_t ring_mem_alloc(struct ring_mem *rm, unsigned region, size_t len, size_t align)
{
	uint64_t gpa = (rm->next[region] + align - 1) / align * align;

	REQUIRE(gpa + len <= rm->base[region] + rm->size[region]);
	rm->next[region] = gpa + len;
	return gpa;
}

void *ring_mem_at(struct ring_mem *rm, uint64_t gpa, size_t len)
{
	void *p = guest_mem_slice(&rm->mem, gpa, len);

	REQUIRE(p);
	return p;
}

/* --- Ring fields --- */

static _Atomic uint16_t *ring_u16(struct ring_driver *rd, uint64_t gpa)
{
	return ring_mem_at(rd->rm, gpa, 2);
}

static uint16_t load(struct ring_driver *rd, uint64_t gpa)
{
	return le16toh(atomic_load_explicit(ring_u16(rd, gpa), memory_order_acquire));
}

static void store(struct ring_driver *rd, uint64_t gpa, uint16_t value)
{
	atomic_store_explicit(ring_u16(rd, gpa), htole16(value), memory_order_release);
}

static uint64_t used_event_gpa(const struct ring_driver *rd)
{
	return rd->avail_gpa + 4 + 2 * rd->size;
}

static uint64_t avail_event_gpa(const struct ring_driver *rd)
{
	return rd->used_gpa + 4 + 8 * rd->size;
}

/* --- A queue --- */

static void point_queue(struct ring_driver *rd)
{
	struct virtqueue *vq = rd->vq;

	vq->mem = &rd->rm->mem;
	vq->size = rd->size;
	vq->desc_gpa = rd->desc_gpa;
	vq->avail_gpa = rd->avail_gpa;
	vq->used_gpa = rd->used_gpa;
	vq->kick_fd = rd->kick_fd;
	vq->call_fd = rd->call_fd;
	vq->enabled = true;
}

void ring_driver_restart(struct ring_driver *rd)
{
	uint64_t count;

	memset(ring_mem_at(rd->rm, rd->desc_gpa, 16 * rd->size), 0, 16 * rd->size);
	memset(ring_mem_at(rd->rm, rd->avail_gpa, 6 + 2 * rd->size), 0, 6 + 2 * rd->size);
	memset(ring_mem_at(rd->rm, rd->used_gpa, 6 + 8 * rd->size), 0, 6 + 8 * rd->size);
	rd->avail_idx = rd->kicked_idx = rd->used_idx = 0;
	rd->free_head = 0;
	rd->n_free = rd->size;
	for (uint16_t i = 0; i < rd->size; i++) {
		rd->free_next[i] = i + 1;
		rd->chain_len[i] = 0;
	}
	while (read(rd->kick_fd, &count, sizeof(count)) > 0 || read(rd->call_fd, &count, sizeof(count)) > 0)
		;
	point_queue(rd);
}

void ring_driver_init(struct ring_driver *rd, struct ring_mem *rm, unsigned region, struct virtqueue *vq,
		      uint16_t size, uint64_t features)
{
	*rd = (struct ring_driver){ .rm = rm, .vq = vq, .size = size, .event_idx = features & F_EVENT_IDX };
	rd->desc_gpa = ring_mem_alloc(rm, region, 16 * size, 16);
	rd->avail_gpa = ring_mem_alloc(rm, region, 6 + 2 * size, 2);
	rd->used_gpa = ring_mem_alloc(rm, region, 6 + 8 * size, 4);
	rd->kick_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	rd->call_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	REQUIRE(rd->kick_fd >= 0 && rd->call_fd >= 0);
	vq->event_idx = rd->event_idx;
	vq->indirect = features & F_INDIRECT_DESC;
	ring_driver_restart(rd);
}

void ring_driver_done(struct ring_driver *rd)
{
	close(rd->kick_fd);
	close(rd->call_fd);
	rd->kick_fd = rd->call_fd = -1;
}

void ring_driver_begin_at(struct ring_driver *rd, uint16_t idx)
{
	rd->avail_idx = rd->kicked_idx = rd->used_idx = idx;
	store(rd, rd->avail_gpa + 2, idx);
	store(rd, rd->used_gpa + 2, idx);
	rd->vq->next_avail = rd->vq->next_used = idx;
}

void ring_driver_set_desc(struct ring_driver *rd, uint16_t i, uint64_t gpa, uint32_t len, uint16_t flags,
			  uint16_t next)
{
	ring_mem_set_desc(rd->rm, rd->desc_gpa, i, gpa, len, flags, next);
}

void ring_mem_set_desc(struct ring_mem *rm, uint64_t table_gpa, unsigned i, uint64_t gpa, uint32_t len,
		       uint16_t flags, uint16_t next)
{
	uint8_t desc[16];

	put_le64(desc, gpa);
	put_le32(desc + 8, len);
	put_le16(desc + 12, flags);
	put_le16(desc + 14, next);
	REQUIRE(guest_mem_write(&rm->mem, table_gpa + 16 * (uint64_t)i, desc, sizeof(desc)) == 0);
}

void ring_driver_publish(struct ring_driver *rd, uint16_t head)
{
	store(rd, rd->avail_gpa + 4 + 2 * (rd->avail_idx % rd->size), head);
	rd->avail_idx++;
	/* Release, in store(): the entry and its descriptors before the index. */
	store(rd, rd->avail_gpa + 2, rd->avail_idx);
}

static uint16_t take_free(struct ring_driver *rd)
{
	uint16_t i = rd->free_head;

	rd->free_head = rd->free_next[i];
	rd->n_free--;
	return i;
}

int ring_driver_add(struct ring_driver *rd, const struct ring_buf *bufs, unsigned n)
{
	uint16_t head;

	REQUIRE(n > 0);
	if (rd->n_free < n)
		return -1;
	head = rd->free_head;
	for (unsigned k = 0; k < n; k++) {
		uint16_t i = take_free(rd);
		uint16_t flags = (bufs[k].writable ? RING_F_WRITE : 0) | (k + 1 < n ? RING_F_NEXT : 0);

		/* free_next[] still names the next free one, which is the next of the chain. */
		ring_driver_set_desc(rd, i, bufs[k].gpa, bufs[k].len, flags,
				     k + 1 < n ? rd->free_next[i] : 0);
	}
	rd->chain_len[head] = n;
	ring_driver_publish(rd, head);
	return head;
}

int ring_driver_add_indirect(struct ring_driver *rd, uint64_t table_gpa, const struct ring_buf *bufs,
			     unsigned n)
{
	uint16_t head;

	if (rd->n_free < 1)
		return -1;
	for (unsigned k = 0; k < n; k++)
		ring_mem_set_desc(rd->rm, table_gpa, k, bufs[k].gpa, bufs[k].len,
				  (bufs[k].writable ? RING_F_WRITE : 0) | (k + 1 < n ? RING_F_NEXT : 0),
				  k + 1);
	head = take_free(rd);
	ring_driver_set_desc(rd, head, table_gpa, 16 * n, RING_F_INDIRECT, 0);
	rd->chain_len[head] = 1;
	ring_driver_publish(rd, head);
	return head;
}

bool ring_driver_kick(struct ring_driver *rd)
{
	uint16_t from = rd->kicked_idx, to = rd->avail_idx;
	const uint64_t one = 1;
	bool wanted;

	/* Pairs with the device's fence between storing avail_event and loading the index. */
	atomic_thread_fence(memory_order_seq_cst);
	rd->kicked_idx = to;
	if (rd->event_idx)
		wanted = (uint16_t)(to - ring_driver_avail_event(rd) - 1) < (uint16_t)(to - from);
	else
		wanted = !(ring_driver_used_flags(rd) & 1);
	if (wanted)
		REQUIRE(write(rd->kick_fd, &one, sizeof(one)) == sizeof(one));
	return wanted;
}

bool ring_driver_used(struct ring_driver *rd, uint32_t *ret_head, uint32_t *ret_len)
{
	uint8_t elem[8];
	uint32_t head;

	/* Acquire, in load(): the element after the index. */
	if (ring_driver_device_idx(rd) == rd->used_idx)
		return false;
	REQUIRE(guest_mem_read(&rd->rm->mem, rd->used_gpa + 4 + 8 * (rd->used_idx % rd->size), elem,
			       sizeof(elem)) == 0);
	rd->used_idx++;
	head = get_le32(elem);
	if (ret_head)
		*ret_head = head;
	if (ret_len)
		*ret_len = get_le32(elem + 4);
	REQUIRE(head < rd->size);
	/* Back to the free chain, the head first: the links inside the chain are still there. */
	if (rd->chain_len[head]) {
		uint16_t last = head;

		for (unsigned k = 1; k < rd->chain_len[head]; k++)
			last = rd->free_next[last];
		rd->free_next[last] = rd->free_head;
		rd->free_head = head;
		rd->n_free += rd->chain_len[head];
		rd->chain_len[head] = 0;
	}
	return true;
}

bool ring_driver_calls_on(struct ring_driver *rd)
{
	if (rd->event_idx)
		ring_driver_set_used_event(rd, rd->used_idx);
	else
		ring_driver_set_avail_flags(rd, 0);
	/* Pairs with the device's fence between storing the used index and loading used_event. */
	atomic_thread_fence(memory_order_seq_cst);
	return ring_driver_device_idx(rd) != rd->used_idx;
}

void ring_driver_calls_off(struct ring_driver *rd)
{
	if (rd->event_idx)
		ring_driver_set_used_event(rd, rd->used_idx - 1);
	else
		ring_driver_set_avail_flags(rd, 1);
}

bool ring_driver_called(struct ring_driver *rd)
{
	uint64_t count;

	return read(rd->call_fd, &count, sizeof(count)) == sizeof(count);
}

/* --- Raw access --- */

void ring_driver_set_avail_idx(struct ring_driver *rd, uint16_t idx)
{
	rd->avail_idx = idx;
	store(rd, rd->avail_gpa + 2, idx);
}

void ring_driver_set_avail_flags(struct ring_driver *rd, uint16_t flags)
{
	store(rd, rd->avail_gpa, flags);
}

void ring_driver_set_used_event(struct ring_driver *rd, uint16_t idx)
{
	store(rd, used_event_gpa(rd), idx);
}

uint16_t ring_driver_avail_event(struct ring_driver *rd)
{
	return load(rd, avail_event_gpa(rd));
}

uint16_t ring_driver_used_flags(struct ring_driver *rd)
{
	return load(rd, rd->used_gpa);
}

uint16_t ring_driver_device_idx(struct ring_driver *rd)
{
	return load(rd, rd->used_gpa + 2);
}

/* --- A device's host --- */

static void host_failed(void *ctx, struct vdev *dev, const char *why)
{
	struct ring_host *host = ctx;

	host->failures++;
	host->why = why;
	if (host->reset_on_failure)
		vdev_stop(dev);
}

static void host_config_changed(void *ctx, struct vdev *dev)
{
	struct ring_host *host = ctx;

	(void)dev;
	host->config_changes++;
}

static const struct vdev_host_ops host_ops = {
	.failed = host_failed,
	.config_changed = host_config_changed,
};

void ring_host_init(struct ring_host *host, struct vdev *dev, uint64_t region_size, uint16_t size,
		    uint64_t features)
{
	const uint64_t base = 1 << 20;

	*host = (struct ring_host){ .dev = dev };
	REQUIRE(dev->n_vqs <= sizeof(host->queues) / sizeof(host->queues[0]));
	ring_mem_init(&host->rm);
	ring_mem_add(&host->rm, base, region_size);
	ring_mem_add(&host->rm, base + region_size, region_size);
	dev->host_ops = &host_ops;
	dev->host = host;
	dev->acked = features & dev->features;
	for (unsigned q = 0; q < dev->n_vqs; q++)
		ring_driver_init(&host->queues[q], &host->rm, 0, &dev->vqs[q], size, dev->acked);
}

void ring_host_reset(struct ring_host *host)
{
	vdev_stop(host->dev);
	for (unsigned q = 0; q < host->dev->n_vqs; q++) {
		virtqueue_reset(&host->dev->vqs[q]);
		ring_driver_restart(&host->queues[q]);
	}
}

void ring_host_done(struct ring_host *host)
{
	vdev_stop(host->dev);
	for (unsigned q = 0; q < host->dev->n_vqs; q++)
		ring_driver_done(&host->queues[q]);
	host->dev->host_ops = NULL;
	ring_mem_done(&host->rm);
}
