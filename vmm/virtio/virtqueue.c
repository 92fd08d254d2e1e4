/* SPDX-License-Identifier: Apache-2.0 */
/*
 * virtqueue: the device's side of the split ring (virtio 1.2 §2.7).
 *
 * The only file that reads descriptors. What the guest wrote is loaded exactly
 * once, by load_*() or copy_descriptor(), and only the copy is looked at.
 */
#include "vmm/virtio/virtqueue.h"

#include "base/endian.h"
#include "vmm/guest_mem.h"

#include <assert.h>
#include <errno.h>
#include <stdatomic.h>
#include <unistd.h>

/* §2.7.5 */
enum { DESC_F_NEXT = 1, DESC_F_WRITE = 2, DESC_F_INDIRECT = 4 };
/* §2.7.6, §2.7.8 */
enum { AVAIL_F_NO_INTERRUPT = 1, USED_F_NO_NOTIFY = 1 };

struct vring_desc {
	le64 addr;
	le32 len;
	le16 flags;
	le16 next;
};

/* Byte offsets in the two rings; both begin with flags and idx. */
enum { RING_FLAGS = 0, RING_IDX = 2, RING_ENTRIES = 4, USED_ELEM_SIZE = 8 };

/* §2.7.5.2: a chain holds at most 2^32 bytes. */
static const uint64_t chain_bytes_max = 1ULL << 32;

static uint16_t load_u16(const void *ring, size_t offset, memory_order order)
{
	const _Atomic uint16_t *p = (const _Atomic uint16_t *)((const uint8_t *)ring + offset);

	return le16toh(atomic_load_explicit(p, order));
}

static void store_u16(void *ring, size_t offset, uint16_t value, memory_order order)
{
	_Atomic uint16_t *p = (_Atomic uint16_t *)((uint8_t *)ring + offset);

	atomic_store_explicit(p, htole16(value), order);
}

/* §2.7.7: the driver's word on interrupts, after the available ring's entries. */
static size_t used_event_offset(const struct virtqueue *vq)
{
	return RING_ENTRIES + 2 * (size_t)vq->size;
}

/* §2.7.10: our word on kicks, after the used ring's elements. */
static size_t avail_event_offset(const struct virtqueue *vq)
{
	return RING_ENTRIES + USED_ELEM_SIZE * (size_t)vq->size;
}

static int mark_broken(struct virtqueue *vq, const char *why)
{
	vq->broken = true;
	vq->broken_why = why;
	return -EPROTO;
}

void virtqueue_reset(struct virtqueue *vq)
{
	*vq = (struct virtqueue){
		.mem = vq->mem,
		.size = vq->max_size,
		.max_size = vq->max_size,
		.kick_fd = vq->kick_fd,
		.call_fd = vq->call_fd,
	};
}

int virtqueue_start(struct virtqueue *vq)
{
	void *desc, *avail, *used;

	if (vq->size == 0 || vq->size > vq->max_size || vq->size > VIRTQUEUE_SIZE_MAX ||
	    (vq->size & (vq->size - 1)))
		return -EINVAL;
	if (vq->desc_gpa % 16 || vq->avail_gpa % 2 || vq->used_gpa % 4)
		return -EINVAL;

	/* The event index fields count in both sizes even when not negotiated (§2.7). */
	desc = guest_mem_slice(vq->mem, vq->desc_gpa, sizeof(struct vring_desc) * vq->size);
	avail = guest_mem_slice(vq->mem, vq->avail_gpa, used_event_offset(vq) + 2);
	used = guest_mem_slice(vq->mem, vq->used_gpa, avail_event_offset(vq) + 2);
	if (!desc || !avail || !used)
		return -EINVAL;
	/* A front-end's mapping could be aligned worse than the guest's address; atomics need the alignment. */
	if ((uintptr_t)desc % 8 || (uintptr_t)avail % 2 || (uintptr_t)used % 4)
		return -EINVAL;

	vq->desc = desc;
	vq->avail = avail;
	vq->used = used;
	vq->broken = false;
	vq->broken_why = NULL;
	vq->signalled_valid = false;
	/* The ring may have been left in either state by an earlier owner. */
	if (vq->notify_off)
		virtqueue_kicks_off(vq);
	else
		virtqueue_kicks_on(vq);
	return 0;
}

void virtqueue_resume_at(struct virtqueue *vq, uint16_t next_avail)
{
	vq->next_avail = next_avail;
	if (vq->used)
		vq->next_used = load_u16(vq->used, RING_IDX, memory_order_relaxed);
	vq->signalled_valid = false;
}

/* How many chains wait, or -EPROTO. */
static int count_available(struct virtqueue *vq)
{
	/* Acquire: pairs with the driver's barrier between writing entries and idx (§2.7.13.3). */
	uint16_t idx = load_u16(vq->avail, RING_IDX, memory_order_acquire);
	uint16_t n = (uint16_t)(idx - vq->next_avail);

	if (n > vq->size)
		return mark_broken(vq, "available index is too far ahead");
	return n;
}

bool virtqueue_has_available(struct virtqueue *vq)
{
	if (vq->broken || !vq->avail)
		return false;
	return load_u16(vq->avail, RING_IDX, memory_order_acquire) != vq->next_avail;
}

/* Ask for a kick with the next chain; true when one came before the driver could see that. */
static bool arm_kick(struct virtqueue *vq)
{
	if (vq->event_idx)
		store_u16(vq->used, avail_event_offset(vq), vq->next_avail, memory_order_relaxed);
	else
		store_u16(vq->used, RING_FLAGS, 0, memory_order_relaxed);
	/*
	 * Store avail_event, then load the available index; pairs with the driver's full
	 * barrier between storing that index and loading avail_event (§2.7.13.4.1).
	 */
	atomic_thread_fence(memory_order_seq_cst);
	return virtqueue_has_available(vq);
}

void virtqueue_kicks_off(struct virtqueue *vq)
{
	vq->notify_off = true;
	/* With the event index an avail_event left behind is as good: the driver passed it. */
	if (!vq->event_idx && vq->used)
		store_u16(vq->used, RING_FLAGS, USED_F_NO_NOTIFY, memory_order_relaxed);
}

bool virtqueue_kicks_on(struct virtqueue *vq)
{
	vq->notify_off = false;
	if (vq->broken || !vq->used)
		return false;
	return arm_kick(vq);
}

/* A chain on its way from descriptors to iovecs. */
struct walk {
	struct virtqueue *vq;
	struct vq_chain *chain;
	unsigned n_desc; /* buffers so far, those of an indirect table included */
	unsigned n_iov;
	uint64_t bytes;
};

static int add_buffer(struct walk *walk, uint64_t addr, uint32_t len, bool writable)
{
	struct vq_chain *chain = walk->chain;
	int n;

	/* §2.7.5.3.1, §2.7.13: no chain is longer than the queue. It also ends every loop. */
	if (++walk->n_desc > walk->vq->size)
		return mark_broken(walk->vq, "descriptor chain is longer than the queue");
	if (!writable && chain->n_writable > 0)
		return mark_broken(walk->vq, "readable descriptor after a writable one");
	walk->bytes += len;
	if (walk->bytes > chain_bytes_max)
		return mark_broken(walk->vq, "descriptor chain holds more than 2^32 bytes");

	/*
	 * §2.7.5 does not forbid an empty buffer; as the kernel's vhost does, take it
	 * as nothing at all.
	 */
	n = guest_mem_iov(walk->vq->mem, addr, len, chain->iov + walk->n_iov, VQ_CHAIN_IOV_MAX - walk->n_iov);
	if (n == -ENOBUFS)
		return mark_broken(walk->vq, "descriptor chain crosses too many memory regions");
	if (n < 0)
		return mark_broken(walk->vq, "descriptor outside guest memory");
	walk->n_iov += (unsigned)n;
	if (writable) {
		chain->n_writable += (unsigned)n;
		chain->writable_len += len;
	} else {
		chain->n_readable += (unsigned)n;
		chain->readable_len += len;
	}
	return 0;
}

/* Copy one descriptor of a table that lies in one piece. */
static struct vring_desc copy_descriptor(const struct vring_desc *from)
{
	struct vring_desc desc;

	memcpy(&desc, from, sizeof(desc));
	/* The compiler must not read the guest's bytes again instead of using the copy. */
	atomic_signal_fence(memory_order_acq_rel);
	return desc;
}

static int walk_indirect(struct walk *walk, uint64_t table_gpa, uint32_t table_len)
{
	struct virtqueue *vq = walk->vq;
	uint32_t n, i = 0;
	const struct vring_desc *table;
	uint64_t last;

	if (!vq->indirect)
		return mark_broken(vq, "indirect descriptor was not negotiated");
	if (table_len == 0 || table_len % sizeof(struct vring_desc))
		return mark_broken(vq, "indirect table's length is no multiple of 16");
	if (__builtin_add_overflow(table_gpa, table_len - 1, &last))
		return mark_broken(vq, "indirect table outside guest memory");
	n = table_len / sizeof(struct vring_desc);

	/* NULL when the table crosses regions: then entry by entry. It need not be aligned. */
	table = guest_mem_slice(vq->mem, table_gpa, table_len);
	for (uint32_t step = 0; step < n; step++) {
		struct vring_desc desc;
		uint16_t flags;
		int r;

		if (table)
			desc = copy_descriptor(
				(const struct vring_desc *)((const uint8_t *)table + i * sizeof(desc)));
		else if (guest_mem_read(vq->mem, table_gpa + i * sizeof(desc), &desc, sizeof(desc)) < 0)
			return mark_broken(vq, "indirect table outside guest memory");

		flags = le16_get(desc.flags);
		if (flags & DESC_F_INDIRECT) /* §2.7.5.3.1 */
			return mark_broken(vq, "nested indirect descriptor");
		r = add_buffer(walk, le64_get(desc.addr), le32_get(desc.len), flags & DESC_F_WRITE);
		if (r < 0)
			return r;
		if (!(flags & DESC_F_NEXT))
			return 0;
		i = le16_get(desc.next);
		if (i >= n)
			return mark_broken(vq, "next descriptor outside the indirect table");
	}
	return mark_broken(vq, "loop in the indirect table");
}

static int walk_chain(struct walk *walk, uint16_t head)
{
	struct virtqueue *vq = walk->vq;
	uint16_t i = head;

	for (;;) {
		struct vring_desc desc = copy_descriptor((const struct vring_desc *)vq->desc + i);
		uint16_t flags = le16_get(desc.flags);
		int r;

		if (flags & DESC_F_INDIRECT) {
			if (flags & DESC_F_NEXT) /* §2.7.5.3.1 */
				return mark_broken(vq, "indirect descriptor with a next one");
			/* The table's own WRITE flag is to be ignored (§2.7.5.3.2). */
			return walk_indirect(walk, le64_get(desc.addr), le32_get(desc.len));
		}
		r = add_buffer(walk, le64_get(desc.addr), le32_get(desc.len), flags & DESC_F_WRITE);
		if (r < 0)
			return r;
		if (!(flags & DESC_F_NEXT))
			return 0;
		i = le16_get(desc.next);
		if (i >= vq->size)
			return mark_broken(vq, "next descriptor outside the queue");
	}
}

int virtqueue_pop(struct virtqueue *vq, struct vq_chain *chain)
{
	struct walk walk = { .vq = vq, .chain = chain };
	uint16_t head;
	int r;

	if (vq->broken)
		return -EPROTO;
	if (!vq->avail)
		return 0;
	r = count_available(vq);
	/* Going idle with kicks wanted moves avail_event up, so a plain pop loop misses no kick. */
	if (r == 0 && !vq->notify_off && arm_kick(vq))
		r = count_available(vq);
	if (r <= 0)
		return r;

	head = load_u16(vq->avail, RING_ENTRIES + 2 * (size_t)(vq->next_avail & (vq->size - 1)),
			memory_order_relaxed);
	if (head >= vq->size)
		return mark_broken(vq, "head of a chain outside the queue");

	chain->head = head;
	chain->n_readable = chain->n_writable = 0;
	chain->readable_len = chain->writable_len = 0;
	r = walk_chain(&walk, head);
	if (r < 0)
		return r;
	chain->readable = chain->iov;
	chain->writable = chain->iov + chain->n_readable;
	vq->next_avail++;
	return 1;
}

void virtqueue_unpop(struct virtqueue *vq)
{
	vq->next_avail--;
}

void virtqueue_fill(struct virtqueue *vq, uint16_t head, uint32_t written)
{
	uint8_t *elem;

	assert(head < vq->size && vq->used);
	if (vq->broken)
		return;
	elem = (uint8_t *)vq->used + RING_ENTRIES + USED_ELEM_SIZE * (size_t)(vq->next_used & (vq->size - 1));
	put_le32(elem, head);
	put_le32(elem + 4, written);
	vq->next_used++;
	/* 2^16 pushes without a call: the distance since the last one is no longer known. */
	if (vq->next_used == vq->signalled_used)
		vq->signalled_valid = false;
}

void virtqueue_publish(struct virtqueue *vq)
{
	if (vq->broken || !vq->used)
		return;
	/* Release: the element, and the data before it; pairs with the driver's barrier after reading idx (§2.7.14). */
	store_u16(vq->used, RING_IDX, vq->next_used, memory_order_release);
}

void virtqueue_push(struct virtqueue *vq, uint16_t head, uint32_t written)
{
	virtqueue_fill(vq, head, written);
	virtqueue_publish(vq);
}

/* §2.7.7.2: did idx pass `event` on its way from `from` to `to`? All modulo 2^16. */
static bool passed_event(uint16_t event, uint16_t to, uint16_t from)
{
	return (uint16_t)(to - event - 1) < (uint16_t)(to - from);
}

static bool wants_call(struct virtqueue *vq)
{
	uint16_t from = vq->signalled_used, to = vq->next_used;
	bool valid = vq->signalled_valid;

	if (valid && from == to)
		return false; /* nothing was pushed since */
	/*
	 * Store the used index, then load used_event or the flags; pairs with the driver's full
	 * barrier between storing those and looking at the used index again (§2.7.14).
	 */
	atomic_thread_fence(memory_order_seq_cst);
	vq->signalled_used = to;
	vq->signalled_valid = true;
	if (!vq->event_idx)
		return !(load_u16(vq->avail, RING_FLAGS, memory_order_relaxed) & AVAIL_F_NO_INTERRUPT);
	if (!valid)
		return true;
	return passed_event(load_u16(vq->avail, used_event_offset(vq), memory_order_relaxed), to, from);
}

void virtqueue_call(struct virtqueue *vq)
{
	const uint64_t one = 1;
	ssize_t n;

	if (vq->broken || !vq->avail || !wants_call(vq) || vq->call_fd < 0)
		return;
	/* An eventfd takes it, or is full, and then the driver has a call waiting anyway. */
	do
		n = write(vq->call_fd, &one, sizeof(one));
	while (n < 0 && errno == EINTR);
}
