/* SPDX-License-Identifier: Apache-2.0 */
/* virtqueue: the split ring, from a driver that behaves and from one that does not. */
#include "tests/unit/test.h"

#include "tests/unit/ring_driver.h"

#include <errno.h>

enum { SIZE = 16, REGION = 0x40000, BASE = 0x100000 };
enum { INDIRECT = 1 << 28, EVENT_IDX = 1 << 29 };

static struct ring_mem rm;
static struct virtqueue vq;
static struct ring_driver rd;
static struct vq_chain chain;

static int start(uint64_t features, uint16_t begin_at)
{
	ring_mem_init(&rm);
	ring_mem_add(&rm, BASE, REGION);
	ring_mem_add(&rm, BASE + REGION, REGION);
	vq = (struct virtqueue){ .max_size = 256 };
	ring_driver_init(&rd, &rm, 0, &vq, SIZE, features);
	ring_driver_begin_at(&rd, begin_at);
	return virtqueue_start(&vq);
}

static int start_all(void **state)
{
	(void)state;
	return start(INDIRECT | EVENT_IDX, 0);
}

static int start_plain(void **state)
{
	(void)state;
	return start(0, 0);
}

static int stop(void **state)
{
	(void)state;
	ring_driver_done(&rd);
	ring_mem_done(&rm);
	return 0;
}

static uint64_t alloc(size_t len)
{
	return ring_mem_alloc(&rm, 0, len, 1);
}

/* Publish descriptor 0 and expect the queue to break, for good. */
static void expect_broken(const char *why)
{
	ring_driver_publish(&rd, 0);
	assert_int_equal(virtqueue_pop(&vq, &chain), -EPROTO);
	assert_true(vq.broken);
	assert_string_equal(vq.broken_why, why);
	assert_int_equal(virtqueue_pop(&vq, &chain), -EPROTO);
	assert_false(virtqueue_has_available(&vq));
	assert_false(virtqueue_kicks_on(&vq));
}

/* --- Setting up --- */

static void start_checks_size_alignment_and_memory(void **state)
{
	const uint64_t desc = vq.desc_gpa, avail = vq.avail_gpa, used = vq.used_gpa;

	(void)state;
	vq.size = 0;
	assert_int_equal(virtqueue_start(&vq), -EINVAL);
	vq.size = 12;
	assert_int_equal(virtqueue_start(&vq), -EINVAL);
	vq.size = 512; /* a power of two above max_size */
	assert_int_equal(virtqueue_start(&vq), -EINVAL);
	vq.size = SIZE;

	vq.desc_gpa = desc + 8;
	assert_int_equal(virtqueue_start(&vq), -EINVAL);
	vq.desc_gpa = 0;
	assert_int_equal(virtqueue_start(&vq), -EINVAL);
	vq.desc_gpa = BASE + REGION - 16 * (SIZE - 1); /* its last entry is in the other region */
	assert_int_equal(virtqueue_start(&vq), -EINVAL);
	vq.desc_gpa = UINT64_MAX - 15;
	assert_int_equal(virtqueue_start(&vq), -EINVAL);
	vq.desc_gpa = desc;

	vq.avail_gpa = avail + 1;
	assert_int_equal(virtqueue_start(&vq), -EINVAL);
	vq.avail_gpa = BASE + 2 * REGION - (4 + 2 * SIZE); /* no room for used_event */
	assert_int_equal(virtqueue_start(&vq), -EINVAL);
	vq.avail_gpa = avail;

	vq.used_gpa = used + 2;
	assert_int_equal(virtqueue_start(&vq), -EINVAL);
	vq.used_gpa = BASE + 2 * REGION - (4 + 8 * SIZE); /* no room for avail_event */
	assert_int_equal(virtqueue_start(&vq), -EINVAL);
	vq.used_gpa = used;
	assert_int_equal(virtqueue_start(&vq), 0);
}

static void a_queue_of_one_works(void **state)
{
	const struct ring_buf buf = { alloc(8), 8, false };

	(void)state;
	ring_driver_done(&rd);
	ring_driver_init(&rd, &rm, 0, &vq, 1, 0);
	assert_int_equal(virtqueue_start(&vq), 0);
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(ring_driver_add(&rd, &buf, 1), 0);
		assert_int_equal(ring_driver_add(&rd, &buf, 1), -1);
		assert_int_equal(virtqueue_pop(&vq, &chain), 1);
		virtqueue_push(&vq, chain.head, 0);
		assert_true(ring_driver_used(&rd, NULL, NULL));
	}
}

static void reset_keeps_what_the_host_owns(void **state)
{
	const struct guest_mem *mem = vq.mem;

	(void)state;
	vq.next_avail = 5;
	vq.broken = true;
	virtqueue_reset(&vq);
	assert_ptr_equal(vq.mem, mem);
	assert_int_equal(vq.max_size, 256);
	assert_int_equal(vq.size, 256);
	assert_int_equal(vq.kick_fd, rd.kick_fd);
	assert_int_equal(vq.call_fd, rd.call_fd);
	assert_false(vq.enabled || vq.broken || vq.avail || vq.next_avail);
	/* not started: nothing to find, nothing to touch */
	assert_int_equal(virtqueue_pop(&vq, &chain), 0);
	assert_false(virtqueue_has_available(&vq));
	virtqueue_call(&vq);
	virtqueue_kicks_off(&vq);
	assert_false(virtqueue_kicks_on(&vq));
}

/* --- Well-formed chains --- */

static void chain_parts_arrive_as_the_driver_laid_them_out(void **state)
{
	const struct ring_buf bufs[] = { { alloc(10), 10, false },
					 { alloc(20), 20, false },
					 { alloc(5), 5, true },
					 { alloc(1), 1, true } };
	uint32_t head, len;
	int first;

	(void)state;
	assert_int_equal(virtqueue_pop(&vq, &chain), 0);
	first = ring_driver_add(&rd, bufs, 4);
	assert_true(virtqueue_has_available(&vq));
	assert_int_equal(virtqueue_pop(&vq, &chain), 1);
	assert_int_equal(chain.head, first);
	assert_int_equal(chain.n_readable, 2);
	assert_int_equal(chain.n_writable, 2);
	assert_int_equal(chain.readable_len, 30);
	assert_int_equal(chain.writable_len, 6);
	assert_ptr_equal(chain.readable[1].iov_base, ring_mem_at(&rm, bufs[1].gpa, 1));
	assert_ptr_equal(chain.writable[0].iov_base, ring_mem_at(&rm, bufs[2].gpa, 1));
	assert_int_equal(chain.writable[1].iov_len, 1);
	assert_false(virtqueue_has_available(&vq));
	assert_int_equal(virtqueue_pop(&vq, &chain), 0);

	assert_false(ring_driver_used(&rd, NULL, NULL));
	virtqueue_push(&vq, chain.head, 6);
	assert_true(ring_driver_used(&rd, &head, &len));
	assert_int_equal(head, first);
	assert_int_equal(len, 6);
	assert_int_equal(rd.n_free, SIZE);
}

static void a_buffer_across_two_regions_is_split(void **state)
{
	const struct ring_buf bufs[] = { { BASE + REGION - 3, 8, false }, { BASE + REGION - 1, 2, true } };

	(void)state;
	ring_driver_add(&rd, bufs, 2);
	assert_int_equal(virtqueue_pop(&vq, &chain), 1);
	assert_int_equal(chain.n_readable, 2);
	assert_int_equal(chain.readable_len, 8);
	assert_int_equal(chain.readable[0].iov_len, 3);
	assert_ptr_equal(chain.readable[1].iov_base, rm.hva[1]);
	assert_int_equal(chain.n_writable, 2);
	assert_int_equal(chain.writable_len, 2);
}

static void an_indirect_chain_reads_like_a_direct_one(void **state)
{
	const struct ring_buf bufs[] = { { alloc(10), 10, false },
					 { alloc(20), 20, true },
					 { alloc(4), 4, true } };

	(void)state;
	ring_driver_add_indirect(&rd, ring_mem_alloc(&rm, 0, 48, 16), bufs, 3);
	assert_int_equal(virtqueue_pop(&vq, &chain), 1);
	assert_int_equal(chain.n_readable, 1);
	assert_int_equal(chain.n_writable, 2);
	assert_int_equal(chain.readable_len, 10);
	assert_int_equal(chain.writable_len, 24);
}

static void an_indirect_table_may_lie_unaligned_and_across_regions(void **state)
{
	const struct ring_buf bufs[] = { { alloc(10), 10, false },
					 { alloc(20), 20, false },
					 { alloc(4), 4, true } };

	(void)state;
	ring_driver_add_indirect(&rd, ring_mem_alloc(&rm, 0, 49, 1) + 1, bufs, 3);
	assert_int_equal(virtqueue_pop(&vq, &chain), 1);
	assert_int_equal(chain.readable_len, 30);
	ring_driver_add_indirect(&rd, BASE + REGION - 21, bufs, 3);
	assert_int_equal(virtqueue_pop(&vq, &chain), 1);
	assert_int_equal(chain.readable_len, 30);
	assert_int_equal(chain.writable_len, 4);
}

static void an_indirect_table_may_end_a_direct_chain(void **state)
{
	const uint64_t table = ring_mem_alloc(&rm, 0, 16, 16);

	(void)state;
	ring_mem_set_desc(&rm, table, 0, alloc(7), 7, RING_F_WRITE, 0);
	ring_driver_set_desc(&rd, 0, alloc(3), 3, RING_F_NEXT, 1);
	/* WRITE on the table's descriptor is ignored */
	ring_driver_set_desc(&rd, 1, table, 16, RING_F_INDIRECT | RING_F_WRITE, 0);
	ring_driver_publish(&rd, 0);
	assert_int_equal(virtqueue_pop(&vq, &chain), 1);
	assert_int_equal(chain.readable_len, 3);
	assert_int_equal(chain.writable_len, 7);
}

static void an_empty_buffer_adds_nothing(void **state)
{
	const struct ring_buf bufs[] = { { 0, 0, false }, { alloc(4), 4, false }, { 0, 0, true } };

	(void)state;
	ring_driver_add(&rd, bufs, 3);
	assert_int_equal(virtqueue_pop(&vq, &chain), 1);
	assert_int_equal(chain.n_readable, 1);
	assert_int_equal(chain.n_writable, 0);
	ring_driver_add(&rd, bufs, 1);
	assert_int_equal(virtqueue_pop(&vq, &chain), 1);
	assert_int_equal(chain.readable_len + chain.writable_len, 0);
}

static void a_chain_may_fill_the_queue(void **state)
{
	struct ring_buf bufs[SIZE];

	(void)state;
	for (unsigned i = 0; i < SIZE; i++)
		bufs[i] = (struct ring_buf){ alloc(2), 2, i >= 10 };
	ring_driver_add(&rd, bufs, SIZE);
	assert_int_equal(virtqueue_pop(&vq, &chain), 1);
	assert_int_equal(chain.n_readable, 10);
	assert_int_equal(chain.n_writable, SIZE - 10);
	ring_driver_add_indirect(&rd, alloc(16 * SIZE), bufs, SIZE);
	virtqueue_push(&vq, chain.head, 0);
	ring_driver_used(&rd, NULL, NULL);
	ring_driver_add_indirect(&rd, alloc(16 * SIZE), bufs, SIZE);
	assert_int_equal(virtqueue_pop(&vq, &chain), 1);
	assert_int_equal(chain.n_readable + chain.n_writable, SIZE);
}

static void unpop_gives_the_same_chain_again(void **state)
{
	const struct ring_buf bufs[] = { { alloc(1), 1, false },
					 { alloc(2), 2, false },
					 { alloc(3), 3, false } };

	(void)state;
	for (unsigned i = 0; i < 3; i++)
		ring_driver_add(&rd, &bufs[i], 1);
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(virtqueue_pop(&vq, &chain), 1);
	virtqueue_unpop(&vq);
	virtqueue_unpop(&vq);
	assert_true(virtqueue_has_available(&vq));
	for (unsigned i = 1; i < 3; i++) {
		assert_int_equal(virtqueue_pop(&vq, &chain), 1);
		assert_int_equal(chain.readable_len, i + 1);
	}
	assert_int_equal(virtqueue_pop(&vq, &chain), 0);
}

static void indexes_wrap_at_16_bits(void **state)
{
	const struct ring_buf bufs[] = { { alloc(9), 9, false }, { alloc(9), 9, true } };
	uint32_t head, len;

	(void)state;
	stop(NULL);
	assert_int_equal(start(EVENT_IDX, 65530), 0);
	for (unsigned i = 0; i < 40; i++) {
		ring_driver_calls_on(&rd);
		for (unsigned k = 0; k < 5; k++)
			assert_true(ring_driver_add(&rd, bufs, 2) >= 0);
		assert_true(ring_driver_kick(&rd));
		for (unsigned k = 0; k < 5; k++) {
			assert_int_equal(virtqueue_pop(&vq, &chain), 1);
			virtqueue_push(&vq, chain.head, i + k);
		}
		assert_int_equal(virtqueue_pop(&vq, &chain), 0);
		virtqueue_call(&vq);
		assert_true(ring_driver_called(&rd));
		for (unsigned k = 0; k < 5; k++) {
			assert_true(ring_driver_used(&rd, &head, &len));
			assert_int_equal(len, i + k);
		}
		assert_false(ring_driver_used(&rd, NULL, NULL));
	}
	assert_int_equal(vq.next_avail, (uint16_t)(65530 + 200));
	assert_int_equal(vq.next_used, (uint16_t)(65530 + 200));
}

static void chains_may_be_pushed_out_of_order(void **state)
{
	const struct ring_buf bufs[] = { { alloc(1), 1, true }, { alloc(1), 1, true } };
	uint16_t first;
	uint32_t head, len;

	(void)state;
	ring_driver_add(&rd, &bufs[0], 1);
	ring_driver_add(&rd, &bufs[1], 1);
	assert_int_equal(virtqueue_pop(&vq, &chain), 1);
	first = chain.head;
	assert_int_equal(virtqueue_pop(&vq, &chain), 1);
	virtqueue_push(&vq, chain.head, 1);
	virtqueue_push(&vq, first, 0);
	assert_true(ring_driver_used(&rd, &head, &len));
	assert_int_equal(head, chain.head);
	assert_int_equal(len, 1);
	assert_true(ring_driver_used(&rd, &head, &len));
	assert_int_equal(head, first);
	assert_int_equal(len, 0);
}

static void filled_chains_are_seen_when_they_are_published(void **state)
{
	const struct ring_buf buf = { alloc(8), 8, true };
	uint32_t head, len;

	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		assert_true(ring_driver_add(&rd, &buf, 1) >= 0);
		assert_int_equal(virtqueue_pop(&vq, &chain), 1);
		virtqueue_fill(&vq, chain.head, i);
	}
	assert_false(ring_driver_used(&rd, NULL, NULL));
	virtqueue_publish(&vq);
	for (unsigned i = 0; i < 3; i++) {
		assert_true(ring_driver_used(&rd, &head, &len));
		assert_int_equal(head, i);
		assert_int_equal(len, i);
	}
	assert_false(ring_driver_used(&rd, NULL, NULL));
}

/* --- Malformed chains --- */

static void head_outside_the_queue_breaks(void **state)
{
	(void)state;
	ring_driver_publish(&rd, SIZE);
	assert_int_equal(virtqueue_pop(&vq, &chain), -EPROTO);
	assert_string_equal(vq.broken_why, "head of a chain outside the queue");
}

static void next_outside_the_queue_breaks(void **state)
{
	(void)state;
	ring_driver_set_desc(&rd, 0, alloc(4), 4, RING_F_NEXT, SIZE);
	expect_broken("next descriptor outside the queue");
}

static void a_loop_breaks(void **state)
{
	(void)state;
	ring_driver_set_desc(&rd, 0, alloc(4), 4, RING_F_NEXT, 1);
	ring_driver_set_desc(&rd, 1, alloc(4), 4, RING_F_NEXT, 0);
	expect_broken("descriptor chain is longer than the queue");
}

static void a_loop_of_empty_buffers_breaks(void **state)
{
	(void)state;
	ring_driver_set_desc(&rd, 0, 0, 0, RING_F_NEXT, 0);
	expect_broken("descriptor chain is longer than the queue");
}

static void readable_after_writable_breaks(void **state)
{
	(void)state;
	ring_driver_set_desc(&rd, 0, alloc(4), 4, RING_F_NEXT | RING_F_WRITE, 1);
	ring_driver_set_desc(&rd, 1, alloc(4), 4, 0, 0);
	expect_broken("readable descriptor after a writable one");
}

static void readable_after_writable_breaks_in_a_table(void **state)
{
	const uint64_t table = ring_mem_alloc(&rm, 0, 32, 16);

	(void)state;
	ring_mem_set_desc(&rm, table, 0, alloc(4), 4, RING_F_WRITE | RING_F_NEXT, 1);
	ring_mem_set_desc(&rm, table, 1, alloc(4), 4, 0, 0);
	ring_driver_set_desc(&rd, 0, table, 32, RING_F_INDIRECT, 0);
	expect_broken("readable descriptor after a writable one");
}

static void a_hole_breaks(void **state)
{
	(void)state;
	ring_driver_set_desc(&rd, 0, BASE - 1, 4, 0, 0);
	expect_broken("descriptor outside guest memory");
}

static void running_out_of_memory_breaks(void **state)
{
	(void)state;
	ring_driver_set_desc(&rd, 0, BASE + 2 * REGION - 4, 5, 0, 0);
	expect_broken("descriptor outside guest memory");
}

static void a_wrapping_address_breaks(void **state)
{
	(void)state;
	ring_driver_set_desc(&rd, 0, UINT64_MAX - 3, UINT32_MAX, 0, 0);
	expect_broken("descriptor outside guest memory");
}

static void more_than_4_gib_breaks(void **state)
{
	(void)state;
	/* A region that is far larger than what backs it: nothing touches the bytes. */
	static uint8_t byte;
	struct guest_mem big = GUEST_MEM_INIT;
	const uint64_t at = 1ULL << 40;

	big = rm.mem;
	assert_int_equal(
		guest_mem_add(&big,
			      &(struct guest_mem_region){ .gpa = at, .size = 1ULL << 33, .hva = &byte }),
		0);
	vq.mem = &big;
	ring_driver_set_desc(&rd, 0, at, UINT32_MAX, RING_F_NEXT, 1);
	ring_driver_set_desc(&rd, 1, at, 1, 0, 0);
	ring_driver_publish(&rd, 0);
	assert_int_equal(virtqueue_pop(&vq, &chain), 1); /* 2^32 exactly */
	assert_int_equal(chain.readable_len, 1ULL << 32);
	ring_driver_set_desc(&rd, 1, at, 2, 0, 0);
	expect_broken("descriptor chain holds more than 2^32 bytes");
}

static void an_indirect_table_must_be_negotiated(void **state)
{
	const uint64_t table = ring_mem_alloc(&rm, 0, 16, 16);

	(void)state;
	ring_mem_set_desc(&rm, table, 0, alloc(4), 4, 0, 0);
	ring_driver_set_desc(&rd, 0, table, 16, RING_F_INDIRECT, 0);
	expect_broken("indirect descriptor was not negotiated");
}

static void an_empty_table_breaks(void **state)
{
	(void)state;
	ring_driver_set_desc(&rd, 0, ring_mem_alloc(&rm, 0, 16, 16), 0, RING_F_INDIRECT, 0);
	expect_broken("indirect table's length is no multiple of 16");
}

static void an_odd_table_breaks(void **state)
{
	(void)state;
	ring_driver_set_desc(&rd, 0, ring_mem_alloc(&rm, 0, 32, 16), 24, RING_F_INDIRECT, 0);
	expect_broken("indirect table's length is no multiple of 16");
}

static void a_table_with_a_next_descriptor_breaks(void **state)
{
	(void)state;
	ring_driver_set_desc(&rd, 0, ring_mem_alloc(&rm, 0, 16, 16), 16, RING_F_INDIRECT | RING_F_NEXT, 1);
	expect_broken("indirect descriptor with a next one");
}

static void a_nested_table_breaks(void **state)
{
	const uint64_t table = ring_mem_alloc(&rm, 0, 32, 16);

	(void)state;
	ring_mem_set_desc(&rm, table, 0, table + 16, 16, RING_F_INDIRECT, 0);
	ring_driver_set_desc(&rd, 0, table, 32, RING_F_INDIRECT, 0);
	expect_broken("nested indirect descriptor");
}

static void a_next_outside_the_table_breaks(void **state)
{
	const uint64_t table = ring_mem_alloc(&rm, 0, 32, 16);

	(void)state;
	ring_mem_set_desc(&rm, table, 0, alloc(4), 4, RING_F_NEXT, 2);
	ring_driver_set_desc(&rd, 0, table, 32, RING_F_INDIRECT, 0);
	expect_broken("next descriptor outside the indirect table");
}

static void a_loop_in_a_table_breaks(void **state)
{
	const uint64_t table = ring_mem_alloc(&rm, 0, 32, 16);

	(void)state;
	ring_mem_set_desc(&rm, table, 0, alloc(4), 4, RING_F_NEXT, 1);
	ring_mem_set_desc(&rm, table, 1, alloc(4), 4, RING_F_NEXT, 0);
	ring_driver_set_desc(&rd, 0, table, 32, RING_F_INDIRECT, 0);
	expect_broken("loop in the indirect table");
}

static void a_table_outside_memory_breaks(void **state)
{
	(void)state;
	ring_driver_set_desc(&rd, 0, BASE + 2 * REGION - 16, 32, RING_F_INDIRECT, 0);
	ring_mem_set_desc(&rm, BASE + 2 * REGION - 16, 0, alloc(4), 4, RING_F_NEXT, 1);
	expect_broken("indirect table outside guest memory");
}

static void a_wrapping_table_breaks(void **state)
{
	(void)state;
	ring_driver_set_desc(&rd, 0, UINT64_MAX - 15, 32, RING_F_INDIRECT, 0);
	expect_broken("indirect table outside guest memory");
}

static void a_table_longer_than_the_queue_breaks(void **state)
{
	const uint64_t table = ring_mem_alloc(&rm, 0, 16 * (SIZE + 1), 16);

	(void)state;
	for (unsigned i = 0; i <= SIZE; i++)
		ring_mem_set_desc(&rm, table, i, BASE, 4, i < SIZE ? RING_F_NEXT : 0, i + 1);
	ring_driver_set_desc(&rd, 0, table, 16 * (SIZE + 1), RING_F_INDIRECT, 0);
	expect_broken("descriptor chain is longer than the queue");
}

static void an_available_index_too_far_ahead_breaks(void **state)
{
	(void)state;
	ring_driver_set_desc(&rd, 0, alloc(4), 4, 0, 0);
	ring_driver_set_avail_idx(&rd, SIZE); /* as far as it may be: all entries say 0 */
	assert_int_equal(virtqueue_pop(&vq, &chain), 1);
	ring_driver_set_avail_idx(&rd, SIZE + 2);
	assert_int_equal(virtqueue_pop(&vq, &chain), -EPROTO);
	assert_string_equal(vq.broken_why, "available index is too far ahead");
}

static void an_available_index_that_goes_back_breaks(void **state)
{
	(void)state;
	ring_driver_set_desc(&rd, 0, alloc(4), 4, 0, 0);
	ring_driver_set_avail_idx(&rd, 2);
	assert_int_equal(virtqueue_pop(&vq, &chain), 1);
	assert_int_equal(virtqueue_pop(&vq, &chain), 1);
	ring_driver_set_avail_idx(&rd, 1);
	assert_int_equal(virtqueue_pop(&vq, &chain), -EPROTO);
}

static void too_many_region_crossings_break(void **state)
{
	/* Single-byte regions: each of the 1024 buffers of 32 bytes crosses 31 borders. */
	struct virtqueue big_vq = { .max_size = 1024 };
	struct ring_driver big;
	static uint8_t bytes[30];

	(void)state;
	for (unsigned i = 0; i < 30; i++)
		assert_int_equal(guest_mem_add(&rm.mem, &(struct guest_mem_region){ .gpa = 0x1000 + i,
										    .size = 1,
										    .hva = &bytes[i] }),
				 0);
	ring_driver_init(&big, &rm, 1, &big_vq, 1024, 0);
	assert_int_equal(virtqueue_start(&big_vq), 0);
	for (unsigned i = 0; i < 1024; i++)
		ring_driver_set_desc(&big, i, 0x1000, 30, i < 1023 ? RING_F_NEXT : 0, i + 1);
	ring_driver_publish(&big, 0);
	assert_int_equal(virtqueue_pop(&big_vq, &chain), -EPROTO);
	assert_string_equal(big_vq.broken_why, "descriptor chain crosses too many memory regions");
	ring_driver_done(&big);
}

static void a_broken_queue_leaves_the_used_ring_alone(void **state)
{
	const struct ring_buf buf = { alloc(4), 4, true };
	uint16_t head;

	(void)state;
	ring_driver_add(&rd, &buf, 1);
	assert_int_equal(virtqueue_pop(&vq, &chain), 1);
	head = chain.head;
	ring_driver_publish(&rd, SIZE);
	assert_int_equal(virtqueue_pop(&vq, &chain), -EPROTO);
	virtqueue_push(&vq, head, 4);
	virtqueue_call(&vq);
	assert_int_equal(ring_driver_device_idx(&rd), 0);
	assert_false(ring_driver_called(&rd));
}

/* --- Kicks and calls --- */

static void push_chains(unsigned n)
{
	const struct ring_buf buf = { BASE + REGION, 4, true };

	for (unsigned i = 0; i < n; i++) {
		assert_true(ring_driver_add(&rd, &buf, 1) >= 0);
		assert_int_equal(virtqueue_pop(&vq, &chain), 1);
		virtqueue_push(&vq, chain.head, 1);
	}
}

static void take_used(void)
{
	while (ring_driver_used(&rd, NULL, NULL))
		;
}

static void flags_suppress_calls(void **state)
{
	(void)state;
	push_chains(1);
	virtqueue_call(&vq);
	assert_true(ring_driver_called(&rd));
	virtqueue_call(&vq); /* nothing new */
	assert_false(ring_driver_called(&rd));
	ring_driver_calls_off(&rd);
	push_chains(2);
	virtqueue_call(&vq);
	assert_false(ring_driver_called(&rd));
	take_used();
	assert_false(ring_driver_calls_on(&rd));
	push_chains(1);
	assert_true(ring_driver_calls_on(&rd));
	virtqueue_call(&vq);
	assert_true(ring_driver_called(&rd));
}

static void used_event_suppresses_calls(void **state)
{
	(void)state;
	push_chains(1);
	virtqueue_call(&vq); /* the first always goes out */
	assert_true(ring_driver_called(&rd));
	take_used();

	/* the driver wants to hear about entry 4 */
	ring_driver_set_used_event(&rd, 4);
	push_chains(3); /* entries 1 to 3 */
	virtqueue_call(&vq);
	assert_false(ring_driver_called(&rd));
	push_chains(1);
	virtqueue_call(&vq);
	assert_true(ring_driver_called(&rd));
	push_chains(1);
	virtqueue_call(&vq);
	assert_false(ring_driver_called(&rd));
	/* an event in the past never fires */
	take_used();
	ring_driver_set_used_event(&rd, 2);
	push_chains(5);
	virtqueue_call(&vq);
	assert_false(ring_driver_called(&rd));
}

static void used_event_is_found_in_the_middle_of_a_batch_across_the_wrap(void **state)
{
	(void)state;
	stop(NULL);
	assert_int_equal(start(EVENT_IDX, 65530), 0);
	push_chains(1);
	virtqueue_call(&vq);
	assert_true(ring_driver_called(&rd));
	take_used();
	ring_driver_set_used_event(&rd, 1);
	push_chains(4); /* 65531 to 65534 */
	virtqueue_call(&vq);
	assert_false(ring_driver_called(&rd));
	push_chains(6); /* 65535 to 4 */
	virtqueue_call(&vq);
	assert_true(ring_driver_called(&rd));
}

static void a_call_that_was_65536_pushes_ago_counts_for_nothing(void **state)
{
	(void)state;
	push_chains(1);
	virtqueue_call(&vq);
	assert_true(ring_driver_called(&rd));
	ring_driver_set_used_event(&rd, 9);
	for (unsigned i = 0; i < 65536; i++) {
		push_chains(1);
		take_used();
	}
	virtqueue_call(&vq);
	assert_true(ring_driver_called(&rd));
}

static void flags_suppress_kicks(void **state)
{
	const struct ring_buf buf = { BASE + REGION, 4, true };

	(void)state;
	assert_int_equal(ring_driver_used_flags(&rd), 0);
	virtqueue_kicks_off(&vq);
	assert_int_equal(ring_driver_used_flags(&rd), 1);
	ring_driver_add(&rd, &buf, 1);
	assert_false(ring_driver_kick(&rd));
	assert_true(virtqueue_kicks_on(&vq)); /* it came meanwhile */
	assert_int_equal(ring_driver_used_flags(&rd), 0);
	assert_int_equal(virtqueue_pop(&vq, &chain), 1);
	assert_false(virtqueue_kicks_on(&vq));
	ring_driver_add(&rd, &buf, 1);
	assert_true(ring_driver_kick(&rd));
}

static void avail_event_suppresses_kicks(void **state)
{
	const struct ring_buf buf = { BASE + REGION, 4, true };

	(void)state;
	ring_driver_add(&rd, &buf, 1);
	assert_true(ring_driver_kick(&rd));
	virtqueue_kicks_off(&vq);
	assert_int_equal(virtqueue_pop(&vq, &chain), 1);
	assert_int_equal(virtqueue_pop(&vq, &chain), 0);
	ring_driver_add(&rd, &buf, 1);
	assert_false(ring_driver_kick(&rd));
	assert_true(virtqueue_kicks_on(&vq));
	assert_int_equal(virtqueue_pop(&vq, &chain), 1);
	assert_false(virtqueue_kicks_on(&vq));
	assert_int_equal(ring_driver_avail_event(&rd), 2);
	ring_driver_add(&rd, &buf, 1);
	assert_true(ring_driver_kick(&rd));
	ring_driver_add(&rd, &buf, 1);
	assert_false(ring_driver_kick(&rd)); /* one was enough */
}

static void a_plain_pop_loop_misses_no_kick(void **state)
{
	const struct ring_buf buf = { BASE + REGION, 4, true };

	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		ring_driver_add(&rd, &buf, 1);
		assert_true(ring_driver_kick(&rd));
		assert_int_equal(virtqueue_pop(&vq, &chain), 1);
		assert_int_equal(virtqueue_pop(&vq, &chain), 0);
	}
}

static void starting_again_goes_on_where_it_stopped(void **state)
{
	const struct ring_buf buf = { BASE + REGION, 4, true };

	(void)state;
	push_chains(3);
	virtqueue_call(&vq);
	take_used();
	ring_driver_called(&rd);
	assert_int_equal(virtqueue_start(&vq), 0);
	ring_driver_add(&rd, &buf, 1);
	assert_int_equal(virtqueue_pop(&vq, &chain), 1);
	virtqueue_push(&vq, chain.head, 4);
	virtqueue_call(&vq);
	assert_true(ring_driver_called(&rd));
	assert_int_equal(ring_driver_device_idx(&rd), 4);
}

/* --- iovecs --- */

static void iov_copies_and_slices_follow_the_bytes(void **state)
{
	char a[] = "abc", b[] = "", c[] = "defgh", buf[16] = { 0 };
	struct iovec iov[] = { { a, 3 }, { b, 0 }, { c, 5 } }, out[3];

	(void)state;
	assert_int_equal(iov_read(iov, 3, 0, buf, sizeof(buf)), 8);
	assert_memory_equal(buf, "abcdefgh", 8);
	assert_int_equal(iov_read(iov, 3, 2, buf, 3), 3);
	assert_memory_equal(buf, "cde", 3);
	assert_int_equal(iov_read(iov, 3, 8, buf, 3), 0);
	assert_int_equal(iov_read(iov, 3, SIZE_MAX, buf, 3), 0);
	assert_int_equal(iov_read(iov, 0, 0, buf, 3), 0);
	assert_int_equal(iov_write(iov, 3, 1, "XYZW", 4), 4);
	assert_memory_equal(a, "aXY", 3);
	assert_memory_equal(c, "ZWfgh", 5);
	assert_int_equal(iov_write(iov, 3, 7, "12", 2), 1);
	assert_memory_equal(c, "ZWfg1", 5);

	assert_int_equal(iov_slice(iov, 3, 1, 4, out, 3), 2);
	assert_ptr_equal(out[0].iov_base, a + 1);
	assert_int_equal(out[0].iov_len, 2);
	assert_ptr_equal(out[1].iov_base, c);
	assert_int_equal(out[1].iov_len, 2);
	assert_int_equal(iov_slice(iov, 3, 3, 100, out, 3), 1);
	assert_int_equal(out[0].iov_len, 5);
	assert_int_equal(iov_slice(iov, 3, 1, 4, out, 1), -ENOBUFS);
	assert_int_equal(iov_slice(iov, 3, 1, 0, out, 0), 0);
	assert_int_equal(iov_slice(iov, 3, 8, 1, out, 3), 0);
}

#define ALL(fn) cmocka_unit_test_setup_teardown(fn, start_all, stop)
#define PLAIN(fn) cmocka_unit_test_setup_teardown(fn, start_plain, stop)

int main(void)
{
	const struct CMUnitTest tests[] = {
		ALL(start_checks_size_alignment_and_memory),
		ALL(a_queue_of_one_works),
		ALL(reset_keeps_what_the_host_owns),
		ALL(chain_parts_arrive_as_the_driver_laid_them_out),
		ALL(a_buffer_across_two_regions_is_split),
		ALL(an_indirect_chain_reads_like_a_direct_one),
		ALL(an_indirect_table_may_lie_unaligned_and_across_regions),
		ALL(an_indirect_table_may_end_a_direct_chain),
		ALL(an_empty_buffer_adds_nothing),
		ALL(a_chain_may_fill_the_queue),
		ALL(unpop_gives_the_same_chain_again),
		ALL(indexes_wrap_at_16_bits),
		ALL(chains_may_be_pushed_out_of_order),
		ALL(filled_chains_are_seen_when_they_are_published),
		ALL(head_outside_the_queue_breaks),
		ALL(next_outside_the_queue_breaks),
		ALL(a_loop_breaks),
		ALL(a_loop_of_empty_buffers_breaks),
		ALL(readable_after_writable_breaks),
		ALL(readable_after_writable_breaks_in_a_table),
		ALL(a_hole_breaks),
		ALL(running_out_of_memory_breaks),
		ALL(a_wrapping_address_breaks),
		ALL(more_than_4_gib_breaks),
		PLAIN(an_indirect_table_must_be_negotiated),
		ALL(an_empty_table_breaks),
		ALL(an_odd_table_breaks),
		ALL(a_table_with_a_next_descriptor_breaks),
		ALL(a_nested_table_breaks),
		ALL(a_next_outside_the_table_breaks),
		ALL(a_loop_in_a_table_breaks),
		ALL(a_table_outside_memory_breaks),
		ALL(a_wrapping_table_breaks),
		ALL(a_table_longer_than_the_queue_breaks),
		ALL(an_available_index_too_far_ahead_breaks),
		ALL(an_available_index_that_goes_back_breaks),
		ALL(too_many_region_crossings_break),
		ALL(a_broken_queue_leaves_the_used_ring_alone),
		PLAIN(flags_suppress_calls),
		ALL(used_event_suppresses_calls),
		ALL(used_event_is_found_in_the_middle_of_a_batch_across_the_wrap),
		ALL(a_call_that_was_65536_pushes_ago_counts_for_nothing),
		PLAIN(flags_suppress_kicks),
		ALL(avail_event_suppresses_kicks),
		ALL(a_plain_pop_loop_misses_no_kick),
		ALL(starting_again_goes_on_where_it_stopped),
		ALL(iov_copies_and_slices_follow_the_bytes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
