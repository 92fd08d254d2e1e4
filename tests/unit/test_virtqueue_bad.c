/* SPDX-License-Identifier: Apache-2.0 */
/* virtqueue: every descriptor chain that the specification forbids. */
#include "tests/unit/test.h"

#include "tests/unit/virtqueue_fixture.h"

#include <errno.h>

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

#define ALL(fn) cmocka_unit_test_setup_teardown(fn, start_all, stop)
#define PLAIN(fn) cmocka_unit_test_setup_teardown(fn, start_plain, stop)

int main(void)
{
	const struct CMUnitTest tests[] = {
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
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
